//! Tokens of systems. A name is used once: a revoked token stays in the list, with its last use.

use super::{AccessStore, columns, note, role_of, role_text};
use crate::access::error::{AccessError, AccessResult};
use crate::access::name::check_name;
use crate::access::principal::Role;
use crate::access::secret::{RandomSecret, SecretHash, write_token};
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use rusqlite::Row;

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What its bearer is there for.
    pub role: Role,
    /// What its bearer may see.
    pub scope: DataScope,
    /// From this instant on it is refused.
    pub expires: UtcMillis,
}

/// A token as lists show it: without its secret, which is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What its bearer is there for.
    pub role: Role,
    /// What its bearer may see.
    pub scope: DataScope,
    /// When it was made.
    pub created: UtcMillis,
    /// From this instant on it is refused.
    pub expires: UtcMillis,
    /// When it was last used, to within a minute.
    pub last_used: Option<UtcMillis>,
    /// When it was revoked.
    pub revoked: Option<UtcMillis>,
    pub(in crate::access) hash: SecretHash,
}

/// A row before its texts are read.
type Raw = (String, Vec<u8>, String, Option<String>, String, [i64; 2], [Option<i64>; 2]);

const COLUMNS: &str = "name, hash, role, platform, regions, created_ms, expires_ms, last_used_ms, revoked_ms";

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let times = ([row.get(5)?, row.get(6)?], [row.get(7)?, row.get(8)?]);
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, times.0, times.1))
}

fn token(
    (name, hash, role, platform, regions, [created, expires], [used, revoked]): Raw,
) -> AccessResult<Token> {
    let (role, scope) = role_of(&name, &role, platform.as_deref(), &regions)?;
    let damaged = |_| AccessError::Damaged { what: format!("the hash of the token {name}") };
    let hash = SecretHash(hash.try_into().map_err(damaged)?);
    Ok(Token {
        name,
        role,
        scope,
        created: UtcMillis::new(created),
        expires: UtcMillis::new(expires),
        last_used: used.map(UtcMillis::new),
        revoked: revoked.map(UtcMillis::new),
        hash,
    })
}

impl AccessStore {
    /// Makes a token and returns its secret, which is nowhere else and cannot be shown again.
    ///
    /// # Errors
    /// The name is taken or cannot be used; the token would be expired; the store cannot be written.
    pub fn create_token(&self, new: &NewToken, actor: &str, now: UtcMillis) -> AccessResult<String> {
        check_name(&new.name)?;
        if new.expires <= now {
            return Err(AccessError::Refused(
                "The token would be expired at once: give a later time".to_owned(),
            ));
        }
        let secret = RandomSecret::generate()?;
        let (platform, regions) = columns(&new.scope);
        let text = "INSERT INTO tokens (name, hash, role, platform, regions, created_ms, expires_ms) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO NOTHING";
        let made = self.change("change", |connection| {
            let hash = secret.hash();
            let values = (
                &new.name,
                hash.0.as_slice(),
                new.role.as_str(),
                platform,
                &regions,
                now.millis(),
                new.expires.millis(),
            );
            let made = connection.execute(text, values)? > 0;
            if made {
                let detail = role_text(new.role, &new.scope);
                note(connection, (actor, now), "token_created", &new.name, &detail)?;
            }
            Ok(made)
        })?;
        if !made {
            return Err(AccessError::Exists { what: "token", name: new.name.clone() });
        }
        Ok(write_token(&secret))
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn tokens(&self) -> AccessResult<Vec<Token>> {
        let rows: Vec<Raw> = self.read(|connection| {
            let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM tokens ORDER BY name"))?;
            statement.query_map([], raw)?.collect()
        })?;
        rows.into_iter().map(token).collect()
    }

    /// Revokes a token for good; nothing happens to one that is revoked already.
    ///
    /// # Errors
    /// There is no such token; the store cannot be written.
    pub fn revoke_token(&self, name: &str, actor: &str, now: UtcMillis) -> AccessResult<()> {
        let known = self.change("change", |connection| {
            let known: i64 =
                connection
                    .query_row("SELECT count(*) FROM tokens WHERE name = ?1", [name], |row| row.get(0))?;
            let text = "UPDATE tokens SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
            if connection.execute(text, (name, now.millis()))? > 0 {
                note(connection, (actor, now), "token_revoked", name, "")?;
            }
            Ok(known > 0)
        })?;
        if known { Ok(()) } else { Err(AccessError::Unknown { what: "token", name: name.to_owned() }) }
    }
}
