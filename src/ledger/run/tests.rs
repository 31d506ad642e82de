use super::*;
use crate::ledger::testing::{commit, event, open};
use proptest::prelude::*;

/// Some identities fill index chunks and more, others are alone.
const REVISIONS: [u64; 6] = [1_300, 1, 700, 1, 300, 2];

fn hash_of(order: u64) -> IdentityHash {
    IdentityHash::of("p", &order.to_string(), 0, Phase::Ended)
}

#[test]
fn an_identity_is_found_in_every_block_that_holds_it_whichever_chunks_tell_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let orders = (0..300).zip(REVISIONS.into_iter().chain(std::iter::repeat(1)));
    let records = orders.flat_map(|(order, count)| (0..count).map(move |revision| event(order, revision)));
    commit(&mut ledger, 0, &records.collect::<Vec<_>>());
    let view = ledger.published().current();
    let run = view.runs().values().flatten().next().unwrap();
    assert!(run.entry.chunks > 4 && run.entry.rows == 2_598, "{:?}", run.entry);
    let mut entries = Vec::new();
    for chunk in 0..run.entry.chunks {
        run.visit_chunk(chunk, |entry| {
            entries.push(entry);
            true
        })
        .unwrap();
    }
    // Strangers among them, and one asked for twice.
    let asked = prop::collection::vec(prop_oneof![0..6_u64, 0..600_u64], 1..40);
    proptest!(|(asked in asked)| {
        let mut wanted: Vec<(IdentityHash, usize)> =
            asked.iter().enumerate().map(|(nth, &order)| (hash_of(order), nth)).collect();
        wanted.sort_unstable();
        let mut found = Vec::new();
        run.blocks_with(&wanted, |block, nth| found.push((nth, block))).unwrap();
        let of = |&(hash, nth): &(IdentityHash, usize)| {
            let same = entries.iter().filter(move |entry| entry.0 == hash);
            same.map(move |&(_, block)| (nth, block)).collect::<Vec<_>>()
        };
        let mut expected: Vec<(usize, u32)> = wanted.iter().flat_map(of).collect();
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    });
}
