//! Receipts: an answer about settled time with all that a stranger needs to check it. `docs/receipts.md` is the format.
//!
//! [`document`] has the members, [`mod@write`] makes a receipt, [`verify`] checks one without a ledger.

pub mod document;
pub mod verdict;
pub mod verify;
pub mod write;

pub use document::Receipt;
pub use verify::{Verified, verify_receipt};
pub use write::{ReceiptError, SealedDay, write_receipt};

#[cfg(test)]
mod tests;
