//! Earlier answers: those of a case beside its new one, and those of one's own that would be others now on the first page.

use super::formatter::human;
use super::messages::Words;
use crate::answers::{Content, Filter, PrincipalLine};
use crate::domain::time::UtcMillis;
use crate::domain::verdict::Verdict;
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::state::HttpState;

/// Answers that are shown, the newest ones.
const SHOWN_MAX: usize = 20;
/// Entries of the log that are looked through.
const ENTRIES_MAX: usize = 100_000;

/// Which answers are wanted.
#[derive(Debug)]
pub(super) enum Which {
    /// Those with this reason or case number.
    OfCase(String),
    /// Those whose verdict would now be another one.
    Changed,
}

/// An earlier answer.
#[derive(Debug)]
pub(super) struct EarlierShown {
    /// As the header of the response named it.
    pub(super) id: String,
    /// When it was given.
    pub(super) at: String,
    pub(super) reason: Option<String>,
    /// The verdict, for its colour and in words.
    pub(super) verdict: (&'static str, &'static str),
    /// The verdict that the question has now, where it is another one.
    pub(super) now: Option<(&'static str, &'static str)>,
    /// The entry beside what the same question gives now.
    pub(super) address: String,
}

/// One's own earlier answers, the newest first; none where answers are not logged.
pub(super) async fn earlier<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    which: Which,
    w: &'static Words,
) -> Vec<EarlierShown> {
    let Some(kept) = state.answer_log().cloned() else { return Vec::new() };
    let own = PrincipalLine::of(&asker.principal);
    let (reason, only_changed) = match which {
        Which::OfCase(reason) => (Some(reason), false),
        Which::Changed => (None, true),
    };
    let filter = Filter {
        kind: Some("answer".to_owned()),
        only_changed,
        principal: None,
        own: Some((own.kind, own.name)),
        reason,
        after: 0,
        limit: ENTRIES_MAX,
    };
    let read = move |state: &HttpState<S>| {
        let numbers = kept.log.list(&filter).numbers;
        let newest = numbers.into_iter().rev();
        let shown = newest.filter_map(|number| {
            // What cannot be read is missing here; the list of answers says why.
            let entry = kept.log.entry(number).ok()??;
            let Content::Answer { reason, verdict, .. } = entry.content else { return None };
            let now = kept.log.changed(number).and_then(|changed| named(&changed.verdict, w));
            Some(EarlierShown {
                id: format!("{}/{number}", kept.log.name()),
                at: human(&state.zone().rfc3339(UtcMillis::new(entry.at_ms)), ""),
                reason,
                verdict: named(&verdict?, w)?,
                now,
                address: format!("/answer?number={number}&lang={}", w.short_lang),
            })
        });
        Ok(shown.take(SHOWN_MAX).collect())
    };
    state.read(read).await.unwrap_or_default()
}

fn named(verdict: &str, w: &'static Words) -> Option<(&'static str, &'static str)> {
    let verdicts = [Verdict::Covered, Verdict::NotCovered, Verdict::Undetermined, Verdict::PartlyCovered];
    let verdict = verdicts.into_iter().find(|known| known.as_str() == verdict)?;
    Some((verdict.as_str(), w.verdict(verdict)))
}
