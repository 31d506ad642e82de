//! Reading the chain: from the newest full checkpoint along the slots to the head.

use super::bucket::{Bucket, Trouble};
use super::full::{self, FULL_BYTES_MAX};
use super::name::{FULLS, MARKS, SLOTS, number_of, numbered};
use super::slot::{SLOT_BYTES_MAX, hash};
use super::state::{Broken, State};
use crate::storage::error::{StorageError, StorageResult};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Slots that are read at once.
const READ_AT_ONCE: u64 = 64;
/// They are if there is one so far ahead.
const LOOK_AHEAD: u64 = 8;
/// The time of a look at whether a slot is there.
const LOOK_TIME: Duration = Duration::from_secs(2);
/// How often the beginning is looked for again where objects were collected meanwhile.
const LOOKS_MAX: u32 = 5;

/// The newest mark of collection above a slot: everything below it may be deleted.
pub(super) fn mark_above(bucket: &Bucket, slot: u64) -> StorageResult<Option<u64>> {
    let marks = bucket.list(MARKS, Some(&numbered(MARKS, slot)))?;
    Ok(marks.iter().filter_map(|mark| number_of(MARKS, &mark.name)).filter(|mark| *mark > slot).max())
}

/// Whether the slot of a number is there, by one request that waits for no more than a moment. After a failure the next request
/// goes to the next endpoint.
pub(super) fn has_slot(bucket: &Bucket, number: u64) -> StorageResult<bool> {
    let name = numbered(SLOTS, number);
    match bucket.head_once(&name, LOOK_TIME) {
        Ok(()) => Ok(true),
        Err(Trouble::Absent) => Ok(false),
        Err(trouble) => {
            bucket.at.fetch_add(1, Ordering::Relaxed);
            Err(StorageError::object("look for", &bucket.place(&name))(trouble.text()))
        }
    }
}

/// The newest state; `None` where there is no chain. Continues from a state that is known.
pub(super) fn newest(bucket: &Bucket, known: Option<State>) -> StorageResult<Option<State>> {
    let mut known = known;
    for _ in 0..LOOKS_MAX {
        let begun = match known.take() {
            Some(state) => Some(state),
            None => beginning(bucket)?,
        };
        let Some(mut state) = begun else { return Ok(None) };
        follow(bucket, &mut state)?;
        // Where slots were collected, what one reads there may be what a fenced writer created again.
        if mark_above(bucket, state.head.slot)?.is_none() {
            return Ok(Some(state));
        }
    }
    Err(inconsistent(bucket, SLOTS, "marks of collection lie above its newest slot"))
}

pub(super) fn inconsistent(bucket: &Bucket, name: &str, what: &str) -> StorageError {
    StorageError::Inconsistent(format!(
        "Failed to read the chain of slots at {}: {what}; copy the bucket before anything is changed, then restore a backup or \
         rebuild the ledger from Kafka or files",
        bucket.place(name)
    ))
}

pub(super) fn broken(bucket: &Bucket, name: &str) -> impl FnOnce(Broken) -> StorageError {
    move |broken| match broken {
        Broken::Damaged(source) => StorageError::DamagedObject { place: bucket.place(name), source },
        Broken::Chain(what) => inconsistent(bucket, name, what),
    }
}

/// The state of the newest full checkpoint, or that before the first slot.
fn beginning(bucket: &Bucket) -> StorageResult<Option<State>> {
    let fulls = bucket.list(FULLS, None)?;
    for listed in fulls.iter().rev() {
        let Some(number) = number_of(FULLS, &listed.name) else { continue };
        let Some(stored) = bucket.get(&listed.name, FULL_BYTES_MAX)? else { continue };
        let slot_name = numbered(SLOTS, number);
        // A storage that was staged and never published has none.
        let Some(slot) = bucket.get(&slot_name, SLOT_BYTES_MAX)? else { continue };
        let state = full::decode(&stored)
            .map_err(|source| StorageError::DamagedObject { place: bucket.place(&listed.name), source })?;
        if state.head.slot != number || state.head.hash != hash(&slot) {
            return Err(inconsistent(bucket, &listed.name, "it is not of the slot that it names"));
        }
        return Ok(Some(state));
    }
    if bucket.get(&numbered(SLOTS, 1), SLOT_BYTES_MAX)?.is_some() {
        return Ok(Some(State::default()));
    }
    let slots = bucket.list(SLOTS, None)?;
    match slots.iter().any(|slot| number_of(SLOTS, &slot.name).is_some()) {
        true => Err(inconsistent(bucket, SLOTS, "it has neither a first slot nor a full checkpoint")),
        false => Ok(None),
    }
}

/// Follows the slots to the first number that no slot has.
fn follow(bucket: &Bucket, state: &mut State) -> StorageResult<()> {
    loop {
        let next = numbered(SLOTS, state.head.slot + 1);
        let Some(stored) = bucket.get(&next, SLOT_BYTES_MAX)? else { return Ok(()) };
        state.follow(&stored).map_err(broken(bucket, &next))?;
        // One new slot is usual. Where there are many, they are asked for at once.
        if bucket.get_once(&numbered(SLOTS, state.head.slot + LOOK_AHEAD), SLOT_BYTES_MAX, None).is_err() {
            continue;
        }
        let names: Vec<String> =
            (1..=READ_AT_ONCE).map(|ahead| numbered(SLOTS, state.head.slot + ahead)).collect();
        for (name, stored) in names.iter().zip(bucket.get_all(&names, SLOT_BYTES_MAX)?) {
            let Some(stored) = stored else { break };
            state.follow(&stored).map_err(broken(bucket, name))?;
        }
    }
}
