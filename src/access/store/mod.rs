//! The access store: tokens, accounts, sessions, and a log of every change, in one SQLite file beside the ledger.
//!
//! Commands change it while a service runs: every process has a connection of its own, every change is one durable transaction
//! that writes its entry of the log, too. `docs/decisions/0021-access-store.md` says why it is this file.

mod accounts;
mod changes;
mod people;
mod sessions;
mod shared;
mod tokens;

pub use accounts::{Account, NewAccount};
pub use changes::Change;
pub use people::Person;
pub(super) use sessions::StoredSession;
pub use tokens::{NewToken, Token};

use super::error::{AccessError, AccessResult};
use super::principal::{Role, check_scope};
use super::pseudonym::Pseudonyms;
use super::secret::RandomSecret;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The file's name in the data directory and in a backup.
pub const STORE_FILE: &str = "access.db";

/// `PRAGMA application_id`: `cvla`.
const APPLICATION: i64 = 0x6376_6c61;
/// `PRAGMA user_version`: the number of the form.
const FORM: i64 = 2;
/// The form before people signed in at a provider.
const FORM_WITHOUT_PEOPLE: i64 = 1;
/// How long a change waits for that of another process.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE keys (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, platform TEXT, regions TEXT NOT NULL,
    created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, last_used_ms INTEGER, revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE accounts (
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, platform TEXT, regions TEXT NOT NULL,
    created_ms INTEGER NOT NULL, last_sign_in_ms INTEGER, disabled_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (name), created_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (account);
CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
";

/// Keeps the log of changes append-only.
const APPEND_ONLY: &str = "
CREATE TRIGGER changes_stay BEFORE UPDATE ON changes BEGIN SELECT RAISE(ABORT, 'the log of changes is append-only'); END;
CREATE TRIGGER changes_remain BEFORE DELETE ON changes BEGIN SELECT RAISE(ABORT, 'the log of changes is append-only'); END;
";

/// People who sign in at a provider, since form 2.
const PEOPLE: &str = "
CREATE TABLE people (
    account TEXT PRIMARY KEY REFERENCES accounts (name), issuer TEXT NOT NULL, subject TEXT NOT NULL, UNIQUE (issuer, subject)
) STRICT, WITHOUT ROWID;
";

/// An open access store.
#[derive(Debug)]
pub struct AccessStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl AccessStore {
    /// Opens the store, which is made if it is not there. Only its owner may read the file.
    ///
    /// # Errors
    /// The file cannot be made, read, or is of another form.
    pub fn open(path: &Path) -> AccessResult<Self> {
        let file = |source| AccessError::File { doing: "create", path: path.to_path_buf(), source };
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        options.map(drop).map_err(file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| AccessError::Store { doing: "open", path: path.to_path_buf(), source };
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";
        connection.execute_batch(set).map_err(failed)?;
        let store = Self { path: path.to_path_buf(), connection: Mutex::new(connection) };
        store.form()?;
        Ok(store)
    }

    /// A copy of the store in memory, for a service that changes no file.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn open_copy(path: &Path) -> AccessResult<Self> {
        File::open(path).map_err(|source| AccessError::File {
            doing: "open",
            path: path.to_path_buf(),
            source,
        })?;
        let failed = |source| AccessError::Store { doing: "read", path: path.to_path_buf(), source };
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        connection.restore("main", path, None::<fn(rusqlite::backup::Progress)>).map_err(failed)?;
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;").map_err(failed)?;
        let store = Self { path: path.to_path_buf(), connection: Mutex::new(connection) };
        store.form()?;
        Ok(store)
    }

    /// Makes the tables of a new file, and those that an older form lacks; refuses a file of another form.
    fn form(&self) -> AccessResult<()> {
        let pragma = |connection: &Connection, name: &str| -> rusqlite::Result<i64> {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        };
        let path = self.path.clone();
        let found = self.change("open", |connection| {
            let found = (pragma(connection, "application_id")?, pragma(connection, "user_version")?);
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if found == (0, 0) && tables == 0 {
                connection.execute_batch(SCHEMA)?;
                connection.execute_batch(APPEND_ONLY)?;
                connection.execute_batch(PEOPLE)?;
                connection.execute_batch(&format!(
                    "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORM};"
                ))?;
                return Ok((APPLICATION, FORM));
            }
            if found == (APPLICATION, FORM_WITHOUT_PEOPLE) {
                connection.execute_batch(PEOPLE)?;
                connection.execute_batch(&format!("PRAGMA user_version = {FORM};"))?;
                return Ok((APPLICATION, FORM));
            }
            Ok(found)
        })?;
        match found {
            (APPLICATION, FORM) => Ok(()),
            (application, form) => Err(AccessError::Form { path, application, form }),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic leaves no half of a transaction: it rolls back when it is dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> AccessError + use<'_> {
        move |source| AccessError::Store { doing, path: self.path.clone(), source }
    }

    /// Reads.
    fn read<T>(&self, what: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> AccessResult<T> {
        what(&self.connection()).map_err(self.failed("read"))
    }

    /// Does everything in one durable transaction, or nothing.
    fn change<T>(
        &self,
        doing: &'static str,
        what: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> AccessResult<T> {
        let mut connection = self.connection();
        let failed = self.failed(doing);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let done = what(&transaction).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(done)
    }

    /// Numbers that change whenever this or another connection changed the file.
    pub(super) fn version(&self) -> AccessResult<(i64, u64)> {
        self.read(|connection| {
            let others = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            Ok((others, connection.total_changes()))
        })
    }

    /// Pseudonyms with the store's own key, which is made on the first call.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn pseudonyms(&self) -> AccessResult<Pseudonyms> {
        let fresh = RandomSecret::generate()?;
        let key: Vec<u8> = self.change("change", |connection| {
            connection.execute(
                "INSERT INTO keys (name, value) VALUES ('pseudonyms', ?1) ON CONFLICT DO NOTHING",
                [fresh.key().as_slice()],
            )?;
            connection.query_row("SELECT value FROM keys WHERE name = 'pseudonyms'", [], |row| row.get(0))
        })?;
        let damaged = |_| AccessError::Damaged { what: "the key of pseudonyms".to_owned() };
        key.try_into().map(Pseudonyms::new).map_err(damaged)
    }

    /// Writes a copy to `target`, which must not exist: as it is at one instant, durable, readable by its owner only. Sessions
    /// are left out: a restored copy must not let anyone in who has signed out since.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn back_up(&self, target: &Path) -> AccessResult<()> {
        let file = |source| AccessError::File { doing: "write", path: target.to_path_buf(), source };
        let failed = |source| AccessError::Store { doing: "write", path: target.to_path_buf(), source };
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(file)?;
        let mut copy = Connection::open(target).map_err(failed)?;
        {
            let source = self.connection();
            let backup = rusqlite::backup::Backup::new(&source, &mut copy).map_err(failed)?;
            backup.run_to_completion(i32::MAX, Duration::ZERO, None).map_err(failed)?;
        }
        let finish = "PRAGMA journal_mode = DELETE; DELETE FROM sessions; PRAGMA secure_delete = ON; VACUUM;";
        copy.execute_batch(finish).map_err(failed)?;
        copy.close().map_err(|(_, source)| failed(source))?;
        File::open(target).and_then(|copy| copy.sync_all()).map_err(file)
    }
}

/// Writes an entry of the log; in the transaction of the change itself.
fn note(
    connection: &Connection,
    (actor, now): (&str, UtcMillis),
    action: &str,
    subject: &str,
    detail: &str,
) -> rusqlite::Result<()> {
    let text = "INSERT INTO changes (at_ms, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.execute(text, (now.millis(), actor, action, subject, detail)).map(drop)
}

/// A scope in the columns `platform` and `regions`.
fn columns(scope: &DataScope) -> (Option<&str>, String) {
    let regions: Vec<String> = scope.regions().iter().map(ToString::to_string).collect();
    (scope.platform(), regions.join(" "))
}

/// The role and the scope of a row.
fn role_of(name: &str, role: &str, platform: Option<&str>, regions: &str) -> AccessResult<(Role, DataScope)> {
    let damaged = || AccessError::Damaged { what: format!("the role of {name}") };
    let role = Role::parse(role).ok_or_else(damaged)?;
    let regions: Vec<String> = regions.split_whitespace().map(str::to_owned).collect();
    let scope = check_scope(role, platform, &regions).map_err(|_| damaged())?;
    Ok((role, scope))
}

/// A role and its scope as the log of changes and lists show them: `claims in 31 4403`, `platform:dada`.
pub fn role_text(role: Role, scope: &DataScope) -> String {
    match columns(scope) {
        (Some(platform), _) => format!("{role}:{platform}"),
        (None, regions) if regions.is_empty() => role.to_string(),
        (None, regions) => format!("{role} in {regions}"),
    }
}
