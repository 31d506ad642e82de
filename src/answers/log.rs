//! The log as the service uses it: append, look up, list.

use super::entry::{Digest, Draft, Entry};
use super::error::{AnswerLogError, AnswerLogResult};
use super::index::{ChangedAnswer, Filter, Index, Listed, Watchable};
use super::lock::FolderLock;
use super::segment::{self, Disk, make_folder};
use super::start::{self, folder_of};
use super::worker::{Preparer, Waiting, Worker};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::oneshot;

/// Answers that may wait for the disk.
const WAITING_MAX: usize = 4_096;

/// How a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTerms {
    /// The name of the process.
    pub name: String,
    /// Entries older than this are dropped, in milliseconds; `None` = none.
    pub retention_ms: Option<i64>,
}

/// An appended entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number.
    pub number: u64,
}

/// What the handles and the thread of a log share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) index: RwLock<Index>,
    /// The first failed write; nothing is appended after it.
    pub(super) stopped: Mutex<Option<String>>,
    /// Questions that the one who watches changes has not taken yet.
    pub(super) watchables: Mutex<Vec<Watchable>>,
}

impl Shared {
    pub(super) fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log that is open. Clones share it; the log's thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct AnswerLog {
    name: Arc<str>,
    folder: Arc<Path>,
    lock: Arc<FolderLock>,
    sender: SyncSender<Waiting>,
    shared: Arc<Shared>,
    /// Bytes that the start cut off the end.
    cut_bytes: usize,
}

impl AnswerLog {
    /// Opens the log of a name in the folder `answers`, which is made if it is not there. The worker must run on a thread, and the
    /// preparer may run on another.
    ///
    /// # Errors
    /// Another process has the log; it is damaged; the disk fails.
    pub fn open(answers: &Path, terms: LogTerms) -> AnswerLogResult<(Self, Worker, Preparer)> {
        Self::open_on(answers, terms, Disk::default())
    }

    pub(super) fn open_on(
        answers: &Path,
        terms: LogTerms,
        disk: Disk,
    ) -> AnswerLogResult<(Self, Worker, Preparer)> {
        make_folder(answers).map_err(AnswerLogError::file("make", answers))?;
        let folder = folder_of(answers, &terms.name);
        let opened = start::open(&folder)?;
        segment::sync_folder(answers).map_err(AnswerLogError::file("sync", answers))?;
        let (cut_bytes, link, lock) = (opened.cut_bytes, opened.link, Arc::new(opened.lock));
        let shared = Arc::new(Shared {
            index: RwLock::new(opened.index),
            stopped: Mutex::default(),
            watchables: Mutex::new(opened.watchables),
        });
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let (worker, preparer) = Worker::new(
            &folder,
            (link, Arc::clone(&lock)),
            Arc::clone(&shared),
            receiver,
            (terms.retention_ms, disk),
        );
        let (name, folder) = (terms.name.into(), folder.into());
        Ok((Self { name, folder, lock, sender, shared, cut_bytes }, worker, preparer))
    }

    /// The name of the process that it belongs to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of an entry that a crash left unfinished, cut off when the log was opened.
    pub const fn cut_bytes(&self) -> usize {
        self.cut_bytes
    }

    fn send(&self, draft: Draft) -> AnswerLogResult<oneshot::Receiver<AnswerLogResult<Logged>>> {
        let (reply, answer) = oneshot::channel();
        match self.sender.try_send(Waiting { draft, reply }) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(AnswerLogError::Full),
            Err(TrySendError::Disconnected(_)) => Err(AnswerLogError::Ended),
        }
    }

    /// Appends an entry; returns when it is durable.
    ///
    /// # Errors
    /// It is not durable, and what it is about must not be sent.
    pub async fn append(&self, draft: Draft) -> AnswerLogResult<Logged> {
        self.send(draft)?.await.map_err(|_| AnswerLogError::Ended)?
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_blocking(&self, draft: Draft) -> AnswerLogResult<Logged> {
        self.send(draft)?.blocking_recv().map_err(|_| AnswerLogError::Ended)?
    }

    /// Appends entries in a row, for a thread that may block; returns when all are durable. While too many others wait for the
    /// disk, it waits as well.
    ///
    /// # Errors
    /// Not all of them are durable, and what they are about must not be shown.
    pub fn append_all_blocking(&self, drafts: Vec<Draft>) -> AnswerLogResult<()> {
        let mut answers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (reply, answer) = oneshot::channel();
            self.sender.send(Waiting { draft, reply }).map_err(|_| AnswerLogError::Ended)?;
            answers.push(answer);
        }
        answers
            .into_iter()
            .try_for_each(|answer| answer.blocking_recv().map_err(|_| AnswerLogError::Ended)?.map(drop))
    }

    /// The first failed write, after which nothing is appended.
    pub fn stopped(&self) -> Option<String> {
        Shared::locked(&self.shared.stopped).clone()
    }

    /// An entry; `None` where the log has none of this number.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub fn entry(&self, number: u64) -> AnswerLogResult<Option<Entry>> {
        self.entry_and_digest(number).map(|found| found.map(|(entry, _)| entry))
    }

    /// An entry and its digest.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn entry_and_digest(&self, number: u64) -> AnswerLogResult<Option<(Entry, Digest)>> {
        let place = self.shared.index().place(number);
        place.map(|place| read_entry(&place, number)).transpose()
    }

    /// Bytes of the line of an entry.
    pub fn length(&self, number: u64) -> usize {
        self.shared.index().place(number).map_or(0, |(_, _, length)| length)
    }

    /// How an answer has changed; `None` where it has not.
    pub fn changed(&self, number: u64) -> Option<ChangedAnswer> {
        self.shared.index().changed(number).cloned()
    }

    /// How many answers would now be others.
    pub fn changed_count(&self) -> usize {
        self.shared.index().changed_count()
    }

    /// The numbers of the entries that a filter wants.
    pub fn list(&self, filter: &Filter) -> Listed {
        self.shared.index().list(filter)
    }

    /// The number of the last entry.
    pub fn last(&self) -> u64 {
        self.shared.index().last()
    }

    /// The number of the first entry that the log still has.
    pub fn first(&self) -> u64 {
        self.shared.index().first()
    }

    /// The settings and rules of the configuration that was logged last.
    pub fn settings(&self) -> BTreeSet<String> {
        self.shared.index().settings.clone()
    }

    /// The newest change of the access store that was logged.
    pub fn access_through(&self) -> u64 {
        self.shared.index().access_through
    }

    /// Questions that were logged since the last call.
    pub fn take_watchables(&self) -> Vec<Watchable> {
        std::mem::take(&mut *Shared::locked(&self.shared.watchables))
    }

    /// Where what belongs to the log, but is no entry, may lie.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a small file of the log, whole or not at all. It is not made durable.
    ///
    /// # Errors
    /// The folder is another one; the disk fails.
    pub fn write_file(&self, name: &str, text: &str) -> AnswerLogResult<()> {
        self.lock.check()?;
        let path = self.file(name);
        segment::write_small(&path, text).map_err(AnswerLogError::file("write", path))
    }
}

/// Reads an entry at the file, byte and length where an index has it.
pub(super) fn read_entry(
    (path, at, length): &(PathBuf, u64, usize),
    number: u64,
) -> AnswerLogResult<(Entry, Digest)> {
    let mut line = vec![0; *length];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut line, *at));
    read.map_err(AnswerLogError::file("read", path))?;
    match Entry::parse(&line) {
        Ok((entry, digest)) if entry.number == number => Ok((entry, digest)),
        Ok(_) => Err(AnswerLogError::damaged(format!("entry {number}: another one is in its place"))),
        Err(why) => Err(AnswerLogError::damaged(format!("entry {number}: {why}"))),
    }
}
