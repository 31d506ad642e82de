use super::*;
use crate::domain::order::{OrderEvent, Phase, Region};
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::posting::{Charge, ConfigNo, Posting, Pricing};
use crate::domain::settle::{PlatformLine, Reach};
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
        first_timestamp: Some(at(sent)),
        next_offset: offset + 1,
        newest_timestamp: Some(at(sent)),
    };
    tracker.applied(&applied, at(sent));
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
    tracker.started("t", 0, 0);
    tracker.started("t", 1, 0);
    listing(&mut tracker, 900, &[0, 1]);
    end(&mut tracker, 0, 500, 0);
    end(&mut tracker, 1, 600, 2);
    applied(&mut tracker, 1, 0, 450);
    tracker.state_mut().events_applied("p", at(10_000));
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
    tracker.started("t", 2, 0);
    end(&mut tracker, 2, 995, 0);
    listing(&mut tracker, 996, &[0, 1, 2]);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(940));
}

#[test]
fn without_events_or_with_old_ones_nothing_is_complete() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.started("t", 0, 0);
    listing(&mut tracker, 900, &[0]);
    end(&mut tracker, 0, 900, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), None);
    tracker.state_mut().events_applied("p", at(300));
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(300));
    tracker.state_mut().events_applied("p", at(200));
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(300));
}

#[test]
fn a_completeness_record_counts_after_an_end_requested_later() {
    let platforms = platforms(&["t"]);
    let mut tracker = CompletenessTracker::default();
    tracker.started("t", 0, 0);
    listing(&mut tracker, 900, &[0]);
    end(&mut tracker, 0, 700, 0);
    tracker.state_mut().events_applied("p", at(650));
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(650));
    tracker.state_mut().vouched("p", at(660), at(700));
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(650), "not read to a later end yet");
    end(&mut tracker, 0, 701, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(660), "its word, no delay");
    // Records in quick succession do not starve each other.
    tracker.state_mut().vouched("p", at(690), at(750));
    for later in 751..760 {
        tracker.state_mut().vouched("p", at(later), at(later));
    }
    end(&mut tracker, 0, 755, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(690));
    // It vouches for no more than the instant at which it was applied.
    tracker.state_mut().vouched("p", at(5_000), at(800));
    end(&mut tracker, 0, 890, 0);
    assert_eq!(advanced(&mut tracker, &platforms, 1_000), Some(800));
}

#[test]
fn a_platform_without_topics_needs_a_statement() {
    let platforms = platforms(&[]);
    let mut state = Completeness::default();
    state.register(&platforms);
    state.events_applied("p", at(50));
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
    tracker.started("t", 0, 0);
    listing(&mut tracker, 400, &[0]);
    end(&mut tracker, 0, 300, 0);
    end(&mut tracker, 0, 400, 7);
    tracker.state_mut().vouched("p", at(200), at(250));
    tracker.advance(&platforms, at(500));
    let mut again = CompletenessTracker::new(tracker.state().clone());
    assert_eq!(advanced(&mut again, &platforms, 500), Some(200));
    again.started("t", 0, 9);
    assert_eq!(again.state().topics["t"].partitions[&0].first_offset, 0);
}

#[test]
fn gaps_reach_until_records_are_whole_again() {
    let platforms = platforms(&["t"]);
    let reach = Reach { lead_ms: 5, tail_ms: 7 };
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    tracker.started("t", 0, 40);
    applied(&mut tracker, 0, 40, 1_000);
    tracker.state_mut().stated("p", at(999));
    tracker.state_mut().platform_mut("p").complete_through = Some(at(50_000));
    let settled = |tracker: &CompletenessTracker| {
        let line = PlatformLine::new("p", tracker.state(), &platforms, reach);
        line.settled(Window::ALWAYS).map(|w| (w.from.millis(), w.until.millis())).collect::<Vec<_>>()
    };
    assert_eq!(settled(&tracker), [(1_107, 49_895)]);
    tracker.state_mut().stated("p", at(1_000));
    assert_eq!(settled(&tracker), [(0, 49_895)], "a file ingest stated completeness beyond it");
    tracker.skipped("t", 0, 60, &platforms, reach);
    assert_eq!(settled(&tracker), [(0, 49_895)]);
    tracker.state_mut().platform_mut("p").complete_through = Some(at(90_000));
    assert_eq!(settled(&tracker), [(0, 49_895)], "nothing was read since");
    applied(&mut tracker, 0, 60, 60_000);
    assert_eq!(settled(&tracker), [(0, 49_895), (60_107, 89_895)]);
    tracker.state_mut().days_dropped(at(400));
    assert_eq!(settled(&tracker), [(507, 49_895), (60_107, 89_895)]);
}

#[test]
fn what_a_partition_that_is_gone_may_have_held_is_a_gap_up_to_then() {
    let platforms = platforms(&["t"]);
    let reach = Reach { lead_ms: 5, tail_ms: 7 };
    let mut tracker = CompletenessTracker::default();
    tracker.state_mut().register(&platforms);
    // Of the first, the offsets below 3 left no record: aborted transactions. Of the second, retention took them.
    tracker.started("t", 0, 0);
    applied(&mut tracker, 0, 3, 1_000);
    tracker.started("t", 1, 40);
    applied(&mut tracker, 1, 40, 2_000);
    listing(&mut tracker, 3_000, &[0, 1]);
    tracker.state_mut().platform_mut("p").complete_through = Some(at(50_000));
    let settled = |tracker: &CompletenessTracker| {
        let line = PlatformLine::new("p", tracker.state(), &platforms, reach);
        line.settled(Window::ALWAYS).map(|w| (w.from.millis(), w.until.millis())).collect::<Vec<_>>()
    };
    assert_eq!(settled(&tracker), [(2_107, 49_895)]);
    tracker.dropped("t", 1, at(60_000), &platforms, reach);
    assert_eq!(settled(&tracker), [(2_107, 49_895)]);
    // The partition holds nothing back any more.
    end(&mut tracker, 0, 70_000, 4);
    listing(&mut tracker, 71_000, &[0]);
    tracker.state_mut().vouched("p", at(69_000), at(69_500));
    assert_eq!(advanced(&mut tracker, &platforms, 90_000), Some(69_000));
    assert_eq!(settled(&tracker), [(2_107, 49_895), (60_107, 68_895)]);
    // One of the same number is another one.
    tracker.started("t", 1, 0);
    assert_eq!(settled(&tracker), [(2_107, 49_895), (60_107, 68_895)]);
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
        pricing: Pricing {
            config: ConfigNo(1),
            charge: Charge::None,
            cover_config: ConfigNo(1),
            cover: None,
            lead_ms: 0,
            tail_ms: 0,
        },
        commit: 1,
    }
}

#[test]
fn late_is_what_adds_cover_to_settled_time() {
    let platforms = platforms(&["t"]);
    let mut state = Completeness::default();
    state.platform_mut("p").complete_through = Some(at(1_000));
    let line = PlatformLine::new("p", &state, &platforms, Reach::default());
    let none = Told::default();
    assert!(!is_late(&line, &order(900, Some(1_000)), none), "settled is only what lies before 900");
    assert!(is_late(&line, &order(900, Some(999)), none), "everything before 1000 was said to be there");
    assert!(is_late(&line, &order(899, Some(1_000)), none), "899 was settled");
    assert!(is_late(&line, &order(999, None), none));
    assert!(!is_late(&line, &order(1_000, None), none));
    let mut previous = order(500, Some(800));
    let told = Told { previous: Some(&previous), other_phase: None };
    assert!(!is_late(&line, &order(500, Some(800)), told), "nothing is added");
    assert!(!is_late(&line, &order(600, Some(700)), told));
    assert!(is_late(&line, &order(500, Some(801)), told));
    previous.rider_id = "S".to_owned();
    let told = Told { previous: Some(&previous), other_phase: None };
    assert!(is_late(&line, &order(600, Some(700)), told), "it covers another rider now");
    let open = order(850, None);
    let told = Told { previous: None, other_phase: Some(&open) };
    assert!(!is_late(&line, &order(850, Some(1_100)), told), "the open order kept it open");
    assert!(is_late(&line, &order(849, Some(1_100)), told));
    let known = order(850, Some(880));
    let told = Told { previous: Some(&known), other_phase: Some(&open) };
    assert!(
        is_late(&line, &order(850, Some(1_000)), told),
        "the open order came after its end: 880 was settled"
    );
    let ended = order(850, Some(900));
    let told = Told { previous: None, other_phase: Some(&ended) };
    assert!(!is_late(&line, &order(850, None), told), "its end is known already");
    let unknown = PlatformLine::new("q", &state, &platforms, Reach::default());
    assert!(!is_late(&unknown, &order(1, Some(2)), none));
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
