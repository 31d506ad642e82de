//! The members of a receipt, in the order of the file. Texts have one form; see `docs/receipts.md`.

use crate::seal::hash::Hash;
use crate::seal::rider_day::{SealedOrder, SealedRefusal};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// The format, in every receipt.
pub const FORMAT: &str = "coverledger/receipt/1";

/// The largest receipt that is read, in bytes: one with a whole rider-day is larger than the 8 kB of others.
pub const RECEIPT_BYTES_MAX: usize = 1 << 20;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// What was asked.
    pub question: Question,
    /// What the sealed day says to it.
    pub answer: Answer,
    /// The entry of the log, its lines as they were logged.
    pub entry: String,
    /// Proof of the rider's output of the verifiable random function, base64.
    pub rider_proof: String,
    /// The rider's leaf; absent when the rider has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<OpenedLeaf>,
    /// The leaves beside the place of the rider's tag; absent when the rider has a leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Neighbours>,
    /// Every order and refused record behind the leaf; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rider_day: Option<WholeDay>,
    /// Where the entry is in the log.
    pub log: LogProof,
    /// The signed checkpoint of the log.
    pub checkpoint: String,
    /// SHA-256 of the receipt without this member, hexadecimal. It finds accidental changes; no proof depends on it.
    pub digest: String,
}

/// A question about one rider and a stretch of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The rider.
    pub rider_id: String,
    /// First instant.
    pub from: String,
    /// First instant behind: a millisecond later for a question about an instant.
    pub until: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `covered`, `not_covered`, `undetermined` or `partly_covered`.
    pub verdict: String,
    /// The parts of the time asked about, ascending; neighbouring parts have different verdicts.
    pub parts: Vec<Part>,
}

/// A part of the time asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// First instant.
    pub from: String,
    /// First instant behind.
    pub until: String,
    /// `covered`, `not_covered` or `undetermined`.
    pub verdict: String,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// First instant.
    pub from: String,
    /// First instant behind.
    pub until: String,
}

/// The digest of a list of which only the length is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Members.
    pub count: u64,
    /// Digest, base64.
    pub digest: String,
}

/// The rider's leaf, opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedLeaf {
    /// Its place in the tree of the day.
    pub index: u64,
    /// Opens the commitment, base64.
    pub nonce: String,
    /// Merged cover of the day.
    pub cover: Vec<Stretch>,
    /// Time that the rider's own open orders and unresolved records keep undetermined.
    pub undetermined: Vec<Stretch>,
    /// The orders behind the cover.
    pub orders: List,
    /// The refused records that name the rider.
    pub refused: List,
    /// Inclusion proof, base64 each.
    pub path: Vec<String>,
}

/// Two leaves without one between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbours {
    /// The last leaf with a lower tag; null at the start of the tree.
    pub before: Option<ClosedLeaf>,
    /// The first leaf with a higher tag; null at the end of the tree.
    pub after: Option<ClosedLeaf>,
}

/// A leaf of which only the tag is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedLeaf {
    /// Its place in the tree of the day.
    pub index: u64,
    /// Tag, hexadecimal.
    pub tag: String,
    /// Commitment, base64.
    pub commitment: String,
    /// Inclusion proof, base64 each.
    pub path: Vec<String>,
}

/// Every order and refused record of the rider on the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeDay {
    /// Opens the digest of the orders, base64.
    pub orders_nonce: String,
    /// The orders, sorted by their members in order.
    pub orders: Vec<SealedOrder>,
    /// Opens the digest of the refused records, base64.
    pub refused_nonce: String,
    /// The refused records, sorted by their members in order.
    pub refused: Vec<SealedRefusal>,
}

/// The place of the entry in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogProof {
    /// Its index.
    pub index: u64,
    /// Inclusion proof in the log of the checkpoint, base64 each.
    pub path: Vec<String>,
}

impl Receipt {
    /// The file: one line of JSON, without a newline at its end.
    ///
    /// # Errors
    /// None in practice: every member has a JSON form.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The same with the digest that belongs to it.
    #[must_use]
    pub fn with_digest(mut self) -> Self {
        self.digest = self.expected_digest();
        self
    }

    /// The bytes of the member `digest`; zeros if that is no digest.
    pub fn digest_bytes(&self) -> [u8; 32] {
        let bytes = HEXLOWER.decode(self.digest.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
    }

    /// The digest that belongs to the other members: over the file as it is with an empty digest.
    pub(super) fn expected_digest(&self) -> String {
        let without = Self { digest: String::new(), ..self.clone() };
        let Hash(hash) = Hash::of(&[without.to_json().unwrap_or_default().as_bytes()]);
        HEXLOWER.encode(&hash)
    }
}
