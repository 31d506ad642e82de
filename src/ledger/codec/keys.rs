//! The keys under which the ledger keeps its values: one tree, one prefix byte for each kind.
//!
//! All numbers are big-endian, so that keys of one kind lie in the order of their numbers.

/// A block of orders: run, block number.
pub const DATA: u8 = b'b';
/// A chunk of a run's identity index: run, chunk number.
pub const IDENTITY: u8 = b'i';
/// A run's sparse index: run.
pub const SPARSE: u8 = b's';
/// A page of a run's filter of identities: run, page number.
pub const FILTER: u8 = b'h';
/// A page of a run's filter of riders: run, page number.
pub const RIDERS: u8 = b'r';
/// A run's totals: run.
pub const TOTALS: u8 = b't';
/// Rejected records of a commit, without raw bytes: run.
pub const REJECTED: u8 = b'x';
/// Raw bytes of rejected records: run, number in the run.
pub const RAW: u8 = b'y';
/// Leaves of a sealed day: index in the seal log, part.
pub const SEAL_LEAVES: u8 = b'l';
/// The full text of a configuration: its number.
pub const CONFIG_TEXT: u8 = b'f';
/// A commit: its number.
pub const COMMIT: u8 = b'c';
/// An entry of the manifest: kind, then its own key.
pub const MANIFEST: u8 = b'm';

/// The manifest's root.
pub const ROOT: &[u8] = b"mR";

pub use crate::storage::key::in_run;

/// A key of one number.
pub fn numbered(kind: u8, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The run number in a key of a run's value.
pub fn run_of(key: &[u8]) -> Option<u64> {
    key.get(1..)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}
