//! The file with the secrets of sealing: the sealing secret and the signing keys. It is as secret as the ledger is private,
//! and is backed up apart from it.

use crate::seal::note::{KeyError, PrivateKey, PublicKey};
use crate::seal::secret::SealingSecret;
use data_encoding::BASE64;
use thiserror::Error;

const HEADER: &str = "coverledger/secrets/1";
/// The most signing keys of a file.
const KEYS_MAX: usize = 16;

/// Why the secrets are refused. Messages never show them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretsError {
    /// A line that is not as expected.
    #[error("line {line}: expected {expected}; restore the file from its backup")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// A signing key that is none.
    #[error("line {line}: {cause}")]
    Key {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: KeyError,
    },
    /// Keys of two names.
    #[error(
        "line {line}: the key has another name than the first one, which is the name of the log: remove it"
    )]
    OtherName {
        /// The line, from 1.
        line: usize,
    },
}

/// The sealing secret and the signing keys of a log.
#[derive(Debug)]
pub struct Secrets {
    sealing: SealingSecret,
    first: PrivateKey,
    further: Vec<PrivateKey>,
}

impl Secrets {
    /// The file of new secrets, from 32 random bytes for each.
    ///
    /// # Errors
    /// A name that no log may have.
    pub fn new_file(origin: &str, sealing: &[u8; 32], signing: &[u8; 32]) -> Result<String, KeyError> {
        let key = PrivateKey::of_seed(origin, signing)?;
        Ok(format!("{HEADER}\nsealing {}\nsigning {}\n", BASE64.encode(sealing), key.to_secret_text()))
    }

    /// Reads the file: the header, `sealing BASE64`, and lines `signing PRIVATE+KEY+...`, of which each signs.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut lines = (1..).zip(text.lines());
        let wrong = |line, expected| SecretsError::Line { line, expected };
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(wrong(1, HEADER));
        }
        let expected = "`sealing` and 32 bytes in base64";
        let seed = lines.next().and_then(|(_, line)| line.strip_prefix("sealing "));
        let seed = seed.and_then(|seed| BASE64.decode(seed.as_bytes()).ok()?.try_into().ok());
        let sealing = SealingSecret::of_seed(&seed.ok_or_else(|| wrong(2, expected))?);
        let mut keys: Vec<PrivateKey> = Vec::new();
        for (line, content) in lines {
            let key = content.strip_prefix("signing ").filter(|_| keys.len() < KEYS_MAX);
            let key = key.ok_or_else(|| wrong(line, "`signing` and a private key, at most 16 times"))?;
            let key = PrivateKey::parse(key).map_err(|cause| SecretsError::Key { line, cause })?;
            if keys.first().is_some_and(|first| first.public().name() != key.public().name()) {
                return Err(SecretsError::OtherName { line });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or_else(|| wrong(3, "`signing` and a private key"))?;
        Ok(Self { sealing, first, further: keys.collect() })
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.first.public().name()
    }

    /// The sealing secret.
    pub const fn sealing(&self) -> &SealingSecret {
        &self.sealing
    }

    /// The keys that sign checkpoints.
    pub fn signing_keys(&self) -> Vec<&PrivateKey> {
        std::iter::once(&self.first).chain(&self.further).collect()
    }

    /// Their public keys.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.signing_keys().into_iter().map(|key| key.public().clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_back_and_never_shown() {
        let text = Secrets::new_file("ledger.example/seal", &[1; 32], &[2; 32]).unwrap();
        let secrets = Secrets::parse(&text).unwrap();
        assert_eq!(secrets.origin(), "ledger.example/seal");
        assert_eq!(secrets.public_keys().len(), 1);
        let shown = format!("{secrets:?}");
        for line in text.lines().skip(1) {
            let secret = line.rsplit([' ', '+']).next().unwrap();
            assert!(secret.len() > 40 && !shown.contains(secret), "{shown}");
        }
        let more = PrivateKey::of_seed("ledger.example/seal", &[3; 32]).unwrap().to_secret_text();
        let rotated = Secrets::parse(&format!("{text}signing {more}\n")).unwrap();
        assert_eq!(rotated.public_keys().len(), 2);
        assert_eq!(rotated.public_keys()[0], secrets.public_keys()[0]);
    }

    #[test]
    fn a_wrong_line_is_named_without_what_it_contains() {
        let text = Secrets::new_file("ledger.example/seal", &[1; 32], &[2; 32]).unwrap();
        let other = PrivateKey::of_seed("other.example/seal", &[3; 32]).unwrap().to_secret_text();
        for (changed, line) in [
            (String::new(), 1),
            (text.replace("secrets/1", "secrets/2"), 1),
            (text.replace("sealing AQ", "sealing Q"), 2),
            (text.lines().take(2).map(|line| format!("{line}\n")).collect(), 3),
            (text.replace("PRIVATE+KEY", "PUBLIC+KEY"), 3),
            (format!("{text}signing {other}\n"), 4),
            (format!("{text}more\n"), 4),
        ] {
            let error = Secrets::parse(&changed).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line}: ")), "{error}");
            assert!(!error.contains("AQEBAQ") && !error.contains("AgICAg"), "{error}");
        }
        assert!(Secrets::new_file("led ger", &[1; 32], &[2; 32]).is_err());
    }
}
