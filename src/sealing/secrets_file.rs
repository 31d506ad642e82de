//! The file of secrets on the disk: it is made once, read, and never replaced.

use super::secrets::{Secrets, SecretsError};
use crate::seal::note::KeyError;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use thiserror::Error;

/// The largest file of secrets, in bytes.
const BYTES_MAX: u64 = 16_384;

/// Why a file of secrets is not read or not made. Messages never show secrets.
#[derive(Debug, Error)]
pub enum SecretsFileError {
    /// The file cannot be read.
    #[error(
        "Failed to read the secrets {path}: {source}; check the path, restore the file from its backup, or make one with \
         `coverledger seal --new-secrets`"
    )]
    Read {
        /// The file.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Another file than one of secrets.
    #[error("Failed to read the secrets {path}: the file is too large to be one of secrets; check the path")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// The file is damaged, or another one.
    #[error("Failed to read the secrets {path}: {cause}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        cause: SecretsError,
    },
    /// There is a file of that name.
    #[error("{path} exists: secrets are never replaced, name another file")]
    Exists {
        /// The file.
        path: String,
    },
    /// A name that no log may have.
    #[error("Failed to make secrets for the log {name}: {cause}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        cause: KeyError,
    },
    /// The file cannot be written, or the system gives no random bytes.
    #[error(
        "Failed to write the secrets {path}: {source}; check that its folder exists and can be written to"
    )]
    Write {
        /// The file.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// Reads a file of secrets.
///
/// # Errors
/// It is not there, or is none.
pub fn read(path: &Path) -> Result<Secrets, SecretsFileError> {
    let name = || path.display().to_string();
    let failed = |source| SecretsFileError::Read { path: name(), source };
    if fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(SecretsFileError::TooLarge { path: name() });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Secrets::parse(&text).map_err(|cause| SecretsFileError::Content { path: name(), cause })
}

/// Makes new secrets for a log in a file that its owner alone can read. A crash leaves the whole file or none.
///
/// # Errors
/// There is a file of that name, no log may have the name, or the file cannot be written.
pub fn create(path: &Path, name: &str) -> Result<Secrets, SecretsFileError> {
    let place = || path.display().to_string();
    let text = random()
        .and_then(|sealing| Ok((sealing, random()?)))
        .map_err(|source| SecretsFileError::Write { path: place(), source })
        .and_then(|(sealing, signing)| {
            Secrets::new_file(name, &sealing, &signing)
                .map_err(|cause| SecretsFileError::Name { name: name.escape_debug().to_string(), cause })
        })?;
    write(path, &text).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SecretsFileError::Exists { path: place() },
        _ => SecretsFileError::Write { path: place(), source },
    })?;
    read(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files belong to their owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|failed| failed.error)?;
    fs::File::open(folder)?.sync_all()
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secrets_are_made_once_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.secrets");
        let made = create(&path, "ledger.example/seal").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().public_keys(), made.public_keys());
        let text = fs::read_to_string(&path).unwrap();
        let again = create(&path, "ledger.example/seal").unwrap_err();
        assert!(matches!(again, SecretsFileError::Exists { .. }), "{again}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let other = create(&folder.path().join("other"), "ledger.example/seal").unwrap();
        assert_ne!(other.public_keys(), made.public_keys());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn what_is_no_file_of_secrets_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.secrets");
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("--new-secrets") && said.contains("seal.secrets"), "{said}");
        fs::write(&path, "coverledger/secrets/1\nsealing hunter2\n").unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("line 2") && !said.contains("hunter2"), "{said}");
        fs::write(&path, vec![b'x'; 20_000]).unwrap();
        assert!(matches!(read(&path).unwrap_err(), SecretsFileError::TooLarge { .. }));
        let named = create(&folder.path().join("other"), "a b").unwrap_err();
        assert!(matches!(named, SecretsFileError::Name { .. }), "{named}");
    }
}
