mod late;

use super::*;
use crate::domain::arrival::Timestamp;
use crate::domain::charge::{Charge, Price};
use crate::domain::finality::{CoverMargins, PlatformFinality};
use crate::domain::order::{OrderEvent, Phase, Region};
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::posting::{ConfigNo, CoverTerms, Posting};
use crate::domain::window::Window;
use std::borrow::Cow;

fn at(ms: i64) -> UtcMillis {
    UtcMillis::new(ms)
}

fn platforms(topics: &[&str]) -> Platforms {
    let promise = Promise {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        records_from: Some(at(0)),
        complete_start: true,
        delivery_delay_ms: 10,
        streams_open_orders_from: None,
        max_order_duration_ms: 100,
        unreadable_records: UnreadableRecords::default(),
    };
    Platforms::new(BTreeMap::from([("p".to_owned(), promise)]), Promise::default())
}

fn applied(tracker: &mut CompletenessTracker, partition: i32, offset: i64, sent: i64) {
    let applied = PartitionApplied {
        topic: "t",
        partition,
        first_offset: offset,
        first_arrived: at(sent),
        next_offset: offset + 1,
        newest_timestamp: Some(at(sent)),
    };
    tracker.applied(&applied, at(sent));
}

fn started(tracker: &mut CompletenessTracker, partition: i32, offset: i64, seen_at: i64) {
    let (topic, identity) = ("t".to_owned(), TopicIdentity::default());
    tracker.started(&PartitionStarted { topic, partition, offset, seen_at: at(seen_at), identity });
}

const REACH: CoverMargins = CoverMargins { lead_ms: 5, tail_ms: 7 };

fn skipped(
    tracker: &mut CompletenessTracker,
    offset: i64,
    now: i64,
    identity: &TopicIdentity,
    platforms: &Platforms,
) {
    let (topic, identity) = ("t".to_owned(), identity.clone());
    let skipped = PartitionSkipped { topic, partition: 0, offset, at: at(now), identity };
    tracker.skipped(&skipped, platforms, REACH);
}

fn settled(tracker: &CompletenessTracker, platforms: &Platforms) -> Vec<(i64, i64)> {
    let line = PlatformFinality::new("p", tracker.state(), platforms, REACH);
    line.settled(Window::ALWAYS).map(|w| (w.from.millis(), w.until.millis())).collect()
}

fn end(tracker: &mut CompletenessTracker, partition: i32, requested_at: i64, end_offset: i64) {
    let requested_at = at(requested_at);
    tracker.end_observed(&EndObserved { topic: "t".to_owned(), partition, requested_at, end_offset });
}

fn listing(tracker: &mut CompletenessTracker, requested_at: i64, partitions: &[i32]) {
    let topics = BTreeMap::from([("t".to_owned(), partitions.to_vec())]);
    tracker.metadata_observed(&MetadataObserved { requested_at: at(requested_at), topics });
}

fn advanced(tracker: &mut CompletenessTracker, platforms: &Platforms, now: i64) -> Option<i64> {
    tracker.advance(platforms, at(now));
    tracker.state().complete_through("p").map(UtcMillis::millis)
}

#[test]
fn every_partition_must_be_read_to_an_end_and_silence_is_not_completeness() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    started(&mut tracker, 0, 0, 80_000);
    started(&mut tracker, 1, 0, 80_000);
    listing(&mut tracker, 900, &[0, 1]);
    end(&mut tracker, 0, 500, 0);
    end(&mut tracker, 1, 600, 2);
    applied(&mut tracker, 1, 0, 450);
    tracker.state_mut().events_applied("p", at(10_000), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), None, "one record of partition 1 is missing");
    applied(&mut tracker, 1, 1, 460);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(490), "500 less the delay");
    end(&mut tracker, 0, 800, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(590));
    let by = |tracker: &CompletenessTracker| tracker.state().bound("p", &platforms, at(1_000)).held_by;
    assert_eq!(by(&tracker), HeldBy::Partition { topic: "t".to_owned(), partition: 1 });
    // A control record at the tail counts as applied.
    end(&mut tracker, 1, 950, 3);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(590));
    tracker.tail_reached("t", 1, 3);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(790));
    // A new partition: nothing rises until it is read.
    end(&mut tracker, 0, 980, 0);
    listing(&mut tracker, 990, &[0, 1, 2]);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(890), "held by the listing of 900");
    assert_eq!(by(&tracker), HeldBy::Listing { topic: "t".to_owned() });
    started(&mut tracker, 2, 0, 80_000);
    end(&mut tracker, 2, 995, 0);
    listing(&mut tracker, 996, &[0, 1, 2]);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(940));
}

#[test]
fn without_events_or_with_old_ones_nothing_is_complete() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    started(&mut tracker, 0, 0, 80_000);
    listing(&mut tracker, 900, &[0]);
    end(&mut tracker, 0, 900, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), None);
    tracker.state_mut().events_applied("p", at(300), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(300));
    tracker.state_mut().events_applied("p", at(200), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(300));
}

#[test]
fn a_completeness_record_counts_after_an_end_requested_later() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    started(&mut tracker, 0, 0, 80_000);
    listing(&mut tracker, 900, &[0]);
    end(&mut tracker, 0, 700, 0);
    tracker.state_mut().events_applied("p", at(650), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(650));
    tracker.state_mut().vouched("p", at(660), at(700), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(650), "not read to a later end yet");
    end(&mut tracker, 0, 701, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(660), "its word, no delay");
    // Records in quick succession do not starve each other.
    tracker.state_mut().vouched("p", at(690), at(750), None);
    for later in 751..760 {
        tracker.state_mut().vouched("p", at(later), at(later), None);
    }
    end(&mut tracker, 0, 755, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(690));
    // It vouches for no more than the instant at which it was applied.
    tracker.state_mut().vouched("p", at(5_000), at(800), None);
    end(&mut tracker, 0, 890, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(800));
}

#[test]
fn a_platform_without_topics_needs_a_statement() {
    let platforms = platforms(&[]);
    let mut state = Completeness::default();
    state.register(&platforms);
    state.events_applied("p", at(50), None);
    assert_eq!(state.advance(&platforms, at(100)), []);
    state.stated_for_all(["q"], at(70_000));
    assert_eq!(
        state.advance(&platforms, at(100)),
        [("p".to_owned(), at(70_000)), ("q".to_owned(), at(70_000))]
    );
    state.stated("p", at(60_000));
    assert_eq!(state.advance(&platforms, at(100)), []);
    assert_eq!(state.complete_through("p"), Some(at(70_000)));
}

#[test]
fn a_restart_forgets_only_what_was_not_applied() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    started(&mut tracker, 0, 0, 80_000);
    listing(&mut tracker, 400, &[0]);
    end(&mut tracker, 0, 300, 0);
    end(&mut tracker, 0, 400, 7);
    tracker.state_mut().vouched("p", at(200), at(250), None);
    tracker.advance(&platforms, at(500));
    let mut again = CompletenessTracker::new(tracker.state().clone());
    assert_eq!(advanced(&mut again, &platforms, 500), Some(200));
    started(&mut again, 0, 9, 80_000);
    assert_eq!(again.state().topics["t"].partitions[&0].first_offset, 0);
}

#[test]
fn gaps_reach_until_records_are_whole_again() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    started(&mut tracker, 0, 40, 80_000);
    applied(&mut tracker, 0, 40, 1_000);
    tracker.state_mut().stated("p", at(999));
    tracker.state_mut().platform_mut("p").complete_through = Some(at(50_000));
    assert_eq!(settled(&tracker, &platforms), [(1_107, 49_895)]);
    tracker.state_mut().stated("p", at(1_000));
    assert_eq!(settled(&tracker, &platforms), [(0, 49_895)], "a file ingest stated completeness beyond it");
    skipped(&mut tracker, 60, 55_000, &TopicIdentity::default(), &platforms);
    assert_eq!(settled(&tracker, &platforms), [(0, 49_895)]);
    tracker.state_mut().platform_mut("p").complete_through = Some(at(90_000));
    assert_eq!(settled(&tracker, &platforms), [(0, 49_895)], "nothing was read since");
    applied(&mut tracker, 0, 60, 60_000);
    assert_eq!(settled(&tracker, &platforms), [(0, 49_895), (60_107, 89_895)]);
    tracker.state_mut().days_dropped(at(400));
    assert_eq!(settled(&tracker, &platforms), [(507, 49_895), (60_107, 89_895)]);
}

#[test]
fn what_a_partition_that_is_gone_may_have_held_is_a_gap_up_to_then() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    // Of the first, the offsets below 3 left no record: aborted transactions. Of the second, retention took them.
    started(&mut tracker, 0, 0, 80_000);
    applied(&mut tracker, 0, 3, 1_000);
    started(&mut tracker, 1, 40, 80_000);
    applied(&mut tracker, 1, 40, 2_000);
    listing(&mut tracker, 3_000, &[0, 1]);
    tracker.state_mut().platform_mut("p").complete_through = Some(at(50_000));
    assert_eq!(settled(&tracker, &platforms), [(2_107, 49_895)]);
    tracker.dropped("t", 1, at(60_000), &platforms, REACH);
    assert_eq!(settled(&tracker, &platforms), [(2_107, 49_895)]);
    // The partition holds nothing back any more.
    end(&mut tracker, 0, 70_000, 4);
    listing(&mut tracker, 71_000, &[0]);
    tracker.state_mut().vouched("p", at(69_000), at(69_500), None);
    assert_eq!(advanced(&mut tracker, &platforms, 90_000), Some(69_000));
    assert_eq!(settled(&tracker, &platforms), [(2_107, 49_895), (60_107, 68_895)]);
    // One of the same number is another one.
    started(&mut tracker, 1, 0, 80_000);
    assert_eq!(settled(&tracker, &platforms), [(2_107, 49_895), (60_107, 68_895)]);
}

#[test]
fn a_producers_timestamp_closes_no_gap_and_a_brokers_stamp_does() {
    let platforms = platforms(&["t"]);
    let gap_of = |timestamp: Timestamp| {
        let mut tracker = CompletenessTracker::default();
        tracker.state_mut().register(&platforms);
        started(&mut tracker, 0, 5, 50_000);
        tracker.state_mut().platform_mut("p").complete_through = Some(at(90_000));
        assert_eq!(
            settled(&tracker, &platforms),
            [(50_107, 89_895)],
            "what lay before had arrived when the start was seen"
        );
        let first_arrived = timestamp.arrival(None, at(70_000)).by;
        let (next_offset, newest_timestamp) = (6, timestamp.instant());
        let topic = "t";
        let applied = PartitionApplied {
            topic,
            partition: 0,
            first_offset: 5,
            first_arrived,
            next_offset,
            newest_timestamp,
        };
        tracker.applied(&applied, at(70_000));
        settled(&tracker, &platforms)
    };
    for sent in [1, 1_000, 60_000, 500_000] {
        assert_eq!(gap_of(Timestamp::Producer(at(sent))), [(50_107, 89_895)], "{sent}");
    }
    assert_eq!(gap_of(Timestamp::Missing), [(50_107, 89_895)]);
    assert_eq!(gap_of(Timestamp::Broker(at(1_000))), [(1_107, 89_895)]);
    assert_eq!(
        gap_of(Timestamp::Broker(at(60_000))),
        [(50_107, 89_895)],
        "it arrived after the start was seen"
    );
}

#[test]
fn no_skipped_span_is_empty() {
    let platforms = platforms(&["t"]);
    // The next record may be much older than the skip, by its timestamp; a statement may lie far ahead of it.
    for (through, sent) in [(50_000, 1), (50_000, 59_999), (500_000, 1), (60_000, 60_000)] {
        let mut tracker = CompletenessTracker::default();
        tracker.state_mut().register(&platforms);
        started(&mut tracker, 0, 0, 10);
        tracker.state_mut().platform_mut("p").complete_through = Some(at(through));
        skipped(&mut tracker, 60, 60_000, &TopicIdentity::default(), &platforms);
        applied(&mut tracker, 0, 60, sent);
        tracker.state_mut().platform_mut("p").complete_through = Some(at(900_000));
        let from = through.min(60_000) - 105;
        assert_eq!(settled(&tracker, &platforms), [(0, from), (60_107, 899_895)], "{through} {sent}");
    }
}

#[test]
fn a_skip_into_another_topic_takes_it_for_the_one_that_is_read() {
    let platforms = platforms(&["t"]);
    let of = |id: &str| TopicIdentity { cluster: Some("c".to_owned()), topic: Some(id.to_owned()) };
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    started(&mut tracker, 0, 0, 10);
    started(&mut tracker, 1, 0, 10);
    let known = |tracker: &CompletenessTracker, partition: i32| {
        tracker.state().topics["t"].partitions[&partition].identity.topic.clone()
    };
    assert_eq!(known(&tracker, 0), None);
    tracker.identified("t", &of("first"));
    applied(&mut tracker, 0, 0, 20);
    end(&mut tracker, 0, 30, 1);
    // Nothing but a decision replaces what is known, and one about a partition says nothing about another.
    tracker.identified("t", &of("second"));
    assert_eq!(known(&tracker, 0).as_deref(), Some("first"));
    assert_eq!(tracker.state().read_to("t", 0), Some(at(30)));
    skipped(&mut tracker, 0, 60_000, &of("second"), &platforms);
    assert_eq!(known(&tracker, 0).as_deref(), Some("second"));
    assert_eq!(known(&tracker, 1).as_deref(), Some("first"));
    assert_eq!(tracker.state().read_to("t", 0), None, "that was the end of the other topic");
}

fn order(accepted: i64, ended: Option<i64>) -> Posting {
    Posting {
        platform: "p".to_owned(),
        order_id: "o".to_owned(),
        leg: 0,
        phase: if ended.is_some() { Phase::Ended } else { Phase::Open },
        rider_id: "R".to_owned(),
        category: "instant_delivery".to_owned(),
        region: Region::from_code(1).unwrap(),
        accepted_at: at(accepted),
        ended_at: ended.map(at),
        outcome: None,
        revision: 0,
        fare: None,
        previous_accepted_at: None,
        cover: CoverTerms { config: ConfigNo(1), ..CoverTerms::NONE },
        charge: Charge::of_order(ConfigNo(1), Price::None),
        commit: 1,
    }
}

#[test]
fn a_paused_tracker_takes_facts_in_and_raises_nothing() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    started(&mut tracker, 0, 0, 80_000);
    listing(&mut tracker, 900, &[0]);
    tracker.pause(true);
    end(&mut tracker, 0, 500, 0);
    tracker.state_mut().events_applied("p", at(10_000), None);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), None);
    tracker.pause(false);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(490));
}

#[test]
fn an_instant_after_its_own_record_vouches_for_nothing() {
    let event = OrderEvent {
        platform: Cow::Borrowed("p"),
        order_id: Cow::Borrowed("o"),
        leg: 0,
        rider_id: Cow::Borrowed("R"),
        category: Cow::Borrowed("c"),
        region: Region::from_code(1).unwrap(),
        accepted_at: at(10),
        ended_at: Some(at(20)),
        outcome: None,
        revision: 0,
        fare: None,
        previous_accepted_at: None,
    };
    assert_eq!(newest_instant(&event), at(20));
    assert_eq!(vouching_instant(&event, at(20)), Some(at(20)));
    assert_eq!(vouching_instant(&event, at(19)), Some(at(10)));
    assert_eq!(vouching_instant(&event, at(9)), None);
}
