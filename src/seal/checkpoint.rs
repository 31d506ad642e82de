//! Checkpoints, as in C2SP tlog-checkpoint: the size and root of a log, signed as a note.

use super::hash::Hash;
use super::note::{self, Algorithm, Note, NoteError, PrivateKey, PublicKey};
use thiserror::Error;

/// A state of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which its keys have too.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a checkpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not a note, or not signed by a given key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text has not the three lines of a checkpoint.
    #[error(
        "line {line} of the checkpoint is wrong: expected the name of the log, its size, and its root in base64"
    )]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A witness signed, the log did not.
    #[error(
        "no given key of the log {origin} signed, only keys of other names: give the public key of that log"
    )]
    NotByTheLog {
        /// The name of the log.
        origin: String,
    },
}

/// A checkpoint with the keys that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The names of the witnesses, of those given, that cosigned.
    pub witnesses: Vec<String>,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The signed note.
    pub fn sign(&self, keys: &[&PrivateKey]) -> String {
        note::sign(&self.text(), keys)
    }

    /// Reads the text of a checkpoint. This program writes no extension lines and takes none.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let mut line = |number| lines.next().ok_or(CheckpointError::Line { line: number });
        let origin = line(1)?.to_owned();
        let size = line(2)?.parse().map_err(|_| CheckpointError::Line { line: 2 })?;
        let root = Hash::parse(line(3)?).ok_or(CheckpointError::Line { line: 3 })?;
        let checkpoint = Self { origin, size, root };
        let expected = checkpoint.text();
        if expected != text {
            // Other digits of the size, an empty name, or more lines.
            let mut lines = (1..).zip(expected.lines().zip(text.lines()));
            let line = lines.find(|(_, (own, given))| own != given).map_or(4, |(line, _)| line);
            return Err(CheckpointError::Line { line });
        }
        Ok(checkpoint)
    }

    /// Reads a signed checkpoint. Without its checks nothing of it may be used.
    ///
    /// # Errors
    /// It is malformed, no key in `known` of the log's name signed it, or a signature by one of `known` is wrong.
    pub fn verify(note: &str, known: &[PublicKey]) -> Result<VerifiedCheckpoint, CheckpointError> {
        let note = Note::parse(note)?;
        let signed = note.verified_by(known)?;
        let checkpoint = Self::parse(note.unverified_text())?;
        let by_log =
            |key: &&PublicKey| key.algorithm() == Algorithm::Ed25519 && key.name() == checkpoint.origin;
        if !signed.iter().any(by_log) {
            return Err(CheckpointError::NotByTheLog { origin: checkpoint.origin });
        }
        let witnesses = signed.iter().filter(|key| key.algorithm() == Algorithm::Cosignature);
        let witnesses = witnesses.map(|key| key.name().to_owned()).collect();
        Ok(VerifiedCheckpoint { checkpoint, witnesses })
    }
}
