//! The thread of a log: takes everything that waits, writes it as one group, makes it durable with one fsync, and tells all who wait.

use super::chain::{Link, WITNESS, Witness};
use super::entry::{Content, Digest, Draft, Entry, LINE_BYTES_MAX};
use super::error::{AnswerLogError, AnswerLogResult};
use super::index::{SegmentFacts, watchable};
use super::lock::FolderLock;
use super::log::{Logged, Shared};
use super::segment::{self, Disk, Live, file_name};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::{error, warn};

/// Entries of a group at most.
const GROUP_MAX: usize = 512;
/// How often the witness is written, at most.
const WITNESS_EVERY: Duration = Duration::from_secs(1);

/// An entry that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) draft: Draft,
    pub(super) reply: oneshot::Sender<AnswerLogResult<Logged>>,
}

/// Told of each group: its entries, and how long they took to become durable.
pub type Observe = Box<dyn Fn(usize, Duration) + Send>;

/// The thread's belongings.
pub struct Worker {
    folder: PathBuf,
    link: Link,
    live: Option<Live>,
    shared: Arc<Shared>,
    receiver: Receiver<Waiting>,
    retention_ms: Option<i64>,
    disk: Disk,
    /// Gives the preparer work, and gets the next file.
    preparer: (SyncSender<FileWork>, Receiver<io::Result<File>>),
    is_being_prepared: bool,
    witness_written: Option<Instant>,
    observe: Observe,
    lock: Arc<FolderLock>,
}

/// What is done with files while answers go on: each waits for the file system's journal, beside ingest for a second at times.
enum FileWork {
    /// Fill the next file with zeros.
    Prepare,
    /// Close a full file and make the name of the one after it durable.
    Close(Live),
}

/// Fills the next file with zeros while the one before takes entries, and closes the one that is full.
pub struct Preparer {
    folder: PathBuf,
    lock: Arc<FolderLock>,
    disk: Disk,
    wanted: Receiver<FileWork>,
    ready: SyncSender<io::Result<File>>,
}

impl Preparer {
    /// Works until the log's thread ends.
    pub fn run(self) {
        for work in &self.wanted {
            let checked = self.lock.check().map_err(io::Error::other);
            match work {
                FileWork::Prepare => {
                    let prepared = checked.and_then(|()| segment::prepare(&self.folder, &self.disk));
                    if self.ready.send(prepared).is_err() {
                        break;
                    }
                }
                FileWork::Close(live) => {
                    if let Err(error) = checked.and_then(|()| close(&self.folder, &live)) {
                        warn!(%error, "Failed to close a full file of the answer log: its entries are durable, and the next start reads them");
                    }
                }
            }
        }
    }
}

/// Cuts the rest of a full file off, and makes the name of the next one durable.
fn close(folder: &Path, full: &Live) -> io::Result<()> {
    full.finish()?;
    segment::sync_folder(folder)
}

impl Worker {
    pub(super) fn new(
        folder: &Path,
        (link, lock): (Link, Arc<FolderLock>),
        shared: Arc<Shared>,
        receiver: Receiver<Waiting>,
        (retention_ms, disk): (Option<i64>, Disk),
    ) -> (Self, Preparer) {
        // A full file to close, and the next one to prepare.
        let (want, wanted) = sync_channel(2);
        let (ready, prepared) = sync_channel(1);
        let preparer = Preparer {
            folder: folder.to_path_buf(),
            lock: Arc::clone(&lock),
            disk: disk.clone(),
            wanted,
            ready,
        };
        let worker = Self {
            folder: folder.to_path_buf(),
            link,
            live: None,
            shared,
            receiver,
            retention_ms,
            disk,
            preparer: (want, prepared),
            is_being_prepared: false,
            witness_written: None,
            observe: Box::new(|_, _| {}),
            lock,
        };
        (worker, preparer)
    }

    /// Tells of each group.
    #[must_use]
    pub fn observed(self, observe: Observe) -> Self {
        Self { observe, ..self }
    }

    /// Works until no one can append any more.
    pub fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(next) = self.receiver.try_recv()
            {
                group.push(next);
            }
            self.append(group);
        }
        self.finish();
    }

    fn append(&mut self, mut group: Vec<Waiting>) {
        let begun = Instant::now();
        let now_ms = group.iter().map(|waiting| waiting.draft.at.millis()).max().unwrap_or_default();
        let due = self.retention_due(now_ms);
        if let Some(due) = &due {
            let (reply, _unread) = oneshot::channel();
            let at = crate::domain::time::UtcMillis::new(now_ms);
            group.push(Waiting { draft: Draft { at, content: due.content.clone() }, reply });
        }
        let group = self.encode(group);
        let Some(group) = group else { return };
        match self.write(&group) {
            Ok(()) => {
                self.take_in(group, begun);
                if let Some(due) = due {
                    self.drop_files(&due);
                }
            }
            Err(error) => {
                error!(%error, "Failed to write to the answer log: answers are refused");
                group.replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(error.clone()))));
            }
        }
    }

    /// The lines of a group; `None` when nothing is left of it.
    fn encode(&self, waiting: Vec<Waiting>) -> Option<Group> {
        let mut group = Group { link: self.link, ..Group::default() };
        let first = self.link.number.saturating_add(1);
        for Waiting { draft, reply } in waiting {
            let number = group.link.number.saturating_add(1);
            let (at_ms, previous) = (draft.at.millis(), group.link.digest);
            let entry = Entry { number, group: first, at_ms, previous, content: draft.content };
            match entry.line() {
                Ok((line, digest)) => {
                    let length = line.len().saturating_sub(1);
                    group.places.push((group.bytes.len(), length));
                    group.bytes.extend_from_slice(&line);
                    group.link = Link { number, digest };
                    group.replies.push((reply, entry));
                }
                Err(bytes) => {
                    let error = AnswerLogError::TooLarge { bytes, max: LINE_BYTES_MAX };
                    drop(reply.send(Err(error)));
                }
            }
        }
        (!group.replies.is_empty()).then_some(group)
    }

    /// Writes a group and makes it durable. After a failure nothing is written any more: what the disk has is not known.
    fn write(&mut self, group: &Group) -> AnswerLogResult<()> {
        if let Some(why) = &*Shared::locked(&self.shared.stopped) {
            return Err(AnswerLogError::Stopped { why: why.clone() });
        }
        // Nothing is written yet: once the folder is back, the next group goes on.
        self.lock.check()?;
        let bytes = &group.bytes;
        if self.live.as_ref().is_none_or(|live| live.at() > 0 && !live.fits(bytes.len())) {
            self.begin_file()?;
        }
        let Some(live) = &mut self.live else { return Err(AnswerLogError::Ended) };
        live.append(bytes, &self.disk).map_err(|source| {
            *Shared::locked(&self.shared.stopped) = Some(source.to_string());
            AnswerLogError::file("write to the answer log in", &self.folder)(source)
        })?;
        if live.is_half_full() && !self.is_being_prepared {
            // Without a preparer the file is made when it is needed.
            self.is_being_prepared = self.preparer.0.try_send(FileWork::Prepare).is_ok();
        }
        Ok(())
    }

    /// Goes on to the next file. A disk that is full refuses here, with nothing written: it is tried again with the next group.
    fn begin_file(&mut self) -> AnswerLogResult<()> {
        let failed =
            |error| AnswerLogError::file("prepare the next file of the answer log in", &self.folder)(error);
        let prepared = match self.is_being_prepared {
            true => self.preparer.1.recv().unwrap_or_else(|_| segment::prepare(&self.folder, &self.disk)),
            false => segment::prepare(&self.folder, &self.disk),
        };
        self.is_being_prepared = false;
        let file = prepared.map_err(failed)?;
        let first = self.link.number.saturating_add(1);
        let full = self.live.replace(Live::begin(&self.folder, first, file).map_err(failed)?);
        match full.map(|full| self.preparer.0.try_send(FileWork::Close(full))) {
            Some(Err(
                TrySendError::Full(FileWork::Close(full)) | TrySendError::Disconnected(FileWork::Close(full)),
            )) => {
                close(&self.folder, &full).map_err(failed)?;
            }
            // The first file of a start: nothing else makes its name durable.
            None => segment::sync_folder(&self.folder).map_err(failed)?,
            Some(_) => {}
        }
        let path = self.folder.join(file_name(first));
        let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        index.segments.push(SegmentFacts { path, last: self.link.number, last_at_ms: i64::MIN });
        index.begin_after(self.link.number);
        Ok(())
    }

    /// Shows a durable group, and tells all who wait.
    fn take_in(&mut self, group: Group, begun: Instant) {
        let end = self.live.as_ref().map_or(0, Live::at);
        let start = end.saturating_sub(u64::try_from(group.bytes.len()).unwrap_or(u64::MAX));
        let mut watchables = Vec::new();
        {
            let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
            for ((_, entry), (at, length)) in group.replies.iter().zip(&group.places) {
                index.add(entry, start.saturating_add(u64::try_from(*at).unwrap_or(u64::MAX)), *length);
                watchables.extend(watchable(entry));
            }
        }
        Shared::locked(&self.shared.watchables).extend(watchables);
        self.link = group.link;
        (self.observe)(group.replies.len(), begun.elapsed());
        for (reply, entry) in group.replies {
            // Who waited may be gone; the entry stays.
            drop(reply.send(Ok(Logged { number: entry.number })));
        }
        if self.witness_written.is_none_or(|at| at.elapsed() >= WITNESS_EVERY) {
            self.write_witness();
        }
    }

    fn write_witness(&mut self) {
        self.witness_written = Some(Instant::now());
        let witness = Witness { number: self.link.number, digest: self.link.digest };
        let path = self.folder.join(WITNESS);
        let written = self.lock.check().and_then(|()| {
            segment::write_small(&path, &witness.text()).map_err(AnswerLogError::file("write", &path))
        });
        if let Err(error) = written {
            warn!(%error, "Failed to write the witness of the answer log: entries are appended all the same");
        }
    }

    /// The entry about files that retention drops now; `None` when none is due.
    fn retention_due(&self, now_ms: i64) -> Option<Due> {
        let oldest_ms = now_ms.saturating_sub(self.retention_ms?);
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        // The newest file stays.
        let (_, older) = index.segments.split_last()?;
        let due = older.iter().take_while(|facts| facts.last_at_ms < oldest_ms).collect::<Vec<_>>();
        let last = due.last()?;
        let digest = digest_of(&last.path, last.last)?;
        let content = Content::Retention { dropped_through: last.last, digest };
        Some(Due { content, through: last.last, paths: due.iter().map(|facts| facts.path.clone()).collect() })
    }

    /// Removes files, after the entry about them is durable.
    fn drop_files(&self, due: &Due) {
        if let Err(error) = self.lock.check() {
            warn!(%error, "Failed to remove files of the answer log that retention drops");
            return;
        }
        {
            let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
            index.drop_through(due.through, due.paths.len());
        }
        // The oldest first: what is left after a crash has no hole.
        for path in &due.paths {
            if let Err(error) = fs::remove_file(path) {
                warn!(%error, path = %path.display(), "Failed to remove a file of the answer log: remove it by hand");
                return;
            }
        }
    }

    fn finish(&mut self) {
        if let Some(live) = &self.live {
            if let Err(error) = live.finish() {
                warn!(%error, "Failed to cut the zeros off the answer log: the next start does it");
            }
            self.write_witness();
        }
    }
}

/// What retention drops.
struct Due {
    content: Content,
    through: u64,
    paths: Vec<PathBuf>,
}

/// The digest of the last entry of a file.
fn digest_of(path: &Path, number: u64) -> Option<Digest> {
    let bytes = fs::read(path).ok()?;
    let (_, line) = segment::lines(&bytes).0.pop()?;
    let (entry, digest) = Entry::parse(line).ok()?;
    (entry.number == number).then_some(digest)
}

/// Entries that become durable together.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
    replies: Vec<(oneshot::Sender<AnswerLogResult<Logged>>, Entry)>,
    /// The link after the last of them.
    link: Link,
}
