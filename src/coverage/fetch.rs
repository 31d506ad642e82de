//! What is stored around a stretch of time: the bounded reads behind every verdict.

use super::Terms;
use super::rider_days::RiderDays;
use crate::domain::finality::CoverMargins;
use crate::domain::order::{Outcome, Phase};
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::{Posting, SupersededBy};
use crate::domain::rejection::{Kept, Rejection};
use crate::domain::time::UtcMillis;
use crate::domain::view::LedgerView;
use crate::domain::window::Window;

/// An order whose end for this rider is not known.
#[derive(Clone, Debug)]
pub(super) struct OpenOrder {
    pub(super) posting: Posting,
    /// An ended event of the same order names another rider.
    pub(super) ended_elsewhere_at: Option<UtcMillis>,
    /// A rejected record may have been its end.
    pub(super) end_refused: bool,
}

/// Everything stored that a verdict over `around` may depend on, of the riders and platforms asked for.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Current windows of ended orders that cover some of the time.
    pub(super) windows: Vec<Posting>,
    /// Current open orders near it, not superseded by their end.
    pub(super) open: Vec<OpenOrder>,
    /// Former versions that held some of the time.
    pub(super) superseded: Vec<(Posting, SupersededBy)>,
    /// Unresolved rejected records.
    pub(super) rejected: Vec<Rejection>,
    /// Unresolved conflicts, on whatever day.
    pub(super) conflicts: Vec<Conflict>,
    /// Platform, order and leg of everything that was open near the time: an event of its end may change the verdict, whichever
    /// rider it names.
    pub(super) open_near: Vec<(String, String, u8)>,
}

/// An unresolved conflicting record.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    pub(super) record: Rejection,
    /// Of an open event: the current ended version of its order.
    pub(super) ended: Option<Posting>,
}

/// Reads what is stored around `around`; `wanted` says which platforms count.
pub(super) fn fetch<V: LedgerView>(
    days: &RiderDays<'_, V>,
    terms: Terms<'_>,
    around: Window,
    reach: CoverMargins,
    wanted: &[String],
) -> Result<Fetched, V::Error> {
    let (view, mut fetched) = (days.view, Fetched::default());
    let wanted = |platform: &str| wanted.binary_search_by(|name| name.as_str().cmp(platform)).is_ok();
    for rider_id in days.rider_ids {
        fetched.add_unresolved(view, rider_id)?;
    }
    let Some(accepted) = accepted_range(view, terms, around, reach) else { return Ok(fetched) };
    days.expect((accepted.from, accepted.until));
    for rider in 0..days.rider_ids.len() {
        days.visit(rider, (accepted.from, accepted.until), |version| {
            let posting = &version.posting;
            if !wanted(&posting.platform) {
                return Ok(());
            }
            match (posting.phase, version.superseded_by) {
                (Phase::Ended, None) if window_of(posting).is_some_and(|w| w.overlaps(around)) => {
                    fetched.windows.push(posting.clone());
                }
                (Phase::Ended, Some(by)) if window_of(posting).is_some_and(|w| w.overlaps(around)) => {
                    fetched.superseded.push((posting.clone(), by));
                }
                (Phase::Open, by) if near(posting, terms, reach).overlaps(around) => {
                    fetched.add_open(view, terms, posting.clone(), by)?;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    let identity = |p: &Posting| (p.platform.clone(), p.order_id.clone(), p.leg);
    fetched.windows.sort_by_cached_key(identity);
    fetched.open.sort_by_cached_key(|open| identity(&open.posting));
    fetched
        .superseded
        .sort_by_cached_key(|(posting, _)| (identity(posting), posting.phase, posting.revision));
    Ok(fetched)
}

impl Fetched {
    /// Adds the unresolved records that name a rider.
    pub(super) fn add_unresolved<V: LedgerView>(&mut self, view: &V, rider_id: &str) -> Result<(), V::Error> {
        for rejection in view.rejections_of_rider(rider_id)? {
            match rejection.kept {
                Kept::Conflict => self.add_conflict(view, rejection)?,
                Kept::Rejected(_) => self.rejected.push(rejection),
            }
        }
        Ok(())
    }

    fn add_conflict<V: LedgerView>(&mut self, view: &V, record: Rejection) -> Result<(), V::Error> {
        let read = &record.readable;
        let order = read.platform.as_ref().zip(read.order_id.as_ref()).zip(read.leg.zip(read.accepted_at));
        let ended = match order {
            Some(((platform, order_id), (leg, accepted_at))) if read.phase == Some(Phase::Open) => {
                self.open_near.push((platform.clone(), order_id.clone(), leg));
                view.ended_version(platform, order_id, leg, accepted_at)?
            }
            _ => None,
        };
        self.conflicts.push(Conflict { record, ended: ended.map(|version| version.posting) });
        Ok(())
    }

    /// Adds an open version, unless it ended as open orders do.
    pub(super) fn add_open<V: LedgerView>(
        &mut self,
        view: &V,
        terms: Terms<'_>,
        posting: Posting,
        superseded_by: Option<SupersededBy>,
    ) -> Result<(), V::Error> {
        self.open_near.push((posting.platform.clone(), posting.order_id.clone(), posting.leg));
        let ended =
            view.ended_version(&posting.platform, &posting.order_id, posting.leg, posting.accepted_at)?;
        let ended = ended.map(|version| version.posting);
        match (superseded_by, ended) {
            // It ended as open orders do: its windows say the rest.
            (_, Some(ended))
                if ended.rider_id == posting.rider_id && ended.outcome != Some(Outcome::Void) => {}
            (Some(by), _) => self.superseded.push((posting, by)),
            (None, Some(ended)) if ended.rider_id == posting.rider_id => {
                let by = SupersededBy { revision: ended.revision, commit: ended.commit };
                self.superseded.push((posting, by));
            }
            (None, ended) => {
                let end_refused = self.rejected.iter().any(|rejection| may_be_end(rejection, &posting))
                    || may_end_unreadably(view, terms, &posting);
                let ended_elsewhere_at = ended.and_then(|ended| ended.ended_at);
                self.open.push(OpenOrder { posting, ended_elsewhere_at, end_refused });
            }
        }
        Ok(())
    }
}

/// The acceptance times of all orders that can cover some of `around`; `None` when nothing is stored.
pub(super) fn accepted_range<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    around: Window,
    reach: CoverMargins,
) -> Option<Window> {
    let (first, last) = view.days()?;
    let until = around.until.plus(reach.lead_ms);
    let last = terms.zone.days_between(until, until.plus(1)).1.min(last);
    if last < first {
        return None;
    }
    let longest_ms = view.longest_order_ms((first, last));
    let open_ms = open_max_ms(terms);
    let from = around.from.minus(longest_ms.max(open_ms).saturating_add(reach.tail_ms));
    Some(Window::new(from, until))
}

/// The longest that any platform lets an order be open.
fn open_max_ms(terms: Terms<'_>) -> i64 {
    let registered = terms.platforms.registered().map(|(_, promise)| promise.max_order_duration_ms);
    // No platform has the empty name: its promise is that of all unregistered platforms.
    registered.fold(terms.platforms.get("").max_order_duration_ms, i64::max)
}

/// The cover window of an ended order that has one.
pub(super) fn window_of(posting: &Posting) -> Option<Window> {
    let until = posting.ends_at()?;
    posting.has_window().then(|| Window::new(posting.starts_at(), until))
}

/// Where an open order may matter.
pub(super) fn near(posting: &Posting, terms: Terms<'_>, reach: CoverMargins) -> Window {
    let max_ms = terms.platforms.get(&posting.platform).max_order_duration_ms;
    let until = posting.accepted_at.plus(max_ms.saturating_add(reach.tail_ms));
    Window::new(posting.accepted_at.minus(reach.lead_ms), until)
}

/// Whether an unresolved record in which no rider can be read may have told the end of an open order.
fn may_end_unreadably<V: LedgerView>(view: &V, terms: Terms<'_>, open: &Posting) -> bool {
    let promise = terms.platforms.get(&open.platform);
    let latest = open.accepted_at.plus(promise.max_order_duration_ms.saturating_add(1));
    let within = Window::new(open.accepted_at, latest);
    promise.unreadable_records == UnreadableRecords::Hold
        && !view.unreadable_time(&open.platform, terms.platforms, within).is_empty()
}

/// Whether a rejected record names the same order and may have told its end.
fn may_be_end(rejection: &Rejection, open: &Posting) -> bool {
    let read = &rejection.readable;
    read.phase != Some(Phase::Open)
        && read.platform.as_ref().is_none_or(|platform| *platform == open.platform)
        && read.order_id.as_ref() == Some(&open.order_id)
        && read.leg.is_none_or(|leg| leg == open.leg)
}
