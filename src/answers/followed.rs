//! The logs of other processes, as copies of them grow on this machine: their entries can be listed and read like one's own.

use super::chain::Link;
use super::entry::{Digest, Entry};
use super::error::{AnswerLogError, AnswerLogResult};
use super::index::{ChangedAnswer, Filter, Index, Listed, SegmentFacts};
use super::log::read_entry;
use super::segment::{self, lines};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// One log.
#[derive(Debug, Default)]
struct FollowedLog {
    folder: PathBuf,
    index: Index,
    link: Option<Link>,
    /// The first entry of the newest file, and how many bytes of it were read.
    at: Option<(u64, usize)>,
}

impl FollowedLog {
    /// Reads what is new.
    fn catch_up(&mut self) -> AnswerLogResult<()> {
        let files = segment::list(&self.folder).map_err(AnswerLogError::file("list", &self.folder))?;
        if let Some((first, _)) = files.first() {
            let paths = files.iter().map(|(_, path)| path).collect::<Vec<_>>();
            let gone = self.index.segments.iter().take_while(|facts| !paths.contains(&&facts.path)).count();
            if gone > 0 {
                self.index.drop_through(first.saturating_sub(1), gone);
            }
        }
        for (first, path) in files {
            let from = match self.at {
                Some((at, _)) if first < at => continue,
                Some((at, read)) if first == at => read,
                _ => 0,
            };
            let bytes = fs::read(&path).map_err(AnswerLogError::file("read", &path))?;
            self.take_in(first, &path, (from, bytes.get(from..).unwrap_or_default()))?;
        }
        Ok(())
    }

    fn take_in(&mut self, first: u64, path: &Path, (from, new): (usize, &[u8])) -> AnswerLogResult<()> {
        let before = first.saturating_sub(1);
        if from == 0 && self.at.is_none_or(|(at, _)| at != first) {
            self.index.begin_after(before);
            let facts = SegmentFacts { path: path.to_path_buf(), last: before, last_at_ms: i64::MIN };
            self.index.segments.push(facts);
            self.at = Some((first, 0));
        }
        let (found, tail) = lines(new);
        for (at, line) in found {
            let previous = || Entry::parse(line).map(|(entry, _)| entry.previous).unwrap_or_default();
            let mut link = self.link.unwrap_or_else(|| Link { number: before, digest: previous() });
            let entry = link.take(line).map_err(|why| {
                let (number, path) = (link.number.saturating_add(1), path.display());
                AnswerLogError::damaged(format!(
                    "entry {number} ({path} at byte {}): {why}",
                    from.saturating_add(at)
                ))
            })?;
            let place = u64::try_from(from.saturating_add(at)).unwrap_or(u64::MAX);
            self.index.add(&entry, place, line.len());
            self.link = Some(link);
            // Line by line: what follows a damaged one is not taken, and the lines before it are not taken twice.
            self.at = Some((first, from.saturating_add(at).saturating_add(line.len()).saturating_add(1)));
        }
        debug_assert!(tail.is_empty(), "copies have whole entries");
        Ok(())
    }
}

/// The logs of other processes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct OtherLogs(Arc<RwLock<BTreeMap<String, FollowedLog>>>);

impl OtherLogs {
    fn logs(&self) -> RwLockReadGuard<'_, BTreeMap<String, FollowedLog>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new in these logs, each with the name by which it is shown; others are forgotten. A log that is damaged is
    /// shown up to the damage.
    ///
    /// # Errors
    /// The first that could not be read.
    pub fn catch_up(&self, logs: &[(String, PathBuf)]) -> AnswerLogResult<()> {
        let mut result = Ok(());
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, log| logs.contains(&(name.clone(), log.folder.clone())));
        for (name, folder) in logs {
            let log = known.entry(name.clone()).or_default();
            log.folder.clone_from(folder);
            result = result.and(log.catch_up());
        }
        result
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.logs().keys().cloned().collect()
    }

    /// The numbers of the entries of a log that a filter wants; `None` where there is no such log.
    pub fn list(&self, name: &str, filter: &Filter) -> Option<Listed> {
        self.logs().get(name).map(|log| log.index.list(filter))
    }

    /// An entry and its digest; `None` where there is none of this number.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub fn entry_and_digest(&self, name: &str, number: u64) -> AnswerLogResult<Option<(Entry, Digest)>> {
        let place = self.logs().get(name).and_then(|log| log.index.place(number));
        place.map(|place| read_entry(&place, number)).transpose()
    }

    /// How an answer has changed; `None` where it has not.
    pub fn changed(&self, name: &str, number: u64) -> Option<ChangedAnswer> {
        self.logs().get(name)?.index.changed(number).cloned()
    }

    /// Bytes of the line of an entry.
    pub fn length(&self, name: &str, number: u64) -> usize {
        let place = self.logs().get(name).and_then(|log| log.index.place(number));
        place.map_or(0, |(_, _, length)| length)
    }
}
