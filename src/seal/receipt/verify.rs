//! Checks a receipt with nothing but public keys.

use super::document::{ClosedLeaf, FORMAT, OpenedLeaf, RECEIPT_BYTES_MAX, Receipt, Stretch, WholeDay};
use super::verdict;
use crate::domain::window::Window;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::day_tree::Leaf;
use crate::seal::entry::DayEntry;
use crate::seal::hash::{Hash, from_base64};
use crate::seal::instant;
use crate::seal::merkle::verify_inclusion;
use crate::seal::note::PublicKey;
use crate::seal::rider_day::{Content, ListDigest, cover_of, orders_digest, refused_digest};
use crate::seal::secret::{Tag, verify_rider};
use crate::seal::vrf::VrfPublicKey;
use thiserror::Error;

/// A valid receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The receipt.
    pub receipt: Receipt,
    /// The entry of the day.
    pub entry: DayEntry,
    /// The checkpoint under which the entry is.
    pub checkpoint: Checkpoint,
    /// Witnesses, of those whose keys were given, that cosigned the checkpoint.
    pub witnesses: Vec<String>,
}

/// Where a receipt is invalid, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "Failed to verify the receipt at {at}: {problem}. Ask the issuer for the receipt again; if it fails too, do not rely on it"
)]
pub struct Refused {
    /// The member, like `leaf.cover[2].from`, or the place in the file, like `byte 17`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

fn refused(at: impl Into<String>, problem: impl Into<String>) -> Refused {
    Refused { at: at.into(), problem: problem.into() }
}

/// Checks a receipt: its form, that the checkpoint is signed by a key in `known`, that the entry of the day is in the log, the
/// rider's leaf (or its absence) in the day, and that the answer follows from the leaf. Needs no ledger and no clock.
///
/// # Errors
/// The first place that is wrong.
pub fn verify_receipt(file: &[u8], known: &[PublicKey]) -> Result<Verified, Refused> {
    let receipt = read(file)?;
    let signed = Checkpoint::verify(&receipt.checkpoint, known);
    let signed = signed.map_err(|error| refused("checkpoint", error.to_string()))?;
    let entry = DayEntry::parse(&receipt.entry).map_err(|error| refused("entry", error.to_string()))?;
    let (log, checkpoint) = (&receipt.log, signed.checkpoint);
    let (hash, path) = (Hash::of_leaf(receipt.entry.as_bytes()), hashes("log.path", &log.path)?);
    if !verify_inclusion(hash, log.index, checkpoint.size, &path, checkpoint.root) {
        return Err(refused("log", "the entry is not at this index of the log that the checkpoint signs"));
    }
    let tag = tag(&receipt, &entry)?;
    let asked = asked(&receipt, &entry)?;
    let (cover, undetermined) = match (&receipt.leaf, &receipt.neighbours, &receipt.rider_day) {
        (Some(leaf), None, whole) => {
            let content = check_leaf(leaf, tag, &receipt.question.rider_id, &entry)?;
            if let Some(whole) = whole {
                check_whole_day(whole, &content, &entry)?;
            }
            (content.cover, content.undetermined)
        }
        (None, Some(neighbours), None) => {
            check_absence(neighbours.before.as_ref(), neighbours.after.as_ref(), tag, &entry)?;
            (Vec::new(), Vec::new())
        }
        (None, Some(_), Some(_)) => {
            return Err(refused("rider_day", "a rider without a leaf has no rider-day"));
        }
        _ => return Err(refused("leaf", "expected either the rider's leaf or two neighbours")),
    };
    if verdict::answer(asked, &cover, &undetermined).as_ref() != Some(&receipt.answer) {
        return Err(refused("answer", "it does not follow from the rider's cover on the day"));
    }
    if receipt.expected_digest() != receipt.digest {
        return Err(refused("digest", "it does not belong to the other members"));
    }
    Ok(Verified { receipt, entry, checkpoint, witnesses: signed.witnesses })
}

/// Reads the file, which has one form.
fn read(file: &[u8]) -> Result<Receipt, Refused> {
    if file.len() > RECEIPT_BYTES_MAX {
        return Err(refused("the file", format!("it is longer than {RECEIPT_BYTES_MAX} bytes")));
    }
    let receipt: Receipt = serde_json::from_slice(file).map_err(|error| {
        refused(format!("line {} column {}", error.line(), error.column()), format!("not a receipt: {error}"))
    })?;
    let own = receipt.to_json().map_err(|error| refused("the file", error.to_string()))?;
    if own.as_bytes() != file {
        let differs = own.bytes().zip(file).position(|(own, given)| own != *given);
        let at = differs.unwrap_or_else(|| own.len().min(file.len()));
        return Err(refused(format!("byte {at}"), "another form of JSON than that of receipts"));
    }
    if receipt.format != FORMAT {
        return Err(refused(
            "format",
            format!("expected {FORMAT}: use the coverledger that knows the format"),
        ));
    }
    Ok(receipt)
}

fn hashes(at: &str, texts: &[String]) -> Result<Vec<Hash>, Refused> {
    let hash = |(place, text): (usize, &String)| {
        Hash::parse(text).ok_or_else(|| refused(format!("{at}[{place}]"), "not 32 bytes of base64"))
    };
    texts.iter().enumerate().map(hash).collect()
}

fn bytes<const N: usize>(at: &str, text: &str) -> Result<[u8; N], Refused> {
    from_base64(text).ok_or_else(|| refused(at, format!("not {N} bytes of base64")))
}

fn window(at: &str, from: &str, until: &str) -> Result<Window, Refused> {
    let instant = |member: &str, text: &str| {
        let form = "not an instant like 2026-11-20T04:07:31.000Z";
        instant::from_text(text).ok_or_else(|| refused(format!("{at}.{member}"), form))
    };
    let window = Window::new(instant("from", from)?, instant("until", until)?);
    if window.is_empty() { Err(refused(at, "it ends before it starts")) } else { Ok(window) }
}

fn tag(receipt: &Receipt, entry: &DayEntry) -> Result<Tag, Refused> {
    let key = VrfPublicKey::from_bytes(entry.vrf_key);
    let key = key.ok_or_else(|| refused("entry", "line 9 is not a key of the verifiable random function"))?;
    let proof = bytes("rider_proof", &receipt.rider_proof)?;
    let output = verify_rider(&key, &receipt.question.rider_id, entry.day, &proof);
    output.and_then(|output| Tag::of_output(&output, entry.day)).ok_or_else(|| {
        refused(
            "rider_proof",
            "it does not belong to question.rider_id, the month of the day and the key in the entry",
        )
    })
}

fn asked(receipt: &Receipt, entry: &DayEntry) -> Result<Window, Refused> {
    let asked = window("question", &receipt.question.from, &receipt.question.until)?;
    if entry.span.contains(asked) {
        Ok(asked)
    } else {
        Err(refused("question", "the time asked about is not within the day of the entry"))
    }
}

/// Windows that are ascending, apart, and within the day.
fn windows(at: &str, stretches: &[Stretch], entry: &DayEntry) -> Result<Vec<Window>, Refused> {
    let mut found: Vec<Window> = Vec::with_capacity(stretches.len());
    for (place, stretch) in stretches.iter().enumerate() {
        let at = format!("{at}[{place}]");
        let window = window(&at, &stretch.from, &stretch.until)?;
        if found.last().is_some_and(|last| window.from <= last.until) || !entry.span.contains(window) {
            return Err(refused(at, "it is not behind the one before, or not within the day"));
        }
        found.push(window);
    }
    Ok(found)
}

fn check_leaf(leaf: &OpenedLeaf, tag: Tag, rider_id: &str, entry: &DayEntry) -> Result<Content, Refused> {
    let digest = |at: &str, list: &super::document::List| -> Result<ListDigest, Refused> {
        Ok(ListDigest { count: list.count, digest: Hash(bytes(at, &list.digest)?) })
    };
    let content = Content {
        cover: windows("leaf.cover", &leaf.cover, entry)?,
        undetermined: windows("leaf.undetermined", &leaf.undetermined, entry)?,
        orders: digest("leaf.orders.digest", &leaf.orders)?,
        refused: digest("leaf.refused.digest", &leaf.refused)?,
    };
    let nonce = bytes("leaf.nonce", &leaf.nonce)?;
    let commitment = content.commitment(&nonce, rider_id, entry.day);
    let commitment = commitment.ok_or_else(|| refused("leaf", "a time has no text"))?;
    let path = hashes("leaf.path", &leaf.path)?;
    let hash = Leaf { tag, commitment }.hash();
    if verify_inclusion(hash, leaf.index, entry.leaves, &path, entry.root) {
        Ok(content)
    } else {
        Err(refused(
            "leaf",
            "with this content it is not the leaf of the rider at this index of the day's tree",
        ))
    }
}

fn check_absence(
    before: Option<&ClosedLeaf>,
    after: Option<&ClosedLeaf>,
    tag: Tag,
    entry: &DayEntry,
) -> Result<(), Refused> {
    let place = |at: &str, leaf: &ClosedLeaf| -> Result<(u64, Tag), Refused> {
        let own = Tag::parse(&leaf.tag);
        let own = own.ok_or_else(|| refused(format!("{at}.tag"), "not 8 bytes of hexadecimal digits"))?;
        let commitment = Hash(bytes(&format!("{at}.commitment"), &leaf.commitment)?);
        let path = hashes(&format!("{at}.path"), &leaf.path)?;
        let hash = Leaf { tag: own, commitment }.hash();
        if verify_inclusion(hash, leaf.index, entry.leaves, &path, entry.root) {
            Ok((leaf.index, own))
        } else {
            Err(refused(at, "it is not the leaf at this index of the day's tree"))
        }
    };
    let (low, high) = ("neighbours.before", "neighbours.after");
    let next = match before.map(|leaf| place(low, leaf)).transpose()? {
        None => 0,
        Some((index, own)) if own < tag => index + 1,
        Some(_) => return Err(refused(low, "its tag is not below the rider's")),
    };
    match after.map(|leaf| place(high, leaf)).transpose()? {
        None if next == entry.leaves => Ok(()),
        Some((index, own)) if own > tag && index == next => Ok(()),
        Some((_, own)) if own <= tag => Err(refused(high, "its tag is not above the rider's")),
        _ => Err(refused("neighbours", "the day's tree has leaves between them, or between one and the end")),
    }
}

fn check_whole_day(whole: &WholeDay, content: &Content, entry: &DayEntry) -> Result<(), Refused> {
    let at = |list: &str| format!("rider_day.{list}");
    let nonce = bytes(&at("orders_nonce"), &whole.orders_nonce)?;
    if orders_digest(&nonce, &whole.orders) != content.orders {
        return Err(refused(at("orders"), "they are not the orders to which leaf.orders belongs"));
    }
    let nonce = bytes(&at("refused_nonce"), &whole.refused_nonce)?;
    if refused_digest(&nonce, &whole.refused) != content.refused {
        return Err(refused(at("refused"), "they are not the records to which leaf.refused belongs"));
    }
    let ascending = whole.orders.is_sorted_by(|one, other| one < other);
    if !ascending || !whole.refused.is_sorted_by(|one, other| one < other) {
        return Err(refused("rider_day", "orders or records are not sorted, each once"));
    }
    if cover_of(&whole.orders, entry.span) != content.cover {
        return Err(refused(at("orders"), "leaf.cover does not follow from their windows"));
    }
    Ok(())
}
