//! What becomes of a request to a store.

use super::tls;
use bytes::Bytes;
use object_store::Error;
use std::error::Error as AnyError;
use std::io;

/// The longest part of what a store says that a message repeats, in characters.
const MESSAGE_CHARS_MAX: usize = 400;

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    Absent,
    Exists,
    /// It fails again.
    Final(String),
    /// The endpoint is not trusted, so nothing was sent to it: why, and what to do. Another one may be trusted.
    Untrusted(String),
    /// It may succeed when it is sent again. A change may have taken effect.
    Passing(String),
}

/// A failure and those that caused it, the first cause last.
pub(super) fn causes<'a>(
    error: &'a (dyn AnyError + 'static),
) -> impl Iterator<Item = &'a (dyn AnyError + 'static)> {
    std::iter::successors(Some(error), |&error| cause(error))
}

/// A failure of input or output that carries another one passes over it when it is asked for its source.
fn cause<'a>(error: &'a (dyn AnyError + 'static)) -> Option<&'a (dyn AnyError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

/// What a message repeats of a failure: what it says, and the first cause, which it mostly leaves out.
pub(super) fn said(error: &Error) -> String {
    let short = |text: &str| text.chars().take(MESSAGE_CHARS_MAX).collect::<String>();
    let whole = error.to_string();
    let first = causes(error).last().map(ToString::to_string).unwrap_or_default();
    if whole.contains(&first) { short(&whole) } else { format!("{}: {}", short(&whole), short(&first)) }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = said(&error);
        match &error {
            Error::NotFound { .. } => Self::Absent,
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Self::Exists,
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. } => Self::Final(text),
            _ => tls::refusal(&error).map_or(Self::Passing(text), Self::Untrusted),
        }
    }
}

impl Trouble {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Absent => "the object, or the bucket, does not exist".to_owned(),
            Self::Exists => "an object of this name exists".to_owned(),
            Self::Final(text) | Self::Untrusted(text) | Self::Passing(text) => text.clone(),
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
