//! Who asks, in which role, and what of the ledger the role shows.

use super::error::{AccessError, AccessResult};
use crate::domain::data_scope::DataScope;
use crate::domain::tariff::RegionPrefix;
use std::fmt;

/// Regions of one principal at most.
const REGIONS_MAX: usize = 100;
/// Longest name of a platform, in bytes; as in events.
const PLATFORM_BYTES_MAX: usize = 32;

/// What a principal is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Claim handlers: questions about riders, perhaps in certain regions only.
    Claims,
    /// A platform: its own orders, statements, rejected records and progress.
    Platform,
    /// Auditors: everything, and who asked what.
    Auditor,
    /// Operators: metrics, progress, and rejected records without their riders.
    Ops,
    /// Administrators: everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Claims, Self::Platform, Self::Auditor, Self::Ops, Self::Admin];

    /// The name in configurations, lists and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Platform => "platform",
            Self::Auditor => "auditor",
            Self::Ops => "ops",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a principal proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A token of a system.
    Token,
    /// A person who signed in.
    Account,
    /// The service does not ask: it listens on loopback, without `[access]`.
    Loopback,
}

impl PrincipalKind {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Account => "account",
            Self::Loopback => "loopback",
        }
    }
}

/// The asker of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name of the token or account; `loopback` without `[access]`.
    pub name: String,
    /// How it proved who it is.
    pub kind: PrincipalKind,
    /// What it is there for.
    pub role: Role,
    /// What of the ledger it may see.
    pub scope: DataScope,
}

impl Principal {
    /// The asker of a service without `[access]`: it may do everything.
    pub fn loopback() -> Self {
        Self {
            name: PrincipalKind::Loopback.as_str().to_owned(),
            kind: PrincipalKind::Loopback,
            role: Role::Admin,
            scope: DataScope::All,
        }
    }
}

/// The scope that a role has with a platform and regions.
///
/// # Errors
/// [`AccessError::Refused`] where the role and the rest do not fit together.
pub fn check_scope(role: Role, platform: Option<&str>, regions: &[String]) -> AccessResult<DataScope> {
    let refused = |text: String| Err(AccessError::Refused(text));
    if platform.is_some() != (role == Role::Platform) {
        return refused(
            "A platform belongs to the role platform and to no other: write --role platform:NAME".to_owned(),
        );
    }
    if !regions.is_empty() && role != Role::Claims {
        return refused(format!(
            "Regions limit the role claims only: leave --region out for the role {role}"
        ));
    }
    if let Some(name) = platform {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > PLATFORM_BYTES_MAX || !name.bytes().all(is_allowed) {
            return refused(format!(
                "`{}` is no name of a platform: it has 1 to {PLATFORM_BYTES_MAX} of a-z, 0-9, _ and -",
                name.escape_default()
            ));
        }
        return Ok(DataScope::Platform(name.to_owned()));
    }
    if regions.len() > REGIONS_MAX {
        return refused(format!("More than {REGIONS_MAX} regions: name provinces by their first two digits"));
    }
    let mut prefixes = Vec::new();
    for text in regions {
        match RegionPrefix::parse(text) {
            Some(prefix) => prefixes.push(prefix),
            None => {
                return refused(format!(
                    "`{}` is no region: write 6 digits of GB/T 2260, or the first 4 or 2",
                    text.escape_default()
                ));
            }
        }
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(if prefixes.is_empty() { DataScope::All } else { DataScope::Regions(prefixes) })
}
