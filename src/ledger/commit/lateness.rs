//! Counts events that add cover before a `complete_through` already committed.

use crate::domain::completeness::{Told, is_late};
use crate::domain::finality::PlatformFinality;
use crate::domain::order::Phase;
use crate::domain::pending::Scope;
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::{Posting, Pricing};
use crate::domain::rejection::{Kept, Origin, Rejection};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::view::LedgerView;
use crate::domain::window::{Window, union, union_within};
use crate::ledger::batch::{Batch, OrderEntry};
use crate::ledger::build::pricing::price_posting;
use crate::ledger::decide::{Decided, Replaced};
use crate::ledger::error::LedgerResult;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::snapshot::Snapshot;
use crate::ledger::writer::Ledger;
use std::collections::{BTreeMap, HashMap};

/// Late events of a batch, by platform.
pub fn late_events(ledger: &Ledger, batch: &Batch, decided: &Decided) -> LedgerResult<BTreeMap<String, u64>> {
    let state = ledger.tracker.state();
    let reach = ledger.reach();
    // By batch number of the platform; none where nothing was ever complete.
    let lines: Vec<Option<PlatformFinality>> = batch
        .platforms
        .all()
        .iter()
        .map(|name| {
            state.complete_through(name)?;
            Some(PlatformFinality::new(name, state, &ledger.options.platforms, reach))
        })
        .collect();
    let mut late = BTreeMap::new();
    if lines.iter().all(Option::is_none) {
        return Ok(late);
    }
    let previous: HashMap<usize, &Replaced> =
        decided.replaced.iter().map(|(at, replaced)| (*at, replaced)).collect();
    let mut fresh: Option<Fresh> = None;
    let mut kept_open = KeptOpen::default();
    for &at in &decided.booked {
        let Some(entry) = batch.orders.get(at) else { continue };
        let Some(line) = lines.get(usize::from(entry.platform)).and_then(Option::as_ref) else { continue };
        let through = line.complete_through();
        // The common event begins after everything that is complete.
        if through.is_some_and(|through| entry.accepted_at.minus(reach.lead_ms) >= through) {
            continue;
        }
        let price = |mut posting: Posting| {
            let Pricing { charge, cover } = price_posting(&posting, entry.day, &ledger.options.tariff);
            (posting.charge, posting.cover) = (charge, cover);
            posting
        };
        let new = price(batch.posting(entry));
        let old = previous.get(&at).and_then(|replaced| match replaced {
            Replaced::Stored(posting) => Some(posting.as_ref().clone()),
            Replaced::Fresh(other) => batch.orders.get(*other).map(|entry| price(batch.posting(entry))),
        });
        let fresh = fresh.get_or_insert_with(|| fresh_events(batch, decided));
        let reach = ledger.options.identity_days.unsigned_abs();
        let stored = decided.other_phase.get(&at);
        let reach = (reach, &ledger.options.zone);
        let here = other_phase_here(batch, fresh, (entry, stored), &previous, reach);
        let other_phase = here.as_ref().or(stored);
        let told = Told { previous: old.as_ref(), other_phase, kept_open: &[] };
        if !is_late(line, &new, told) || is_mended(ledger, batch, entry) {
            continue;
        }
        // Read only for the few events that are late without it.
        let kept_open = kept_open.of(ledger, line, &new)?;
        if is_late(line, &new, Told { kept_open: &kept_open, ..told }) {
            *late.entry(new.platform).or_default() += 1;
        }
    }
    Ok(late)
}

/// The time that unresolved records which arrived in time kept open before the batch, perhaps earlier versions of its own
/// events among them.
#[derive(Default)]
struct KeptOpen {
    /// By platform, that of the records in which no rider can be read.
    unreadable: HashMap<String, Vec<Window>>,
}

impl KeptOpen {
    /// For an event's rider and platform.
    fn of(&mut self, ledger: &Ledger, line: &PlatformFinality, event: &Posting) -> LedgerResult<Vec<Window>> {
        let (index, platforms) = (&ledger.rejections.index, &ledger.options.platforms);
        let in_time = |(window, settled_by): (Window, Option<UtcMillis>)| {
            union_within(line.incomplete(settled_by).into_iter().filter(|w| !w.is_empty()), window)
        };
        let unreadable = self.unreadable.entry(event.platform.clone()).or_insert_with(|| {
            if line.promise().unreadable_records == UnreadableRecords::Warn {
                return Vec::new();
            }
            let records = index.pending().unreadable_records(&event.platform, platforms);
            union(records.flat_map(|(window, by)| in_time((line.with_cover(window), by))).collect())
        });
        let mut windows = unreadable.clone();
        let is_known = |name: &str| ledger.knows_platform(name);
        let of_rider = index.of_rider(&ledger.store, &event.rider_id)?;
        let concerns = |record: &&Rejection| Scope::of(record, is_known).contains(&event.platform, platforms);
        let state = ledger.published.current();
        for record in of_rider.iter().filter(concerns) {
            let window = match record.kept {
                Kept::Rejected(_) => Some(line.rejected_window(record)),
                Kept::Conflict => line.conflict_window(record, ended_of(&state, record)?.as_ref()),
            };
            windows.extend(window.into_iter().flat_map(|window| in_time((window, record.settled_by))));
        }
        Ok(union(windows))
    }
}

/// The current ended version of the order of a conflicting open event.
fn ended_of(state: &Snapshot, conflict: &Rejection) -> LedgerResult<Option<Posting>> {
    let read = &conflict.readable;
    let order = read.platform.as_ref().zip(read.order_id.as_ref()).zip(read.leg.zip(read.accepted_at));
    let Some(((platform, order_id), (leg, accepted_at))) = order.filter(|_| read.phase == Some(Phase::Open))
    else {
        return Ok(None);
    };
    Ok(state.ended_version(platform, order_id, leg, accepted_at)?.map(|version| version.posting))
}

/// Whether the event mends a record that an operator sent again or had resolved: an earlier version of it had arrived.
fn is_mended(ledger: &Ledger, batch: &Batch, entry: &OrderEntry) -> bool {
    matches!(batch.origin_of(entry), Origin::Redrive { .. })
        || ledger.rejections.by_identity.was_given_up(entry.hash)
}

/// Positions of booked events by the hash of their identity, in the order of effect; none when the batch has no open ones.
type Fresh = HashMap<IdentityHash, Vec<usize>>;

fn fresh_events(batch: &Batch, decided: &Decided) -> Fresh {
    let mut fresh = Fresh::new();
    if batch.orders.iter().all(|entry| entry.phase() == Phase::Ended) {
        return fresh;
    }
    for &at in &decided.booked {
        batch.orders.get(at).into_iter().for_each(|entry| fresh.entry(entry.hash).or_default().push(at));
    }
    let place = |at: &usize| batch.orders.get(*at).map(|e| batch.effect_order(e.source, e.ordinal));
    fresh.values_mut().for_each(|events| events.sort_by(|a, b| place(a).cmp(&place(b))));
    fresh
}

/// What the batch itself told of the other phase of an event's order before the event, whose stored version is given: how
/// a batch was cut changes nothing.
fn other_phase_here(
    batch: &Batch,
    fresh: &Fresh,
    (entry, stored): (&OrderEntry, Option<&Posting>),
    previous: &HashMap<usize, &Replaced>,
    (reach, zone): (u32, &Zone),
) -> Option<Posting> {
    let before = told_before(batch, fresh, entry);
    // As identity finds orders: the nearest day first, of two equally near the earlier.
    let rank = |day: LocalDay| (day.0.abs_diff(entry.day.0), day);
    let rank_of =
        |at: usize| batch.orders.get(at).map(|other| rank(other.day)).filter(|(days, _)| *days <= reach);
    let near = before.iter().filter_map(|&at| Some((rank_of(at)?, at))).min_by_key(|(rank, _)| *rank);
    let stored_rank = stored.map(|stored| rank(zone.day(stored.accepted_at)));
    // What began within reach may have been moved beyond it since: it is still the same order.
    let replaces_stored = |at: &usize| match (previous.get(at), stored) {
        (Some(Replaced::Stored(old)), Some(stored)) => old.accepted_at == stored.accepted_at,
        _ => false,
    };
    let replacing = before.iter().copied().find(replaces_stored);
    let mut at = match (near, stored_rank) {
        (Some((rank, at)), stored) if stored.is_none_or(|stored| rank <= stored) => at,
        _ => replacing?,
    };
    let next = |of: usize| {
        before.iter().find(|at| matches!(previous.get(at), Some(Replaced::Fresh(old)) if *old == of))
    };
    while let Some(&later) = next(at) {
        at = later;
    }
    batch.orders.get(at).map(|entry| batch.posting(entry))
}

/// The booked events of the other phase of an event's order that take effect before it, the newest first.
fn told_before(batch: &Batch, fresh: &Fresh, entry: &OrderEntry) -> Vec<usize> {
    let (platform, order_id) = (batch.platforms.name(entry.platform), batch.text(entry.order));
    let phase = if entry.phase() == Phase::Open { Phase::Ended } else { Phase::Open };
    let place = batch.effect_order(entry.source, entry.ordinal);
    let is_before = |other: &OrderEntry| {
        other.platform == entry.platform
            && batch.text(other.order) == order_id
            && batch.effect_order(other.source, other.ordinal) < place
    };
    let events = fresh.get(&IdentityHash::of(platform, order_id, entry.leg, phase));
    let events = events.into_iter().flatten().rev().copied();
    events.filter(|&at| batch.orders.get(at).is_some_and(is_before)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::domain::arrival::Timestamp;
    use crate::domain::time::UtcMillis;
    use crate::ledger::{Arrival, Batch, CommitExtras, CommitReport, Ledger, LedgerOptions, Source};
    use crate::pipeline::{receive, rules_for};
    use crate::storage::Storage;

    const CONFIG: &str = "timezone = \"UTC\"\n[platform_defaults]\nrecords_from = 2026-11-01\ncomplete_start = true\n\
                          [[rate]]\ncategory = \"ride\"\nper_order = \"0.01\"\n";
    /// After all of it.
    const NOW: i64 = 1_795_500_000_000;

    struct Bench {
        config: Config,
        ledger: Ledger,
        offset: i64,
    }

    impl Bench {
        /// Identity reaches one day.
        fn new() -> Self {
            let config = Config::from_text(CONFIG).unwrap();
            let mut options = LedgerOptions::new(&config);
            (options.storage, options.identity_days) = (Storage::memory(), 1);
            let mut ledger = Ledger::open(options).unwrap();
            ledger.activate_configuration(UtcMillis::new(NOW)).unwrap();
            Self { config, ledger, offset: 0 }
        }

        fn commit(&mut self, records: &[String], stated: Option<&str>) -> CommitReport {
            let (mut batch, rules) = (Batch::default(), rules_for(&self.config, None, None));
            let source = batch.source(&Source::Kafka { topic: "t".to_owned(), partition: 0 });
            for record in records {
                let (payload, offset) = (record.as_bytes(), self.offset);
                let timestamp = Timestamp::Missing;
                let arrival = Arrival { source, offset, timestamp, payload, key: None, headers: &[] };
                receive(&mut batch, &arrival, &rules, &self.config.zone);
                self.offset += 1;
            }
            let through = stated.map(|at| (Some("p".to_owned()), instant(at)));
            let extras = CommitExtras { stated: through.into_iter().collect(), ..CommitExtras::default() };
            self.ledger.commit(&batch, &extras, UtcMillis::new(NOW + self.offset)).unwrap()
        }
    }

    fn instant(text: &str) -> UtcMillis {
        crate::domain::event::ExactTime::parse(text).unwrap().floor()
    }

    /// An event of order 7.
    fn event(rider: &str, revision: u64, accepted: &str, ended: Option<&str>) -> String {
        let end = ended.map_or_else(String::new, |at| format!(r#","ended_at":"{at}""#));
        format!(
            r#"{{"platform":"p","order_id":"7","rider_id":"{rider}","category":"ride","region":"310115",
                "revision":{revision},"accepted_at":"{accepted}"{end}}}"#
        )
    }

    /// A stored order of another rider a day before, and one of the same batch a day after: of equally near ones the earlier is
    /// the other phase, as identity finds orders, however a batch is cut.
    #[test]
    fn the_other_phase_of_an_event_is_that_of_the_nearest_order() {
        let other = event("R5", 0, "2026-11-18T08:00:00Z", Some("2026-11-18T08:40:00Z"));
        let own = |revision, end| event("R1", revision, "2026-11-20T09:00:00Z", end);
        let moved = event("R1", 5, "2026-11-19T09:00:00Z", None);
        for is_cut in [false, true] {
            let mut bench = Bench::new();
            bench.commit(std::slice::from_ref(&other), None);
            let through = Some("2026-11-21T00:00:00Z");
            let first = [own(0, None), own(0, Some("2026-11-20T09:10:00Z"))];
            assert!(bench.commit(&first, through).late.is_empty());
            let second = [own(1, Some("2026-11-20T09:05:00Z")), moved.clone()];
            let late: u64 = if is_cut {
                second
                    .iter()
                    .flat_map(|event| bench.commit(std::slice::from_ref(event), None).late.into_values())
                    .sum()
            } else {
                bench.commit(&second, None).late.into_values().sum()
            };
            assert_eq!(late, 1, "the moved order covers a day that was complete; cut: {is_cut}");
        }
    }
}
