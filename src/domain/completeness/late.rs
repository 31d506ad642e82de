//! Events that come after the platform's word, or its silence, had closed their time.

use crate::domain::finality::PlatformFinality;
use crate::domain::order::{OrderEvent, Phase};
use crate::domain::posting::Posting;
use crate::domain::time::UtcMillis;
use crate::domain::window::{Window, subtract};

/// What was stored before an event was applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// The current version of the same identity, if any.
    pub previous: Option<&'a Posting>,
    /// The current version of the other phase of the same order, if any.
    pub other_phase: Option<&'a Posting>,
    /// What unresolved rejected and conflicting records had kept open for the event's rider and platform.
    pub kept_open: &'a [Window],
}

/// The newest instant that an event tells.
pub fn newest_instant(event: &OrderEvent<'_>) -> UtcMillis {
    event.ended_at.map_or(event.accepted_at, |ended_at| ended_at.max(event.accepted_at))
}

/// The newest instant of an event that is not later than its record's Kafka timestamp: it shows that the platform's
/// stream is alive up to there.
pub fn vouching_instant(event: &OrderEvent<'_>, kafka_timestamp: UtcMillis) -> Option<UtcMillis> {
    [Some(event.accepted_at), event.ended_at].into_iter().flatten().filter(|&at| at <= kafka_timestamp).max()
}

/// Whether an event adds cover before a `complete_through` that was already committed: the platform broke its promise.
///
/// It does when it adds cover at all, and its newest instant lies before that `complete_through`, or it adds at an
/// instant that was settled. What an unresolved rejected or conflicting record kept open, perhaps the event's own earlier
/// version, was never settled. What a stored open event of the same order and rider kept open was never settled; one whose
/// end was known kept nothing open. An end before that `complete_through` is overdue, open event or not, unless such a
/// record kept its last instant open: then a version of it came in time.
///
/// `line` is the platform as committed, without any rider held.
pub fn is_late(line: &PlatformFinality, new: &Posting, told: Told<'_>) -> bool {
    let Some(through) = line.complete_through() else { return false };
    let newest = new.ended_at.unwrap_or(new.accepted_at).max(new.accepted_at);
    let window = cover(line, new);
    // The common event is about the present: nothing it tells can have been settled.
    if newest >= through && window.from >= through {
        return false;
    }
    let other = told.other_phase.filter(|other| other.rider_id == new.rider_id);
    if new.phase == Phase::Open && other.is_some() {
        return false;
    }
    let before = told.previous.filter(|previous| previous.rider_id == new.rider_id);
    let known: Vec<Window> = before.map(|previous| cover(line, previous)).into_iter().collect();
    let added: Vec<Window> =
        subtract(window, &known).iter().flat_map(|&part| subtract(part, told.kept_open)).collect();
    if added.is_empty() {
        return false;
    }
    let last = newest.minus(1).max(new.accepted_at);
    if newest < through && !told.kept_open.iter().any(|window| window.holds(last)) {
        return true;
    }
    let open = other.filter(|_| before.is_none());
    let kept_open: Vec<Window> = open.map(|open| line.open_window(open, None)).into_iter().collect();
    added.iter().flat_map(|&part| subtract(part, &kept_open)).any(|part| line.settled(part).next().is_some())
}

/// What a version covers, or for an open order may cover.
fn cover(line: &PlatformFinality, posting: &Posting) -> Window {
    match posting.phase {
        Phase::Open => line.open_window(posting, None),
        Phase::Ended if !posting.has_window() => Window::new(posting.accepted_at, posting.accepted_at),
        Phase::Ended => Window::new(posting.starts_at(), posting.ends_at().unwrap_or(posting.accepted_at)),
    }
}
