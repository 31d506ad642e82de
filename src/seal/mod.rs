//! Sealed days: an answer about settled time that a stranger checks without the ledger.
//!
//! A settled day is sealed as a Merkle tree over its riders ([`day_tree`]). Each leaf commits to what one rider did on the day
//! ([`rider_day`], [`day_order`]) under a tag that only the sealing secret gives ([`secret`], [`vrf`]). An entry of the day ([`entry`]) goes
//! into an append-only log ([`log`]) whose states are signed ([`checkpoint`], [`note`]) and whose files are those of C2SP
//! tlog-tiles ([`tiles`]). A [`receipt`] carries an answer with every proof up to the signature; [`compare`] finds where two
//! ledgers of the same events differ.
//!
//! Below all of it: [`hash`] and [`merkle`], the trees of RFC 6962; [`frames`] and [`instant`], the one form of what is hashed.
//!
//! Nothing here reads a ledger, a file or a clock. `docs/receipts.md` is the format, `docs/decisions/0022-sealed-days.md` says
//! why it is this one and what it does not prove.

pub mod checkpoint;
pub mod compare;
pub mod day_order;
pub mod day_tree;
pub mod entry;
pub mod frames;
pub mod hash;
pub mod instant;
pub mod log;
pub mod merkle;
pub mod note;
pub mod receipt;
pub mod rider_day;
pub mod secret;
pub mod tiles;
pub mod vrf;
