//! Answers beside a brute-force evaluator that asks every rule of the contract for one instant.

use super::*;
use crate::coverage::testing::{NaiveLedger, posting};
use crate::domain::arrival::{Arrived, Timestamp};
use crate::domain::completeness::{PartitionFacts, PlatformFacts, SkippedSpan, TopicFacts};
use crate::domain::order::{Outcome, Phase};
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::reject::{Readable, Reason};
use crate::domain::rejection::{Kept, Origin, Resolution};
use crate::domain::time::{HOUR_MS, MINUTE_MS, UtcMillis};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) mod worlds;

use crate::coverage::explained;
use worlds::worlds;

const NAMES: [&str; 2] = ["p", "q"];

fn at(ms: i64) -> UtcMillis {
    UtcMillis::new(ms)
}

/// What the contract says about one instant, rule by rule.
struct Brute<'a> {
    ledger: &'a NaiveLedger,
    platforms: &'a Platforms,
}

impl Brute<'_> {
    fn current(&self, phase: Phase) -> impl Iterator<Item = &Posting> {
        let current = self.ledger.versions.iter().filter(|v| v.superseded_by.is_none());
        current.map(|v| &v.posting).filter(move |p| p.phase == phase && p.rider_id == "R")
    }

    fn reasons(&self, name: &str, t: UtcMillis) -> Option<&'static str> {
        let (lead, tail) = self.ledger.widest;
        let promise = self.platforms.get(name);
        let max = promise.max_order_duration_ms;
        let none = PlatformFacts::default();
        let facts = self.ledger.completeness.platforms.get(name).unwrap_or(&none);
        match promise.records_from {
            None => return Some("before_records"),
            Some(from) if promise.complete_start && t < from => return Some("before_records"),
            Some(from) if !promise.complete_start && t < from.plus(max + tail) => {
                return Some("before_records");
            }
            Some(_) => {}
        }
        if self.ledger.completeness.dropped_until.is_some_and(|until| t < until.plus(max + tail)) {
            return Some("before_records");
        }
        if self.in_gap(name, t) {
            return Some("gap");
        }
        let Some(through) = facts.complete_through else { return Some("incomplete") };
        let open_known = promise.streams_open_orders_from.is_some_and(|from| t >= from.plus(max + tail));
        if through <= t.plus(lead + if open_known { 0 } else { max }) {
            return Some("incomplete");
        }
        for open in self.current(Phase::Open).filter(|open| open.platform == name) {
            let mut until = open.accepted_at.plus(max + tail);
            if let Some(ended) = self.ledger.current(name, &open.order_id, open.leg, Phase::Ended) {
                if ended.posting.rider_id == "R" {
                    continue;
                }
                let ended_at = ended.posting.ended_at.unwrap();
                if ended_at >= open.accepted_at {
                    until = until.min(ended_at.plus(tail));
                }
            }
            if open.accepted_at.minus(lead) <= t && t < until {
                return Some("order_open");
            }
        }
        let unresolved = || self.ledger.rejections.iter().filter(|r| r.resolution.is_none());
        let counts = |r: &&Rejection| {
            let named = r.readable.platform.as_deref();
            named == Some(name) || named.is_none_or(|n| !NAMES.contains(&n))
        };
        let within = |(from, until): (UtcMillis, UtcMillis)| from.minus(lead) <= t && t < until.plus(tail);
        let rejected = || unresolved().filter(counts).filter(|r| r.kept != Kept::Conflict);
        let concerns = |r: &Rejection| within(self.time_of(r, promise));
        if rejected().any(|r| r.readable.rider_id.as_deref() == Some("R") && concerns(r)) {
            return Some("rejected_record");
        }
        if promise.unreadable_records == UnreadableRecords::Hold
            && rejected().any(|r| r.readable.rider_id.is_none() && concerns(r))
        {
            return Some("unreadable_record");
        }
        let conflicts = unresolved().filter(|r| r.kept == Kept::Conflict);
        let named = conflicts.filter(|r| r.readable.platform.as_deref() == Some(name));
        let adds = |r: &&Rejection| self.added_by(r, name, max).is_some_and(within);
        let mut of_rider = named.filter(|r| r.readable.rider_id.as_deref() == Some("R"));
        of_rider.any(|r| adds(&r)).then_some("conflicting_record")
    }

    /// The time that a conflicting record would add.
    fn added_by(&self, r: &Rejection, name: &str, max: i64) -> Option<(UtcMillis, UtcMillis)> {
        let accepted = r.readable.accepted_at?;
        if let Some(ended) = r.readable.ended_at {
            return Some((accepted, ended));
        }
        let latest = accepted.plus(max);
        let stored = self.ledger.current(name, r.readable.order_id.as_ref().unwrap(), 0, Phase::Ended);
        match stored.map(|v| (v.posting.ended_at.unwrap(), v.posting.rider_id == "R")) {
            Some((ended, true)) if ended >= accepted => None,
            Some((ended, false)) if ended >= accepted => Some((accepted, ended.min(latest))),
            _ => Some((accepted, latest)),
        }
    }

    fn in_gap(&self, name: &str, t: UtcMillis) -> bool {
        let (_, tail) = self.ledger.widest;
        let promise = self.platforms.get(name);
        let after = promise.max_order_duration_ms + tail;
        let facts = &self.ledger.completeness.platforms[name];
        let lost = self.ledger.completeness.topics.iter().filter(|(topic, _)| promise.topics.contains(topic));
        lost.flat_map(|(_, topic)| topic.partitions.values()).any(|partition| {
            let first = partition.first_arrived.unwrap();
            partition.first_offset != 0
                && facts.stated_through.is_none_or(|stated| stated < first)
                && t < first.plus(after)
        }) || facts.skips.iter().any(|s| s.from <= t && s.until.is_none_or(|until| t < until.plus(after)))
    }

    /// The time that a rejected record may concern.
    fn time_of(&self, r: &Rejection, promise: &Promise) -> (UtcMillis, UtcMillis) {
        let (max, delay) = (promise.max_order_duration_ms, promise.delivery_delay_ms);
        let announces = promise.streams_open_orders_from.is_some() && r.readable.phase != Some(Phase::Ended);
        let arrival = match &r.origin {
            Origin::Kafka { arrived, .. } if announces => {
                (arrived.after.minus(max + delay), arrived.by.plus(max))
            }
            Origin::Kafka { arrived, .. } => (arrived.after.minus(max + delay), arrived.by),
            _ => (UtcMillis::MIN, UtcMillis::MAX),
        };
        let told = match (r.readable.accepted_at, r.readable.ended_at) {
            // Unrounded, the end may lie before the start.
            (Some(a), Some(e)) if e <= a.plus(1) => (a.min(e).minus(max), a.max(e).plus(max)),
            (Some(a), Some(e)) => (a, e),
            (Some(a), None) => (a, a.plus(max)),
            (None, Some(e)) => (e.minus(max), e),
            (None, None) => return arrival,
        };
        if r.kept == Kept::Rejected(Reason::BeyondHorizon) {
            return (told.0.min(arrival.0), told.1.max(arrival.1));
        }
        told
    }

    fn open_covers(&self, open: &Posting, t: UtcMillis) -> bool {
        let promise = self.platforms.get(&open.platform);
        let max = promise.max_order_duration_ms;
        let through = self.ledger.completeness.platforms[&open.platform].complete_through;
        let unresolved = self.ledger.rejections.iter().filter(|r| r.resolution.is_none());
        let mut rejected = unresolved.filter(|r| r.kept != Kept::Conflict);
        let refused = rejected.any(|r| match r.readable.rider_id.as_deref() {
            Some("R") => {
                r.readable.order_id.as_ref() == Some(&open.order_id)
                    && r.readable.platform.as_ref().is_none_or(|p| *p == open.platform)
                    && r.readable.phase != Some(Phase::Open)
            }
            Some(_) => false,
            None => {
                let named = r.readable.platform.as_deref();
                let (from, until) = self.time_of(r, promise);
                (named == Some(&open.platform) || named.is_none_or(|n| !NAMES.contains(&n)))
                    && promise.unreadable_records == UnreadableRecords::Hold
                    && from <= open.accepted_at.plus(max)
                    && open.accepted_at < until
            }
        });
        self.ledger.current(&open.platform, &open.order_id, open.leg, Phase::Ended).is_none()
            && !refused
            && !self.in_gap(&open.platform, t)
            && open.starts_at() <= t
            && through.is_some_and(|through| t < through && through <= open.accepted_at.plus(max))
    }

    fn verdict(&self, t: UtcMillis) -> Verdict {
        let ended = self.current(Phase::Ended).any(|p| p.covers(t));
        if ended || self.current(Phase::Open).any(|p| self.open_covers(p, t)) {
            Verdict::Covered
        } else if NAMES.iter().any(|name| self.reasons(name, t).is_some()) {
            Verdict::Undetermined
        } else {
            Verdict::NotCovered
        }
    }

    fn orders(&self, t: UtcMillis) -> Vec<String> {
        let ended = self.current(Phase::Ended).filter(|p| p.covers(t));
        let open = self.current(Phase::Open).filter(|p| self.open_covers(p, t));
        let mut ids: Vec<_> = ended.chain(open).map(|p| format!("{}/{}", p.platform, p.order_id)).collect();
        ids.sort();
        ids
    }

    fn nearest(&self, t: UtcMillis) -> (Option<String>, Option<String>) {
        let id = |p: &Posting| format!("{}/{}", p.platform, p.order_id);
        let all = || self.current(Phase::Ended).filter(|p| p.has_window());
        let before = all().filter(|p| p.ends_at().unwrap() <= t);
        let before = before.min_by_key(|p| (std::cmp::Reverse(p.ends_at()), id(p))).map(id);
        let after = all().filter(|p| p.starts_at() > t).min_by_key(|p| (p.starts_at(), id(p))).map(id);
        (before, after)
    }

    /// First and last instant of everything of the rider, and its platforms.
    fn seen(&self) -> Option<(String, String, Vec<String>)> {
        let all = || self.ledger.versions.iter().map(|v| &v.posting).filter(|p| p.rider_id == "R");
        let first = all().map(|p| p.accepted_at).min()?;
        let last = all().map(|p| p.ended_at.unwrap_or(p.accepted_at).max(p.accepted_at)).max()?;
        let platforms: BTreeSet<String> = all().map(|p| p.platform.clone()).collect();
        let written = |at| self.ledger.zone.rfc3339(at);
        Some((written(first), written(last), platforms.into_iter().collect()))
    }
}

fn ask(ledger: &NaiveLedger, platforms: &Platforms, when: When) -> Answer {
    let question = Question { rider_ids: vec!["R".to_owned()], when, platforms: None, reference: None };
    resolve(ledger, Terms { platforms, zone: &ledger.zone }, &question).unwrap()
}

fn ask_why(ledger: &NaiveLedger, platforms: &Platforms, when: When) -> serde_json::Value {
    let question = Question { rider_ids: vec!["R".to_owned()], when, platforms: None, reference: None };
    let answer = explain(ledger, Terms { platforms, zone: &ledger.zone }, &question).unwrap();
    serde_json::to_value(answer).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_explanation_alone_gives_its_verdict(
        (ledger, platforms, unit) in worlds(),
        from in -5_i64..80,
        length in 1_i64..60,
    ) {
        let brute = Brute { ledger: &ledger, platforms: &platforms };
        for t in (-5..95).map(|step| at(step * unit)) {
            let answer = ask_why(&ledger, &platforms, When::Instant(t));
            explained::check(&answer);
            prop_assert_eq!(explained::parts_of(&answer["why"])[0].1, brute.verdict(t).as_str(), "{:?}", t);
        }
        let within = Window::new(at(from * unit), at((from + length) * unit));
        explained::check(&ask_why(&ledger, &platforms, When::Interval(within)));
    }

    #[test]
    fn an_instant_agrees_with_the_contract_read_rule_by_rule((ledger, platforms, unit) in worlds()) {
        let brute = Brute { ledger: &ledger, platforms: &platforms };
        for step in -5..95 {
            for t in [step * unit - 1, step * unit].map(at) {
                let answer = ask(&ledger, &platforms, When::Instant(t));
                prop_assert_eq!(answer.verdict, brute.verdict(t), "{:?}", t);
                for status in &answer.platforms {
                    prop_assert_eq!(status.reason, brute.reasons(&status.platform, t), "{:?}", t);
                }
                let mut ids: Vec<_> =
                    answer.windows.iter().map(|w| format!("{}/{}", w.platform, w.order_id)).collect();
                prop_assert!(answer.windows.is_sorted_by_key(|w| (&w.platform, &w.order_id, w.leg)));
                ids.sort();
                prop_assert_eq!(&ids, &brute.orders(t));
                let seen = answer.rider_seen.map(|seen| (seen.first, seen.last, seen.platforms));
                prop_assert_eq!(seen, brute.seen());
                if ids.is_empty() {
                    let before = answer.nearest_before.map(|n| format!("{}/{}", n.platform, n.order_id));
                    let after = answer.nearest_after.map(|n| format!("{}/{}", n.platform, n.order_id));
                    prop_assert_eq!((before, after), brute.nearest(t), "{:?}", t);
                } else {
                    prop_assert!(answer.nearest_before.is_none() && answer.nearest_after.is_none());
                }
            }
        }
    }

    #[test]
    fn an_interval_is_its_instants((ledger, platforms, _) in worlds(), from in -5_i64..80, length in 1_i64..60) {
        let brute = Brute { ledger: &ledger, platforms: &platforms };
        let within = Window::new(at(from), at(from + length));
        let answer = ask(&ledger, &platforms, When::Interval(within));
        let AnswerWhen::Interval { parts, .. } = &answer.when else { panic!("an interval has parts") };
        let each: Vec<(String, Verdict)> = (from..from + length)
            .map(|t| (ledger.zone.rfc3339(at(t)), brute.verdict(at(t))))
            .collect();
        let mut runs: Vec<(String, Verdict)> = Vec::new();
        for (t, verdict) in each {
            if runs.last().is_none_or(|(_, last)| *last != verdict) {
                runs.push((t, verdict));
            }
        }
        let told: Vec<(String, Verdict)> = parts.iter().map(|p| (p.from.clone(), p.verdict)).collect();
        prop_assert_eq!(&told, &runs);
        let verdicts: BTreeSet<Verdict> = runs.iter().map(|run| run.1).collect();
        let overall = match verdicts.len() {
            1 => runs[0].1,
            _ if verdicts.contains(&Verdict::Undetermined) => Verdict::Undetermined,
            _ => Verdict::PartlyCovered,
        };
        prop_assert_eq!(answer.verdict, overall);
    }
}
