//! What can go wrong with an answer log.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// A result of the answer log.
pub type AnswerLogResult<T> = Result<T, AnswerLogError>;

/// Why the answer log cannot do something. Clones share the cause: one failed write refuses every answer that waits for it.
#[derive(Clone, Debug, Error)]
pub enum AnswerLogError {
    /// A file or folder.
    #[error("Failed to {doing} {path}: {source}; check the disk and the rights of the folder", path = path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Another process has the log.
    #[error(
        "Failed to open the answer log in {path}: another process has it; give this one another name in [answers]",
        path = path.display()
    )]
    InUse {
        /// The log's folder.
        path: PathBuf,
    },
    /// What lies at the log's path is no longer the folder that this process locked.
    #[error(
        "Failed to write to the answer log in {path}: the folder was moved, replaced or deleted while this process had it; start \
         the service again, and leave the folder alone while a process has it",
        path = path.display()
    )]
    Replaced {
        /// The log's folder.
        path: PathBuf,
    },
    /// The log began in another folder.
    #[error(
        "Failed to open the answer log: it began in {began}, and another one in {now} would not continue its chain; stop the process \
         that has it and move the folder {began} to {now}, or change `dir` under [answers]",
        began = began.display(),
        now = now.display()
    )]
    Moved {
        /// The folder with its entries.
        began: PathBuf,
        /// The folder that the configuration names.
        now: PathBuf,
    },
    /// The log began in a folder of its own, and has no entries there now.
    #[error(
        "Failed to find the answer log: it began in {path}, and has no entry there; mount its disk, or restore it from a backup; only to \
         begin another log, remove {note}",
        path = path.display(),
        note = note.display()
    )]
    Missing {
        /// The folder that had its entries.
        path: PathBuf,
        /// The file that says so.
        note: PathBuf,
    },
    /// An entry is not what was written.
    #[error(
        "Failed to read the answer log: {problem}; `coverledger answers verify` lists all damage; restore the log from a backup, \
         or move its folder away to begin another"
    )]
    Damaged {
        /// Which entry, and what is wrong with it.
        problem: String,
    },
    /// A write or an fsync failed before: nothing is appended any more.
    #[error(
        "Failed to write to the answer log before: {why}; no answer is sent until the service is started again"
    )]
    Stopped {
        /// The first failure.
        why: String,
    },
    /// More answers wait than the log takes.
    #[error("Failed to log the answer: too many answers wait for the disk; try again shortly")]
    Full,
    /// The thread of the log has ended.
    #[error("Failed to log the answer: the service is stopping; ask again when it runs")]
    Ended,
    /// An entry beyond the limit.
    #[error(
        "Failed to log the answer: the entry has {bytes} bytes, more than {max}; ask about less at a time"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl AnswerLogError {
    pub(super) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source: Arc::new(source) }
    }

    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged { problem: problem.into() }
    }
}
