//! Accounts of people who sign in at a provider. The first sign-in makes the account; the provider's issuer and subject find it
//! again whatever the person is called by then.

use super::{AccessStore, columns, note, role_text};
use crate::access::error::{AccessError, AccessResult};
use crate::access::name::check_name;
use crate::access::principal::Role;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

/// Who the log of changes names for what a sign-in changed.
const ACTOR: &str = "oidc";
/// What a name begins with where the provider tells none that can be used.
const NAMELESS: &str = "person";
/// Bytes of a provider's name for a person that an account's name repeats.
const SHOWN_BYTES_MAX: usize = 40;
/// Bytes of the hash in an account's name.
const HASH_BYTES: usize = 6;

/// A person as a provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The provider.
    pub issuer: String,
    /// The person, unique and lasting at the provider.
    pub subject: String,
    /// What the provider calls the person; may change, and belong to another person later.
    pub shown: String,
}

impl Person {
    /// The name of the account that the first sign-in makes: `li.wei@oidc-0a1b2c3d4e5f`. The hash of issuer and subject sets it
    /// apart from accounts of the service, and from another person of the same name.
    pub(in crate::access) fn account_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let shown = self.shown.to_lowercase();
        let shown = shown.trim_start_matches(|c| !is_plain(c));
        let allowed = |c: char| if is_plain(c) || "._-@".contains(c) { c } else { '-' };
        let shown: String = shown.chars().map(allowed).take(SHOWN_BYTES_MAX).collect();
        let shown = if shown.is_empty() { NAMELESS } else { shown.as_str() };
        // No issuer has a line feed.
        let hash = Sha256::digest(format!("{}\n{}", self.issuer, self.subject));
        let hash = HEXLOWER.encode(hash.as_slice().get(..HASH_BYTES).unwrap_or_default());
        format!("{shown}@oidc-{hash}")
    }
}

fn find(connection: &Connection, person: &Person) -> rusqlite::Result<Option<String>> {
    let text = "SELECT account FROM people WHERE issuer = ?1 AND subject = ?2";
    connection.query_row(text, (&person.issuer, &person.subject), |row| row.get(0)).optional()
}

/// Whether an account belongs to a person who signs in at a provider.
pub(super) fn is_of_provider(connection: &Connection, account: &str) -> rusqlite::Result<bool> {
    let text = "SELECT count(*) FROM people WHERE account = ?1";
    connection.query_row(text, [account], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

impl AccessStore {
    /// The name of a person's account, which is made if it is not there, and gets this role. A change of the role ends the
    /// sessions that began under another.
    ///
    /// # Errors
    /// The name is taken by an account of the service; the store cannot be written.
    pub(in crate::access) fn account_of(
        &self,
        person: &Person,
        (role, scope): (Role, &DataScope),
        now: UtcMillis,
    ) -> AccessResult<String> {
        let new_name = person.account_name();
        check_name(&new_name)?;
        let (platform, regions) = columns(scope);
        let found = self.change("change", |connection| {
            if let Some(name) = find(connection, person)? {
                let text = "UPDATE accounts SET role = ?2, platform = ?3, regions = ?4 WHERE name = ?1 \
                            AND (role, coalesce(platform, ''), regions) <> (?2, coalesce(?3, ''), ?4)";
                if connection.execute(text, (&name, role.as_str(), platform, &regions))? > 0 {
                    connection.execute("DELETE FROM sessions WHERE account = ?1", [&name])?;
                    note(connection, (ACTOR, now), "role_changed", &name, &role_text(role, scope))?;
                }
                return Ok(Some(name));
            }
            // Without a password: no hash is empty.
            let text = "INSERT INTO accounts (name, password, role, platform, regions, created_ms) \
                        VALUES (?1, '', ?2, ?3, ?4, ?5) ON CONFLICT (name) DO NOTHING";
            let values = (&new_name, role.as_str(), platform, &regions, now.millis());
            if connection.execute(text, values)? == 0 {
                return Ok(None);
            }
            let text = "INSERT INTO people (account, issuer, subject) VALUES (?1, ?2, ?3)";
            connection.execute(text, (&new_name, &person.issuer, &person.subject))?;
            note(connection, (ACTOR, now), "account_created", &new_name, &role_text(role, scope))?;
            Ok(Some(new_name.clone()))
        })?;
        found.ok_or(AccessError::Exists { what: "account", name: new_name })
    }

    /// Ends every session of a person whom the provider gives no role any more.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(in crate::access) fn end_sessions_of(&self, person: &Person, now: UtcMillis) -> AccessResult<()> {
        self.change("change", |connection| {
            let Some(name) = find(connection, person)? else { return Ok(()) };
            if connection.execute("DELETE FROM sessions WHERE account = ?1", [&name])? > 0 {
                note(connection, (ACTOR, now), "sessions_ended", &name, "no role at the provider")?;
            }
            Ok(())
        })
    }
}
