use super::*;
use crate::seal::merkle::TreeBuilder;
use std::cell::RefCell;
use std::collections::BTreeMap;

fn hashes(level: u8, index: u64, width: u16) -> TileId {
    TileId { kind: TileKind::Hashes { level }, index, width }
}

#[test]
fn paths_are_those_of_the_specification() {
    assert_eq!(hashes(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
    assert_eq!(hashes(2, 0, 1).path(), "tile/2/000.p/1");
    let entries = TileId { kind: TileKind::Entries, index: 273, width: 112 };
    assert_eq!(entries.path(), "tile/entries/273.p/112");
    for tile in [hashes(0, 1_234_067, 256), hashes(2, 0, 1), entries, hashes(1, 999_999, 255)] {
        assert_eq!(TileId::parse(&tile.path()), Some(tile));
    }
    for other in [
        "tile/0/1234067",
        "tile/0/x001/x234/67",
        "tile/0/001/234/067",
        "tile/0/x000/067",
        "tile/00/067",
        "tile/7/067",
        "tile/0/067.p/0",
        "tile/0/067.p/256",
        "tile/0/067.p/07",
        "tile/0/../067",
        "tile/0/",
        "tile/0/x001/x234/x067",
        "tile/entries/067.p/",
        "/tile/0/067",
        "tile/0/067/",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(TileId::parse(other), None, "{other}");
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_specification() {
    let tiles = added_tiles(0, 70_000);
    let of = |level: u8| -> Vec<TileId> {
        tiles.iter().copied().filter(|tile| tile.kind == TileKind::Hashes { level }).collect()
    };
    assert_eq!((of(0).len(), of(0).last().copied()), (274, Some(hashes(0, 273, 112))));
    assert!(of(0)[..273].iter().all(|tile| tile.width == TILE_WIDTH));
    assert_eq!(of(1), [hashes(1, 0, 256), hashes(1, 1, 17)]);
    assert_eq!(of(2), [hashes(2, 0, 1)]);
    assert_eq!(tiles.iter().filter(|tile| tile.kind == TileKind::Entries).count(), 274);
    let of_256: Vec<String> = added_tiles(0, 256).into_iter().map(TileId::path).collect();
    assert_eq!(of_256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    let grown: Vec<String> = added_tiles(256, 257).into_iter().map(TileId::path).collect();
    assert_eq!(grown, ["tile/entries/001.p/1", "tile/0/001.p/1"]);
    assert_eq!(added_tiles(5, 5), []);
}

#[test]
fn a_log_that_grows_step_by_step_proves_itself_from_its_tiles() {
    let steps = [1, 2, 255, 256, 257, 600, 65_535, 65_536, 70_000];
    let store: RefCell<BTreeMap<TileId, Vec<u8>>> = RefCell::default();
    let mut levels: BTreeMap<u32, Vec<Hash>> = BTreeMap::new();
    let (mut builder, mut before, mut earlier) = (TreeBuilder::new(), 0, Vec::new());
    for size in steps {
        for number in before..size {
            builder.push(Hash::of_leaf(&u64::to_be_bytes(number)), |level, _, hash| {
                levels.entry(level).or_default().push(hash);
            });
        }
        for tile in added_tiles(before, size) {
            let TileKind::Hashes { level } = tile.kind else { continue };
            let first = usize::try_from(tile.index * 256).unwrap();
            let part = &levels[&(u32::from(level) * 8)][first..first + usize::from(tile.width)];
            store.borrow_mut().insert(tile, encode_hashes(part));
        }
        let tree = TiledTree::new(size, |tile: TileId| {
            let store = store.borrow();
            let bytes = store.get(&tile).unwrap_or_else(|| panic!("{} is read and not written", tile.path()));
            decode_hashes(bytes, tile.width)
        });
        let root = merkle::root(size, &tree).unwrap();
        assert_eq!(root, builder.root());
        let resumed = TreeBuilder::resume(size, &tree).unwrap();
        assert_eq!(resumed.root(), root);
        for index in [0, size / 3, size - 1] {
            let path = merkle::prove_inclusion(index, size, &tree).unwrap();
            let leaf = Hash::of_leaf(&index.to_be_bytes());
            assert!(merkle::verify_inclusion(leaf, index, size, &path, root));
        }
        for (old, old_root) in &earlier {
            let path = merkle::prove_consistency(*old, size, &tree).unwrap();
            assert!(merkle::verify_consistency((*old, *old_root), (size, root), &path));
        }
        earlier.push((size, root));
        before = size;
    }
}

#[test]
fn bundles_hold_entries_and_nothing_else() {
    let entries: [&[u8]; 3] = [b"one", b"", &[7; 65_535]];
    let bytes = encode_bundle(entries).unwrap();
    assert_eq!(&bytes[..7], b"\x00\x03one\x00\x00");
    assert_eq!(decode_bundle(&bytes).unwrap(), entries);
    for cut in [1, 4, bytes.len() - 1] {
        assert_eq!(decode_bundle(&bytes[..cut]), Err(TileError::TornBundle));
    }
    let long = [0; 65_536];
    assert_eq!(encode_bundle([long.as_slice()]), Err(TileError::LongEntry(65_536)));
    assert!(decode_hashes(&[0; 63], 2).is_err());
    assert!(decode_hashes(&[0; 64], 1).is_err());
}
