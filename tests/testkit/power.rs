//! A machine that loses power: what a killed process had written but not synced is taken back, all of it or parts.
//!
//! `tests/lossy/lossy.c`, preloaded into the process, keeps the journal that this reads. It injects failing disks as well.

use super::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The smallest part of a write that a disk keeps or loses as a whole.
const SECTOR: u64 = 512;

/// The library, compiled once in a test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lossy/lossy.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join(format!("lossy-{}.so", std::process::id()));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let output = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Its name is this process's own; the next program of the same name takes its place.
        let shared = folder.join("lossy.so");
        fs::rename(&library, &shared).unwrap();
        shared
    })
}

/// What is lost of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it.
    Everything,
    /// Every sector or name is kept or lost by chance.
    Torn,
    /// What came after a moment, for each file its own.
    Tails,
}

impl Loss {
    pub(crate) const ALL: [Self; 3] = [Self::Everything, Self::Torn, Self::Tails];
}

/// The watch over one folder.
pub(crate) struct Watch {
    root: PathBuf,
    own: TempDir,
}

impl Watch {
    /// Watches everything below `root`, which must be there. Its journal lies on the same file system.
    pub(crate) fn over(root: &Path) -> Self {
        let root = root.canonicalize().unwrap();
        let own = TempDir::new_in(root.parent().unwrap()).unwrap();
        fs::create_dir(own.path().join("side")).unwrap();
        Self { root, own }
    }

    /// Lets the watch into a process.
    pub(crate) fn enter(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("LOSSY_ROOT", &self.root);
        command.env("LOSSY_SIDE", self.own.path().join("side"));
        command.env("LOSSY_JOURNAL", self.journal());
    }

    fn journal(&self) -> PathBuf {
        self.own.path().join("journal")
    }

    /// The power goes after the process was killed. Returns how many writes and names were not durable.
    pub(crate) fn lose(self, loss: Loss, random: &mut Random) -> (usize, usize) {
        let notes = read_journal(&fs::read(self.journal()).unwrap_or_default());
        let writes = self.lose_bytes(&notes, loss, random);
        let names = lose_names(&notes, loss, random);
        (writes, names)
    }

    /// How many removed files were cut short, and how many of them while their names could still come back.
    pub(crate) fn cut_short(&self) -> (usize, usize) {
        let notes = read_journal(&fs::read(self.journal()).unwrap());
        let (mut going, mut gone) = (BTreeMap::new(), BTreeSet::new());
        let (mut cut, mut early) = (BTreeSet::new(), BTreeSet::new());
        for note in &notes {
            match note.kind {
                Kind::Unlink if !note.second.is_empty() => {
                    let file = fs::metadata(text(&note.second)).unwrap().ino();
                    going.insert(file, note.inode);
                }
                Kind::Sync => gone.extend(going.extract_if(.., |_, folder| *folder == note.inode)),
                Kind::Truncate if going.contains_key(&note.inode) => drop(early.insert(note.inode)),
                Kind::Truncate if gone.iter().any(|&(file, _)| file == note.inode) => {
                    cut.insert(note.inode);
                }
                _ => {}
            }
        }
        (cut.union(&early).count(), early.len())
    }

    fn lose_bytes(&self, notes: &[Note], loss: Loss, random: &mut Random) -> usize {
        let mut pending: BTreeMap<u64, Vec<&Note>> = BTreeMap::new();
        for note in notes {
            match note.kind {
                Kind::Sync => drop(pending.remove(&note.inode)),
                Kind::Write | Kind::Truncate => pending.entry(note.inode).or_default().push(note),
                _ => {}
            }
        }
        let mut files = BTreeMap::new();
        files_below(&self.root, &mut files);
        files_below(&self.own.path().join("side"), &mut files);
        for (inode, notes) in &pending {
            // Without any name left no process can read it.
            let Some(path) = files.get(inode) else { continue };
            let file = File::options().read(true).write(true).open(path).unwrap();
            notes.iter().rev().for_each(|note| note.take_back(&file));
            let kept = match loss {
                Loss::Everything => 0,
                Loss::Torn => notes.len(),
                Loss::Tails => random.below(notes.len() + 1),
            };
            notes.iter().take(kept).for_each(|note| note.repeat(&file, loss, random));
        }
        pending.values().map(Vec::len).sum()
    }
}

/// Takes names back from the last one on, in each folder to a moment of its own.
fn lose_names(notes: &[Note], loss: Loss, random: &mut Random) -> usize {
    let mut pending: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, note) in notes.iter().enumerate() {
        match note.kind {
            Kind::Sync => drop(pending.remove(&note.inode)),
            Kind::Write | Kind::Truncate => {}
            _ => pending.entry(note.inode).or_default().push(at),
        }
    }
    let mut lost: BTreeSet<usize> = BTreeSet::new();
    for places in pending.values() {
        let kept = if loss == Loss::Everything { 0 } else { random.below(places.len() + 1) };
        lost.extend(places.iter().skip(kept).copied());
    }
    for &at in lost.iter().rev() {
        notes[at].take_name_back();
    }
    pending.values().map(Vec::len).sum()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Truncate,
    Sync,
    Create,
    Rename,
    Unlink,
    MakeDir,
}

/// One thing that the process did.
#[derive(Debug)]
struct Note {
    kind: Kind,
    /// The file, or the folder of a name.
    inode: u64,
    /// Where it was written, or the length after.
    at: u64,
    /// The length before.
    size: u64,
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Note {
    fn take_back(&self, file: &File) {
        match self.kind {
            Kind::Write => {
                file.write_all_at(&self.first, self.at).unwrap();
                file.set_len(self.size).unwrap();
            }
            Kind::Truncate => {
                file.set_len(self.size).unwrap();
                file.write_all_at(&self.first, self.at).unwrap();
            }
            _ => unreachable!("{self:?} is about a name"),
        }
    }

    fn repeat(&self, file: &File, loss: Loss, random: &mut Random) {
        let mut keeps = || loss != Loss::Torn || random.percent(50);
        match self.kind {
            Kind::Write => {
                let mut from = 0;
                while from < self.second.len() {
                    let place = self.at + u64::try_from(from).unwrap();
                    let length = usize::try_from(SECTOR - place % SECTOR).unwrap();
                    let to = (from + length).min(self.second.len());
                    if keeps() {
                        file.write_all_at(&self.second[from..to], place).unwrap();
                    }
                    from = to;
                }
            }
            Kind::Truncate if keeps() => file.set_len(self.at).unwrap(),
            Kind::Truncate => {}
            _ => unreachable!("{self:?} is about a name"),
        }
    }

    fn take_name_back(&self) {
        let (first, second) = (text(&self.first), text(&self.second));
        // A name that is gone already went with its folder.
        match self.kind {
            Kind::Create => drop(fs::remove_file(first)),
            Kind::MakeDir => drop(fs::remove_dir_all(first)),
            Kind::Unlink if !second.is_empty() => drop(fs::hard_link(second, first)),
            Kind::Rename => {
                let (from, to) = first.split_once('\n').unwrap();
                let _gone = fs::rename(to, from);
                if !second.is_empty() {
                    let _gone = fs::hard_link(second, to);
                }
            }
            _ => {}
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The journal's notes; the last one may be torn, and then what it announced did not take place.
fn read_journal(bytes: &[u8]) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<48>() {
        #[expect(clippy::host_endian_bytes, reason = "the journal was written on this machine")]
        let number = |at: usize| u64::from_ne_bytes(head[at * 8..at * 8 + 8].try_into().unwrap());
        let (first, second) = (usize::try_from(number(4)).unwrap(), usize::try_from(number(5)).unwrap());
        if after.len() < first + second {
            break;
        }
        let kind = match number(0) {
            1 => Kind::Write,
            2 => Kind::Truncate,
            3 => Kind::Sync,
            4 => Kind::Create,
            5 => Kind::Rename,
            6 => Kind::Unlink,
            7 => Kind::MakeDir,
            other => panic!("note of kind {other}"),
        };
        notes.push(Note {
            kind,
            inode: number(1),
            at: number(2),
            size: number(3),
            first: after[..first].to_vec(),
            second: after[first..first + second].to_vec(),
        });
        rest = &after[first + second..];
    }
    notes
}

fn files_below(folder: &Path, files: &mut BTreeMap<u64, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            files_below(&path, files);
        } else {
            files.insert(about.ino(), path);
        }
    }
}

/// A disk that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Full after so many bytes.
    Full(u64),
    /// Unreadable after so many reads.
    Unreadable(u64),
    /// fsync fails after so many.
    Unsyncable(u64),
    /// fsync takes so many milliseconds.
    SlowToSync(u64),
}

impl Fault {
    /// What a process says whose disk failed once.
    pub(crate) const ONCE: &str = "lossy: the disk failed once";

    /// Lets the fault into a process that works below `root`.
    pub(crate) fn enter(self, root: &Path, command: &mut Command) {
        let (name, number) = match self {
            Self::Full(bytes) => ("LOSSY_ENOSPC_AFTER", bytes),
            Self::Unreadable(reads) => ("LOSSY_EIO_READ_AFTER", reads),
            Self::Unsyncable(syncs) => ("LOSSY_EIO_SYNC_AFTER", syncs),
            Self::SlowToSync(ms) => ("LOSSY_SYNC_MS", ms),
        };
        command.env("LD_PRELOAD", library()).env("LOSSY_ROOT", root).env(name, number.to_string());
    }

    /// The same, one time: the next write, or the next fsync, is well again.
    pub(crate) fn enter_once(self, root: &Path, command: &mut Command) {
        self.enter(root, command);
        command.env("LOSSY_ONCE", "1");
    }
}

/// Lets a process believe the free space that a file holds.
pub(crate) fn tell_free(file: &Path, command: &mut Command) {
    command.env("LD_PRELOAD", library()).env("LOSSY_FREE_FILE", file);
}

/// Sets the wall clock of a process ahead by the seconds that a file holds.
pub(crate) fn set_clock(file: &Path, command: &mut Command) {
    command.env("LD_PRELOAD", library()).env("LOSSY_CLOCK_FILE", file);
}
