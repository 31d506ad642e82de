//! Tokens and accounts beside the chain: the writer publishes its access store as a numbered file whenever it changed, the other
//! processes take the newest one over.
//!
//! A number is created only if it is absent, so no two processes publish the same one. A process that finds that another has
//! published after it gives up publishing, until it becomes the writer again.

use super::Lead;
use crate::access::Access;
use crate::app::access_control::access_store;
use crate::config::Config;
use crate::storage::SideFiles;
use crate::telemetry::clock::Clock;
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::{info, warn};

/// Their folder.
const FOLDER: &str = "access";
/// Digits of a number in a name.
const DIGITS: usize = 20;
/// Published files that stay; older ones are deleted.
const KEPT: usize = 16;
/// Begins each file; the SHA-256 of what follows comes after it, then a line feed.
const BEGINNING: &str = "coverledger access 1 ";
/// The file beside the access store that says which published one it has.
const STATE_FILE: &str = "access.shared";
/// How often the writer tries the next number when it takes the lead.
const TRIES_MAX: u32 = 64;

/// What a store is, compared with what is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shared {
    /// The newest published number that it has.
    number: u64,
    /// Its newest change as of then.
    change: u64,
    /// Whether this machine's process published it.
    is_own: bool,
}

impl Shared {
    fn text(self) -> String {
        let whose = if self.is_own { "published" } else { "follows" };
        format!("{whose} {} {}\n", self.number, self.change)
    }

    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("Failed to read {}", path.display()))?,
        };
        let mut words = text.split_whitespace();
        let (whose, number, change) = (words.next(), words.next(), words.next());
        let parsed = number.and_then(|n| n.parse().ok()).zip(change.and_then(|n| n.parse().ok()));
        let (number, change) = parsed
            .with_context(|| format!("Failed to read {}: it has another form; remove it", path.display()))?;
        Ok(Some(Self { number, change, is_own: whose == Some("published") }))
    }

    fn write(self, path: &Path) -> anyhow::Result<()> {
        let aside = path.with_extension("new");
        fs::write(&aside, self.text())
            .and_then(|()| fs::rename(&aside, path))
            .with_context(|| format!("Failed to write {}", path.display()))
    }
}

fn state_file(config: &Config) -> PathBuf {
    access_store(config).with_file_name(STATE_FILE)
}

/// The published number that the access store of this machine follows; `None` where it may be changed.
///
/// # Errors
/// The file that says so cannot be read.
pub fn followed(config: &Config) -> anyhow::Result<Option<u64>> {
    if config.storage.is_none() {
        return Ok(None);
    }
    let shared = Shared::read(&state_file(config))?;
    Ok(shared.filter(|shared| !shared.is_own).map(|shared| shared.number))
}

/// Publishes, or takes over.
pub(super) struct AccessSharing {
    files: SideFiles,
    access: Arc<Access>,
    lead: Lead,
    clock: Clock,
    state_file: PathBuf,
    shared: Option<Shared>,
    /// Whether this process has published since it became the writer.
    has_led: bool,
}

impl AccessSharing {
    pub(super) fn new(
        config: &Config,
        (files, access): (SideFiles, Arc<Access>),
        lead: Lead,
        clock: Clock,
    ) -> Self {
        let state_file = state_file(config);
        Self { files, access, lead, clock, state_file, shared: None, has_led: false }
    }

    /// Looks once.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        if self.shared.is_none() {
            self.shared = Some(Shared::read(&self.state_file)?.unwrap_or_default());
        }
        let known = self.shared.unwrap_or_default();
        let newest = self.newest(known.number)?;
        if self.lead.is_here() && self.has_led {
            return self.go_on_leading(known, newest);
        }
        // A writer, too, first takes over what others published while it was not the writer.
        if newest > known.number {
            self.take_over(newest, known)?;
        }
        if self.lead.is_here() { self.begin_to_lead() } else { Ok(()) }
    }

    /// The newest number from `known` on.
    fn newest(&self, known: u64) -> anyhow::Result<u64> {
        let after = (known > 0).then(|| name_of(known));
        let listed = self.files.list(FOLDER, after.as_deref())?;
        Ok(listed.iter().filter_map(|file| number_of(&file.name)).max().unwrap_or(0).max(known))
    }

    fn take_over(&mut self, number: u64, known: Shared) -> anyhow::Result<()> {
        let name = name_of(number);
        let stored =
            self.files.get(&name)?.with_context(|| format!("Failed to read side/{name}: it is gone"))?;
        let content =
            content_of(&stored).with_context(|| format!("Failed to read side/{name}: it is damaged"))?;
        self.warn_of_lost(known)?;
        // Before its tokens count here: a command that came between would make a change that is lost.
        Shared { is_own: false, ..known }.write(&self.state_file)?;
        self.access.take_over(content, self.clock.now())?;
        let shared = Shared { number, change: self.access.store().newest_change()?, is_own: false };
        shared.write(&self.state_file)?;
        self.shared = Some(shared);
        info!(number, "took over the access data that the writer published");
        Ok(())
    }

    /// Names what was changed here and never published.
    fn warn_of_lost(&self, known: Shared) -> anyhow::Result<()> {
        let changes = self.access.store().changes_after(known.change, 100)?;
        for change in changes {
            let (action, subject) = (change.action, change.subject);
            warn!(
                action,
                subject,
                "a change of access on this machine was never published, and another process published since: it is lost; repeat it where \
                 the writer runs"
            );
        }
        Ok(())
    }

    fn begin_to_lead(&mut self) -> anyhow::Result<()> {
        for _ in 0..TRIES_MAX {
            let known = self.shared.unwrap_or_default();
            let next = self.newest(known.number)?.saturating_add(1);
            if self.publish(next)? {
                self.has_led = true;
                return Ok(());
            }
        }
        bail!("Failed to publish access data: other processes publish all the time; look for a second writer")
    }

    fn go_on_leading(&mut self, known: Shared, newest: u64) -> anyhow::Result<()> {
        let is_changed = self.access.store().newest_change()? > known.change;
        if newest > known.number || is_changed && !self.publish(known.number.saturating_add(1))? {
            warn!(
                "another process published access data: this one is not the writer any more, and publishes none"
            );
            self.lead.give_up();
            self.has_led = false;
        }
        Ok(())
    }

    /// Publishes the store under a number; whether that was free.
    fn publish(&mut self, number: u64) -> anyhow::Result<bool> {
        // Read before the content: what is changed between the two is published once more.
        let change = self.access.store().newest_change()?;
        if !self.files.create(&name_of(number), &file_of(&self.access.store().shared()?))? {
            return Ok(false);
        }
        let shared = Shared { number, change, is_own: true };
        shared.write(&self.state_file)?;
        self.shared = Some(shared);
        info!(number, "published the access data for the other processes of the ledger");
        self.delete_old()?;
        Ok(true)
    }

    fn delete_old(&self) -> anyhow::Result<()> {
        let names: Vec<String> = self.files.list(FOLDER, None)?.into_iter().map(|file| file.name).collect();
        let old = names.get(..names.len().saturating_sub(KEPT)).unwrap_or_default();
        if old.is_empty() { Ok(()) } else { Ok(self.files.delete(old)?) }
    }
}

fn name_of(number: u64) -> String {
    format!("{FOLDER}/{number:0DIGITS$}")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(FOLDER)?.strip_prefix('/')?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

fn file_of(content: &[u8]) -> Vec<u8> {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    [format!("{BEGINNING}{digest}\n").as_bytes(), content].concat()
}

fn content_of(stored: &[u8]) -> Option<&[u8]> {
    let at = stored.iter().position(|byte| *byte == b'\n')?;
    let (head, content) = (stored.get(..at)?, stored.get(at.saturating_add(1)..)?);
    let digest = std::str::from_utf8(head).ok()?.strip_prefix(BEGINNING)?;
    (digest == data_encoding::HEXLOWER.encode(&Sha256::digest(content))).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AccessStore, LockoutTerms, NewToken, RateTerms, Role, Terms};
    use crate::app::status::Status;
    use crate::domain::data_scope::DataScope;
    use crate::http::ServiceRole;
    use crate::storage::Storage;
    use std::num::NonZeroU32;
    use tempfile::TempDir;

    /// One machine with its access store.
    struct Machine {
        folder: TempDir,
        sharing: AccessSharing,
    }

    impl Machine {
        fn new(files: &SideFiles) -> Self {
            let folder = TempDir::new().unwrap();
            let sharing = Self::sharing(&folder, files);
            Self { folder, sharing }
        }

        fn sharing(folder: &TempDir, files: &SideFiles) -> AccessSharing {
            let clock = Clock::start();
            let terms = Terms {
                session_idle_ms: 1_000_000,
                session_max_ms: 1_000_000,
                lockout: LockoutTerms { failures: 5, lock_ms: 1_000 },
                rate: RateTerms { per_second: NonZeroU32::MAX, burst: NonZeroU32::MAX },
            };
            let store = AccessStore::open(&folder.path().join("access.db")).unwrap();
            let access = Arc::new(Access::new(store, terms, clock.now()).unwrap());
            AccessSharing {
                files: files.clone(),
                access,
                lead: Lead::of(&Arc::new(Status::new(ServiceRole::Standby))),
                clock,
                state_file: folder.path().join(STATE_FILE),
                shared: None,
                has_led: false,
            }
        }

        fn restart(&mut self, files: &SideFiles) {
            self.sharing = Self::sharing(&self.folder, files);
        }

        fn step(&mut self) {
            self.sharing.step().unwrap();
        }

        fn token(&self, name: &str) {
            let (scope, now) = (DataScope::default(), self.sharing.clock.now());
            let new =
                NewToken { name: name.to_owned(), role: Role::Auditor, scope, expires: now.plus(1_000_000) };
            drop(self.sharing.access.store().create_token(&new, "uid 1", now).unwrap());
        }

        fn tokens(&self) -> Vec<String> {
            let tokens = self.sharing.access.store().tokens().unwrap();
            tokens
                .into_iter()
                .map(|token| token.name + if token.revoked.is_some() { " revoked" } else { "" })
                .collect()
        }

        fn leads(&self) -> bool {
            self.sharing.lead.is_here()
        }
    }

    fn numbers(files: &SideFiles) -> Vec<u64> {
        files.list(FOLDER, None).unwrap().iter().filter_map(|file| number_of(&file.name)).collect()
    }

    #[test]
    fn what_the_writer_changes_reaches_the_others_and_after_a_take_over_the_successor_leads() {
        let files = Storage::memory().side_files().unwrap().unwrap();
        let (mut writer, mut standby) = (Machine::new(&files), Machine::new(&files));
        standby.step();
        writer.token("one");
        writer.sharing.lead.status.set_role(ServiceRole::Writer);
        writer.step();
        standby.step();
        assert_eq!((numbers(&files), standby.tokens()), (vec![1], vec!["one".to_owned()]));
        // Nothing changed: nothing is published.
        writer.step();
        assert_eq!(numbers(&files), [1]);
        writer.sharing.access.store().revoke_token("one", "uid 1", writer.sharing.clock.now()).unwrap();
        writer.step();
        standby.step();
        assert_eq!(standby.tokens(), ["one revoked"]);
        // The writer changes something and dies before that is published; the standby takes over.
        writer.token("lost");
        standby.sharing.lead.status.set_role(ServiceRole::Writer);
        standby.step();
        standby.token("two");
        standby.step();
        assert_eq!(numbers(&files), [1, 2, 3, 4]);
        // A zombie finds that another published, and gives up publishing.
        writer.step();
        assert!(!writer.leads());
        writer.step();
        assert_eq!(writer.tokens(), ["one revoked", "two"]);
        assert_eq!(numbers(&files), [1, 2, 3, 4]);
        // Back as the writer, later, it has what was changed meanwhile, and what was changed here since.
        writer.token("three");
        writer.restart(&files);
        writer.sharing.lead.status.set_role(ServiceRole::Writer);
        writer.step();
        standby.step();
        assert!(!standby.leads());
        standby.step();
        assert_eq!(standby.tokens(), ["one revoked", "three", "two"]);
    }

    #[test]
    fn of_two_that_publish_one_number_one_does_and_what_is_damaged_is_not_taken_over() {
        let files = Storage::memory().side_files().unwrap().unwrap();
        let (mut one, mut other) = (Machine::new(&files), Machine::new(&files));
        one.sharing.lead.status.set_role(ServiceRole::Writer);
        one.step();
        one.token("mine");
        files.put(&name_of(2), &file_of(&other.sharing.access.store().shared().unwrap())).unwrap();
        one.step();
        assert!(!one.leads() && one.tokens() == ["mine"]);
        one.step();
        assert_eq!(one.tokens(), Vec::<String>::new());
        let mut stored = file_of(&one.sharing.access.store().shared().unwrap());
        let at = stored.len() / 2;
        stored[at] ^= 1;
        files.put(&name_of(3), &stored).unwrap();
        let damaged = other.sharing.step().unwrap_err().to_string();
        assert!(damaged.contains("it is damaged"), "{damaged}");
        // Old ones are deleted; the newest stay.
        files.delete(&[name_of(3)]).unwrap();
        other.sharing.lead.status.set_role(ServiceRole::Writer);
        (0..20).for_each(|nth| {
            other.token(&format!("t{nth:02}"));
            other.step();
        });
        assert_eq!(numbers(&files).len(), KEPT);
        assert_eq!(numbers(&files).last(), Some(&22));
    }
}
