//! A failure in a segment file, before the operation that met it is named.

use crate::storage::bytes::CodecError;
use crate::storage::error::StorageError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the system, or what is wrong with the bytes.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Content(CodecError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::Content(error)
    }
}

/// What went wrong in which segment file.
#[derive(Debug)]
pub(super) struct Failure {
    path: PathBuf,
    fault: Fault,
}

impl Failure {
    pub(super) fn at<E: Into<Fault>>(path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |fault| Self { path, fault: fault.into() }
    }

    /// Whether the file is not there: then its values may have been moved to another.
    pub(super) fn is_of_no_file(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<Failure> for StorageError {
    fn from(Failure { path, fault }: Failure) -> Self {
        match fault {
            Fault::Io(error) => Self::at("read a segment file", &path)(error),
            Fault::Content(source) => Self::Segment { path, source },
        }
    }
}
