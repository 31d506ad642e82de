//! What a storage shows of its writer.

use std::time::Duration;

/// What is known of the writer of a storage that others may follow, from the last look at it. Nothing is asked of the storage for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterActivity {
    /// Grows with every writer.
    pub epoch: u64,
    /// Number of the newest thing that a writer created; heartbeats count, too.
    pub newest: u64,
    /// Whether the writer said that it has ended: the next one need not wait.
    pub has_released: bool,
    /// How long this process has known of nothing newer, by its own monotonic clock.
    pub quiet: Duration,
    /// After so long a writer is taken for dead.
    pub lease: Duration,
}

impl WriterActivity {
    /// Whether another writer may begin: this one has ended, or it showed nothing for a lease.
    pub fn is_over(&self) -> bool {
        self.has_released || self.quiet >= self.lease
    }
}
