//! Answers the rows of a list, all from one state, on a thread of its own; a piece at a time in a place among the batches.

use super::super::messages::Words;
use super::job::{End, Job, Line, Outcome};
use super::list::Asked;
use crate::coverage::answer::Answer;
use crate::coverage::question::Question;
use crate::domain::view::LedgerView;
use crate::http::access::Asker;
use crate::http::answer_log::ListLog;
use crate::http::backend::Source;
use crate::http::state::{HttpState, Seen};
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::Lookup;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// Rows that are answered in one place.
const PIECE_ROWS: usize = 100;
/// Orders that a line names.
const ORDERS_MAX: usize = 3;

/// Ends a list as failed, however its work ends; an end that was noted before counts.
struct Ending<'a>(&'a Job);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.finish(End::Failed, Clock::start().now());
    }
}

/// Begins to answer a list.
pub(super) fn start<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    job: &Arc<Job>,
    rows: Vec<Asked>,
    w: &'static Words,
) {
    let (state, asker, job, runtime) = (state.clone(), asker.clone(), Arc::clone(job), Handle::current());
    drop(tokio::task::spawn_blocking(move || {
        let _ending = Ending(&job);
        let end = work(&state, &asker, &job, rows, (&runtime, w));
        job.finish(end, Clock::start().now());
    }));
}

fn work<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    job: &Job,
    rows: Vec<Asked>,
    (runtime, w): (&Handle, &'static Words),
) -> End {
    let seen = state.see(asker.scope());
    let mut log = ListLog::of(state, asker);
    job.begin(seen.view.as_of().commit);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let _place = runtime.block_on(state.batch_place());
        let mut lines = Vec::new();
        for row in rows.by_ref().take(PIECE_ROWS) {
            if job.is_over() {
                return End::Stopped;
            }
            match answer(state, asker, (&seen, &mut log), row, w) {
                Some(line) => lines.push(line),
                None => return End::Failed,
            }
        }
        // What is shown is in the log.
        if let Some(Err(error)) = log.as_mut().map(ListLog::flush) {
            tracing::error!(%error, "Failed to log the answers to a list: they are not shown");
            return End::Unlogged;
        }
        if !lines.into_iter().all(|line| job.push(line)) {
            return End::TooLarge;
        }
    }
    End::Done
}

/// Why a row has no answer.
enum Unanswered {
    /// What is wrong with its question, in words.
    Question(String),
    /// The ledger cannot be read.
    Ledger,
}

/// The line of a row; `None` when the ledger cannot be read.
fn answer<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    (seen, log): (&Seen<'_, S::View>, &mut Option<ListLog>),
    row: Asked,
    w: &Words,
) -> Option<Line> {
    let begun = Instant::now();
    let Asked { line, rider_ids, time, reference, question } = row;
    let mut shown = Line { number: line, rider_ids, time, reference, ..Line::default() };
    let question = question.map_err(Unanswered::Question);
    let answered = question.and_then(|question| {
        state.note_riders(asker, &question.rider_ids);
        let answer = resolve(seen, &question, w)?;
        log.iter_mut().for_each(|log| log.add(&question, &answer));
        Ok(answer)
    });
    let lookup = match &answered {
        Ok(answer) => Lookup::Answered(answer.verdict),
        Err(Unanswered::Question(_)) => Lookup::Refused,
        Err(Unanswered::Ledger) => Lookup::Failed,
    };
    state.metrics().looked_up(lookup, begun.elapsed());
    match answered {
        Ok(answer) => fill(&mut shown, &answer),
        Err(Unanswered::Question(error)) => shown.error = error,
        Err(Unanswered::Ledger) => return None,
    }
    Some(shown)
}

fn resolve<V: LedgerView>(seen: &Seen<'_, V>, question: &Question, w: &Words) -> Result<Answer, Unanswered> {
    seen.resolve(question).map_err(|error| match V::refusal(&error) {
        Some(_) => Unanswered::Question(w.error_orders_many.to_owned()),
        None => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "Failed to answer a list: the storage cannot be read"
            );
            Unanswered::Ledger
        }
    })
}

fn fill(line: &mut Line, answer: &Answer) {
    let orders = answer.windows.iter().take(ORDERS_MAX);
    let open = answer.platforms.iter().filter(|status| !status.settled);
    let again = open.clone().filter_map(|status| status.ask_again_at.as_deref()).max();
    let is_known = !answer.is_rider_unknown();
    line.outcome = Some(if is_known { Outcome::Verdict(answer.verdict) } else { Outcome::NoRecord });
    line.settled = answer.settled;
    line.orders = orders.map(|order| (order.platform.clone(), order.order_id.clone())).collect();
    line.more_orders = answer.windows.len().saturating_sub(ORDERS_MAX);
    line.ask_again_at = again.unwrap_or_default().to_owned();
    line.open_platforms = open.filter_map(|status| Some((status.platform.clone(), status.reason?))).collect();
}
