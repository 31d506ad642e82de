//! Yield points: long work offers its core to waiting threads.
//!
//! Linux lets a thread that runs continue for a slice of a few milliseconds before another one gets its core, even one that sleeps
//! most of the time and is asked something now. Where commits and compactions keep all cores busy a question would wait
//! that long before it is looked at, longer than its answer takes. So loops over the rows of a batch or a run offer
//! their core again and again: that costs some hundred nanoseconds when no thread waits.

use std::thread::yield_now;

/// Items between two offers when each takes some ten nanoseconds: a row that is sorted, a hash that is noted.
pub const ROWS: u32 = 4_096;
/// The same for decisions and whatever else takes up to a microsecond.
pub const DECISIONS: u32 = 256;
/// The same for blocks that are read, some ten microseconds each.
pub const BLOCKS: u32 = 16;

/// Offers the core, after some hundred microseconds of work.
#[inline]
pub fn give_way() {
    yield_now();
}

/// The same items, with an offer of the core after `every` so many.
#[inline]
pub fn in_turns<I: IntoIterator>(every: u32, items: I) -> impl Iterator<Item = I::Item> {
    let mut left = every;
    items.into_iter().inspect(move |_| {
        left -= 1;
        if left == 0 {
            left = every;
            give_way();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_are_the_same() {
        for count in [0, 1, ROWS - 1, ROWS, 3 * ROWS + 7] {
            assert!(in_turns(ROWS, 0..count).eq(0..count));
        }
    }
}
