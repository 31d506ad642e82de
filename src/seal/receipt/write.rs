//! Makes a receipt.

use super::document::{
    ClosedLeaf, FORMAT, List, LogProof, Neighbours, OpenedLeaf, Question, Receipt, WholeDay,
};
use super::verdict;
use crate::domain::window::Window;
use crate::seal::day_tree::{DayTree, PlacedLeaf, Placement};
use crate::seal::entry::DayEntry;
use crate::seal::hash::Hash;
use crate::seal::rider_day::{ListDigest, Opening, RiderDay};
use crate::seal::secret::{SealingSecret, Tag};
use data_encoding::BASE64;
use thiserror::Error;

/// A sealed day with its place in the log.
#[derive(Clone, Debug)]
pub struct SealedDay<'a> {
    /// The entry as it was logged.
    pub entry: &'a DayEntry,
    /// The tree of the day.
    pub tree: &'a DayTree,
    /// The index of the entry.
    pub index: u64,
    /// The inclusion proof of the entry in the log of the checkpoint.
    pub path: &'a [Hash],
    /// A signed checkpoint.
    pub checkpoint: &'a str,
}

/// Why no receipt can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// The question reaches beyond the day.
    #[error("the time asked about is empty or not within one sealed day: ask for a receipt of each day")]
    NotWithinDay,
    /// The rider-day is not what was sealed.
    #[error(
        "the orders of the rider on that day are not those that were sealed: wait until the day is sealed again, or run `coverledger verify`"
    )]
    NotAsSealed,
    /// A time has no text, or the sealing secret is another.
    #[error("the sealing secret is not the one that sealed the day: restore it from the backup")]
    OtherSecret,
}

/// The receipt about `asked` for the rider of `rider_day`, who may have nothing on the day. `whole` includes every order and
/// refused record.
///
/// # Errors
/// The question is not within the day, or what is given is not what was sealed.
pub fn write_receipt(
    secret: &SealingSecret,
    sealed: &SealedDay<'_>,
    rider_day: &RiderDay,
    asked: Window,
    whole: bool,
) -> Result<Receipt, ReceiptError> {
    let entry = sealed.entry;
    if asked.is_empty() || !entry.span.contains(asked) || rider_day.day != entry.day {
        return Err(ReceiptError::NotWithinDay);
    }
    let rider_id = &rider_day.rider_id;
    let output =
        secret.output(rider_id, entry.day).filter(|_| secret.vrf_public().as_bytes() == &entry.vrf_key);
    let output = output.ok_or(ReceiptError::OtherSecret)?;
    let tag = Tag::of_output(&output, entry.day).ok_or(ReceiptError::OtherSecret)?;
    let proof = secret.prove_rider(rider_id, entry.day).ok_or(ReceiptError::OtherSecret)?;
    let rider_day = rider_day.clone().in_order();
    let opening = rider_day.opening(secret).ok_or(ReceiptError::NotAsSealed)?;
    let (leaf, neighbours, rest) = match sealed.tree.prove(tag, Some(opening.commitment)) {
        Placement::Present(placed) => {
            let (leaf, rest) = opened(&opening, &placed, &rider_day).ok_or(ReceiptError::NotAsSealed)?;
            (Some(leaf), None, Some(rest))
        }
        Placement::Absent(before, after) if rider_day.is_empty() => {
            let neighbours = Neighbours { before: before.map(closed), after: after.map(closed) };
            (None, Some(neighbours), None)
        }
        Placement::Absent(..) => return Err(ReceiptError::NotAsSealed),
    };
    let times = verdict::stretch(asked).ok_or(ReceiptError::NotWithinDay)?;
    let answer = verdict::answer(asked, &rider_day.cover(), &rider_day.undetermined);
    let receipt = Receipt {
        format: FORMAT.to_owned(),
        question: Question { rider_id: rider_id.clone(), from: times.from, until: times.until },
        answer: answer.ok_or(ReceiptError::NotWithinDay)?,
        entry: entry.to_string(),
        rider_proof: BASE64.encode(&proof),
        leaf,
        neighbours,
        rider_day: rest.filter(|_| whole),
        log: LogProof { index: sealed.index, path: texts(sealed.path) },
        checkpoint: sealed.checkpoint.to_owned(),
        digest: String::new(),
    };
    Ok(receipt.with_digest())
}

fn texts(path: &[Hash]) -> Vec<String> {
    path.iter().map(Hash::to_string).collect()
}

fn list(ListDigest { count, digest }: ListDigest) -> List {
    List { count, digest: digest.to_string() }
}

/// The leaf of the rider's day, if it is the one in the tree.
fn opened(opening: &Opening, placed: &PlacedLeaf, rider_day: &RiderDay) -> Option<(OpenedLeaf, WholeDay)> {
    let content = &opening.content;
    if opening.commitment != placed.leaf.commitment {
        return None;
    }
    let leaf = OpenedLeaf {
        index: placed.index,
        nonce: BASE64.encode(&opening.nonce),
        cover: verdict::stretches(&content.cover)?,
        undetermined: verdict::stretches(&content.undetermined)?,
        orders: list(content.orders),
        refused: list(content.refused),
        path: texts(&placed.path),
    };
    let whole = WholeDay {
        orders_nonce: BASE64.encode(&opening.orders_nonce),
        orders: rider_day.sealed_orders()?,
        refused_nonce: BASE64.encode(&opening.refused_nonce),
        refused: rider_day.refused.clone(),
    };
    Some((leaf, whole))
}

fn closed(placed: PlacedLeaf) -> ClosedLeaf {
    ClosedLeaf {
        index: placed.index,
        tag: placed.leaf.tag.to_string(),
        commitment: placed.leaf.commitment.to_string(),
        path: texts(&placed.path),
    }
}
