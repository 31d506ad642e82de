//! Where the log of a process lies, and that it stays there: a log that began in one folder does not begin again in another.
//!
//! The folder of logs is `answers` in the data directory, or one of its own, which may be on another disk. Of the latter the data
//! directory has a note, so that a folder whose disk is not mounted is not taken for a log that has not begun.

use super::error::{AnswerLogError, AnswerLogResult};
use super::segment::{self, lines, sync_folder, write_small};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Begins the name of a note; the name of the log follows.
const NOTE: &str = "answer-log-of-";

/// Where the log of a process lies.
#[derive(Clone, Copy, Debug)]
pub struct LogPlace<'a> {
    /// The folder of logs in the data directory, which has them unless the configuration names another; the note lies beside it.
    pub usual: &'a Path,
    /// The folder of logs of the configuration.
    pub answers: &'a Path,
    /// The name of the log.
    pub name: &'a str,
}

impl LogPlace<'_> {
    /// Refuses a log that began elsewhere: another one would begin here, and its chain would not continue that one's.
    ///
    /// # Errors
    /// [`AnswerLogError::Moved`], [`AnswerLogError::Missing`]; a folder cannot be read.
    pub fn check(&self) -> AnswerLogResult<()> {
        if has_begun(self.answers, self.name)? {
            return Ok(());
        }
        let noted = self.noted()?;
        for answers in noted.as_deref().into_iter().chain([self.usual]) {
            if has_begun(answers, self.name)? {
                let (began, now) = (answers.join(self.name), self.answers.join(self.name));
                return Err(AnswerLogError::Moved { began, now });
            }
        }
        match noted {
            Some(answers) => {
                Err(AnswerLogError::Missing { path: answers.join(self.name), note: self.note_path() })
            }
            None => Ok(()),
        }
    }

    /// Notes where the log lies, once it has entries there. Of the usual folder there is no note.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn note(&self) -> AnswerLogResult<()> {
        let (path, here) = (self.note_path(), absolute(self.answers)?);
        let noted = self.noted()?;
        if here == absolute(self.usual)? {
            return match noted {
                Some(_) => fs::remove_file(&path).map_err(AnswerLogError::file("remove", path)),
                None => Ok(()),
            };
        }
        if noted.as_ref() == Some(&here) {
            return Ok(());
        }
        let text = format!("{}\n", here.display());
        let beside = path.parent().unwrap_or(&path);
        let written = write_small(&path, &text).and_then(|()| sync_folder(beside));
        written.map_err(AnswerLogError::file("write", path))
    }

    fn note_path(&self) -> PathBuf {
        self.usual.with_file_name(format!("{NOTE}{}", self.name))
    }

    /// The folder of logs that was noted.
    fn noted(&self) -> AnswerLogResult<Option<PathBuf>> {
        let path = self.note_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(PathBuf::from(text.trim_end_matches('\n'))).filter(|it| it.is_absolute())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AnswerLogError::file("read", path)(error)),
        }
    }
}

fn absolute(path: &Path) -> AnswerLogResult<PathBuf> {
    std::path::absolute(path).map_err(AnswerLogError::file("resolve", path))
}

/// Whether the log of this name has an entry in a folder of logs.
fn has_begun(answers: &Path, name: &str) -> AnswerLogResult<bool> {
    let folder = answers.join(name);
    let files = match segment::list(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        listed => listed.map_err(AnswerLogError::file("list", folder))?,
    };
    for (_, path) in files {
        let bytes = fs::read(&path).map_err(AnswerLogError::file("read", &path))?;
        if !lines(&bytes).0.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::entry::{Content, Digest, Entry};
    use tempfile::TempDir;

    fn begin(answers: &Path, name: &str) {
        fs::create_dir_all(answers.join(name)).unwrap();
        let content = Content::Retention { dropped_through: 0, digest: Digest::default() };
        let entry = Entry { number: 1, group: 1, at_ms: 0, previous: Digest::default(), content };
        fs::write(answers.join(name).join(segment::file_name(1)), entry.line().unwrap().0).unwrap();
    }

    #[test]
    fn a_log_stays_where_it_began() {
        let folder = TempDir::new().unwrap();
        let (data, fast, other) =
            (folder.path().join("data"), folder.path().join("fast"), folder.path().join("other"));
        let usual = data.join("answers");
        fs::create_dir(&data).unwrap();
        let at = |answers| LogPlace { usual: &usual, answers, name: "main" };
        // Nothing has begun; a file of zeros is nothing, too.
        fs::create_dir_all(fast.join("main")).unwrap();
        fs::write(fast.join("main").join(segment::file_name(1)), [0; 100]).unwrap();
        at(&usual).check().unwrap();
        at(&fast).check().unwrap();
        // It began in the usual folder: of that there is no note.
        begin(&usual, "main");
        at(&usual).note().unwrap();
        at(&usual).check().unwrap();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
        let refused = at(&fast).check().unwrap_err().to_string();
        assert!(refused.contains("data/answers/main") && refused.contains("fast/main"), "{refused}");
        LogPlace { name: "east-1", ..at(&fast) }.check().unwrap();
        // It was moved.
        fs::remove_dir_all(fast.join("main")).unwrap();
        fs::rename(usual.join("main"), fast.join("main")).unwrap();
        at(&fast).check().unwrap();
        at(&fast).note().unwrap();
        for answers in [&usual, &other] {
            let refused = at(answers).check().unwrap_err();
            assert!(matches!(&refused, AnswerLogError::Moved { began, .. } if began.starts_with(&fast)));
        }
        // Its disk is not there.
        fs::rename(&fast, folder.path().join("unmounted")).unwrap();
        for answers in [&usual, &other, &fast] {
            let refused = at(answers).check().unwrap_err();
            assert!(matches!(&refused, AnswerLogError::Missing { path, .. } if path.starts_with(&fast)));
        }
        // Moved back, it needs no note.
        fs::rename(folder.path().join("unmounted/main"), usual.join("main")).unwrap();
        at(&usual).check().unwrap();
        at(&usual).note().unwrap();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }
}
