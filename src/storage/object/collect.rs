//! Collection: deletes what no readable state needs any more, once `keep` has passed since then.
//!
//! All times are those of the store, and the newest is that of the writer's own newest slot. They only decide how long something is
//! kept: what a later writer wrote is known by its epoch, so that a clock that jumps costs no needed object.

use super::core::Core;
use super::name::{FULLS, MARKS, SEGMENTS, SLOTS, SegmentName, number_of, numbered};
use super::slot::Kind;
use super::state::State;
use crate::storage::error::StorageResult;
use bytes::Bytes;

/// Where nothing may be in a mark: its name says it all.
const MARK: &[u8] = b"objects below this slot may be deleted\n";

impl Core {
    /// Deletes slots, full checkpoints and segments that were kept long enough; returns how many objects.
    pub(super) fn collect(&self) -> StorageResult<usize> {
        let (bucket, options) = (&self.shared.bucket, &self.shared.options);
        // Shows that this is the writer still, and what time it is.
        let base = {
            let mut writing = self.writing();
            writing.check()?;
            let version = writing.base.version;
            self.create_slot(&mut writing, Kind::Heartbeat, version, Default::default())?;
            writing.base.clone()
        };
        let slots = numbers(bucket.list(SLOTS, None)?, SLOTS);
        let own = slots.iter().find(|(number, _)| *number == base.head.slot);
        let Some(&(_, now_ms)) = own else { return Ok(0) };
        let keep_ms = i64::try_from(options.keep.as_millis()).unwrap_or(i64::MAX);
        let limit_ms = now_ms.saturating_sub(keep_ms);
        let keep_from =
            slots.iter().find(|(_, created_ms)| *created_ms >= limit_ms).map_or(0, |(number, _)| *number);
        let fulls = numbers(bucket.list(FULLS, None)?, FULLS);
        // From this one on every state can be read.
        let kept = fulls.iter().rev().map(|(number, _)| *number).find(|number| *number <= keep_from);
        let below = kept.unwrap_or(0);
        let mut names = self.unneeded_segments(&base, below, limit_ms)?;
        let old = |numbers: &[(u64, i64)], folder| -> Vec<String> {
            let old = numbers.iter().filter(|(number, _)| *number < below);
            old.map(|(number, _)| numbered(folder, *number)).collect()
        };
        names.extend(old(&slots, SLOTS));
        names.extend(old(&fulls, FULLS));
        if names.is_empty() {
            return Ok(0);
        }
        bucket.put(&numbered(MARKS, below), &Bytes::from_static(MARK))?;
        bucket.delete(&names)?;
        let mut writing = self.writing();
        writing.collected = writing.collected.max(below.saturating_add(1));
        Ok(names.len())
    }

    /// Segments that count for no state from slot `below` on, and those to which no slot ever led.
    pub(super) fn unneeded_segments(
        &self,
        base: &State,
        below: u64,
        limit_ms: i64,
    ) -> StorageResult<Vec<String>> {
        let visible = self.visible_full();
        let mut names = Vec::new();
        for listed in self.shared.bucket.list(SEGMENTS, None)? {
            let Some(name) = SegmentName::parse(&listed.name) else { continue };
            let counts = [base, &*visible].iter().any(|state| state.segments.contains_key(&name));
            let is_needed = match base.dead.get(&name) {
                Some(dead) => dead.slot > below,
                // One of this writer or a later one may be on its way into a slot. Those of earlier writers never get there, whatever
                // the clock of the store does.
                None => {
                    name.epoch >= self.epoch()
                        || listed.created_ms >= limit_ms
                        || visible.dead.contains_key(&name)
                }
            };
            if !counts && !is_needed {
                names.push(listed.name);
            }
        }
        Ok(names)
    }
}

fn numbers(listed: Vec<super::bucket::Listed>, folder: &str) -> Vec<(u64, i64)> {
    let numbers = listed.iter().filter_map(|one| Some((number_of(folder, &one.name)?, one.created_ms)));
    numbers.collect()
}
