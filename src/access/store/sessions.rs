//! Sessions of people who signed in. The store keeps them, so that a restart ends none and disabling an account ends all of its sessions at
//! once.

use super::AccessStore;
use crate::access::error::{AccessError, AccessResult};
use crate::access::secret::SecretHash;
use crate::domain::time::UtcMillis;

/// Sessions of one account at most: the oldest end first.
const SESSIONS_MAX: u32 = 20;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::access) struct StoredSession {
    pub(in crate::access) hash: SecretHash,
    pub(in crate::access) account: String,
    pub(in crate::access) created: UtcMillis,
    pub(in crate::access) last_seen: UtcMillis,
}

impl AccessStore {
    /// Begins a session, and ends the one that the same browser had.
    pub(in crate::access) fn begin_session(
        &self,
        session: &StoredSession,
        replaced: Option<SecretHash>,
    ) -> AccessResult<()> {
        let now = session.created.millis();
        self.change("change", |connection| {
            if let Some(SecretHash(replaced)) = replaced {
                connection.execute("DELETE FROM sessions WHERE hash = ?1", [replaced.as_slice()])?;
            }
            let text =
                "INSERT INTO sessions (hash, account, created_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?3)";
            connection.execute(text, (session.hash.0.as_slice(), &session.account, now))?;
            let text = "DELETE FROM sessions WHERE account = ?1 AND hash NOT IN \
                        (SELECT hash FROM sessions WHERE account = ?1 ORDER BY created_ms DESC LIMIT ?2)";
            connection.execute(text, (&session.account, SESSIONS_MAX))?;
            let text = "UPDATE accounts SET last_sign_in_ms = ?2 WHERE name = ?1";
            connection.execute(text, (&session.account, now)).map(drop)
        })
    }

    /// Ends a session.
    pub(in crate::access) fn end_session(&self, SecretHash(hash): SecretHash) -> AccessResult<()> {
        self.change("change", |connection| {
            connection.execute("DELETE FROM sessions WHERE hash = ?1", [hash.as_slice()]).map(drop)
        })
    }

    /// Every session that began after `created` and was seen after `seen`; the others are deleted.
    pub(in crate::access) fn sessions(
        &self,
        created: UtcMillis,
        seen: UtcMillis,
    ) -> AccessResult<Vec<StoredSession>> {
        type Raw = (Vec<u8>, String, i64, i64);
        let rows: Vec<Raw> = self.change("change", |connection| {
            let text = "DELETE FROM sessions WHERE created_ms <= ?1 OR last_seen_ms <= ?2";
            connection.execute(text, (created.millis(), seen.millis()))?;
            let mut statement =
                connection.prepare("SELECT hash, account, created_ms, last_seen_ms FROM sessions")?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            statement.query_map([], row)?.collect()
        })?;
        let session = |(hash, account, created, last_seen): Raw| {
            let damaged = |_| AccessError::Damaged { what: format!("a session of {account}") };
            let hash = SecretHash(hash.try_into().map_err(damaged)?);
            let (created, last_seen) = (UtcMillis::new(created), UtcMillis::new(last_seen));
            Ok(StoredSession { hash, account, created, last_seen })
        };
        rows.into_iter().map(session).collect()
    }

    /// Writes when tokens and sessions were last used.
    pub(in crate::access) fn note_uses(
        &self,
        tokens: &[(SecretHash, UtcMillis)],
        sessions: &[(SecretHash, UtcMillis)],
    ) -> AccessResult<()> {
        self.change("change", |connection| {
            for (SecretHash(hash), at) in tokens {
                let text =
                    "UPDATE tokens SET last_used_ms = max(coalesce(last_used_ms, 0), ?2) WHERE hash = ?1";
                connection.execute(text, (hash.as_slice(), at.millis()))?;
            }
            for (SecretHash(hash), at) in sessions {
                let text = "UPDATE sessions SET last_seen_ms = max(last_seen_ms, ?2) WHERE hash = ?1";
                connection.execute(text, (hash.as_slice(), at.millis()))?;
            }
            Ok(())
        })
    }
}
