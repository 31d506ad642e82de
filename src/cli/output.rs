//! Files that commands write. A command never writes to a file that it reads, and a file is whole or it is not there:
//! it is written beside its place under another name, and renamed once everything is on the disk.

use super::WrongUsage;
use crate::config::{Config, ConfigErrors};
use anyhow::{Context, anyhow};
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Standard output, or standard input, where a file is named.
const DASH: &str = "-";
/// Symbolic links that are followed, as the system does.
const LINKS_MAX: usize = 40;
/// Permission bits of a new file, before the process's mask takes its part.
const NEW_MODE: u32 = 0o666;
/// Permission bits of a file, without its type.
const MODE_BITS: u32 = 0o7777;
/// Where the system lists a process's open files by number.
const OPEN_FILES: [&str; 2] = ["/dev/fd", "/proc/self/fd"];

/// The files that a command reads: none of them may be written.
#[derive(Debug, Default)]
pub struct Inputs {
    files: Vec<(String, FileId)>,
    /// The folders of the ledger, and what they are.
    folders: Vec<(&'static str, PathBuf)>,
}

/// Device and inode: the same under every name and through links of both kinds.
type FileId = (u64, u64);

impl Inputs {
    /// The configuration's own files, and everything in its data directory and its folder of answer logs.
    pub fn of_config(config: &Config) -> Self {
        let answers = config.answers.dir.clone().map(|dir| ("the folder of the answer logs", dir));
        let data_dir = ("the data directory", config.ledger.data_dir.clone());
        let inputs = Self { files: Vec::new(), folders: [data_dir].into_iter().chain(answers).collect() };
        config.files.iter().fold(inputs, |inputs, path| inputs.with(path))
    }

    /// The files of a configuration that has errors.
    pub fn of_errors(errors: &ConfigErrors) -> Self {
        errors.files.iter().fold(Self::default(), |inputs, path| inputs.with(path))
    }

    /// With a file; `-` is standard input. One that is not there cannot be written to by mistake.
    #[must_use]
    pub fn with(mut self, path: &Path) -> Self {
        let (name, path) = if path.as_os_str() == DASH {
            ("standard input".to_owned(), Path::new("/dev/stdin"))
        } else {
            (path.display().to_string(), path)
        };
        self.files.extend(fs::metadata(path).ok().and_then(|metadata| id_of(&metadata)).map(|id| (name, id)));
        self
    }

    /// Refuses an output that is one of these files, or lies in one of these folders.
    fn refuse(&self, output: &Path, place: &Path, metadata: Option<&Metadata>) -> anyhow::Result<()> {
        let id = metadata.and_then(id_of);
        if let Some((input, _)) = self.files.iter().find(|(_, input)| Some(*input) == id) {
            return Err(usage(format!(
                "the output {} is {input}, which this command reads: name another output file",
                output.display()
            )));
        }
        let folder = place.parent().and_then(|folder| real_folder(folder).ok());
        for (what, taken) in &self.folders {
            let is_inside = fs::canonicalize(taken)
                .is_ok_and(|taken| folder.as_ref().is_some_and(|folder| folder.starts_with(taken)));
            let is_linked = || metadata.is_some_and(|found| found.nlink() > 1) && has_file(taken, id);
            if is_inside || is_linked() {
                return Err(usage(format!(
                    "the output {} belongs to {what} {}: name a file elsewhere",
                    output.display(),
                    taken.display()
                )));
            }
        }
        Ok(())
    }

    /// Refuses a standard output that a shell has made one of these files (`command FILE >> FILE`), or a file of one of these
    /// folders.
    ///
    /// # Errors
    /// [`WrongUsage`] when it is.
    pub fn refuse_standard_output(&self) -> anyhow::Result<()> {
        let stdout = Path::new("/dev/stdout");
        let Some(found) = fs::metadata(stdout).ok().and_then(|found| id_of(&found)) else { return Ok(()) };
        if let Some((input, _)) = self.files.iter().find(|(_, input)| *input == found) {
            return Err(usage(format!(
                "standard output is {input}, which this command reads: send it to another file"
            )));
        }
        match self.folders.iter().find(|(_, taken)| has_file(taken, Some(found))) {
            Some((what, taken)) => Err(usage(format!(
                "standard output is a file of {what} {}: send it to a file elsewhere",
                taken.display()
            ))),
            None => Ok(()),
        }
    }
}

fn usage(text: String) -> anyhow::Error {
    anyhow!(WrongUsage(text))
}

/// What tells a file that can be destroyed by writing; `None` of terminals, `/dev/null` and folders.
fn id_of(metadata: &Metadata) -> Option<FileId> {
    let kind = metadata.file_type();
    let counts = kind.is_file() || kind.is_fifo() || kind.is_block_device();
    counts.then(|| (metadata.dev(), metadata.ino()))
}

fn real_folder(folder: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Whether a folder or one below it holds that file. Parts of a data directory may be links to another disk.
fn has_file(folder: &Path, id: Option<FileId>) -> bool {
    let mut folders = vec![folder.to_path_buf()];
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            if metadata.is_dir() {
                // A link may lead back.
                if seen.insert((metadata.dev(), metadata.ino())) {
                    folders.push(entry.path());
                }
            } else if id.is_some() && id_of(&metadata) == id {
                return true;
            }
        }
    }
    false
}

/// A file that a command writes. What is not [committed](Self::commit) leaves everything as it was.
pub struct OutputFile<'a> {
    /// As the arguments name it.
    name: String,
    sink: Sink<'a>,
}

enum Sink<'a> {
    /// `-`
    Standard(&'a mut dyn Write),
    /// A pipe or a device: nothing can be put in its place.
    Direct(BufWriter<File>),
    Replaced {
        file: BufWriter<NamedTempFile>,
        place: PathBuf,
        /// The file that is replaced.
        before: Option<Box<Metadata>>,
    },
}

impl<'a> OutputFile<'a> {
    /// Begins to write `path`; `-` is `standard`. Nothing is opened or made before it is known to be no input.
    ///
    /// # Errors
    /// [`WrongUsage`] when the command reads that file or it is a folder; otherwise a file that cannot be made.
    pub fn create(path: &Path, inputs: &Inputs, standard: &'a mut dyn Write) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let failed = || format!("Failed to write {name}: check the path and its permissions");
        let place = match resolve(path).with_context(failed)? {
            Place::OpenFile(number) if number == "1" => {
                inputs.refuse_standard_output()?;
                return Ok(Self { name: "standard output".to_owned(), sink: Sink::Standard(standard) });
            }
            Place::OpenFile(number) => PathBuf::from(format!("/dev/fd/{number}")),
            Place::Path(place) => place,
        };
        let before = match fs::metadata(&place) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(failed),
        };
        inputs.refuse(path, &place, before.as_ref())?;
        if before.as_ref().is_some_and(Metadata::is_dir) {
            return Err(usage(format!("the output {name} is a folder: name a file")));
        }
        let is_replaced = !place.starts_with("/dev/fd") && before.as_ref().is_none_or(Metadata::is_file);
        if before.is_some() {
            // A file that must not be written must not be replaced either.
            let file = OpenOptions::new().append(true).open(&place).with_context(failed)?;
            if !is_replaced {
                return Ok(Self { name, sink: Sink::Direct(BufWriter::new(file)) });
            }
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mode = before.as_ref().map_or(NEW_MODE, |found| found.permissions().mode() & MODE_BITS);
        let file = tempfile::Builder::new()
            .prefix(".coverledger-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .with_context(failed)?;
        Ok(Self {
            name,
            sink: Sink::Replaced { file: BufWriter::new(file), place, before: before.map(Box::new) },
        })
    }

    /// The output as messages name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes everything durable and puts it in its place.
    ///
    /// # Errors
    /// A disk that is full or fails. What was in the place before is still there.
    pub fn commit(self) -> anyhow::Result<()> {
        let Self { name, sink } = self;
        let done = match sink {
            Sink::Standard(out) => out.flush(),
            Sink::Direct(mut file) => file.flush(),
            Sink::Replaced { file, place, before } => replace(file, &place, before.as_deref()),
        };
        done.with_context(|| format!("Failed to write {name}"))
    }
}

impl Write for OutputFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Standard(out) => out.write(bytes),
            Sink::Direct(file) => file.write(bytes),
            Sink::Replaced { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Standard(out) => out.flush(),
            Sink::Direct(file) => file.flush(),
            Sink::Replaced { file, .. } => file.flush(),
        }
    }
}

fn replace(file: BufWriter<NamedTempFile>, place: &Path, before: Option<&Metadata>) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(before) = before {
        let now = file.as_file().metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            // Only root may give a file away; for others the new file stays theirs, as a copy would.
            fchown(file.as_file(), Some(before.uid()), Some(before.gid())).unwrap_or_default();
        }
        // The process's mask may have taken bits that the file had.
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(place).map_err(|error| error.error)?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// What a path names in the end.
enum Place {
    /// A file of this process that is open already, by its number.
    OpenFile(String),
    Path(PathBuf),
}

/// Follows symbolic links, those that lead nowhere too: the file behind them is replaced, the link stays.
fn resolve(path: &Path) -> io::Result<Place> {
    if path.as_os_str() == DASH {
        return Ok(Place::OpenFile("1".to_owned()));
    }
    let mut place = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        if let Some(number) = open_file(&place) {
            return Ok(Place::OpenFile(number));
        }
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&place)?;
                place = place.parent().map_or(target.clone(), |folder| folder.join(target));
            }
            _ => return Ok(Place::Path(place)),
        }
    }
    Err(io::Error::other("the path leads through too many symbolic links"))
}

/// The number of an open file of this process, where a path names one.
fn open_file(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    (OPEN_FILES.iter().any(|open| folder == Path::new(open))
        && name.bytes().all(|byte| byte.is_ascii_digit()))
    .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for before in [None, Some("before")] {
            before.iter().for_each(|text| fs::write(&path, text).unwrap());
            let mut standard = Vec::new();
            let mut file = OutputFile::create(&path, &Inputs::default(), &mut standard).unwrap();
            file.write_all(&[b'x'; 100_000]).unwrap();
            file.flush().unwrap();
            assert_eq!(names(), 1 + usize::from(before.is_some()), "it is written beside");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            drop(file);
            assert_eq!((names(), fs::read_to_string(&path).ok().as_deref()), (before.iter().len(), before));
        }
        let mut standard = Vec::new();
        let mut file = OutputFile::create(&path, &Inputs::default(), &mut standard).unwrap();
        file.write_all(b"after").unwrap();
        file.commit().unwrap();
        assert_eq!((names(), fs::read_to_string(&path).unwrap().as_str()), (1, "after"));
    }

    #[test]
    fn a_place_that_is_not_there_and_an_input_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let error = OutputFile::create(&folder.path().join("no/out.csv"), &Inputs::default(), &mut first);
        assert!(error.err().unwrap().to_string().starts_with("Failed to write"));
        let input = folder.path().join("in");
        fs::write(&input, "in").unwrap();
        let inputs = Inputs::default().with(&input);
        let refused = OutputFile::create(&input, &inputs, &mut second).err().unwrap();
        assert!(refused.is::<WrongUsage>(), "{refused}");
    }
}
