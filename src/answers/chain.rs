//! The chain of entries, read again: every digest, every number, every predecessor.

use super::entry::{Content, Digest, Entry};
use super::error::{AnswerLogError, AnswerLogResult};
use super::segment::{self, is_empty, lines};
use std::fs;
use std::path::Path;

/// Problems that a report names; all are counted.
const PROBLEMS_MAX: usize = 20;
/// The file that tells which entry was durable some time ago, so that a log that lost its end is recognised.
pub(super) const WITNESS: &str = "witness";

/// The newest entry that was known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Witness {
    pub(super) number: u64,
    pub(super) digest: Digest,
}

impl Witness {
    pub(super) fn text(&self) -> String {
        format!("{} {}\n", self.number, self.digest)
    }

    /// Reads it; `None` where there is none.
    pub(super) fn read(folder: &Path) -> AnswerLogResult<Option<Self>> {
        let path = folder.join(WITNESS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(AnswerLogError::file("read", &path))?,
        };
        // Not made durable by itself: after a loss of power it may be empty.
        if text.bytes().all(|byte| byte == 0) {
            return Ok(None);
        }
        let parts = text.trim_end().split_once(' ');
        let read = parts.and_then(|(number, digest)| Some((number.parse().ok()?, Digest::parse(digest)?)));
        let (number, digest) =
            read.ok_or_else(|| AnswerLogError::damaged(format!("{} has another form", path.display())))?;
        Ok(Some(Self { number, digest }))
    }
}

/// Where the chain is: what the next entry must be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// The number of the entry before; 0 before the first.
    pub(super) number: u64,
    /// Its digest.
    pub(super) digest: Digest,
}

impl Link {
    /// Takes the next line; on failure the link stays where it was.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Entry, &'static str> {
        let (entry, digest) = Entry::parse(line)?;
        if entry.number != self.number.saturating_add(1) {
            return Err("it has another number than its place");
        }
        if entry.previous != self.digest {
            return Err("it names another entry before it");
        }
        if entry.group > entry.number {
            return Err("its group begins after it");
        }
        (self.number, self.digest) = (entry.number, digest);
        Ok(entry)
    }
}

/// Calls `visit` with the bytes of every file of a log, in order. A file that retention removed meanwhile is passed over.
pub(super) fn files(
    folder: &Path,
    mut visit: impl FnMut(u64, &Path, Vec<u8>) -> AnswerLogResult<()>,
) -> AnswerLogResult<()> {
    for (first, path) in segment::list(folder).map_err(AnswerLogError::file("list", folder))? {
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            read => visit(first, &path, read.map_err(AnswerLogError::file("read", &path))?)?,
        }
    }
    Ok(())
}

/// What a log holds, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Entries read.
    pub entries: u64,
    /// The number of the first entry.
    pub first: u64,
    /// The number of the last entry.
    pub last: u64,
    /// The digest of the last entry.
    pub digest: String,
    /// All problems, also those that are not named.
    pub problems_found: u64,
    /// The first problems, each with the entry that it is about.
    pub problems: Vec<String>,
}

impl ChainReport {
    fn problem(&mut self, text: String) {
        self.problems_found = self.problems_found.saturating_add(1);
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }

    /// Whether nothing is wrong.
    pub const fn holds(&self) -> bool {
        self.problems_found == 0
    }
}

/// Reads a log again. It may be in use: what is being written at its end is no problem.
///
/// # Errors
/// A file cannot be read.
pub fn verify(folder: &Path) -> AnswerLogResult<ChainReport> {
    let mut verifying = Verifying { witness: Witness::read(folder)?, ..Verifying::default() };
    verifying.starts.push((0, Digest::default()));
    files(folder, |first, path, bytes| {
        verifying.file(first, path, &bytes);
        Ok(())
    })?;
    Ok(verifying.finish())
}

/// A check under way.
#[derive(Default)]
struct Verifying {
    report: ChainReport,
    witness: Option<Witness>,
    /// The link after the last line; `None` before the first, and where a file is missing.
    link: Option<Link>,
    /// Number and digest of the entries that may come right before the first.
    starts: Vec<(u64, Digest)>,
    /// What the first entry says.
    begins: Option<(u64, Digest)>,
    /// The digest of the entry that the witness names.
    seen: Option<Digest>,
    /// The last file so far ends within an entry.
    unfinished: Option<String>,
}

impl Verifying {
    fn expected(&self, first: u64) -> u64 {
        self.link.map_or(first, |link| link.number.saturating_add(1))
    }

    fn file(&mut self, first: u64, path: &Path, bytes: &[u8]) {
        if let Some(earlier) = self.unfinished.take() {
            self.report.problem(earlier);
        }
        if first != self.expected(first) {
            let text = format!("{} begins where entry {} belongs", path.display(), self.expected(first));
            self.report.problem(text);
            self.link = None;
        }
        let (found, tail) = lines(bytes);
        for (at, line) in found {
            self.line(first, (path, at), line);
        }
        if !is_empty(tail) {
            let number = self.expected(first);
            self.unfinished = Some(format!("entry {number} ({}): it is cut off", path.display()));
        }
    }

    fn line(&mut self, first: u64, (path, at): (&Path, usize), line: &[u8]) {
        let mut next = self.link.unwrap_or_else(|| before(first, line));
        match next.take(line) {
            Ok(entry) => {
                self.begins = self.begins.or(Some((entry.number.saturating_sub(1), entry.previous)));
                if let Content::Retention { dropped_through, digest } = &entry.content {
                    self.starts.push((*dropped_through, *digest));
                }
                if self.witness.is_some_and(|witness| witness.number == entry.number) {
                    self.seen = Some(next.digest);
                }
                self.report.entries = self.report.entries.saturating_add(1);
                self.report.first = if self.report.entries == 1 { entry.number } else { self.report.first };
            }
            Err(why) => {
                let number = next.number.saturating_add(1);
                self.report.problem(format!("entry {number} ({} at byte {at}): {why}", path.display()));
                // The next one is compared with what it says itself.
                next = after(number, line);
            }
        }
        self.link = Some(next);
    }

    fn finish(mut self) -> ChainReport {
        let last = self.link.unwrap_or_default();
        (self.report.last, self.report.digest) = (last.number, last.digest.to_string());
        if let Some((number, digest)) = self.begins.filter(|begins| !self.starts.contains(begins)) {
            self.report.problem(format!(
                "the log begins with entry {}, and no entry about retention names entry {number} with the digest {digest}",
                number.saturating_add(1),
            ));
        }
        let Some(witness) = self.witness else { return self.report };
        if last.number < witness.number {
            let unfinished = self.unfinished.unwrap_or_else(|| "nothing follows".to_owned());
            self.report.problem(format!(
                "the log ends with entry {}, but entry {} was written ({unfinished})",
                last.number, witness.number
            ));
        } else if self.report.first <= witness.number && self.seen != Some(witness.digest) {
            let text = format!("entry {}: the file `{WITNESS}` has another digest", witness.number);
            self.report.problem(text);
        }
        self.report
    }
}

/// The link before a line that nothing is known about: what the line itself says.
fn before(first: u64, line: &[u8]) -> Link {
    let digest = Entry::parse(line).map(|(entry, _)| entry.previous).unwrap_or_default();
    Link { number: first.saturating_sub(1), digest }
}

/// The link after a damaged line: its digest as far as it can be read.
fn after(number: u64, line: &[u8]) -> Link {
    let digest = line.get(..64).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(Digest::parse);
    Link { number, digest: digest.unwrap_or_default() }
}

/// Calls `visit` with every entry of a log, ascending, as far as the chain is whole.
///
/// # Errors
/// A file cannot be read, or an entry is damaged.
pub fn visit(folder: &Path, mut visit: impl FnMut(Entry, Digest)) -> AnswerLogResult<()> {
    let mut link: Option<Link> = None;
    files(folder, |first, path, bytes| {
        for (at, line) in lines(&bytes).0 {
            let next = link.get_or_insert_with(|| before(first, line));
            let entry = next.take(line).map_err(|why| {
                let number = next.number.saturating_add(1);
                AnswerLogError::damaged(format!("entry {number} ({} at byte {at}): {why}", path.display()))
            })?;
            visit(entry, next.digest);
        }
        Ok(())
    })
}
