//! Unresolved rejected and conflicting records: whose answers each of them keeps open, and over which time.
//!
//! A mended version of such a record may still arrive, so no absence that it could contradict is final. The rules are those of
//! the contract, sections 3 and 5.

use super::arrival::Arrived;
use super::order::{Outcome, Phase};
use super::platform::{Platforms, Promise};
use super::posting::Posting;
use super::reject::{ReadRevision, Readable, Reason};
use super::rejection::{Kept, Origin, Rejection};
use super::time::UtcMillis;
use super::window::Window;

/// Rounding to milliseconds hides that an end lies before its start by less than this.
const ROUNDING_MS: i64 = 1;

/// Why an unresolved record keeps answers open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PendingKind {
    /// Rejected; its rider can be read.
    Rejected,
    /// Rejected; no rider can be read, so it may concern every rider.
    Unreadable,
    /// In conflict with a stored version of the same revision.
    Conflicting,
}

impl PendingKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rejected, Self::Unreadable, Self::Conflicting];

    /// The name in answers to `/v1/progress` and on metrics: the reason that it gives in a coverage answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected_record",
            Self::Unreadable => "unreadable_record",
            Self::Conflicting => "conflicting_record",
        }
    }
}

/// The platforms whose answers a record keeps open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The platform that the record names.
    Platform(String),
    /// Every platform of the topic that the record came from.
    Topic(String),
    /// Every platform.
    Everywhere,
}

impl Scope {
    /// The scope of a record: its platform where that name `is_known`, else its topic, else everything.
    pub fn of(record: &Rejection, is_known: impl Fn(&str) -> bool) -> Self {
        let named = record.readable.platform.as_ref().filter(|name| is_known(name));
        match (named, &record.origin) {
            (Some(name), _) => Self::Platform(name.clone()),
            (None, Origin::Kafka { topic, .. }) => Self::Topic(topic.clone()),
            (None, Origin::File { .. } | Origin::Redrive { .. }) => Self::Everywhere,
        }
    }

    /// Whether a platform lies within it. A topic without a registered platform speaks for all of them.
    pub fn contains(&self, platform: &str, platforms: &Platforms) -> bool {
        match self {
            Self::Platform(name) => name == platform,
            Self::Topic(topic) => {
                platforms.get(platform).topics.contains(topic) || platforms.of_topic(topic).is_empty()
            }
            Self::Everywhere => true,
        }
    }
}

/// What a rejected record tells of the time that it may concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTimes {
    accepted_at: Option<UtcMillis>,
    ended_at: Option<UtcMillis>,
    /// `None` of a file or of a record that was sent again.
    arrived: Option<Arrived>,
    /// It tells an end, readable or not.
    is_ended: bool,
    /// Its clock is wrong: its times bound nothing.
    is_clock_wrong: bool,
}

impl RecordTimes {
    /// Of a kept record.
    pub fn of(record: &Rejection) -> Self {
        let arrived = match &record.origin {
            Origin::Kafka { arrived, .. } => Some(*arrived),
            Origin::File { .. } | Origin::Redrive { .. } => None,
        };
        Self {
            accepted_at: record.readable.accepted_at,
            ended_at: record.readable.ended_at,
            arrived,
            is_ended: record.readable.phase == Some(Phase::Ended),
            is_clock_wrong: record.readable.is_clock_wrong
                || record.kept == Kept::Rejected(Reason::BeyondHorizon),
        }
    }

    /// The time that the order of the record may have lasted, without lead and tail.
    ///
    /// From its earliest readable time (less the longest order where only `ended_at` is readable) to its latest (plus the longest order
    /// where only `accepted_at` is). An end before the start, and one so close that rounding may hide it, widens both by the longest
    /// order. Where nothing is readable, the longest order and the delivery delay before its arrival, up to it; where open orders
    /// are streamed, the longest order after it, too; without an arrival, always.
    pub fn window(&self, promise: &Promise) -> Window {
        let max_ms = promise.max_order_duration_ms;
        let told = match (self.accepted_at, self.ended_at) {
            (Some(accepted), Some(ended)) if ended > accepted.plus(ROUNDING_MS) => Some((accepted, ended)),
            // One of the two is wrong, and the record does not say which.
            (Some(accepted), Some(ended)) => {
                Some((accepted.min(ended).minus(max_ms), accepted.max(ended).plus(max_ms)))
            }
            (Some(accepted), None) => Some((accepted, accepted.plus(max_ms))),
            (None, Some(ended)) => Some((ended.minus(max_ms), ended)),
            (None, None) => None,
        };
        match told {
            Some((from, until)) if !self.is_clock_wrong => Window::new(from, until),
            Some((from, until)) => {
                let arrival = self.arrival_window(promise);
                Window::new(from.min(arrival.from), until.max(arrival.until))
            }
            None => self.arrival_window(promise),
        }
    }

    fn arrival_window(&self, promise: &Promise) -> Window {
        self.arrived.map_or(Window::ALWAYS, |arrived| {
            let longest_ms = promise.max_order_duration_ms.saturating_add(promise.delivery_delay_ms);
            // Where open orders are streamed, it may announce one that lasts on: its end alone would come in time.
            let announces = promise.streams_open_orders_from.is_some() && !self.is_ended;
            let until = if announces { arrived.by.plus(promise.max_order_duration_ms) } else { arrived.by };
            Window::new(arrived.after.minus(longest_ms), until)
        })
    }
}

/// The kind of an unresolved record; `None` of a record that concerns no rider.
pub fn pending_kind(record: &Rejection) -> Option<PendingKind> {
    match record.kept {
        Kept::Conflict => Some(PendingKind::Conflicting),
        Kept::Rejected(_) if record.readable.names_rider() => Some(PendingKind::Rejected),
        Kept::Rejected(_) if record.readable.concerns_every_rider() => Some(PendingKind::Unreadable),
        Kept::Rejected(_) => None,
    }
}

/// The time that a conflicting record would add, without lead and tail; `None` when it adds nothing.
///
/// `ended` is the current ended version of the order of an open one: it supersedes the open event of the same rider, and
/// bounds that of another rider.
pub fn conflict_window(conflict: &Rejection, ended: Option<&Posting>, promise: &Promise) -> Option<Window> {
    let readable = &conflict.readable;
    let accepted = readable.accepted_at?;
    if readable.outcome == Some(Outcome::Void) {
        return None;
    }
    if readable.phase != Some(Phase::Open) {
        return Some(Window::new(accepted, readable.ended_at?));
    }
    let longest = accepted.plus(promise.max_order_duration_ms);
    // An end before the start is that of an earlier order with the same number.
    let ended = ended.filter(|ended| ended.ended_at.is_some_and(|at| at >= accepted));
    match ended {
        Some(ended) if readable.rider_id.as_ref() == Some(&ended.rider_id) => None,
        Some(ended) => Some(Window::new(accepted, ended.ended_at?.min(longest))),
        None => Some(Window::new(accepted, longest)),
    }
}

/// An accepted or amended event of the identity of a record.
#[derive(Clone, Copy, Debug)]
pub struct SameIdentity<'a> {
    /// Its revision.
    pub revision: u64,
    /// Its rider.
    pub rider_id: &'a str,
    /// Its start.
    pub accepted_at: UtcMillis,
    /// Its end.
    pub ended_at: Option<UtcMillis>,
    /// It took effect after the record.
    pub is_after: bool,
}

/// Whether an event of the same identity resolves a record: whether a mended form of the record can add nothing to it.
///
/// A higher revision decides, whatever it says. Of the same revision, and of one that cannot be read, an event that comes later
/// is the mended form, unless it names another rider than the record: without the defect that would be a conflict. One that
/// came before resolves only what it includes, rider and times. A conflicting record waits for a higher revision.
pub fn is_resolved_by(kept: Kept, readable: &Readable, event: &SameIdentity<'_>) -> bool {
    let names_another = readable.rider_id.as_deref().is_some_and(|rider_id| rider_id != event.rider_id);
    match (kept, readable.revision) {
        (Kept::Conflict, ReadRevision::Known(revision)) => event.is_after && event.revision > revision,
        (Kept::Conflict, ReadRevision::Unreadable) => false,
        (Kept::Rejected(_), ReadRevision::Unreadable) => event.is_after && !names_another,
        (Kept::Rejected(_), ReadRevision::Known(revision)) if event.revision > revision => {
            // Without a time the earlier event may be another order with the same number.
            event.is_after || tells_time(readable)
        }
        (Kept::Rejected(_), ReadRevision::Known(revision)) if event.revision == revision => {
            !names_another && (event.is_after || readable.names_rider() && includes(event, readable))
        }
        (Kept::Rejected(_), ReadRevision::Known(_)) => false,
    }
}

/// Whether a record tells on which day its order lies.
pub const fn tells_time(readable: &Readable) -> bool {
    !readable.is_clock_wrong && (readable.accepted_at.is_some() || readable.ended_at.is_some())
}

/// Whether everything that a record tells of its time lies within an event's.
fn includes(event: &SameIdentity<'_>, readable: &Readable) -> bool {
    let is_within = |at: UtcMillis| {
        event.accepted_at <= at && event.ended_at.map_or(at == event.accepted_at, |ended_at| at <= ended_at)
    };
    tells_time(readable) && readable.accepted_at.iter().chain(&readable.ended_at).all(|&at| is_within(at))
}
