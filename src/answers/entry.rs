//! An entry of the log, and its form: `DIGEST JSON\n`.

use super::asked::{Asked, OpenOrder};
use crate::access::{Principal, PrincipalKind, Role, check_scope};
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Longest line of a log, in bytes.
pub const LINE_BYTES_MAX: usize = 256 * 1024;
/// Hexadecimal digits of a digest.
const HEX: usize = 64;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != HEX {
            return None;
        }
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Ascending from 1, without holes.
    pub number: u64,
    /// The first entry that the same fsync made durable.
    pub group: u64,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// The digest of the entry before; zeros for entry 1.
    pub previous: Digest,
    /// What happened.
    #[serde(flatten)]
    pub content: Content,
}

/// What an entry is to hold, before it has a number.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When.
    pub at: UtcMillis,
    /// What happened.
    pub content: Content,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is an answer, and each is there for a moment only"
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// An answer was given. Of a batch: its questions were taken in, and the first answer is about to be sent.
    Answer {
        /// Who asked.
        principal: PrincipalLine,
        /// The reason or case number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What was asked.
        question: Asked,
        /// The status of the response.
        status: u16,
        /// The verdict, where the answer has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<String>,
        /// The commit of the state that answered.
        commit: u64,
        /// SHA-256 of the response's body; absent of a batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_sha256: Option<Digest>,
        /// The rider's orders whose end may change the verdict.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        open_orders: Vec<OpenOrder>,
    },
    /// All answers of a batch were worked out; its last answers are sent after this.
    BatchEnd {
        /// The entry of its questions.
        batch: u64,
        /// Answers by verdict: covered, not covered, undetermined, partly covered; and lines that were no question.
        answers: [u64; 5],
        /// SHA-256 of all answers.
        body_sha256: Digest,
    },
    /// The verdict of an earlier answer would now be another one, or the same again.
    Changed {
        /// The entry of the answer.
        answer: u64,
        /// The verdict that the question has now.
        verdict: String,
        /// What changed it.
        event: Event,
    },
    /// A service started with another configuration than the one before.
    Configuration {
        /// Who started it: a user of the machine.
        actor: String,
        /// SHA-256 of its text.
        sha256: Digest,
        /// The tariff version.
        tariff: String,
        /// Settings and rules that it has and the one before had not.
        added: Vec<String>,
        /// Settings and rules that the one before had.
        removed: Vec<String>,
    },
    /// A token or an account was changed.
    Access {
        /// The number in the access store's own log.
        change: u64,
        /// When it was changed, in milliseconds.
        changed_at_ms: i64,
        /// Who changed it.
        actor: String,
        /// What was done, such as `token_created`.
        action: String,
        /// To which token or account.
        subject: String,
        /// What it was changed to; never a secret.
        detail: String,
    },
    /// Entries were dropped from the log's beginning, as `[answers] retention` says.
    Retention {
        /// The last entry that was dropped.
        dropped_through: u64,
        /// Its digest, which the first kept entry names as its predecessor.
        digest: Digest,
    },
}

impl Content {
    /// Its name in the stored form and in lists.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::BatchEnd { .. } => "batch_end",
            Self::Changed { .. } => "changed",
            Self::Configuration { .. } => "configuration",
            Self::Access { .. } => "access",
            Self::Retention { .. } => "retention",
        }
    }

    /// Every kind.
    pub const KINDS: [&str; 6] = ["answer", "batch_end", "changed", "configuration", "access", "retention"];
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalLine {
    /// Token or account; `loopback` of a service without `[access]`.
    pub name: String,
    /// `token`, `account` or `loopback`.
    pub kind: String,
    /// Its role.
    pub role: String,
    /// The only platform that it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The only regions that it saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

impl PrincipalLine {
    /// Of a principal.
    pub fn of(principal: &Principal) -> Self {
        Self {
            name: principal.name.clone(),
            kind: principal.kind.as_str().to_owned(),
            role: principal.role.as_str().to_owned(),
            platform: principal.scope.platform().map(str::to_owned),
            regions: principal.scope.regions().iter().map(ToString::to_string).collect(),
        }
    }

    /// What it saw of the ledger; `None` when the entry says what no version of the program wrote.
    pub fn scope(&self) -> Option<DataScope> {
        let role = Role::parse(&self.role)?;
        if self.kind == PrincipalKind::Loopback.as_str() {
            return Some(DataScope::All);
        }
        check_scope(role, self.platform.as_deref(), &self.regions).ok()
    }
}

/// What changed a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Event {
    /// An order was booked, amended or moved.
    Order {
        /// Platform.
        platform: String,
        /// Order.
        order_id: String,
        /// Leg.
        leg: u8,
        /// Revision.
        revision: u64,
        /// The commit.
        commit: u64,
    },
    /// A record was rejected or found conflicting, or such a record was resolved.
    Record {
        /// Its number among the rejected records.
        rejection: u64,
        /// Whether it was resolved.
        is_resolved: bool,
        /// The commit.
        commit: u64,
    },
    /// The records of platforms became complete, or were found to be missing.
    Completeness {
        /// The platforms.
        platforms: Vec<String>,
        /// The commit.
        commit: u64,
    },
    /// Another configuration came into force.
    Configuration {
        /// The commit.
        commit: u64,
    },
    /// Retention dropped days.
    Retention {
        /// The commit.
        commit: u64,
    },
}

impl Event {
    /// The first commit whose state gives the other verdict.
    pub const fn commit(&self) -> u64 {
        match self {
            Self::Order { commit, .. }
            | Self::Record { commit, .. }
            | Self::Completeness { commit, .. }
            | Self::Configuration { commit }
            | Self::Retention { commit } => *commit,
        }
    }
}

impl Entry {
    /// Its line, and its digest.
    ///
    /// # Errors
    /// The length of a line beyond [`LINE_BYTES_MAX`].
    pub fn line(&self) -> Result<(Vec<u8>, Digest), usize> {
        // Texts and numbers: writing them to memory does not fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let digest = Digest::of(&json);
        let mut line = digest.to_string().into_bytes();
        line.push(b' ');
        line.extend_from_slice(&json);
        line.push(b'\n');
        if line.len() > LINE_BYTES_MAX { Err(line.len()) } else { Ok((line, digest)) }
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<(Self, Digest), &'static str> {
        let (digest, json) = line.split_at_checked(HEX).ok_or("it is cut off")?;
        let digest = std::str::from_utf8(digest).ok().and_then(Digest::parse);
        let digest = digest.ok_or("it does not begin with a digest")?;
        let json = json.strip_prefix(b" ").ok_or("no space follows its digest")?;
        if Digest::of(json) != digest {
            return Err("its digest is that of other bytes");
        }
        let entry = serde_json::from_slice(json).map_err(|_| "it is no entry that this version knows")?;
        Ok((entry, digest))
    }
}
