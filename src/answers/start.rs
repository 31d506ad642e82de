//! Opening a log: everything is read and checked once, and what a crash left unfinished at the end is cut off.

use super::chain::{Link, Witness, files};
use super::entry::{Content, Digest, Entry};
use super::error::{AnswerLogError, AnswerLogResult};
use super::index::{Index, SegmentFacts, Watchable, watchable};
use super::lock::FolderLock;
use super::segment::{self, is_empty, lines, make_folder};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// A log that was opened.
pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) link: Link,
    pub(super) watchables: Vec<Watchable>,
    /// Bytes that were cut off at the end.
    pub(super) cut_bytes: usize,
    /// Keeps other processes away.
    pub(super) lock: FolderLock,
}

/// Opens the log in a folder, which is made if it is not there.
pub(super) fn open(folder: &Path) -> AnswerLogResult<Opened> {
    make_folder(folder).map_err(AnswerLogError::file("make", folder))?;
    let lock = FolderLock::acquire(folder)?;
    let witness = Witness::read(folder)?.unwrap_or_default();
    let mut reading = Reading { witness, ..Reading::default() };
    segment::rename_prepared(folder).map_err(AnswerLogError::file("rename the prepared file in", folder))?;
    let all = segment::list(folder).map_err(AnswerLogError::file("list", folder))?;
    let newest = all.last().map(|(first, _)| *first);
    let mut cut_bytes = 0;
    files(folder, |first, path, bytes| {
        let end = reading.file(first, path, &bytes, newest == Some(first))?;
        if newest == Some(first) {
            let tail = bytes.get(end..).unwrap_or_default();
            cut_bytes = if is_empty(tail) { 0 } else { tail.len() };
            finish(folder, path, end)?;
            if end == 0 {
                reading.index.segments.pop();
            }
        }
        Ok(())
    })?;
    let link = reading.link.unwrap_or_default();
    if link.number < witness.number {
        let text = format!("it ends with entry {}, but entry {} was durable", link.number, witness.number);
        return Err(AnswerLogError::damaged(text));
    }
    for watchable in &mut reading.watchables {
        if let Some((verdict, commit)) = reading.verdicts_now.remove(&watchable.number) {
            (watchable.verdict_now, watchable.commit_now) = (verdict, commit);
        }
    }
    Ok(Opened { index: reading.index, link, watchables: reading.watchables, cut_bytes, lock })
}

/// Leaves of the newest file what has entries; the next start writes to a new one.
fn finish(folder: &Path, path: &Path, end: usize) -> AnswerLogResult<()> {
    if end == 0 {
        fs::remove_file(path).map_err(AnswerLogError::file("remove", path))?;
        return segment::sync_folder(folder).map_err(AnswerLogError::file("sync", folder));
    }
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(u64::try_from(end).unwrap_or(u64::MAX))?;
        file.sync_all()
    });
    cut.map_err(AnswerLogError::file("cut", path))
}

#[derive(Default)]
struct Reading {
    witness: Witness,
    index: Index,
    link: Option<Link>,
    watchables: Vec<Watchable>,
    /// The newest verdict of answers that changed, and the commit that gave it first.
    verdicts_now: HashMap<u64, (String, u64)>,
}

impl Reading {
    /// Reads a file; returns where its entries end.
    fn file(&mut self, first: u64, path: &Path, bytes: &[u8], is_newest: bool) -> AnswerLogResult<usize> {
        let (found, tail) = lines(bytes);
        let before = self.link.map_or(first.saturating_sub(1), |link| link.number);
        if before.saturating_add(1) != first {
            let text = format!("entry {} is missing before {}", before.saturating_add(1), path.display());
            return Err(AnswerLogError::damaged(text));
        }
        self.index.begin_after(before);
        self.index.segments.push(SegmentFacts { path: path.to_path_buf(), last: before, last_at_ms: 0 });
        for (nth, (at, line)) in found.iter().enumerate() {
            let mut link = self.link.unwrap_or_else(|| Link { number: before, digest: previous_of(line) });
            let number = link.number.saturating_add(1);
            match link.take(line) {
                Ok(entry) => {
                    if self.witness.number == number && self.witness.digest != link.digest {
                        let text = format!("entry {number}: the file `witness` has another digest");
                        return Err(AnswerLogError::damaged(text));
                    }
                    self.link = Some(link);
                    self.index.add(&entry, u64::try_from(*at).unwrap_or(u64::MAX), line.len());
                    self.watchables.extend(watchable(&entry));
                    if let Content::Changed { answer, verdict, event } = entry.content {
                        self.verdicts_now.insert(answer, (verdict, event.commit()));
                    }
                }
                Err(why) => {
                    let later = found.get(nth.saturating_add(1)..).unwrap_or_default();
                    let is_torn = is_newest && number > self.witness.number && !was_durable(number, later);
                    return if is_torn { Ok(*at) } else { Err(damaged(number, path, *at, why)) };
                }
            }
        }
        let (end, number) = (bytes.len().saturating_sub(tail.len()), self.number());
        // What is being written when the machine stops is cut off; a file that was left behind is whole.
        if !is_empty(tail) && (!is_newest || number <= self.witness.number) {
            return Err(damaged(number, path, end, "it is cut off"));
        }
        Ok(end)
    }

    /// The number of the next entry.
    fn number(&self) -> u64 {
        self.index.last().saturating_add(1)
    }
}

fn damaged(number: u64, path: &Path, at: usize, why: &str) -> AnswerLogError {
    AnswerLogError::damaged(format!("entry {number} ({} at byte {at}): {why}", path.display()))
}

fn previous_of(line: &[u8]) -> Digest {
    Entry::parse(line).map(|(entry, _)| entry.previous).unwrap_or_default()
}

/// Whether an entry must have been durable: a later group was begun after it.
fn was_durable(number: u64, later: &[(usize, &[u8])]) -> bool {
    later.iter().filter_map(|(_, line)| Entry::parse(line).ok()).any(|(entry, _)| entry.group > number)
}

/// The folder of a log among those of a ledger.
pub(super) fn folder_of(answers: &Path, name: &str) -> PathBuf {
    answers.join(name)
}
