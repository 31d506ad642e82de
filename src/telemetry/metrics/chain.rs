//! What a process does with its ledger, and how new the state is that it shows.

use super::{Metrics, int, seconds};

impl Metrics {
    /// The role of the process, by the names of all roles; of a ledger in a bucket the epoch of its writer, the newest slot, and the
    /// age of the state in milliseconds; and whether the process is behind.
    pub fn chain(&self, roles: &[(&str, bool)], chain: Option<(u64, u64, i64)>, is_behind: bool) {
        let table = self.table();
        for (role, is_own) in roles {
            table.role.with_label_values(&[role]).set(i64::from(*is_own));
        }
        let (epoch, slot, age_ms) = chain.unwrap_or_default();
        table.writer_epoch.set(int(epoch));
        table.newest_slot.set(int(slot));
        table.state_age.set(seconds(age_ms));
        table.reader_behind.set(i64::from(is_behind));
    }
}
