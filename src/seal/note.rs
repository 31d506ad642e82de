//! Signed notes, as in C2SP signed-note and tlog-cosignature: text, and signatures by keys that have a name and an algorithm.

use super::hash::{Hash, from_base64};
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use thiserror::Error;

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 16_384;
/// The most signatures of a note.
pub const SIGNATURES_MAX: usize = 32;
/// The longest key name, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 128;

/// How a key signs: the byte before the public key in its text form. Other algorithms get numbers of their own, so that keys
/// and notes of several algorithms are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 over the text: 0x01.
    Ed25519,
    /// A witness's Ed25519 over a header line, the time of signing and the text: 0x04.
    Cosignature,
}

impl Algorithm {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// Why a key is refused. Messages never show a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not NAME+ID+BASE64.
    #[error("not a public key: expected NAME+ID+BASE64 on one line, as the service writes it")]
    Form,
    /// Not PRIVATE+KEY+NAME+ID+BASE64.
    #[error(
        "not a private key: expected PRIVATE+KEY+NAME+ID+BASE64 on one line; restore the file from the backup"
    )]
    PrivateForm,
    /// The name is empty, too long, or contains a space or a plus sign.
    #[error(
        "not a key name: expected 1 to {KEY_NAME_BYTES_MAX} bytes without spaces, plus signs and control characters, like example.com/coverledger"
    )]
    Name,
    /// An algorithm that this program does not know.
    #[error("unknown signature algorithm {0:#04x}: use a newer coverledger, or a key of Ed25519")]
    Algorithm(u8),
    /// The identifier is not that of name and key.
    #[error("the identifier in the key does not belong to its name and bytes: copy the key again")]
    Id,
    /// The bytes are no point of the curve, or one that anyone can sign for.
    #[error("the bytes are not a public key of Ed25519: copy the key again")]
    Bytes,
}

fn is_key_name(name: &str) -> bool {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX && !name.contains(wrong)
}

/// The first four bytes of SHA-256 of name, newline, algorithm and public key.
fn key_id(name: &str, algorithm: Algorithm, public: &[u8; 32]) -> [u8; 4] {
    let hash = Hash::of(&[name.as_bytes(), b"\n", &[algorithm.byte()], public]);
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

/// A public key. Its text form is `NAME+ID+BASE64`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    algorithm: Algorithm,
    id: [u8; 4],
    key: VerifyingKey,
}

impl PublicKey {
    fn new(name: &str, algorithm: Algorithm, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Bytes)?;
        if key.is_weak() {
            return Err(KeyError::Bytes);
        }
        Ok(Self { name: name.to_owned(), algorithm, id: key_id(name, algorithm, bytes), key })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let [algorithm, bytes @ ..] = from_base64::<33>(key).ok_or(KeyError::Form)?;
        let algorithm = Algorithm::of_byte(algorithm).ok_or(KeyError::Algorithm(algorithm))?;
        let key = Self::new(name, algorithm, &bytes)?;
        if HEXLOWER.encode(&key.id) == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `bytes`, a signature without its key identifier, signs `text`.
    fn verifies(&self, text: &str, bytes: &[u8]) -> bool {
        let (message, signature) = match self.algorithm {
            Algorithm::Ed25519 => (text.to_owned(), bytes),
            Algorithm::Cosignature => {
                let Some((time, signature)) = bytes.split_first_chunk::<8>() else { return false };
                (cosigned_message(u64::from_be_bytes(*time), text), signature)
            }
        };
        // The strict form takes one signature only for each key and message.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message.as_bytes(), &signature).is_ok())
    }
}

fn cosigned_message(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.algorithm.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A private key. Its text form is `PRIVATE+KEY+NAME+ID+BASE64`; `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey {
    public: PublicKey,
    key: SigningKey,
}

impl PrivateKey {
    /// The Ed25519 key of a seed.
    ///
    /// # Errors
    /// A name that no key may have.
    pub fn of_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Algorithm::Ed25519, seed)
    }

    /// The key of a witness.
    ///
    /// # Errors
    /// A name that no key may have.
    pub fn of_witness_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Algorithm::Cosignature, seed)
    }

    fn new(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::new(name, algorithm, key.verifying_key().as_bytes())?;
        Ok(Self { public, key })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::PrivateForm)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::PrivateForm);
        };
        let [algorithm, seed @ ..] = from_base64::<33>(key).ok_or(KeyError::PrivateForm)?;
        let algorithm = Algorithm::of_byte(algorithm).ok_or(KeyError::Algorithm(algorithm))?;
        let key = Self::new(name, algorithm, &seed)?;
        if HEXLOWER.encode(&key.public.id) == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The text form. It is a secret: it goes into the key file only.
    pub fn to_secret_text(&self) -> String {
        let bytes = [&[self.public.algorithm.byte()], self.key.as_bytes().as_slice()].concat();
        let PublicKey { name, id, .. } = &self.public;
        format!("PRIVATE+KEY+{name}+{}+{}", HEXLOWER.encode(id), BASE64.encode(&bytes))
    }

    /// The public key.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature line for `text`; `time_s` is the time of signing in POSIX seconds, which only a witness states.
    fn signature_line(&self, text: &str, time_s: u64) -> String {
        let signature = match self.public.algorithm {
            Algorithm::Ed25519 => self.key.sign(text.as_bytes()).to_bytes().to_vec(),
            Algorithm::Cosignature => {
                let signature = self.key.sign(cosigned_message(time_s, text).as_bytes());
                [time_s.to_be_bytes().as_slice(), &signature.to_bytes()].concat()
            }
        };
        let bytes = [self.public.id.as_slice(), &signature].concat();
        format!("\u{2014} {} {}\n", self.public.name, BASE64.encode(&bytes))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private key of {}", self.public)
    }
}

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not text, an empty line, and signature lines.
    #[error("not a signed note: expected text, an empty line, and 1 to {SIGNATURES_MAX} signature lines")]
    Form,
    /// A signature line that is none.
    #[error("line {line} is not a signature line: expected an em dash, the name of a key, and base64")]
    SignatureLine {
        /// The line of the note, from 1.
        line: usize,
    },
    /// A signature of a given key that does not verify.
    #[error("the signature of {key} in line {line} does not belong to the text")]
    Signature {
        /// The line of the note, from 1.
        line: usize,
        /// The name of the key.
        key: String,
    },
    /// None of the given keys signed.
    #[error("none of the given keys signed; the note names {names}: give the public key of one of them")]
    NoKnownKey {
        /// The names of the keys that signed.
        names: String,
    },
}

struct SignatureLine {
    line: usize,
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A text and its signatures, in the form of a signed note. Nothing of it is verified yet.
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// It has not the form of one.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let is_wrong = |c: char| c.is_control() && c != '\n';
        if note.len() > NOTE_BYTES_MAX || note.contains(is_wrong) || !note.ends_with('\n') {
            return Err(NoteError::Form);
        }
        let (text, below) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{text}\n");
        let first = text.lines().count() + 2;
        let mut signatures = Vec::new();
        for (line, content) in (first..).zip(below.lines()) {
            signatures.push(signature(line, content).ok_or(NoteError::SignatureLine { line })?);
        }
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form);
        }
        Ok(Self { text, signatures })
    }

    /// The text with its last newline, not yet verified.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The keys of `known` that signed, in the order of the signature lines.
    ///
    /// # Errors
    /// None did, or one of their signatures is wrong.
    pub fn verified_by<'a>(&self, known: &'a [PublicKey]) -> Result<Vec<&'a PublicKey>, NoteError> {
        let mut signed = Vec::new();
        for SignatureLine { line, name, id, signature } in &self.signatures {
            let Some(key) = known.iter().find(|key| key.name == *name && key.id == *id) else { continue };
            if !key.verifies(&self.text, signature) {
                return Err(NoteError::Signature { line: *line, key: name.clone() });
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            let names: Vec<&str> = self.signatures.iter().map(|line| line.name.as_str()).collect();
            return Err(NoteError::NoKnownKey { names: names.join(", ") });
        }
        Ok(signed)
    }
}

fn signature(line: usize, content: &str) -> Option<SignatureLine> {
    let (name, bytes) = content.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = BASE64.decode(bytes.as_bytes()).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let is_whole = is_key_name(name) && !signature.is_empty();
    is_whole.then(|| SignatureLine { line, name: name.to_owned(), id: *id, signature: signature.to_vec() })
}

/// The note of `text` (which ends with a newline) with the signatures of `keys` in that order.
pub fn sign(text: &str, keys: &[&PrivateKey]) -> String {
    let lines: String = keys.iter().map(|key| key.signature_line(text, 0)).collect();
    format!("{text}\n{lines}")
}

/// The note with the cosignature of a witness added, as of `time_s` in POSIX seconds.
pub fn cosign(note: &str, witness: &PrivateKey, time_s: u64) -> Result<String, NoteError> {
    let text = Note::parse(note)?.text;
    Ok(format!("{note}{}", witness.signature_line(&text, time_s)))
}

#[cfg(test)]
mod tests;
