//! The access store as it is shared among the processes of one ledger: one of them publishes it, the others take it over.

use super::{APPLICATION, AccessStore, FORM};
use crate::access::error::{AccessError, AccessResult};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// Takes over tokens, accounts, people and the log of changes. Sessions stay, unless their account changed; so do accounts that the
/// provider's sign-in made here and that are not known there.
const TAKE_OVER: &str = "
PRAGMA defer_foreign_keys = ON;
DELETE FROM sessions WHERE account IN (
    SELECT own.name FROM accounts AS own LEFT JOIN shared.accounts AS other ON other.name = own.name
    WHERE other.name IS NULL AND own.name NOT IN (SELECT account FROM people)
       OR other.disabled_ms IS NOT NULL OR other.password <> own.password OR other.role <> own.role
       OR other.name IS NOT NULL AND other.platform IS NOT own.platform OR other.regions <> own.regions
);
DELETE FROM accounts WHERE name IN (SELECT name FROM shared.accounts) OR name NOT IN (SELECT account FROM people);
INSERT INTO accounts (name, password, role, platform, regions, created_ms, last_sign_in_ms, disabled_ms)
    SELECT name, password, role, platform, regions, created_ms, last_sign_in_ms, disabled_ms FROM shared.accounts;
DELETE FROM people WHERE account IN (SELECT account FROM shared.people)
    OR (issuer, subject) IN (SELECT issuer, subject FROM shared.people);
INSERT INTO people (account, issuer, subject) SELECT account, issuer, subject FROM shared.people;
DELETE FROM tokens;
INSERT INTO tokens (name, hash, role, platform, regions, created_ms, expires_ms, last_used_ms, revoked_ms)
    SELECT name, hash, role, platform, regions, created_ms, expires_ms, last_used_ms, revoked_ms FROM shared.tokens;
DROP TRIGGER changes_stay;
DROP TRIGGER changes_remain;
DELETE FROM changes;
INSERT INTO changes (number, at_ms, actor, action, subject, detail)
    SELECT number, at_ms, actor, action, subject, detail FROM shared.changes;
";

impl AccessStore {
    /// The store as others take it over: hashes of tokens and passwords, accounts, people, the log of changes. No session, and no key.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn shared(&self) -> AccessResult<Vec<u8>> {
        let file =
            |path: &Path, source| AccessError::File { doing: "write", path: path.to_path_buf(), source };
        let folder = tempfile::tempdir().map_err(|source| file(Path::new("TMPDIR"), source))?;
        let path = folder.path().join("shared.db");
        self.back_up(&path)?;
        let failed = |source| AccessError::Store { doing: "write", path: path.clone(), source };
        let copy = Connection::open(&path).map_err(failed)?;
        copy.execute_batch("PRAGMA secure_delete = ON; DELETE FROM keys; VACUUM;").map_err(failed)?;
        copy.close().map_err(|(_, source)| failed(source))?;
        fs::read(&path).map_err(|source| file(&path, source))
    }

    /// Takes over what another process published, in one durable transaction.
    ///
    /// # Errors
    /// It is no access store of this form; the store cannot be written. Nothing has changed then.
    pub fn take_over(&self, shared: &[u8]) -> AccessResult<()> {
        let file =
            |path: &Path, source| AccessError::File { doing: "write", path: path.to_path_buf(), source };
        let folder = tempfile::tempdir().map_err(|source| file(Path::new("TMPDIR"), source))?;
        let path = folder.path().join("shared.db");
        fs::write(&path, shared).map_err(|source| file(&path, source))?;
        let mut connection = self.connection();
        let failed = self.failed("take over what another process published to");
        connection
            .execute("ATTACH DATABASE ?1 AS shared", [path.to_string_lossy().as_ref()])
            .map_err(&failed)?;
        let taken = take_over(&mut connection, self.path());
        let detached = connection.execute_batch("DETACH DATABASE shared").map_err(&failed);
        taken.and(detached)
    }
}

fn take_over(connection: &mut Connection, path: &Path) -> AccessResult<()> {
    let failed = |source| AccessError::Store { doing: "read", path: path.to_path_buf(), source };
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA shared.{name}"), [], |row| row.get(0));
    let (application, form): (i64, i64) =
        (pragma("application_id").map_err(failed)?, pragma("user_version").map_err(failed)?);
    if (application, form) != (APPLICATION, FORM) {
        return Err(AccessError::Form { path: path.to_path_buf(), application, form });
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(TAKE_OVER).map_err(failed)?;
    transaction.execute_batch(super::APPEND_ONLY).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::principal::Role;
    use crate::access::store::{NewAccount, NewToken};
    use crate::domain::data_scope::DataScope;
    use crate::domain::time::UtcMillis;
    use tempfile::TempDir;

    const NOW: UtcMillis = UtcMillis::new(1_795_300_000_000);

    fn token(store: &AccessStore, name: &str) -> String {
        let new = NewToken {
            name: name.to_owned(),
            role: Role::Auditor,
            scope: DataScope::default(),
            expires: NOW.plus(1_000_000),
        };
        store.create_token(&new, "uid 1", NOW).unwrap()
    }

    fn account(store: &AccessStore, name: &str) {
        let new = NewAccount { name: name.to_owned(), role: Role::Claims, scope: DataScope::default() };
        store.create_account(&new, "a long enough pass phrase", "uid 1", NOW).unwrap();
    }

    #[test]
    fn another_store_has_the_same_afterwards_and_no_secret_leaves() {
        let folder = TempDir::new().unwrap();
        let open = |name: &str| AccessStore::open(&folder.path().join(name)).unwrap();
        let (one, other) = (open("one.db"), open("other.db"));
        let secret = token(&one, "claims-system");
        account(&one, "li.wei");
        one.revoke_token("claims-system", "uid 1", NOW).unwrap();
        token(&other, "left-behind");
        account(&other, "gone");
        let (key, own_key) = (one.pseudonyms().unwrap().of("R1"), other.pseudonyms().unwrap().of("R1"));
        assert_ne!(key, own_key);
        let shared = one.shared().unwrap();
        let holds = |needle: &[u8]| shared.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"claims-system") && !holds(secret.as_bytes()), "the token itself is not in it");
        let text = "SELECT value FROM keys WHERE name = 'pseudonyms'";
        let secret_key: Vec<u8> =
            one.read(|connection| connection.query_row(text, [], |row| row.get(0))).unwrap();
        assert!(!holds(&secret_key), "nor is the key of pseudonyms");
        other.take_over(&shared).unwrap();
        assert_eq!(other.tokens().unwrap(), one.tokens().unwrap());
        assert_eq!(other.accounts().unwrap(), one.accounts().unwrap());
        let changes = |store: &AccessStore| store.changes_after(0, 100).unwrap();
        assert_eq!(changes(&other), changes(&one));
        assert_eq!(other.pseudonyms().unwrap().of("R1"), own_key, "keys stay where they are");
        // The log of changes is append-only as before, and goes on.
        token(&other, "later");
        assert_eq!(changes(&other).len(), changes(&one).len() + 1);
        let erase = other.change("change", |connection| connection.execute("DELETE FROM changes", []));
        assert!(erase.is_err());
        assert!(other.take_over(b"no database").is_err());
        assert_eq!(other.tokens().unwrap().len(), 2);
    }
}
