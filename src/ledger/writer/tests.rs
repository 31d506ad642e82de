use crate::ledger::testing::{commit, event, open};
use std::sync::Arc;

#[test]
fn answering_threads_free_no_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let published = ledger.published();
    let read = published.current();
    let state = Arc::downgrade(&read);
    commit(&mut ledger, 0, &[event(1, 0)]);
    assert_eq!(published.current().root().commit, read.root().commit + 1);
    drop(read);
    assert!(state.upgrade().is_some(), "the reader was the last to have it");
    commit(&mut ledger, 1, &[event(2, 0)]);
    assert!(state.upgrade().is_none(), "no thread reads it, and it is still held");
}

/// A second process follows the ledger of a bucket.
#[cfg(feature = "object-store")]
mod following {
    use crate::domain::platform::Platforms;
    use crate::domain::time::{LocalDay, UtcMillis};
    use crate::domain::view::LedgerView;
    use crate::domain::window::Window;
    use crate::ledger::testing::{commit, event, open_in, options};
    use crate::ledger::writer::Ledger;
    use crate::storage::object::{Object, ObjectOptions};
    use crate::storage::{Session, Storage};
    use object_store::memory::InMemory;
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    /// Handles of two processes.
    fn handles() -> [Storage; 2] {
        let bucket = Arc::new(InMemory::new());
        let handle = || Object::over(vec![Arc::clone(&bucket) as _], "s3://memory", ObjectOptions::default());
        [(); 2].map(|()| Storage::Object(handle()))
    }

    /// Sessions through which the live runs are read.
    fn sessions(ledger: &Ledger) -> usize {
        let live = ledger.published().current();
        let of = live.runs().values().flatten().map(|run| match run.session() {
            Session::Object(session) => Arc::as_ptr(session),
            _ => unreachable!("it is of a bucket"),
        });
        of.collect::<HashSet<_>>().len()
    }

    #[test]
    fn whom_a_kept_record_concerns_changes_when_its_platform_becomes_known() {
        let [writing, reading] = handles();
        let mut ledger = open_in(writing);
        // Refused, and no rider can be read in it; no order of its platform is stored yet.
        commit(&mut ledger, 0, &[r#"{"platform":"p","order_id":"9"}"#.to_owned()]);
        let mut follower = Ledger::open_read_only(options(reading.clone())).unwrap();
        let concerns = |ledger: &Ledger, platform: &str| {
            let state = ledger.published().current();
            !state.unreadable_time(platform, &Platforms::default(), Window::ALWAYS).is_empty()
        };
        assert!(concerns(&follower, "p") && concerns(&follower, "q"), "any platform may be meant");
        commit(&mut ledger, 1, &[event(1, 0)]);
        assert!(follower.follow().unwrap());
        let fresh = Ledger::open_read_only(options(reading)).unwrap();
        for (platform, is_concerned) in [("p", true), ("q", false)] {
            assert_eq!(concerns(&fresh, platform), is_concerned, "{platform}");
            assert_eq!(concerns(&follower, platform), is_concerned, "{platform}, followed");
        }
    }

    #[test]
    fn a_follower_of_many_commits_reads_through_few_sessions_and_takes_over() {
        let [writing, reading] = handles();
        let mut ledger = open_in(writing);
        let mut follower = Ledger::open_read_only(options(reading)).unwrap();
        let versions = |ledger: &Ledger, order: u64| {
            let state = ledger.published().current();
            state.order_versions("p", &order.to_string()).unwrap().len()
        };
        let old = follower.published().current();
        for order in 0..150_u64 {
            commit(&mut ledger, i64::try_from(order).unwrap(), &[event(order, 0)]);
            assert!(follower.follow().unwrap() && !follower.follow().unwrap());
            follower.read_filters(Duration::from_secs(9)).unwrap();
            if order % 16 == 7 {
                ledger.compact_now(LocalDay(i32::MAX), UtcMillis::new(1_795_000_001_000)).unwrap();
            }
            // Some states are passed over.
            if order % 3 == 0 {
                follower.prefill_filters(Duration::from_secs(9)).unwrap();
            }
            assert_eq!((versions(&follower, order), versions(&follower, order / 2)), (1, 1), "order {order}");
        }
        assert_eq!(old.order_versions("p", "7").unwrap().len(), 0, "an earlier state stays what it is");
        drop(old);
        assert!((2..=66).contains(&sessions(&follower)), "{} sessions", sessions(&follower));
        let newest = follower.writer_activity().unwrap().newest;
        follower.take_over(Some(newest)).unwrap();
        assert_eq!(sessions(&follower), 1, "the writer's");
        follower.activate_configuration(UtcMillis::new(1_795_000_002_000)).unwrap();
        commit(&mut follower, 150, &[event(149, 0), event(150, 0)]);
        assert_eq!((versions(&follower, 149), versions(&follower, 150)), (1, 1), "149 is a duplicate");
        assert!((0..150).all(|order| versions(&follower, order) == 1));
        // The one from which it took over is fenced.
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            commit(&mut ledger, 150, &[event(151, 0)])
        }));
        assert!(refused.is_err());
        assert!(ledger.poisoned().is_some_and(|why| why.contains("another writer has taken over")));
    }
}
