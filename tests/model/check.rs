//! Compares what the ledger says with what the model says.

use super::drive::Drive;
use super::event::{HOUR, MINUTE};
use super::known_at::Asked;
use super::naive::{Model, Origin, Version};
use super::periods;
use super::terms::Charge;
use super::world::RIDERS;
use coverledger::coverage::Terms;
use coverledger::coverage::answer::Answer;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::resolve;
use coverledger::coverage::statement::statement;
use coverledger::domain::charge::Price;
use coverledger::domain::order::Phase;
use coverledger::domain::posting::StoredVersion;
use coverledger::domain::rejection::{Kept, Origin as Source, Rejection};
use coverledger::domain::time::UtcMillis;
use coverledger::domain::verdict::Verdict;
use coverledger::domain::view::LedgerView;
use coverledger::ledger::{Snapshot, batch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every version, total, kept record and count; and the answers.
pub(crate) fn everything(drive: &mut Drive) {
    let view = drive.ledger().published().current();
    let model = &drive.model;
    for rider in RIDERS {
        let stored = view.rider_versions(rider, UtcMillis::MIN, UtcMillis::MAX).unwrap();
        let expected = model.orders.iter().flatten().filter(|version| version.event.rider == rider);
        same_versions(stored, expected, rider);
        kept_records(model, &view, rider);
    }
    let orders: BTreeSet<(&str, &str)> = model
        .orders
        .iter()
        .flatten()
        .map(|version| (version.event.platform.as_str(), version.event.order_id.as_str()))
        .collect();
    for (platform, order_id) in orders {
        let stored = view.order_versions(platform, order_id).unwrap();
        let of = |v: &&Version| v.event.platform == platform && v.event.order_id == order_id;
        same_versions(stored, model.orders.iter().flatten().filter(of), order_id);
    }
    totals(model, &view);
    periods::check(model, &view);
    sources(model, &view);
    for promise in &model.terms.promises {
        let facts = &view.completeness().platforms[promise.name];
        let through = model.facts.through(promise.name).map(UtcMillis::new);
        assert_eq!(facts.complete_through, through, "complete_through of {}", promise.name);
        let late = model.facts.late.get(promise.name).copied().unwrap_or(0);
        assert_eq!(facts.late, late, "late events of {}", promise.name);
        let pending = view.pending_counts(promise.name, &drive.config.platforms);
        let pending = pending.into_iter().map(|(kind, count)| (kind.as_str(), count.records)).collect();
        assert_eq!(model.pending(promise.name), pending, "unresolved records of {}", promise.name);
        drive.shown.counts.insert(format!("(late {})", promise.name), late);
    }
    drive.note_everything();
    answers(drive, 40);
}

/// Every platform, and every order, that was ever stored.
pub(crate) fn everything_of(model: &Model) -> (Vec<String>, BTreeSet<(String, String)>) {
    let platforms = model.terms.promises.iter().map(|promise| promise.name.to_owned()).collect();
    let orders = model.orders.iter().flatten().map(|version| &version.event);
    (platforms, orders.map(|event| (event.platform.clone(), event.order_id.clone())).collect())
}

/// One version as text, so that a difference can be read.
fn same_versions<'a>(stored: Vec<StoredVersion>, expected: impl Iterator<Item = &'a Version>, of: &str) {
    let mut stored: Vec<String> = stored
        .into_iter()
        .map(|version| {
            let p = version.posting;
            let charge = match p.charge.price {
                Price::None => Charge::None,
                Price::Uncharged => Charge::Uncharged,
                Price::Unrated => Charge::Unrated,
                Price::Charged { premium, .. } => Charge::Charged(premium.get()),
            };
            let fare = p.fare.map(|fare| (fare * rust_decimal::Decimal::from(100)).normalize().to_string());
            let times = (p.accepted_at.millis(), p.ended_at.map(UtcMillis::millis));
            let cover = (p.cover.lead_ms, p.cover.tail_ms);
            assert_eq!(p.ended_at.is_some(), p.phase == Phase::Ended);
            let by = version.superseded_by.map(|by| (by.revision, by.commit));
            format!(
                "{} {} leg {} r{} {} {times:?} {:?} {} {} fare {fare:?} prev {:?} {charge:?} {cover:?} in {} by {by:?}",
                p.platform,
                p.order_id,
                p.leg,
                p.revision,
                p.rider_id,
                p.outcome.map(|outcome| outcome.as_str()),
                p.category,
                p.region,
                p.previous_accepted_at.map(UtcMillis::millis),
                p.commit,
            )
        })
        .collect();
    let mut expected: Vec<String> = expected
        .map(|version| {
            let e = &version.event;
            let (charge, cover) = (version.price.charge, (version.price.lead, version.price.tail));
            let fare = e.fare.map(|cents| cents.to_string());
            format!(
                "{} {} leg {} r{} {} {:?} {:?} {} {} fare {fare:?} prev {:?} {charge:?} {cover:?} in {} by {:?}",
                e.platform,
                e.order_id,
                e.leg,
                e.revision,
                e.rider,
                (e.accepted, e.ended),
                e.outcome,
                e.category,
                e.region,
                e.previous,
                version.commit,
                version.superseded,
            )
        })
        .collect();
    let both: Vec<String> = stored.iter().filter(|line| expected.contains(line)).cloned().collect();
    stored.retain(|line| !both.contains(line));
    expected.retain(|line| !both.contains(line));
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected, "the versions of {of} that differ");
}

/// Where a kept record came from, as the model names it.
pub(crate) fn origin_of(rejection: &Rejection) -> Origin {
    match &rejection.origin {
        Source::Kafka { topic, partition, offset, .. } => {
            let topic = if topic == "own" { "own" } else { "shared" };
            Origin::Kafka((topic, *partition), *offset)
        }
        Source::File { content, line } => {
            Origin::File(usize::from(content[0]), i64::try_from(*line).unwrap())
        }
        Source::Redrive { .. } => panic!("nothing was sent again"),
    }
}

/// The numbers of kept records by where they came from.
pub(crate) fn numbers_of(view: &Snapshot, origins: &[Origin]) -> Vec<u64> {
    let mut numbers = Vec::new();
    view.rejected()
        .visit(view.store(), 0, |record| {
            if origins.contains(&origin_of(&record.rejection)) {
                numbers.push(record.rejection.id);
            }
            Ok(true)
        })
        .unwrap();
    assert_eq!(numbers.len(), origins.len());
    numbers
}

fn kept_records(model: &Model, view: &Snapshot, rider: &str) {
    let mut stored: Vec<(Origin, bool)> = Vec::new();
    for rejection in view.rejections_of_rider(rider).unwrap() {
        assert!(rejection.resolution.is_none());
        stored.push((origin_of(&rejection), rejection.kept == Kept::Conflict));
    }
    let of_rider = model.kept.iter().filter(|kept| kept.read.rider.as_deref() == Some(rider));
    let mut expected: Vec<(Origin, bool)> = of_rider
        .filter(|kept| !kept.resolved)
        .map(|kept| (kept.origin.clone(), kept.reason.is_none()))
        .collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected, "unresolved rejections and conflicts that name {rider}");
}

fn totals(model: &Model, view: &Snapshot) {
    let lines = statement(view, None, None).unwrap();
    let stored: Vec<_> = lines
        .into_iter()
        .map(|l| {
            let micros = l.premium_exact.replace('.', "").parse::<i64>().unwrap();
            let (completed, cancelled) = (l.uncharged_completed, l.uncharged_cancelled);
            let (interrupted, transferred) = (l.uncharged_interrupted, l.uncharged_transferred);
            let counts =
                [l.orders_charged, micros, completed, cancelled, interrupted, transferred, l.unrated];
            ((l.platform, l.region, l.category, l.month), counts)
        })
        .collect();
    assert_eq!(stored, model.statement(), "the statement");
}

/// Nothing is lost between the counts.
fn sources(model: &Model, view: &Snapshot) {
    const NAMES: [&str; 7] = ["accepted", "amended", "duplicate", "stale", "conflict", "rejected", "control"];
    let mut stored = BTreeMap::new();
    for (source, facts) in view.sources() {
        let place = match source {
            batch::Source::Kafka { topic, partition } => {
                Some((if topic == "own" { "own" } else { "shared" }, *partition))
            }
            _ => None,
        };
        assert_eq!(facts.records, facts.counts.iter().sum::<u64>(), "conservation of {source:?}");
        let named = NAMES.iter().zip(facts.counts).filter(|(_, count)| *count > 0);
        let counts: BTreeMap<String, u64> = named.map(|(name, count)| ((*name).to_owned(), count)).collect();
        if facts.records > 0 {
            stored.insert(place, (facts.records, counts));
        }
    }
    assert_eq!(stored, model.sources, "records and dispositions by source");
}

/// Instants that an event concerned; `None` when there are none.
pub(crate) fn times(model: &Model) -> Option<Vec<i64>> {
    let told =
        model.orders.iter().flatten().flat_map(|version| [Some(version.event.accepted), version.event.ended]);
    let mut times: Vec<i64> = told.flatten().collect();
    times.extend(model.terms.promises.iter().filter_map(|p| model.facts.through(p.name)));
    (!times.is_empty()).then_some(times)
}

/// Asks about instants near the events, and again what was final once.
pub(crate) fn answers(drive: &mut Drive, questions: usize) {
    let view = drive.ledger().published().current();
    let Some(times) = times(&drive.model) else { return };
    for _ in 0..questions {
        let rider = *drive.random.pick(&RIDERS);
        let around = *drive.random.pick(&times);
        let moved = match drive.random.below(4) {
            0 => drive.random.between(-2, 3),
            1 => drive.random.between(-10 * MINUTE, 10 * MINUTE),
            2 => -6 * HOUR - drive.random.between(-3 * MINUTE, 10 * MINUTE),
            _ => drive.random.between(-8 * HOUR, HOUR),
        };
        let answer = ask(drive, &view, rider, around + moved);
        if answer.verdict == Verdict::NotCovered {
            drive.final_answers.push((rider, around + moved, answer.as_of.commit));
        }
        drive.note_given(Asked::Coverage(question_of(rider, around + moved)), &view);
        if drive.random.percent(50) {
            drive.explained(rider, around + moved, &view);
        }
        drive.shown.count(answer.verdict.as_str(), 1);
        drive.shown.note(serde_json::to_string(&answer).unwrap());
    }
    for (rider, at, commit) in drive.final_answers.clone() {
        let covered = drive.model.windows(rider, at).first().map(|version| version.event.clone());
        let mut late = drive.model.late_cover.iter();
        let told = |(of, from, until): &(String, i64, i64)| of == rider && *from <= at && at < *until;
        assert!(
            covered.is_none() || late.any(told),
            "commit {commit} said that {rider} was not covered at {at}; later, and not counted as late: {covered:?}"
        );
    }
    drive.shown.counts.insert("final answers".to_owned(), u64::try_from(drive.final_answers.len()).unwrap());
}

impl Model {
    /// The versions that cover an instant, sorted.
    fn windows(&self, rider: &str, at: i64) -> Vec<&Version> {
        let holds = |v: &&Version| v.window().is_some_and(|(from, until)| from <= at && at < until);
        let mut windows: Vec<&Version> =
            self.current().filter(|version| version.event.rider == rider).filter(holds).collect();
        let open = self.open_orders(rider);
        windows.extend(open.iter().filter(|open| self.open_covers(open, at)).map(|open| open.version));
        // Two orders may have one number, out of each other's reach: the earlier first.
        windows
            .sort_by_key(|version| (place(version), version.event.ended.is_none(), version.event.accepted));
        windows
    }

    /// First and last instant of everything stored of a rider, and the platforms that named the rider.
    fn seen(&self, rider: &str) -> Option<(i64, i64, Vec<String>)> {
        let events = || self.orders.iter().flatten().map(|v| &v.event).filter(|event| event.rider == rider);
        let first = events().map(|event| event.accepted).min()?;
        let last = events().map(|event| event.ended.unwrap_or(event.accepted).max(event.accepted)).max()?;
        let platforms: BTreeSet<String> = events().map(|event| event.platform.clone()).collect();
        Some((first, last, platforms.into_iter().collect()))
    }
}

fn place(version: &Version) -> (String, String, u8) {
    (version.event.platform.clone(), version.event.order_id.clone(), version.event.leg)
}

fn question_of(rider: &str, at: i64) -> Question {
    Question {
        rider_ids: vec![rider.to_owned()],
        when: When::Instant(UtcMillis::new(at)),
        platforms: None,
        reference: None,
    }
}

/// Asks both, compares, and returns the program's answer.
fn ask(drive: &Drive, view: &Arc<Snapshot>, rider: &str, at: i64) -> Answer {
    let (model, zone) = (&drive.model, &drive.config.zone);
    let question = question_of(rider, at);
    let terms = Terms { platforms: &drive.config.platforms, zone };
    let answer = resolve(view.as_ref(), terms, &question).unwrap();
    let windows = model.windows(rider, at);
    let expected: Vec<_> =
        windows.iter().map(|version| (place(version), version.event.revision, version.commit)).collect();
    let told: Vec<_> = answer
        .windows
        .iter()
        .map(|w| ((w.platform.clone(), w.order_id.clone(), w.leg), w.revision, w.commit))
        .collect();
    assert_eq!(told, expected, "the windows of {rider} at {at}: {answer:#?}");
    let mut settled = true;
    for (status, promise) in answer.platforms.iter().zip(&model.terms.promises) {
        let reason = model.reason(rider, promise.name, at);
        settled &= reason.is_none();
        assert_eq!(status.platform, promise.name);
        assert_eq!(status.reason, reason, "why {rider} is not settled at {at} on {}", promise.name);
    }
    assert_eq!(answer.platforms.len(), model.terms.promises.len());
    assert_eq!(answer.settled, settled);
    let verdict = match (windows.is_empty(), settled) {
        (false, _) => Verdict::Covered,
        (true, true) => Verdict::NotCovered,
        (true, false) => Verdict::Undetermined,
    };
    assert_eq!(answer.verdict, verdict, "{rider} at {at}");
    let pen = |at: i64| zone.rfc3339(UtcMillis::new(at));
    let told = answer
        .rider_seen
        .as_ref()
        .map(|seen| (seen.first.clone(), seen.last.clone(), seen.platforms.clone()));
    let expected = model.seen(rider).map(|(first, last, platforms)| (pen(first), pen(last), platforms));
    assert_eq!(told, expected, "what is known of {rider}");
    let around: Vec<(&Version, (i64, i64))> = model
        .current()
        .filter(|version| version.event.rider == rider && windows.is_empty())
        .filter_map(|version| Some((version, version.window()?)))
        .collect();
    let before = around.iter().filter(|(_, (_, until))| *until <= at);
    let before = before.min_by_key(|(version, (_, until))| (-until, place(version)));
    let told = answer.nearest_before.map(|n| ((n.platform, n.order_id, n.leg), n.ends_at));
    let expected = before.map(|(version, (_, until))| (place(version), pen(*until)));
    assert_eq!(told, expected, "the nearest window of {rider} before {at}");
    let after = around.iter().filter(|(_, (from, _))| *from > at);
    let after = after.min_by_key(|(version, (from, _))| (*from, place(version)));
    let told = answer.nearest_after.map(|n| ((n.platform, n.order_id, n.leg), n.starts_at));
    let expected = after.map(|(version, (from, _))| (place(version), pen(*from)));
    assert_eq!(told, expected, "the nearest window of {rider} after {at}");
    Answer { nearest_before: None, nearest_after: None, ..answer }
}
