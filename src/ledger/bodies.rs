//! Bodies of blocks that were read lately: one question reads the same few blocks several times.
//!
//! A body is checked and unpacked once; what is kept of a block never changes, since blocks do not. Only questions about
//! riders use it: compaction and the search for duplicates read every block once.

use std::sync::{Arc, Mutex, PoisonError};

/// Parts with a lock each, so that questions rarely wait for one another.
const SHARDS: usize = 16;
/// Bodies of a part. One is some 25 to 50 kB.
const SHARD_BODIES: usize = 8;

/// Run and number of a block, and its body.
type Kept = (u64, u32, Arc<[u8]>);

/// The bodies. The oldest gives way.
#[derive(Debug, Default)]
pub struct Bodies {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    kept: Vec<Kept>,
    oldest: usize,
}

impl Bodies {
    /// The body of a block, or what `read` gives.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn get<E>(
        &self,
        run: u64,
        block: u32,
        read: impl FnOnce() -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<[u8]>, E> {
        let Some(shard) = self.shards.get(place(run, block)) else { return read() };
        let known = |kept: &&Kept| (kept.0, kept.1) == (run, block);
        let locked = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, body)) = locked().kept.iter().find(known) {
            return Ok(Arc::clone(body));
        }
        // Read without the lock: two that want the same block at once both read it.
        let body = read()?;
        locked().put((run, block, Arc::clone(&body)));
        Ok(body)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.kept.iter().map(|kept| kept.2.len()).sum::<usize>()).sum()
    }
}

impl Shard {
    fn put(&mut self, kept: Kept) {
        match self.kept.get_mut(self.oldest) {
            Some(oldest) => *oldest = kept,
            None => self.kept.push(kept),
        }
        self.oldest = (self.oldest + 1) % SHARD_BODIES;
    }
}

fn place(run: u64, block: u32) -> usize {
    let mixed = (run.rotate_left(32) ^ u64::from(block)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_was_read_and_keeps_a_bounded_number() {
        let bodies = Bodies::default();
        let read = |run: u64, block: u32| -> Result<Arc<[u8]>, ()> {
            Ok(format!("{run} {block}").into_bytes().into())
        };
        for round in 0..2 {
            for run in 0..40 {
                for block in 0..40 {
                    let body = bodies.get(run, block, || read(run, block)).unwrap();
                    assert_eq!(*body, *format!("{run} {block}").as_bytes(), "round {round}");
                    let again = bodies.get(run, block, || Err("it was just read")).unwrap();
                    assert_eq!(again, body);
                }
            }
        }
        let kept: usize = bodies.shards.iter().map(|shard| shard.lock().unwrap().kept.len()).sum();
        assert_eq!(kept, SHARDS * SHARD_BODIES);
        assert_eq!(bodies.get(99, 0, || Err("unreadable")), Err("unreadable"));
    }
}
