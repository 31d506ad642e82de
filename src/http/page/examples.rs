//! Ready questions on the first page, as a demo offers them.

use super::formatter::{Time, human};
use super::identifier::Ident;
use super::messages::Words;
use crate::domain::verdict::Verdict;
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::example_cases::ExampleCase;
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use percent_encoding::utf8_percent_encode;

/// A ready question as the page shows it.
#[derive(Debug)]
pub(super) struct ExampleShown {
    /// The verdict, for its colour and in words; `None` for those who do not see all that it stands on.
    pub(super) verdict: Option<(&'static str, &'static str)>,
    pub(super) about: &'static str,
    pub(super) rider: Ident,
    pub(super) at: Time,
    pub(super) reference: String,
    pub(super) address: String,
}

/// The ready questions of a service, in the language of a page.
pub(super) fn examples<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    w: &'static Words,
) -> Vec<ExampleShown> {
    let is_told = asker.scope().is_all();
    let shown = |case: &ExampleCase| {
        let machine = state.zone().rfc3339(case.at);
        let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        ExampleShown {
            verdict: is_told.then(|| (case.verdict.as_str(), w.verdict(case.verdict))),
            about: about(case, w),
            rider: Ident::new(&case.rider_id),
            address: format!(
                "/?rider_id={}&at={}&reference={}&lang={}",
                encoded(&case.rider_id),
                encoded(&machine),
                encoded(&case.reference),
                w.short_lang
            ),
            at: Time { text: human(&machine, "").get(..19).unwrap_or_default().to_owned(), machine },
            reference: case.reference.clone(),
        }
    };
    state.example_cases().all().iter().map(shown).collect()
}

fn about(case: &ExampleCase, w: &'static Words) -> &'static str {
    match case.verdict {
        _ if case.is_changed => w.example_changed,
        Verdict::Covered | Verdict::PartlyCovered => w.example_covered,
        Verdict::NotCovered => w.example_not_covered,
        Verdict::Undetermined => w.example_undetermined,
    }
}
