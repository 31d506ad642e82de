//! A log as other processes of the same ledger get it: its files under the name of the log and its identity, whole entries only.
//!
//! Two processes may have the same name. Their logs have identities of their own, by which they are told apart.

use super::error::{AnswerLogError, AnswerLogResult};
use super::segment::{self, file_name, lines, make_folder, write_small};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file of a log with its identity.
const IDENTITY: &str = "id";
/// Bytes of an identity; it is written in hexadecimal digits.
const IDENTITY_BYTES: usize = 8;
/// Digits that tell logs of the same name apart.
const SHOWN_DIGITS: usize = 8;

/// A log among those of all processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId {
    /// The name of its process.
    pub name: String,
    /// What tells it from another log of that name.
    pub identity: String,
}

impl LogId {
    /// The log in the folder of a name among those of this machine; it gets an identity if it has none.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn of(answers: &Path, name: &str) -> AnswerLogResult<Self> {
        let path = answers.join(name).join(IDENTITY);
        let name = name.to_owned();
        match fs::read_to_string(&path) {
            Ok(text) if is_identity(text.trim_end()) => {
                return Ok(Self { name, identity: text.trim_end().to_owned() });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AnswerLogError::file("read", &path)(error));
            }
            _ => {}
        }
        Self::renew(answers, &name)
    }

    /// Gives it another identity: another process has the one that it had.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn renew(answers: &Path, name: &str) -> AnswerLogResult<Self> {
        let (path, mut bytes) = (answers.join(name).join(IDENTITY), [0; IDENTITY_BYTES]);
        getrandom::fill(&mut bytes)
            .map_err(|error| AnswerLogError::file("write", &path)(io::Error::other(error)))?;
        let identity = data_encoding::HEXLOWER.encode(&bytes);
        write_small(&path, &format!("{identity}\n")).map_err(AnswerLogError::file("write", &path))?;
        Ok(Self { name: name.to_owned(), identity })
    }

    /// The folder of its files, below that of all logs.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.name, self.identity)
    }

    /// The log, and the name of the file, of `NAME/IDENTITY/FILE`.
    pub fn parse(path: &str) -> Option<(Self, &str)> {
        let mut parts = path.splitn(3, '/');
        let (name, identity, file) = (parts.next()?, parts.next()?, parts.next()?);
        let first = u64::from_str_radix(file.strip_suffix(".log")?, 16).ok()?;
        let is_log = is_identity(identity) && file_name(first) == file && !name.is_empty();
        is_log.then(|| (Self { name: name.to_owned(), identity: identity.to_owned() }, file))
    }
}

fn is_identity(text: &str) -> bool {
    text.len() == 2 * IDENTITY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What each log is called where all are shown: by its name, with a part of its identity where another one has that name.
pub fn shown_names(logs: &BTreeSet<LogId>) -> BTreeMap<LogId, String> {
    let is_only = |log: &LogId| logs.iter().filter(|other| other.name == log.name).count() == 1;
    let shown = |log: &LogId| match is_only(log) {
        true => log.name.clone(),
        false => format!("{}~{}", log.name, log.identity.get(..SHOWN_DIGITS).unwrap_or(&log.identity)),
    };
    logs.iter().map(|log| (log.clone(), shown(log))).collect()
}

/// A file of a log on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// When it was written last.
    pub written: Option<SystemTime>,
}

/// The files of a log with entries, the oldest first.
///
/// # Errors
/// The folder cannot be listed.
pub fn files_of(folder: &Path) -> AnswerLogResult<Vec<LogFile>> {
    let listed = segment::list(folder).map_err(AnswerLogError::file("list", folder))?;
    let file = |(first, path): (u64, PathBuf)| {
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        LogFile { name: file_name(first), path, written }
    };
    Ok(listed.into_iter().map(file).collect())
}

/// The whole entries of a file; `None` where retention has removed it.
///
/// # Errors
/// It cannot be read.
pub fn whole_entries(path: &Path) -> AnswerLogResult<Option<Vec<u8>>> {
    let mut bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(AnswerLogError::file("read", path))?,
    };
    let tail = lines(&bytes).1.len();
    bytes.truncate(bytes.len().saturating_sub(tail));
    Ok(Some(bytes))
}

/// Writes a file of another process's log into a folder, which is made if it is not there: whole or not at all.
///
/// # Errors
/// The disk fails.
pub fn write_copy(folder: &Path, name: &str, bytes: &[u8]) -> AnswerLogResult<()> {
    if let Some(parent) = folder.parent() {
        make_folder(parent).map_err(AnswerLogError::file("make", parent))?;
    }
    make_folder(folder).map_err(AnswerLogError::file("make", folder))?;
    let path = folder.join(name);
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(&path).map(drop).map_err(|error| error.error)
    });
    written.map_err(AnswerLogError::file("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_log_keeps_its_identity_and_logs_of_one_name_are_told_apart() {
        let folder = TempDir::new().unwrap();
        make_folder(&folder.path().join("main")).unwrap();
        let own = LogId::of(folder.path(), "main").unwrap();
        assert_eq!(LogId::of(folder.path(), "main").unwrap(), own);
        let path = format!("{}/0000000000000d06.log", own.folder());
        assert_eq!(LogId::parse(&path), Some((own.clone(), "0000000000000d06.log")));
        for wrong in [
            "main",
            "main/x/0000000000000d06.log",
            "main/0011223344556677/witness",
            "main/0011223344556677/1.log",
        ] {
            assert_eq!(LogId::parse(wrong), None, "{wrong}");
        }
        let renewed = LogId::renew(folder.path(), "main").unwrap();
        assert_ne!(renewed, own);
        assert_eq!(LogId::of(folder.path(), "main").unwrap(), renewed);
        let other = LogId { name: "east".to_owned(), identity: own.identity.clone() };
        let shown = shown_names(&[own.clone(), renewed.clone(), other.clone()].into());
        assert_eq!(shown[&other], "east");
        assert_eq!(shown[&own], format!("main~{}", &own.identity[..8]));
        assert_ne!(shown[&own], shown[&renewed]);
    }
}
