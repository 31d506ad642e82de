//! What a running service asks: who is this, and may they ask now?
//!
//! It has the store's content in memory. [`Access::refresh`], called every second, reads it again after another process
//! changed it and writes when tokens and sessions were last used.

use super::error::AccessResult;
use super::lockout::{Counted, Failures, LockoutTerms};
use super::password::{PASSWORD_BYTES_MAX, verify_password};
use super::principal::{Principal, PrincipalKind};
use super::pseudonym::Pseudonyms;
use super::rate::{Buckets, RateTerms};
use super::secret::{RandomSecret, SecretHash, read_token};
use super::store::{AccessStore, Account, Change, StoredSession, Token};
use crate::domain::time::{SECOND_MS, UtcMillis};
use arc_swap::ArcSwap;
use governor::clock::DefaultClock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// Passwords that are hashed at a time: each takes 19 MiB and a core for a while.
const HASHING_MAX: usize = 2;
/// How often uses are written, in milliseconds.
const USES_WRITTEN_EVERY_MS: i64 = 30 * SECOND_MS;
/// Entries of the log of changes that are reported at a time.
const CHANGES_AT_ONCE: u32 = 1_000;

/// Why the service does not accept a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// No such token or session.
    #[error("it is not known")]
    Unknown,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It was revoked, or its account is disabled.
    #[error("it was revoked")]
    Revoked,
}

/// Why a person could not sign in. Names without an account, wrong passwords and disabled accounts look the same.
#[derive(Debug, Error)]
pub enum SignInError {
    /// Name and password do not belong together.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many failures: only after this time the next attempt counts.
    #[error("too many failures: wait")]
    Wait(Duration),
    /// Too many people sign in at this moment.
    #[error("too many people sign in at this moment")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] super::error::AccessError),
}

/// A person who signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The value of the session's cookie.
    pub cookie: String,
    /// The person.
    pub principal: Principal,
}

/// The store's content in memory.
#[derive(Debug, Default)]
struct Known {
    tokens: HashMap<SecretHash, Token>,
    accounts: HashMap<String, Account>,
    sessions: HashMap<SecretHash, StoredSession>,
}

/// When something was last used, since it was last written.
#[derive(Debug, Default)]
struct Uses {
    tokens: HashMap<SecretHash, UtcMillis>,
    sessions: HashMap<SecretHash, UtcMillis>,
    written: Option<UtcMillis>,
}

/// How long things last and how often they may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A session ends so long after its last request, in milliseconds.
    pub session_idle_ms: i64,
    /// A session ends so long after it began, in milliseconds.
    pub session_max_ms: i64,
    /// When failed sign-ins lock.
    pub lockout: LockoutTerms,
    /// How often one principal may ask.
    pub rate: RateTerms,
}

/// Authenticates askers and limits them. Shared by all requests.
#[derive(Debug)]
pub struct Access {
    store: AccessStore,
    terms: ArcSwap<Terms>,
    known: ArcSwap<Known>,
    /// Held from the store's content to `known`: an older content must not replace a newer one.
    loading: Mutex<()>,
    uses: Mutex<Uses>,
    failures: Mutex<Failures>,
    buckets: ArcSwap<Buckets<DefaultClock>>,
    pseudonyms: Pseudonyms,
    hashing: Mutex<usize>,
    version: Mutex<(i64, u64)>,
    reported: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Over an open store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(store: AccessStore, terms: Terms, now: UtcMillis) -> AccessResult<Self> {
        let access = Self {
            pseudonyms: store.pseudonyms()?,
            version: Mutex::new(store.version()?),
            reported: AtomicU64::new(store.newest_change()?),
            store,
            terms: ArcSwap::from_pointee(terms),
            known: ArcSwap::default(),
            loading: Mutex::default(),
            uses: Mutex::default(),
            failures: Mutex::new(Failures::new(terms.lockout)),
            buckets: ArcSwap::from_pointee(Buckets::new(terms.rate, DefaultClock::default())),
            hashing: Mutex::new(0),
        };
        access.load(now)?;
        Ok(access)
    }

    /// Puts other terms in force. Failures that were counted stay; every bucket is full again where the rate changed.
    pub fn reload(&self, terms: Terms) {
        let before = self.terms.swap(Arc::new(terms));
        locked(&self.failures).reload(terms.lockout);
        if before.rate != terms.rate {
            self.buckets.store(Arc::new(Buckets::new(terms.rate, DefaultClock::default())));
        }
    }

    /// The store below it.
    pub const fn store(&self) -> &AccessStore {
        &self.store
    }

    /// Pseudonyms for logs.
    pub const fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Whether there is any token or account.
    pub fn has_any(&self) -> bool {
        let known = self.known.load();
        !known.tokens.is_empty() || !known.accounts.is_empty()
    }

    /// Reads the store's content again.
    pub(super) fn load(&self, now: UtcMillis) -> AccessResult<()> {
        let _loading = locked(&self.loading);
        let tokens = self.store.tokens()?.into_iter().map(|token| (token.hash, token)).collect();
        let accounts = self.store.accounts()?;
        let accounts = accounts.into_iter().map(|account| (account.name.clone(), account)).collect();
        let terms = self.terms.load();
        let (created, seen) = (now.minus(terms.session_max_ms), now.minus(terms.session_idle_ms));
        let sessions = self.store.sessions(created, seen)?;
        let sessions = sessions.into_iter().map(|session| (session.hash, session)).collect();
        self.known.store(Arc::new(Known { tokens, accounts, sessions }));
        Ok(())
    }

    /// Takes over what other processes changed, and writes uses now and then. Returns the entries of the log of changes that
    /// are new since the last call, each once.
    ///
    /// # Errors
    /// The store cannot be read or written. What is known stays in force.
    pub fn refresh(&self, now: UtcMillis) -> AccessResult<Vec<Change>> {
        let is_due = locked(&self.uses).written.is_none_or(|at| now.since(at) >= USES_WRITTEN_EVERY_MS);
        if is_due {
            self.write_uses(now)?;
            self.buckets.load().forget_full();
        }
        let version = self.store.version()?;
        if *locked(&self.version) != version {
            self.load(now)?;
            *locked(&self.version) = version;
        }
        let changes = self.store.changes_after(self.reported.load(Ordering::Acquire), CHANGES_AT_ONCE)?;
        if let Some(last) = changes.last() {
            self.reported.store(last.number, Ordering::Release);
        }
        Ok(changes)
    }

    /// Takes over what another process of the same ledger published; in force at once.
    ///
    /// # Errors
    /// It is no access store; the store cannot be written. What is known stays in force.
    pub fn take_over(&self, shared: &[u8], now: UtcMillis) -> AccessResult<()> {
        self.store.take_over(shared)?;
        self.load(now)?;
        let newest = self.store.newest_change()?;
        // The numbers are those of the other process from now on.
        self.reported.fetch_min(newest, Ordering::AcqRel);
        Ok(())
    }

    /// Writes when tokens and sessions were last used.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn write_uses(&self, now: UtcMillis) -> AccessResult<()> {
        let (tokens, sessions) = {
            let mut uses = locked(&self.uses);
            uses.written = Some(now);
            let uses_of = |uses: &HashMap<SecretHash, UtcMillis>| {
                uses.iter().map(|(hash, at)| (*hash, *at)).collect::<Vec<_>>()
            };
            (uses_of(&uses.tokens), uses_of(&uses.sessions))
        };
        if tokens.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        self.store.note_uses(&tokens, &sessions)?;
        self.load(now)?;
        let mut uses = locked(&self.uses);
        // What was used meanwhile is written next time.
        uses.tokens.retain(|hash, at| !tokens.contains(&(*hash, *at)));
        uses.sessions.retain(|hash, at| !sessions.contains(&(*hash, *at)));
        Ok(())
    }

    /// The bearer of a token, given in the form that a header carries.
    ///
    /// # Errors
    /// Why the service does not accept it.
    pub fn token(&self, text: &str, now: UtcMillis) -> Result<Principal, Denied> {
        let hash = read_token(text).ok_or(Denied::Unknown)?.hash();
        let known = self.known.load();
        let token = known.tokens.get(&hash).ok_or(Denied::Unknown)?;
        if token.revoked.is_some() {
            return Err(Denied::Revoked);
        }
        if token.expires <= now {
            return Err(Denied::Expired);
        }
        locked(&self.uses).tokens.insert(hash, now);
        let (name, scope) = (token.name.clone(), token.scope.clone());
        Ok(Principal { name, kind: PrincipalKind::Token, role: token.role, scope })
    }

    /// The person of a session's cookie; using it puts its idle end off.
    ///
    /// # Errors
    /// Why the service does not accept it.
    pub fn session(&self, cookie: &str, now: UtcMillis) -> Result<Principal, Denied> {
        let hash = RandomSecret::decode(cookie).ok_or(Denied::Unknown)?.hash();
        let known = self.known.load();
        let session = known.sessions.get(&hash).ok_or(Denied::Unknown)?;
        let account = known.accounts.get(&session.account).ok_or(Denied::Unknown)?;
        if account.disabled.is_some() {
            return Err(Denied::Revoked);
        }
        let mut uses = locked(&self.uses);
        let seen = uses.sessions.get(&hash).copied().unwrap_or(session.last_seen).max(session.last_seen);
        let terms = self.terms.load();
        let is_idle = now.since(seen) >= terms.session_idle_ms;
        if is_idle || now.since(session.created) >= terms.session_max_ms {
            return Err(Denied::Expired);
        }
        uses.sessions.insert(hash, now);
        Ok(principal(account))
    }

    /// Whether a principal may ask now; takes one request from its bucket.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, principal: &Principal) -> Result<(), Duration> {
        let kind = match principal.kind {
            PrincipalKind::Token => 0,
            PrincipalKind::Account => 1,
            PrincipalKind::Loopback => return Ok(()),
        };
        self.buckets.load().take(kind, &principal.name)
    }

    /// Signs a person in: a new session, instead of the one that the same browser had. Takes a core for some time.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub fn sign_in(
        &self,
        (name, password): (&str, &str),
        client: Option<IpAddr>,
        replaced: Option<&str>,
        now: UtcMillis,
    ) -> Result<SignedIn, SignInError> {
        let counted: Vec<Counted> =
            [Counted::Name(name.to_owned())].into_iter().chain(client.map(Counted::Address)).collect();
        let wait_ms = {
            let failures = locked(&self.failures);
            counted.iter().map(|counted| failures.wait_ms(counted, now)).max().unwrap_or(0)
        };
        if wait_ms > 0 {
            return Err(SignInError::Wait(Duration::from_millis(wait_ms.unsigned_abs())));
        }
        let Some(_place) = HashingPlace::take(&self.hashing) else { return Err(SignInError::Busy) };
        let known = self.known.load();
        let account = known.accounts.get(name).filter(|account| account.disabled.is_none());
        let is_short = password.len() <= PASSWORD_BYTES_MAX;
        // The account of a person who signs in at a provider has no password.
        let hash = account.map(|account| account.password.as_str()).filter(|hash| !hash.is_empty());
        let is_right = is_short && verify_password(password, hash)?;
        if account.is_none() || !is_right {
            let mut failures = locked(&self.failures);
            counted.into_iter().for_each(|counted| {
                failures.failed(counted, now);
            });
            return Err(SignInError::Wrong);
        }
        locked(&self.failures).succeeded(&Counted::Name(name.to_owned()));
        self.begin(name, replaced, now)?.ok_or(SignInError::Wrong)
    }

    /// Begins a session of an account, instead of the one that the same browser had; `None` if the account is disabled.
    pub(super) fn begin(
        &self,
        name: &str,
        replaced: Option<&str>,
        now: UtcMillis,
    ) -> AccessResult<Option<SignedIn>> {
        let secret = RandomSecret::generate()?;
        let session =
            StoredSession { hash: secret.hash(), account: name.to_owned(), created: now, last_seen: now };
        let replaced = replaced.and_then(RandomSecret::decode).map(|secret| secret.hash());
        self.store.begin_session(&session, replaced)?;
        self.load(now)?;
        let known = self.known.load();
        let account = known.accounts.get(name).filter(|account| account.disabled.is_none());
        Ok(account.map(|account| SignedIn { cookie: secret.encoded(), principal: principal(account) }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn sign_out(&self, cookie: &str, now: UtcMillis) -> AccessResult<()> {
        let Some(secret) = RandomSecret::decode(cookie) else { return Ok(()) };
        self.store.end_session(secret.hash())?;
        self.load(now)
    }
}

fn principal(account: &Account) -> Principal {
    Principal {
        name: account.name.clone(),
        kind: PrincipalKind::Account,
        role: account.role,
        scope: account.scope.clone(),
    }
}

/// A place among the passwords that are hashed.
struct HashingPlace<'a>(&'a Mutex<usize>);

impl<'a> HashingPlace<'a> {
    fn take(count: &'a Mutex<usize>) -> Option<Self> {
        let mut taken = locked(count);
        if *taken >= HASHING_MAX {
            return None;
        }
        *taken = taken.saturating_add(1);
        drop(taken);
        Some(Self(count))
    }
}

impl Drop for HashingPlace<'_> {
    fn drop(&mut self) {
        let mut taken = locked(self.0);
        *taken = taken.saturating_sub(1);
    }
}
