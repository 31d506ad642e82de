use super::*;
use crate::domain::time::LocalDay;
use crate::storage::{Acquire, Hint, Mode, Storage};
use proptest::prelude::*;
use tempfile::TempDir;

fn entry(blocks: usize, chunks: usize, sparse_parts: u32) -> RunEntry {
    RunEntry {
        day: LocalDay(20_000),
        rows: 0,
        blocks: u32::try_from(blocks).unwrap(),
        chunks: u32::try_from(chunks).unwrap(),
        sparse_parts,
        filter_pages: 0,
        rider_pages: 0,
        totals_parts: 0,
        accepted: (UtcMillis::MAX, UtcMillis::MIN),
        longest_ms: 0,
        has_open: false,
        commits: (0, 0),
        bytes: 0,
        compaction: 0,
    }
}

type Places = Vec<(String, i64)>;

/// Ascending, some of them more than once: places in steps of time and of riders, and hashes.
fn firsts(blocks: usize, chunks: usize, density: usize) -> (Places, Vec<u64>) {
    let place =
        |n: usize| (format!("rider {:06}", n / density), i64::try_from(n % density / 2 * 10).unwrap());
    let hash = |n: usize| u64::try_from(n / density.min(3) * 1_000_003).unwrap();
    ((0..blocks).map(place).collect(), (0..chunks).map(hash).collect())
}

fn sparse(places: &Places, hashes: &[u64]) -> Sparse {
    let mut sparse = Sparse::default();
    places.iter().for_each(|(rider, start)| sparse.push_block(rider, UtcMillis::new(*start)));
    hashes.iter().for_each(|&hash| sparse.push_chunk(IdentityHash::new(hash).unwrap()));
    sparse
}

fn acquire(dir: &TempDir, index_bytes: usize) -> Session {
    Storage::local(dir.path())
        .acquire(&Acquire { mode: Mode::WRITE, cache_bytes: 8 << 20, index_bytes })
        .unwrap()
}

/// A stored index, opened with so much memory.
fn stored(dir: &TempDir, places: &Places, hashes: &[u64], memory: usize) -> (Session, RunIndex, RunEntry) {
    let store = acquire(dir, 0);
    let writing = store.begin(Hint::LongLived);
    let (written, values, _) = RunIndex::put(&writing, 7, sparse(places, hashes), &[]).unwrap();
    writing.seal().unwrap();
    let entry = entry(places.len(), hashes.len(), values);
    assert!(written.is_stored(&store, &[]).unwrap());
    drop((writing, store, written));
    let store = acquire(dir, memory);
    let (index, dictionary) = RunIndex::open(&store, 7, &entry).unwrap();
    assert!(dictionary.is_empty());
    (store, index, entry)
}

fn agrees(store: &Session, index: &RunIndex, places: &Places, hashes: &[u64], asked: &[usize]) {
    let before =
        |place: (&str, i64)| places.partition_point(|(rider, start)| (rider.as_str(), *start) < place);
    for &at in asked {
        let (rider, start) = places.get(at % places.len().max(1)).cloned().unwrap_or_default();
        for (rider, from, to) in [(rider.clone(), start - 1, start + 11), (rider + "x", 0, i64::MAX)] {
            let found =
                index.look(store).blocks_of(&rider, (UtcMillis::new(from), UtcMillis::new(to))).unwrap();
            assert_eq!(found, before((rider.as_str(), from)).saturating_sub(1)..before((rider.as_str(), to)));
        }
        let hash = hashes.get(at % hashes.len().max(1)).copied().unwrap_or_default();
        for hash in [hash, hash + 1, hash.saturating_sub(1)] {
            let below = hashes.partition_point(|&first| first < hash);
            let until = hashes.partition_point(|&first| first <= hash);
            let found = index.look(store).chunks_of(IdentityHash::new(hash).unwrap()).unwrap();
            assert_eq!(found, below.saturating_sub(1)..until);
        }
    }
    let mut look = index.look(store);
    for block in 0..places.len() + 2 {
        let (rider, start) = places.get(block).cloned().unwrap_or_default();
        let is_there = block < places.len();
        assert_eq!(look.begins_at(block, &rider, UtcMillis::new(start)).unwrap(), is_there);
        assert!(!look.begins_at(block, &rider, UtcMillis::new(start + 1)).unwrap());
    }
    for chunk in 0..hashes.len() + 2 {
        let first = look.chunk_first(chunk).unwrap();
        assert_eq!(first.map(IdentityHash::get), hashes.get(chunk).copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_leads_to_what_a_list_leads_to(
        blocks in prop_oneof![0usize..70, 1_000usize..3_200],
        chunks in prop_oneof![0usize..70, 2_000usize..4_200],
        density in 1usize..9,
        memory in prop_oneof![Just(0usize), Just(40_000), Just(4 << 20)],
        asked in prop::collection::vec(any::<usize>(), 40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (places, hashes) = firsts(blocks, chunks, density);
        let (store, index, _) = stored(&dir, &places, &hashes, memory);
        agrees(&store, &index, &places, &hashes, &asked);
        prop_assert!(index.is_stored(&store, &[]).unwrap());
        prop_assert!(store.parts().bytes() <= memory);
    }

    #[test]
    fn any_bytes_for_a_part_are_an_error_at_worst(bytes: Vec<u8>, count in 0usize..40) {
        if let Ok(part) = PlacesPart::of(&bytes, count) {
            drop(part.check());
            prop_assert!(part.before((b"rider", 5)) <= count);
        }
        if let Ok(part) = HashesPart::of(&bytes, count) {
            prop_assert!(part.below(IdentityHash::ZERO, true) <= count);
        }
    }
}

#[test]
fn what_is_always_in_memory_is_small_however_large_the_run_is() {
    let dir = tempfile::tempdir().unwrap();
    let (places, hashes) = firsts(40_000, 40_000, 2);
    let (store, index, entry) = stored(&dir, &places, &hashes, 100_000);
    // Twenty million orders.
    assert!(entry.sparse_parts > 50 && index.bytes() < 3_000, "{} bytes", index.bytes());
    let (rider, _) = &places[31_111];
    let day = (UtcMillis::new(0), UtcMillis::new(1_000));
    let found = index.look(&store).blocks_of(rider, day).unwrap();
    assert!(found.contains(&31_111) && found.len() < 5);
    // The head, a page of places of the store, and one part.
    assert!(store.parts().bytes() < 40_000, "{} bytes for one question", store.parts().bytes());
}

#[test]
fn a_changed_lost_or_exchanged_part_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (places, hashes) = firsts(2_500, 2_500, 2);
    let (store, index, entry) = stored(&dir, &places, &hashes, 0);
    assert_eq!(entry.sparse_parts, 1 + 3 + 2);
    let key = |part: u32| in_run(keys::SPARSE, 7, 1 + part);
    let replace = |part: u32, value: Vec<u8>| {
        let writing = store.begin(Hint::LongLived);
        writing.put(&key(part), value).unwrap();
        writing.seal().unwrap();
    };
    let day = (UtcMillis::new(0), UtcMillis::new(1_000));
    for part in 0..5 {
        let whole = store.get(&key(part)).unwrap().unwrap().to_vec();
        let body = chunked::get_one(&store, &key(part)).unwrap();
        let mut changed = whole.clone();
        changed[40] ^= 1;
        let mut longer = body.clone();
        longer.push(0);
        let framed = |body: &[u8]| frame(&key(part), body, Packing::Raw);
        let other = store.get(&key((part + 1) % 5)).unwrap().unwrap().to_vec();
        for bad in [changed, framed(&longer), framed(&body[..30]), framed(&[]), other] {
            replace(part, bad);
            assert!(index.is_stored(&store, &[]).is_err(), "part {part}");
            let mut look = index.look(&store);
            let asked = match part.checked_sub(3) {
                None => look.blocks_of(&places[usize::try_from(part).unwrap() * 1_024 + 9].0, day).map(drop),
                Some(part) => look.chunk_first(usize::try_from(part).unwrap() * 2_048 + 9).map(drop),
            };
            let text = asked.unwrap_err().to_string();
            assert!(text.contains("run 7") || text.contains("s/7/"), "{text}");
        }
        // The top, or the blocks themselves, reveal a part of another form that fits.
        let mut forged = body;
        forged[11] ^= 1;
        forged[1] ^= 1;
        replace(part, frame(&key(part), &forged, Packing::Raw));
        assert!(!index.is_stored(&store, &[]).unwrap_or(false), "part {part}");
        replace(part, whole);
        assert!(index.is_stored(&store, &[]).unwrap());
    }
    let fewer = RunEntry { sparse_parts: 4, ..entry };
    assert!(RunIndex::open(&store, 7, &fewer).is_err());
    let more = RunEntry { blocks: 4_000, ..entry };
    assert!(RunIndex::open(&store, 7, &more).is_err());
}
