//! All logs beside one ledger: each process that answers has its own.

use super::chain::{self, ChainReport, WITNESS};
use super::error::{AnswerLogError, AnswerLogResult};
use super::segment::{self, lines, make_folder, sync_folder};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The folder of all logs, in the data directory unless the configuration names another one, and in a backup.
pub const ANSWERS_FOLDER: &str = "answers";
/// Bytes of the name of a log at most.
const NAME_BYTES_MAX: usize = 32;

/// What the check of one log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Its name.
    pub name: String,
    /// What it holds, and what is wrong.
    pub chain: ChainReport,
}

/// Whether a folder may be a log by its name. The folder of logs may be the top of a disk, where `lost+found` is none.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Every log in a folder of logs, by name; none where there is no such folder.
///
/// # Errors
/// The folder cannot be listed.
pub fn logs_of(answers: &Path) -> AnswerLogResult<Vec<(String, PathBuf)>> {
    let listed = match fs::read_dir(answers) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(AnswerLogError::file("list", answers))?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.map_err(AnswerLogError::file("list", answers))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        found.extend(name.filter(|name| is_name(name) && path.is_dir()).map(|name| (name, path)));
    }
    found.sort();
    Ok(found)
}

/// Checks the chain of every log in a folder of logs.
///
/// # Errors
/// A file cannot be read.
pub fn verify_logs(answers: &Path) -> AnswerLogResult<Vec<LogReport>> {
    logs_of(answers)?.iter().map(|(name, folder)| verify_log(name, folder)).collect()
}

/// Checks the chain of the log in a folder.
///
/// # Errors
/// A file cannot be read.
pub fn verify_log(name: &str, folder: &Path) -> AnswerLogResult<LogReport> {
    Ok(LogReport { name: name.to_owned(), chain: chain::verify(folder)? })
}

/// Copies every log of a folder of logs into another, as far as its entries are whole; beside the processes that append to them.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_logs(answers: &Path, target: &Path) -> AnswerLogResult<()> {
    let logs = logs_of(answers)?;
    if logs.is_empty() {
        return Ok(());
    }
    make_folder(target).map_err(AnswerLogError::file("make", target))?;
    for (name, folder) in logs {
        copy_log(&folder, &target.join(name))?;
    }
    let parent = target.parent().unwrap_or(target);
    sync_folder(target).and_then(|()| sync_folder(parent)).map_err(AnswerLogError::file("sync", target))
}

/// Copies every log of a folder of logs into another that has none of its name, each as a whole or not at all. Returns the names of
/// those that were there.
///
/// # Errors
/// A file cannot be read or written.
pub fn bring_logs(from: &Path, answers: &Path) -> AnswerLogResult<Vec<String>> {
    let mut there = Vec::new();
    for (name, folder) in logs_of(from)? {
        make_folder(answers).map_err(AnswerLogError::file("make", answers))?;
        let (target, partial) = (answers.join(&name), answers.join(format!(".{name}.partial")));
        if target.exists() {
            there.push(name);
            continue;
        }
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AnswerLogError::file("remove", partial)(error));
            }
            _ => copy_log(&folder, &partial)?,
        }
        let placed = fs::rename(&partial, &target).and_then(|()| sync_folder(answers));
        placed.map_err(AnswerLogError::file("place", target))?;
    }
    Ok(there)
}

fn copy_log(folder: &Path, target: &Path) -> AnswerLogResult<()> {
    make_folder(target).map_err(AnswerLogError::file("make", target))?;
    // First what must not be newer than the entries; the file may be replaced meanwhile, and then it is the newer one.
    match fs::read(folder.join(WITNESS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => {
            let bytes = read.map_err(AnswerLogError::file("read", folder.join(WITNESS)))?;
            write(&target.join(WITNESS), &bytes)?;
        }
    }
    chain::files(folder, |first, _, bytes| {
        let tail = lines(&bytes).1.len();
        let whole = bytes.get(..bytes.len().saturating_sub(tail)).unwrap_or_default();
        match whole {
            [] => Ok(()),
            whole => write(&target.join(segment::file_name(first)), whole),
        }
    })?;
    sync_folder(target).map_err(AnswerLogError::file("sync", target))
}

fn write(path: &Path, bytes: &[u8]) -> AnswerLogResult<()> {
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(AnswerLogError::file("write", path))
}
