//! The answer log of this process beside the chain, and copies of the logs of the others on this machine.

use crate::answers::shipped::{LogFile, LogId, files_of, shown_names, whole_entries, write_copy};
use crate::answers::{ANSWERS_FOLDER, OtherLogs};
use crate::app::answer_keeping::answers_folder;
use crate::config::Config;
use crate::storage::{SideFile, SideFiles};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tracing::warn;

/// The folder of the logs of all processes beside the chain.
const FOLDER: &str = ANSWERS_FOLDER;
/// The folder of their copies in the data directory.
const COPIES: &str = "answers-of-others";

/// Ships one log, and fetches the others.
pub(super) struct AnswerShipping {
    files: SideFiles,
    answers: PathBuf,
    name: String,
    copies: PathBuf,
    others: OtherLogs,
    /// The own log, once it is known that no other process ships under its identity.
    own: Option<LogId>,
    /// Of each own file what was shipped: when it was written, and how many bytes.
    shipped: BTreeMap<String, (Option<SystemTime>, u64)>,
}

impl AnswerShipping {
    pub(super) fn new(config: &Config, files: SideFiles, others: OtherLogs) -> Self {
        Self {
            files,
            answers: answers_folder(config),
            name: config.answers.name.clone(),
            copies: config.ledger.data_dir.join(COPIES),
            others,
            own: None,
            shipped: BTreeMap::new(),
        }
    }

    /// Ships what is new of the own log, and fetches what is new of the others.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        let there = logs_there(&self.files)?;
        self.ship(&there)?;
        let own = self.own.as_ref();
        let others: LogFiles = there.into_iter().filter(|(log, _)| Some(log) != own).collect();
        fetch(&self.files, &others, &self.copies)?;
        let mut all: BTreeSet<LogId> = others.keys().cloned().collect();
        all.extend(self.own.clone());
        let shown = shown_names(&all);
        let others =
            others.keys().filter_map(|log| Some((shown.get(log)?.clone(), copy_of(&self.copies, log))));
        self.others.catch_up(&others.collect::<Vec<_>>())?;
        Ok(())
    }

    fn ship(&mut self, there: &LogFiles) -> anyhow::Result<()> {
        let own = match &self.own {
            Some(own) => own.clone(),
            None => self.identify(there)?,
        };
        let folder = self.answers.join(&self.name);
        let files = files_of(&folder)?;
        for LogFile { name, path, written } in &files {
            if self.shipped.get(name).is_some_and(|(before, _)| before.is_some() && before == written) {
                continue;
            }
            let Some(bytes) = whole_entries(path)? else { continue };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let is_new = self.shipped.get(name).is_none_or(|(_, shipped)| *shipped != length);
            if is_new && length > 0 {
                self.files.put(&format!("{FOLDER}/{}/{name}", own.folder()), &bytes)?;
            }
            self.shipped.insert(name.clone(), (*written, length));
        }
        // What retention dropped here is dropped there.
        let names: BTreeSet<&String> = files.iter().map(|file| &file.name).collect();
        let gone: Vec<String> = self.shipped.keys().filter(|name| !names.contains(name)).cloned().collect();
        if !gone.is_empty() {
            let paths: Vec<String> =
                gone.iter().map(|name| format!("{FOLDER}/{}/{name}", own.folder())).collect();
            self.files.delete(&paths)?;
            self.shipped.retain(|name, _| !gone.contains(name));
        }
        Ok(())
    }

    /// The identity of the own log. What is there under it must be the beginning of the own one: else this data directory was copied,
    /// and another process ships from the other.
    fn identify(&mut self, there: &LogFiles) -> anyhow::Result<LogId> {
        let mut own = LogId::of(&self.answers, &self.name)?;
        if let Some(files) = there.get(&own) {
            let is_own = files.last().map_or(Ok(true), |newest| self.is_own(newest))?;
            if is_own {
                let names = files.iter().filter_map(|file| Some((file.name.rsplit('/').next()?, file.bytes)));
                self.shipped = names.map(|(name, bytes)| (name.to_owned(), (None, bytes))).collect();
            } else {
                warn!(
                    name = self.name,
                    "another process ships its answer log under the name and the identity of this one, as after a copy of the data \
                     directory: this log gets another identity; give each process a name of its own in [answers]"
                );
                own = LogId::renew(&self.answers, &self.name)?;
            }
        }
        self.own = Some(own.clone());
        Ok(own)
    }

    fn is_own(&self, newest: &SideFile) -> anyhow::Result<bool> {
        let name = newest.name.rsplit('/').next().unwrap_or_default();
        let here = whole_entries(&self.answers.join(&self.name).join(name))?.unwrap_or_default();
        let there = self.files.get(&newest.name)?.unwrap_or_default();
        Ok(here.starts_with(&there))
    }
}

/// The files of each log that are there, the oldest first.
type LogFiles = BTreeMap<LogId, Vec<SideFile>>;

fn logs_there(files: &SideFiles) -> anyhow::Result<LogFiles> {
    let mut logs = LogFiles::new();
    for file in files.list(FOLDER, None)? {
        let log =
            file.name.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/')).and_then(LogId::parse);
        if let Some((log, _)) = log {
            logs.entry(log).or_default().push(file);
        }
    }
    Ok(logs)
}

fn copy_of(copies: &Path, log: &LogId) -> PathBuf {
    copies.join(format!("{}~{}", log.name, log.identity))
}

/// Brings copies up to date: files only grow, so those of the same length are the same.
fn fetch(files: &SideFiles, logs: &LogFiles, copies: &Path) -> anyhow::Result<()> {
    for (log, there) in logs {
        let folder = copy_of(copies, log);
        let mut names = BTreeSet::new();
        for file in there {
            let name = file.name.rsplit('/').next().unwrap_or_default();
            names.insert(name);
            let has = fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
            if has == file.bytes {
                continue;
            }
            if let Some(bytes) = files.get(&file.name)? {
                write_copy(&folder, name, &bytes)?;
            }
        }
        for own in files_of(&folder).unwrap_or_default() {
            if !names.contains(own.name.as_str()) {
                remove(&own.path)?;
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            anyhow::bail!("Failed to remove {}: {error}", path.display())
        }
        _ => Ok(()),
    }
}

/// Brings the logs of all processes from beside the chain into a folder that is new; each with the name by which it is shown, and its
/// folder there.
///
/// # Errors
/// The store or the disk fails.
pub fn bring_all(files: &SideFiles, folder: &Path) -> anyhow::Result<Vec<(LogId, String, PathBuf)>> {
    let logs = logs_there(files)?;
    fetch(files, &logs, folder)?;
    let shown = shown_names(&logs.keys().cloned().collect());
    Ok(shown.into_iter().map(|(log, name)| (log.clone(), name, copy_of(folder, &log))).collect())
}
