//! Random ledgers, platforms and facts about them.

use super::*;

/// Every other day clocks are set back from 00:05 to 17:05 of the day before, and later ahead again.
fn set_back_over_midnight() -> Zone {
    let changes = (0..20_i64).map(|nth| {
        let (day, back) = (nth / 2 * 48 * HOUR_MS, nth % 2 == 0);
        if back { (at(day + 5 * MINUTE_MS), -7 * 3_600) } else { (at(day + 20 * HOUR_MS), 0) }
    });
    Zone::new("set back", 0, changes)
}

/// Small numbers that are turned into times; `unit` stretches them over milliseconds or days.
pub(in crate::coverage::resolve) fn worlds() -> impl Strategy<Value = (NaiveLedger, Platforms, i64)> {
    let order = (0..2_usize, 0..6_u8, 0_i64..60, prop::option::of(0_i64..15), 0..3_u64, 0..10_u8, 0..10_u8);
    let refused =
        (0..3_usize, 0..6_u8, prop::option::of(0_i64..60), prop::option::of(0_i64..60), 0..60_i64, 0..8_u8);
    let facts = (
        prop::option::weighted(0.9, 0_i64..90),
        prop::option::of(0_i64..40),
        prop::option::weighted(0.2, 0_i64..50),
        prop::option::weighted(0.2, (0_i64..50, prop::option::of(0_i64..10))),
        (prop::option::weighted(0.9, -30_i64..10), any::<bool>()),
        prop::option::of(-20_i64..40),
    );
    let world = (
        prop::collection::vec(order, 0..10),
        prop::collection::vec(refused, 0..3),
        [facts.clone(), facts],
        (0_i64..3, 0_i64..3),
        prop::option::weighted(0.1, -40_i64..10),
        prop::sample::select(vec![1, 5 * HOUR_MS]),
        any::<bool>(),
    );
    world.prop_map(|(orders, refused, facts, (lead, tail), dropped, unit, set_back)| {
        let zone = if set_back { set_back_over_midnight() } else { Zone::utc() };
        let mut ledger = NaiveLedger { widest: (lead * unit, tail * unit), zone, ..NaiveLedger::default() };
        for (name, id, accepted, length, revision, outcome, other) in orders {
            let accepted = accepted * unit;
            let mut event =
                posting(&format!("o{id}"), accepted, length.map(|length| accepted + length * unit));
            event.platform = NAMES[name].to_owned();
            event.revision = revision;
            event.cover.lead_ms = if id % 2 == 0 { lead * unit } else { 0 };
            event.cover.tail_ms = if id % 3 == 0 { tail * unit } else { 0 };
            if length.is_some() && outcome == 0 {
                event.outcome = Some(Outcome::Void);
            }
            if other == 0 {
                event.rider_id = "S".to_owned();
            }
            ledger.apply(event);
        }
        for (name, id, accepted, ended, sent, kind) in refused {
            let number = u64::try_from(ledger.rejections.len()).unwrap();
            ledger.rejections.push(rejection(number, name, id, accepted, ended, sent, kind, unit));
        }
        ledger.completeness.dropped_until = dropped.map(|d| at(d * unit));
        let mut registered = BTreeMap::new();
        for (name, facts) in NAMES.iter().zip(facts) {
            let (promise, platform, topic) = platform(name, facts, unit);
            registered.insert((*name).to_owned(), promise);
            ledger.completeness.platforms.insert((*name).to_owned(), platform);
            ledger.completeness.topics.insert(format!("t-{name}"), topic);
        }
        let defaults = Promise { max_order_duration_ms: 15 * unit, ..Promise::default() };
        (ledger, Platforms::new(registered, defaults), unit)
    })
}

#[expect(clippy::too_many_arguments, reason = "the random parts of one record")]
fn rejection(
    id: u64,
    name: usize,
    order: u8,
    accepted: Option<i64>,
    ended: Option<i64>,
    sent: i64,
    kind: u8,
    unit: i64,
) -> Rejection {
    let sent = Arrived { after: at(sent * unit), by: at(sent * unit + i64::from(order)) };
    Rejection {
        id,
        commit: 1,
        kept: match kind {
            0 | 7 => Kept::Conflict,
            3 => Kept::Rejected(Reason::BeyondHorizon),
            _ => Kept::Rejected(Reason::BadRegion),
        },
        detail: String::new(),
        settled_by: None,
        origin: if kind == 1 {
            Origin::File { content: [0; 16], line: 1 }
        } else {
            Origin::kafka("gone", 0, 0, Timestamp::Missing).arrived(sent)
        },
        readable: Readable {
            platform: NAMES.get(name).map(|name| (*name).to_owned()),
            order_id: Some(format!("o{order}")),
            leg: Some(0),
            rider_id: match kind {
                4 | 5 => None,
                6 => Some("S".to_owned()),
                _ => Some("R".to_owned()),
            },
            phase: Some(if ended.is_some() { Phase::Ended } else { Phase::Open }),
            accepted_at: accepted.map(|a| at(a * unit)),
            ended_at: ended.map(|e| at(e * unit)),
            ..Readable::default()
        },
        raw_len: 0,
        raw_sha256: [0; 32],
        raw_truncated: false,
        resolution: (kind == 2).then(|| Resolution::Operator { commit: 1, reason: "seen".to_owned() }),
    }
}

type RandomFacts =
    (Option<i64>, Option<i64>, Option<i64>, Option<(i64, Option<i64>)>, (Option<i64>, bool), Option<i64>);

fn platform(name: &str, facts: RandomFacts, unit: i64) -> (Promise, PlatformFacts, TopicFacts) {
    let (through, stated, first, skip, (records_from, complete_start), streams) = facts;
    let topic = format!("t-{name}");
    let promise = Promise {
        topics: vec![topic.clone()],
        records_from: records_from.map(|f| at(f * unit)),
        complete_start,
        delivery_delay_ms: 2 * unit,
        streams_open_orders_from: streams.map(|s| at(s * unit)),
        max_order_duration_ms: 15 * unit,
        unreadable_records: match stated {
            Some(_) => UnreadableRecords::Warn,
            None => UnreadableRecords::Hold,
        },
    };
    let skips = skip.map(|(from, length)| SkippedSpan {
        topic,
        partition: 0,
        from: at(from * unit),
        skipped_at: at(from * unit),
        until: length.map(|length| at((from + length) * unit)),
    });
    let facts = PlatformFacts {
        complete_through: through.map(|c| at(c * unit)),
        stated_through: stated.map(|s| at(s * unit)),
        skips: skips.into_iter().collect(),
        ..PlatformFacts::default()
    };
    let partition = PartitionFacts {
        first_offset: i64::from(first.is_some()),
        seen_at: UtcMillis::MAX,
        first_arrived: Some(at(first.unwrap_or(0) * unit)),
        ..PartitionFacts::default()
    };
    (promise, facts, TopicFacts { listed_at: None, partitions: BTreeMap::from([(0, partition)]) })
}
