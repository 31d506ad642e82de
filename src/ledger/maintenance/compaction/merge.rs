//! The rows of several runs in the order of their places, with one block of each run in memory.

use super::cursor::Cursor;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::row::{DictionaryEntry, Row};
use crate::ledger::run::writer::Dictionary;
use std::sync::Arc;

/// A merge of runs.
#[derive(Debug)]
pub struct Merge {
    cursors: Vec<Cursor>,
    /// Positions of cursors, the earliest place on top. Those at their end are gone.
    heap: Vec<usize>,
}

impl Merge {
    /// Before the first row of all. Classes of the rows are numbers of `table`.
    pub fn new(runs: &[Arc<Run>], table: &mut Dictionary) -> LedgerResult<Self> {
        let cursors = runs.iter().map(|run| Cursor::new(run, table)).collect::<LedgerResult<Vec<_>>>()?;
        let heap = (0..cursors.len()).filter(|&at| cursors.get(at).is_some_and(Cursor::is_before_the_end));
        let mut merge = Self { heap: heap.collect(), cursors };
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(at);
        }
        Ok(merge)
    }

    /// The row here with its entry; `None` after the last one.
    pub fn current(&self) -> Option<(Row<'_>, &Arc<DictionaryEntry>)> {
        let cursor = self.cursors.get(*self.heap.first()?)?;
        Some((cursor.row()?, cursor.entry()?))
    }

    /// Goes to the next row.
    pub fn advance(&mut self) -> LedgerResult<()> {
        let Some(&top) = self.heap.first() else { return Ok(()) };
        if let Some(cursor) = self.cursors.get_mut(top) {
            cursor.advance()?;
            if !cursor.is_before_the_end() {
                self.heap.swap_remove(0);
            }
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2];
            let earliest = children.into_iter().fold(at, |a, b| if self.is_before(b, a) { b } else { a });
            if earliest == at {
                return;
            }
            self.heap.swap(at, earliest);
            at = earliest;
        }
    }

    /// Whether the cursor at one position of the heap precedes that at another.
    fn is_before(&self, a: usize, b: usize) -> bool {
        let cursor = |at: usize| self.heap.get(at).and_then(|&nth| self.cursors.get(nth));
        cursor(a).zip(cursor(b)).is_some_and(|(a, b)| a.compare(b).is_lt())
    }
}
