//! Accounts of people. An account is disabled, never deleted: its name stays in logs.

use super::people::is_of_provider;
use super::{AccessStore, columns, note, role_of, role_text};
use crate::access::error::{AccessError, AccessResult};
use crate::access::name::check_name;
use crate::access::password::{check_password, hash_password};
use crate::access::principal::Role;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use rusqlite::{Connection, Row};

/// An account that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// What the person is there for.
    pub role: Role,
    /// What the person may see.
    pub scope: DataScope,
}

/// An account as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// What the person is there for.
    pub role: Role,
    /// What the person may see.
    pub scope: DataScope,
    /// When it was made.
    pub created: UtcMillis,
    /// When the person last signed in.
    pub last_sign_in: Option<UtcMillis>,
    /// When it was disabled; `None` while the person may sign in.
    pub disabled: Option<UtcMillis>,
    pub(in crate::access) password: String,
}

/// A row before its texts are read.
type Raw = (String, String, String, Option<String>, String, i64, [Option<i64>; 2]);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let ends = [row.get(6)?, row.get(7)?];
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, ends))
}

fn account(
    (name, password, role, platform, regions, created, [last, disabled]): Raw,
) -> AccessResult<Account> {
    let (role, scope) = role_of(&name, &role, platform.as_deref(), &regions)?;
    Ok(Account {
        name,
        role,
        scope,
        created: UtcMillis::new(created),
        last_sign_in: last.map(UtcMillis::new),
        disabled: disabled.map(UtcMillis::new),
        password,
    })
}

impl AccessStore {
    /// Makes an account.
    ///
    /// # Errors
    /// The name is taken or cannot be used; the password is too weak; the store cannot be written.
    pub fn create_account(
        &self,
        new: &NewAccount,
        password: &str,
        actor: &str,
        now: UtcMillis,
    ) -> AccessResult<()> {
        check_name(&new.name)?;
        check_password(&new.name, password)?;
        let hash = hash_password(password)?;
        let (platform, regions) = columns(&new.scope);
        let text = "INSERT INTO accounts (name, password, role, platform, regions, created_ms) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING";
        let made = self.change("change", |connection| {
            let values = (&new.name, &hash, new.role.as_str(), platform, &regions, now.millis());
            let made = connection.execute(text, values)? > 0;
            if made {
                let detail = role_text(new.role, &new.scope);
                note(connection, (actor, now), "account_created", &new.name, &detail)?;
            }
            Ok(made)
        })?;
        if made { Ok(()) } else { Err(AccessError::Exists { what: "account", name: new.name.clone() }) }
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn accounts(&self) -> AccessResult<Vec<Account>> {
        let text = "SELECT name, password, role, platform, regions, created_ms, last_sign_in_ms, disabled_ms \
                    FROM accounts ORDER BY name";
        let rows: Vec<Raw> = self.read(|connection| {
            let mut statement = connection.prepare(text)?;
            statement.query_map([], raw)?.collect()
        })?;
        rows.into_iter().map(account).collect()
    }

    /// Exchanges a password; every session of the account ends.
    ///
    /// # Errors
    /// There is no such account; the password is too weak; the store cannot be written.
    pub fn set_password(&self, name: &str, password: &str, actor: &str, now: UtcMillis) -> AccessResult<()> {
        check_password(name, password)?;
        self.check_is_own(name, "password")?;
        let hash = hash_password(password)?;
        self.change_account(name, |connection| {
            connection.execute("UPDATE accounts SET password = ?2 WHERE name = ?1", (name, &hash))?;
            note(connection, (actor, now), "password_changed", name, "")
        })
    }

    /// Gives an account another role; every session of it ends.
    ///
    /// # Errors
    /// There is no such account; the store cannot be written.
    pub fn set_role(
        &self,
        name: &str,
        (role, scope): (Role, &DataScope),
        actor: &str,
        now: UtcMillis,
    ) -> AccessResult<()> {
        self.check_is_own(name, "role")?;
        let (platform, regions) = columns(scope);
        self.change_account(name, |connection| {
            let text = "UPDATE accounts SET role = ?2, platform = ?3, regions = ?4 WHERE name = ?1";
            connection.execute(text, (name, role.as_str(), platform, &regions))?;
            note(connection, (actor, now), "role_changed", name, &role_text(role, scope))
        })
    }

    /// Lets an account sign in no more, or again; every session of it ends.
    ///
    /// # Errors
    /// There is no such account; the store cannot be written.
    pub fn set_disabled(
        &self,
        name: &str,
        is_disabled: bool,
        actor: &str,
        now: UtcMillis,
    ) -> AccessResult<()> {
        let at = is_disabled.then(|| now.millis());
        let action = if is_disabled { "account_disabled" } else { "account_enabled" };
        self.change_account(name, |connection| {
            let text = "UPDATE accounts SET disabled_ms = ?2 WHERE name = ?1 AND (disabled_ms IS NULL) <> (?2 IS NULL)";
            if connection.execute(text, (name, at))? > 0 {
                note(connection, (actor, now), action, name, "")?;
            }
            Ok(())
        })
    }

    /// Refuses a change of what the provider decides.
    fn check_is_own(&self, name: &str, what: &str) -> AccessResult<()> {
        if self.read(|connection| is_of_provider(connection, name))? {
            return Err(AccessError::Refused(format!(
                "{name} signs in at the provider of [access.oidc], which decides its {what}: change it there, or disable the account"
            )));
        }
        Ok(())
    }

    /// Changes an account that must be there, and ends its sessions: they began under what is no more.
    fn change_account(
        &self,
        name: &str,
        what: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> AccessResult<()> {
        let known = self.change("change", |connection| {
            let text = "SELECT count(*) FROM accounts WHERE name = ?1";
            let known: i64 = connection.query_row(text, [name], |row| row.get(0))?;
            if known > 0 {
                what(connection)?;
                connection.execute("DELETE FROM sessions WHERE account = ?1", [name])?;
            }
            Ok(known > 0)
        })?;
        if known { Ok(()) } else { Err(AccessError::Unknown { what: "account", name: name.to_owned() }) }
    }
}
