//! The read model: what a committed state of the ledger answers to a question.
//!
//! Everything here is computed against [`LedgerView`](crate::domain::view::LedgerView), so that the same rules run over
//! the ledger's snapshots and over a naive model in a test.
//!
//! ```text
//! Question -> fetch (what is stored around it) -> resolve (what could still come) -> Answer, explained where it is asked for
//! ```

pub mod answer;
pub mod behind;
pub mod csv;
#[cfg(test)]
mod examples;
pub mod explain;
#[cfg(test)]
#[expect(dead_code, reason = "the completeness of these ledgers has no cause")]
#[path = "../../tests/testkit/explained.rs"]
pub(crate) mod explained;
mod fetch;
pub mod foreign_text;
pub mod instant;
pub mod lookup_batch;
mod nearest;
pub mod order;
pub mod question;
pub mod question_columns;
pub mod rejection;
pub mod rejection_filter;
mod render;
pub mod resolve;
mod rider_days;
pub mod rider_summary;
mod schema;
pub mod scoped_view;
pub mod spreadsheet;
pub mod statement;
#[cfg(test)]
pub mod testing;
pub mod timeline;
pub mod warning;

use crate::domain::platform::Platforms;
use crate::domain::time::Zone;

/// The configuration that an answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What the platforms promise.
    pub platforms: &'a Platforms,
    /// The zone of the times in answers.
    pub zone: &'a Zone,
}
