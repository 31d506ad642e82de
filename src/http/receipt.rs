//! Receipts of answers: what `receipt=` of `GET /v1/coverage` asks for.

use super::access::Asker;
use super::backend::{NoReceipt, ReceiptFile, ReceiptRequest, Source, ViewError};
use super::problem::{Kind, Problem};
use super::query::Query;
use super::state::{HttpState, problem_of};
use crate::coverage::question::Question;
use crate::domain::view::KnownAt;

/// Which receipt goes with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// About the time asked about.
    Answer,
    /// With every order and refused record of the rider on that day.
    WholeDay,
}

impl Wanted {
    /// Reads the parameter; `None` when no receipt is asked for.
    pub(super) fn parse(query: &Query) -> Result<Option<Self>, Problem> {
        match query.one("receipt")? {
            None | Some("false") => Ok(None),
            Some("true") => Ok(Some(Self::Answer)),
            Some("whole") => Ok(Some(Self::WholeDay)),
            Some(_) => Err(bad("receipt must be true, whole or false")),
        }
    }

    /// Refuses a question that no receipt can be about, and an asker who may not see what a receipt shows.
    pub(super) fn check(
        self,
        asker: &Asker,
        question: &Question,
        known_at: Option<KnownAt>,
    ) -> Result<Self, Problem> {
        if !asker.scope().is_all() {
            let detail = "a receipt shows the whole day of the rider, on every platform and in every region: ask without it, or as \
                          a person who may see all";
            return Err(Problem::new(Kind::Forbidden, detail));
        }
        if question.rider_ids.len() != 1 {
            return Err(bad("a receipt is about one identifier: ask for one of each"));
        }
        if question.platforms.is_some() {
            return Err(bad("a receipt is about all platforms: ask without `platform`"));
        }
        if known_at.is_some() {
            return Err(bad("a receipt is about the newest state: ask without `known_at`"));
        }
        Ok(self)
    }

    /// The receipt of an answer from `view`.
    pub(super) fn of<S: Source>(
        self,
        state: &HttpState<S>,
        view: &S::View,
        question: &Question,
    ) -> Result<ReceiptFile, NoReceipt<ViewError<S>>> {
        if state.source().behind().is_some() {
            let detail = "this reader cannot confirm that its state is the newest (reader_behind), and makes no receipt of it: ask again \
                          later, or ask the writer";
            return Err(NoReceipt::NotSealed(detail.to_owned()));
        }
        let rider_id = question.rider_ids.first().map_or("", String::as_str);
        let (asked, is_whole) = (question.when.window(), self == Self::WholeDay);
        state.source().receipt(view, &ReceiptRequest { rider_id, asked, is_whole })
    }
}

fn bad(detail: &str) -> Problem {
    Problem::of(Kind::BadParameter, "receipt", detail)
}

/// What a client reads.
pub(super) fn problem<S: Source>(why: NoReceipt<ViewError<S>>) -> Problem {
    match why {
        NoReceipt::Off => Problem::new(
            Kind::SealingOff,
            "this service seals no days: [seal] is missing in its configuration",
        ),
        NoReceipt::NotSealed(detail) => Problem::of(Kind::NotSealed, "receipt", detail),
        NoReceipt::Unanswerable(detail) => bad(&detail),
        NoReceipt::Storage(error) => problem_of::<S>(&error),
        NoReceipt::Failed(cause) => {
            tracing::error!(cause, "Failed to make a receipt");
            Problem::new(Kind::Storage, "Failed to make the receipt: the log of the service has the cause")
        }
    }
}
