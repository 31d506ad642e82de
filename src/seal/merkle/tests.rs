use super::*;
use ct_merkle::HashableLeaf;
use ct_merkle::digest::Update;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use std::convert::Infallible;

/// The leaves of the published test vectors of RFC 6962 implementations.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
/// The roots of the first 0 to 8 of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Computes every subtree from the leaves.
pub(super) struct Leaves(Vec<Hash>);

impl Subtrees for Leaves {
    type Error = Infallible;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let first = usize::try_from(index << level).unwrap();
        let leaves = &self.0[first..first + (1 << level)];
        Ok(of_definition(leaves))
    }
}

/// The root as RFC 6962 defines it.
fn of_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_empty_tree(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::of_node(of_definition(left), of_definition(right))
        }
    }
}

fn hex(hash: Hash) -> String {
    data_encoding::HEXLOWER.encode(&hash.0)
}

fn numbered(leaves: u64) -> Leaves {
    Leaves((0..leaves).map(|number| Hash::of_leaf(&number.to_be_bytes())).collect())
}

#[test]
fn roots_are_those_of_the_published_vectors() {
    let mut builder = TreeBuilder::new();
    assert_eq!(hex(builder.root()), ROOTS[0]);
    for (leaf, root) in LEAVES.into_iter().zip(&ROOTS[1..]) {
        builder.push(Hash::of_leaf(leaf), |_, _, _| {});
        assert_eq!(hex(builder.root()), *root);
    }
}

#[test]
fn proofs_are_those_of_the_published_vectors() {
    let tree = Leaves(LEAVES.iter().map(|leaf| Hash::of_leaf(leaf)).collect());
    let Ok(path) = prove_inclusion(5, 8, &tree);
    let expected = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path.into_iter().map(hex).collect::<Vec<_>>(), expected);
    let Ok(path) = prove_consistency(6, 8, &tree);
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path.into_iter().map(hex).collect::<Vec<_>>(), expected);
}

#[test]
fn every_proof_of_small_trees_holds_and_no_other() {
    for size in 0..40 {
        let tree = numbered(size);
        let Ok(whole) = root(size, &tree);
        assert_eq!(whole, of_definition(&tree.0));
        for index in 0..size {
            let Ok(path) = prove_inclusion(index, size, &tree);
            let leaf = tree.0[usize::try_from(index).unwrap()];
            assert!(verify_inclusion(leaf, index, size, &path, whole), "{index} of {size}");
            for other in 0..size + 2 {
                assert_eq!(verify_inclusion(leaf, other, size, &path, whole), other == index);
            }
            let longer = [path.as_slice(), &[leaf]].concat();
            assert!(!verify_inclusion(leaf, index, size, &longer, whole));
            if let [shorter @ .., _] = path.as_slice() {
                assert!(!verify_inclusion(leaf, index, size, shorter, whole));
            }
        }
        for old in 0..=size {
            let Ok(before) = root(old, &tree);
            let Ok(path) = prove_consistency(old, size, &tree);
            assert!(verify_consistency((old, before), (size, whole), &path), "{old} to {size}");
            let other = Hash::of_leaf(b"other");
            assert!(!verify_consistency((old, other), (size, whole), &path));
            assert!(!verify_consistency((old, before), (size, other), &path) || old == 0);
            let longer = [path.as_slice(), &[other]].concat();
            assert!(!verify_consistency((old, before), (size, whole), &longer));
        }
        assert!(!verify_consistency((size + 1, whole), (size, whole), &[]));
    }
}

#[derive(Clone)]
struct Number(u64);

impl HashableLeaf for Number {
    fn hash<H: Update>(&self, hasher: &mut H) {
        hasher.update(&self.0.to_be_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn another_implementation_accepts_the_proofs(size in 1_u64..600, at in 0_u64..600, old in 1_u64..600) {
        use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
        let (at, old) = (at % size, 1 + old % size);
        let tree = numbered(size);
        let mut theirs = MemoryBackedTree::<sha2::Sha256, Number>::new();
        let mut their_old = None;
        for number in 0..size {
            theirs.push(Number(number));
            if number + 1 == old {
                their_old = Some(theirs.root());
            }
        }
        let Ok(whole) = root(size, &tree);
        let their_root = theirs.root();
        prop_assert_eq!(whole.0.as_slice(), their_root.as_bytes().as_slice());
        let as_root = |hash: Hash, size: u64| RootHash::<sha2::Sha256>::new(hash.0.into(), size);
        let Ok(path) = prove_inclusion(at, size, &tree);
        let bytes: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
        let proof = InclusionProof::<sha2::Sha256>::try_from_bytes(bytes).unwrap();
        prop_assert!(as_root(whole, size).verify_inclusion(&Number(at), at, &proof).is_ok());
        let Ok(path) = prove_consistency(old, size, &tree);
        if old < size {
            let bytes: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
            let proof = ConsistencyProof::<sha2::Sha256>::try_from_bytes(bytes).unwrap();
            prop_assert!(as_root(whole, size).verify_consistency(&their_old.unwrap(), &proof).is_ok());
        }
    }

    #[test]
    fn a_tree_grows_from_where_it_was(size in 0_u64..600, more in 0_u64..300) {
        let tree = numbered(size + more);
        let Ok(mut builder) = TreeBuilder::resume(size, &tree);
        let mut completed = Vec::new();
        for leaf in &tree.0[usize::try_from(size).unwrap()..] {
            builder.push(*leaf, |level, index, hash| completed.push((level, index, hash)));
        }
        prop_assert_eq!(builder.size(), size + more);
        prop_assert_eq!(builder.root(), of_definition(&tree.0));
        for (level, index, hash) in completed {
            let Ok(expected) = tree.subtree(level, index);
            prop_assert_eq!(hash, expected);
        }
    }
}
