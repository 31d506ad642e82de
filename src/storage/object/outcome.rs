//! What becomes of a request to a store.

use bytes::Bytes;
use object_store::Error;

/// The longest part of what a store says that a message repeats, in characters.
const MESSAGE_CHARS_MAX: usize = 400;

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    Absent,
    Exists,
    /// It fails again.
    Final(String),
    /// It may succeed when it is sent again. A change may have taken effect.
    Passing(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = error.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        match error {
            Error::NotFound { .. } => Self::Absent,
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Self::Exists,
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. } => Self::Final(text),
            _ => Self::Passing(text),
        }
    }
}

impl Trouble {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Absent => "the object, or the bucket, does not exist".to_owned(),
            Self::Exists => "an object of this name exists".to_owned(),
            Self::Final(text) | Self::Passing(text) => text.clone(),
        }
    }
}

/// What became of an object that was created.
#[derive(Debug)]
pub(super) enum Created {
    /// It is there, and it is one's own.
    Won,
    /// Another is there: these are its bytes.
    Lost(Bytes),
    /// It is open whether it is there, or will be.
    Unknown(String),
}

/// An object of a folder.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    /// When it was created, by the clock of the store, in milliseconds.
    pub(super) created_ms: i64,
    /// Its length.
    pub(super) bytes: u64,
}
