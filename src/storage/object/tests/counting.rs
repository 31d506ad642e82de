//! Every request is counted: by kind, by result, with its bytes.

use super::super::bucket::Trouble;
use super::super::counting::counted;
use super::*;
use crate::storage::requests::{RequestKind, StoreCounts};
use bytes::Bytes;

/// The numbers of a kind that ended ok, absent, exists, failed.
fn ended(figures: &StoreFigures, kind: RequestKind) -> Vec<u64> {
    let counts = StoreCounts::of([figures]);
    let (_, of) = counts.kinds().find(|(other, _)| *other == kind).unwrap();
    let results: Vec<u64> = of.results().map(|(_, count)| count).collect();
    let timed = of.classes().map(|(_, count)| count).sum::<u64>() + of.longer();
    assert!(timed == results.iter().sum::<u64>() || kind == RequestKind::List, "a list is timed as a whole");
    results
}

#[test]
fn every_request_is_counted_by_kind_and_result() {
    let object = object(Arc::new(InMemory::new()), options());
    assert!(object.figures().is_none(), "nothing was asked yet");
    let shared = object.shared().unwrap();
    let (bucket, figures) = (&shared.bucket, object.figures().unwrap());
    let (one, other) = (Bytes::from_static(b"12345"), Bytes::from_static(b"67"));
    bucket.put("slot/2", &one).unwrap();
    assert!(bucket.create_once("slot/2", other, None).is_err());
    assert_eq!(bucket.get("slot/2", 64).unwrap().unwrap(), one);
    assert_eq!(bucket.get_range("slot/2", 1, 3).unwrap(), "234");
    let names = ["slot/2".to_owned(), "slot/3".to_owned()];
    assert_eq!(bucket.get_all(&names, 64).unwrap().iter().flatten().count(), 1);
    assert!(bucket.get_once("slot/2", 4, None).is_err(), "it has more bytes than it may have");
    assert!(bucket.head_once("slot/2", Duration::from_secs(9)).is_ok());
    assert!(bucket.head_once("slot/3", Duration::from_secs(9)).is_err());
    let limit = Duration::from_millis(1);
    let endless = counted(Arc::clone(&figures), RequestKind::Head, std::future::pending());
    let given_up: Result<(), Trouble> = bucket.wait(limit, endless);
    assert!(matches!(given_up, Err(Trouble::Passing(_))), "{given_up:?}");
    assert_eq!(bucket.list("slot/", None).unwrap().len(), 1);
    bucket.delete(&names[..1]).unwrap();
    assert_eq!(ended(&figures, RequestKind::Put), [1, 0, 1, 0]);
    assert_eq!(ended(&figures, RequestKind::Get), [3, 1, 0, 1]);
    // One that was given up is dropped after its waiter has gone on.
    let all = || (ended(&figures, RequestKind::Head) == [1, 1, 0, 1]).then_some(());
    crate::wait::poll_until(1_000, Duration::from_millis(1), all).unwrap();
    assert_eq!(ended(&figures, RequestKind::List), [1, 0, 0, 0]);
    assert_eq!(ended(&figures, RequestKind::Delete), [1, 0, 0, 0]);
    let counts = StoreCounts::of([&*figures]);
    assert_eq!((counts.sent_bytes, counts.received_bytes, counts.deleted_objects), (7, 13, 1));
}

#[test]
fn reads_of_segments_are_hits_or_misses_of_the_cache_and_a_page_of_a_list_is_a_request() {
    let (store, folder) = (Arc::new(InMemory::new()), TempDir::new().unwrap());
    let cached = ObjectOptions {
        cache: Some((folder.path().to_path_buf(), 1 << 30)),
        inline_bytes_max: 0,
        ..options()
    };
    let writing = open(&object(Arc::clone(&store) as _, options()), Mode::WRITE).unwrap();
    (1..4).for_each(|number| commit(&writing, number).unwrap());
    let reader = object(Arc::clone(&store) as _, cached);
    let session = open(&reader, Mode::Read).unwrap();
    let figures = reader.figures().unwrap();
    let reads = || {
        let counts = StoreCounts::of([&*figures]);
        (counts.cache_hits, counts.cache_misses)
    };
    session.get(&ValueKey::new(KIND, 3, 0)).unwrap().unwrap();
    let (hits, misses) = reads();
    assert!(misses > 0, "it is in a segment that was not read before");
    session.get(&ValueKey::new(KIND, 3, 0)).unwrap().unwrap();
    assert_eq!(reads().1, misses);
    assert!(reads().0 > hits);
    let bucket = &reader.shared().unwrap().bucket;
    let names: Vec<String> = (0..1_001).map(|number| format!("probe/{number:04}")).collect();
    names.iter().for_each(|name| bucket.put(name, &Bytes::new()).unwrap());
    let before = ended(&figures, RequestKind::List)[0];
    assert_eq!(bucket.list("probe/", None).unwrap().len(), names.len());
    assert_eq!(ended(&figures, RequestKind::List)[0], before + 2);
}
