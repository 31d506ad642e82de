//! Why an answer is as it is, in sentences.

use super::formatter::human;
use super::identifier::Ident;
use super::messages::{Words, fill};
use super::names::Names;
use crate::coverage::answer::{Answer, PlatformStatus, WindowLine};
use crate::domain::verdict::Verdict;

/// Sentences at most; the tables below have the rest.
const LINES_MAX: usize = 12;

/// The sentences that explain an answer: its orders where it covers, its platforms where it does not or cannot say.
pub(super) fn why_lines(answer: &Answer, names: &Names, offset: &str, w: &Words) -> Vec<String> {
    if answer.is_rider_unknown() {
        return Vec::new();
    }
    let orders = answer.windows.iter().map(|line| order(line, names, offset, w));
    let platforms = answer.platforms.iter().map(|status| platform(status, names, offset, w));
    let open = answer.platforms.iter().filter(|status| !status.settled);
    match answer.verdict {
        Verdict::Covered => orders.take(LINES_MAX).collect(),
        Verdict::NotCovered => platforms.take(LINES_MAX).collect(),
        Verdict::Undetermined => {
            open.map(|status| platform(status, names, offset, w)).take(LINES_MAX).collect()
        }
        Verdict::PartlyCovered => orders.chain(platforms).take(LINES_MAX).collect(),
    }
}

fn order(line: &WindowLine, names: &Names, offset: &str, w: &Words) -> String {
    let until = line.ends_at.as_deref().map_or_else(|| w.still_open.to_owned(), |at| human(at, offset));
    let values = [
        &names.platform(&line.platform).text,
        &Ident::new(&line.order_id).to_string(),
        &human(&line.starts_at, offset),
        &until,
        &w.outcome(line.outcome),
        &human(&line.recorded_at, offset),
        &line.commit.to_string(),
    ];
    fill(w.because_order, &values.map(String::as_str))
}

fn platform(status: &PlatformStatus, names: &Names, offset: &str, w: &Words) -> String {
    let name = names.platform(&status.platform).text;
    let through = status.complete_through.as_deref().map(|at| human(at, offset));
    match (status.reason, through) {
        (None, Some(through)) => fill(w.because_complete, &[&name, &through]),
        (None, None) => fill(w.because_settled, &[&name]),
        (Some(reason), _) => {
            let next = match &status.ask_again_at {
                Some(at) => fill(w.because_ask_again, &[&human(at, offset)]),
                None => w.time_will_not_help.to_owned(),
            };
            fill(w.because_open, &[&name, w.reason(reason), &next])
        }
    }
}
