//! The log of changes: who changed which token or account, when. Entries are numbered, appended in the transaction of the
//! change, and never changed.

use super::AccessStore;
use crate::access::error::AccessResult;
use crate::domain::time::UtcMillis;

/// An entry of the log of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Ascending from 1.
    pub number: u64,
    /// When.
    pub at: UtcMillis,
    /// Who: a user of the machine, or an account.
    pub actor: String,
    /// `token_created`, `token_revoked`, `account_created`, `account_disabled`, `account_enabled`, `password_changed`,
    /// `role_changed`.
    pub action: String,
    /// The token or account.
    pub subject: String,
    /// What it was changed to, such as the role; never a secret.
    pub detail: String,
}

impl AccessStore {
    /// Entries with a higher number than `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn changes_after(&self, after: u64, limit: u32) -> AccessResult<Vec<Change>> {
        let text = "SELECT number, at_ms, actor, action, subject, detail FROM changes WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.read(|connection| {
            let mut statement = connection.prepare(text)?;
            let rows = statement.query_map((i64::try_from(after).unwrap_or(i64::MAX), limit), |row| {
                Ok(Change {
                    number: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
                    at: UtcMillis::new(row.get(1)?),
                    actor: row.get(2)?,
                    action: row.get(3)?,
                    subject: row.get(4)?,
                    detail: row.get(5)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The number of the newest entry; 0 without any.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn newest_change(&self) -> AccessResult<u64> {
        let number: i64 = self.read(|connection| {
            connection.query_row("SELECT coalesce(max(number), 0) FROM changes", [], |row| row.get(0))
        })?;
        Ok(u64::try_from(number).unwrap_or_default())
    }
}
