//! What can go wrong with accounts and tokens.

use std::path::PathBuf;
use thiserror::Error;

/// A result of this room.
pub type AccessResult<T> = Result<T, AccessError>;

/// Why something about accounts, tokens or sessions failed.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The store could not be read or written.
    #[error(
        "Failed to {doing} {path}: {source}; look at the disk and at the rights of the file, and try again", path = path.display()
    )]
    Store {
        /// What was done, as a verb: `open`, `change`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file could not be made or its rights be set.
    #[error("Failed to {doing} {path}: {source}; run the command as the user of the service", path = path.display())]
    File {
        /// What was done, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has another form than this program knows.
    #[error(
        "Failed to open {path}: it is not an access store of this version (application {application}, form {form}); use the \
         version of coverledger that wrote it, or restore a backup", path = path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// The file's application identifier.
        application: i64,
        /// The file's number of the form.
        form: i64,
    },
    /// A stored value does not have the form that it was written in.
    #[error("Failed to read the access store: {what} has an unknown form; restore a backup")]
    Damaged {
        /// Which value.
        what: String,
    },
    /// The operating system gives no random numbers.
    #[error("Failed to make a secret: the operating system gives no random numbers; look at the machine")]
    Random,
    /// The password could not be hashed.
    #[error("Failed to hash the password: {0}; try again")]
    Hash(String),
    /// There is one of this name already.
    #[error("Failed to create the {what} {name}: there is one of this name; choose another name")]
    Exists {
        /// `token` or `account`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none of this name.
    #[error(
        "Failed to find the {what} {name}: there is none of this name; `coverledger {what} list` lists them"
    )]
    Unknown {
        /// `token` or `account`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// What was given cannot be used.
    #[error("{0}")]
    Refused(String),
}

impl AccessError {
    /// Whether what was asked for cannot be done as it was asked, as opposed to a failure.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::Unknown { .. } | Self::Refused(_))
    }
}
