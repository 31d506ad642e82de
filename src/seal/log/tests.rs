use super::*;
use crate::domain::window::Window;
use crate::seal::instant;
use crate::seal::note::{PrivateKey, PublicKey};
use crate::seal::tiles::added_tiles;
use serde::Deserialize;
use std::collections::BTreeMap;

fn entry(day: i32, generation: u64, previous: Option<u64>) -> DayEntry {
    let from = instant::from_text("2026-11-19T16:00:00.000Z").unwrap();
    DayEntry {
        zone: "Asia/Shanghai".to_owned(),
        day: LocalDay::from_ymd(2026, 11, 20).unwrap().plus_days(day),
        span: Window::new(from, from.plus(86_400_000)),
        generation,
        previous,
        leaves: 0,
        root: Hash::of_empty_tree(),
        vrf_key: [5; 32],
        platforms: vec!["dada".to_owned()],
    }
}

#[test]
fn generations_follow_one_another() {
    let mut log = SealLog::new();
    assert_eq!(log.push(entry(0, 1, None)), Ok(0));
    assert_eq!(log.push(entry(1, 1, None)), Ok(1));
    assert_eq!(log.push(entry(0, 1, None)), Err(LogError::Generation { index: 2, generation: 2 }));
    assert_eq!(log.push(entry(0, 2, Some(1))), Err(LogError::Generation { index: 2, generation: 2 }));
    assert_eq!(log.push(entry(0, 2, Some(0))), Ok(2));
    assert_eq!((log.superseded_by(0), log.superseded_by(1), log.superseded_by(2)), (Some(2), None, None));
    let texts: Vec<&str> = (0..3).map(|index| log.text(index).unwrap()).collect();
    let again = SealLog::of_texts(texts.iter().copied()).unwrap();
    assert_eq!(again.checkpoint("a"), log.checkpoint("a"));
    let refused = SealLog::of_texts([texts[0], "other"]).unwrap_err();
    assert!(matches!(refused, LogError::Damaged { index: 1, .. }), "{refused}");
    let platforms = (0..6000).map(|number| format!("platform{number:05}")).collect();
    let long = DayEntry { platforms, ..entry(9, 1, None) };
    assert!(matches!(log.push(long), Err(LogError::Long { .. })));
}

#[test]
fn a_growing_log_keeps_its_files_and_proves_itself() {
    let mut log = SealLog::new();
    let mut files: BTreeMap<TileId, Vec<u8>> = BTreeMap::new();
    let mut before = log.checkpoint("a");
    for day in 0..520 {
        log.push(entry(day, 1, None)).unwrap();
        if day % 37 != 0 && day != 255 && day != 256 {
            continue;
        }
        let now = log.checkpoint("a");
        for tile in added_tiles(before.size, now.size) {
            files.insert(tile, log.file(tile).unwrap());
        }
        let path = log.prove_consistency(before.size);
        assert!(merkle::verify_consistency((before.size, before.root), (now.size, now.root), &path));
        let path = log.prove_inclusion(before.size);
        let leaf = Hash::of_leaf(log.text(before.size).unwrap().as_bytes());
        assert!(merkle::verify_inclusion(leaf, before.size, now.size, &path, now.root));
        before = now;
    }
    for (tile, bytes) in files {
        assert_eq!(log.file(tile).as_ref(), Some(&bytes), "{}", tile.path());
    }
    let beyond = TileId { kind: TileKind::Entries, index: 2, width: 9 };
    assert_eq!(log.file(beyond), None);
}

/// What Go's `sumdb/note` and `sumdb/tlog` made: `tests/verifier/sumdb`.
#[derive(Deserialize)]
struct Expected {
    public_key: String,
    private_key: String,
    trees: Vec<ExpectedTree>,
}

#[derive(Deserialize)]
struct ExpectedTree {
    size: u64,
    root: String,
    index: u64,
    inclusion: Vec<String>,
    old: Option<u64>,
    #[serde(default)]
    consistency: Vec<String>,
    checkpoint: String,
    tile_sha256: BTreeMap<String, String>,
}

#[test]
fn keys_checkpoints_proofs_and_tiles_are_those_of_another_implementation() {
    let text = include_str!("../../../tests/verifier/sumdb/expected.json");
    let expected: Expected = serde_json::from_str(text).unwrap();
    let key = PrivateKey::parse(&expected.private_key).unwrap();
    assert_eq!(key.public(), &PublicKey::parse(&expected.public_key).unwrap());
    assert_eq!(key.to_secret_text(), expected.private_key);
    // Not a log of days: the same code under it.
    let mut levels: Vec<Vec<Hash>> = Vec::new();
    let mut builder = TreeBuilder::new();
    assert!(expected.trees.len() > 5);
    for tree in expected.trees {
        for number in builder.size()..tree.size {
            builder.push(Hash::of_leaf(format!("entry {number}").as_bytes()), |level, _, hash| {
                let level = usize::try_from(level).unwrap();
                levels.resize_with(levels.len().max(level + 1), Vec::new);
                levels[level].push(hash);
            });
        }
        let log = SealLog { levels: levels.clone(), builder: builder.clone(), ..SealLog::new() };
        let checkpoint = log.checkpoint("ledger.example/seal");
        assert_eq!(checkpoint.root.to_string(), tree.root);
        assert_eq!(checkpoint.sign(&[&key]), tree.checkpoint);
        let verified = Checkpoint::verify(&tree.checkpoint, &[key.public().clone()]).unwrap();
        assert_eq!(verified.checkpoint, checkpoint);
        let texts = |path: Vec<Hash>| path.iter().map(Hash::to_string).collect::<Vec<_>>();
        assert_eq!(texts(log.prove_inclusion(tree.index)), tree.inclusion);
        if let Some(old) = tree.old {
            assert_eq!(texts(log.prove_consistency(old)), tree.consistency);
        }
        let own: BTreeMap<String, String> = added_tiles(0, tree.size)
            .into_iter()
            .filter(|tile| tile.kind != TileKind::Entries)
            .map(|tile| (tile.path(), Hash::of(&[&log.file(tile).unwrap()]).to_string()))
            .collect();
        assert_eq!(own, tree.tile_sha256);
    }
}
