//! Reads one run from front to back, a block at a time.

use crate::ledger::batch::staged_row::StagedRow;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::block::Select;
use crate::ledger::run::row::{DictionaryEntry, OrderId, Row};
use crate::ledger::run::writer::Dictionary;
use crate::ledger::yield_points::give_way;
use std::cmp::Ordering;
use std::sync::Arc;

/// A stretch of the cursor's text.
type Stretch = (usize, usize);

#[derive(Clone, Copy, Debug)]
enum HeldOrder {
    Digits { count: u8, value: u128 },
    Text(Stretch),
}

/// A row that a staged row does not contain, whose texts lie in the cursor.
#[derive(Clone, Copy, Debug)]
struct Held {
    rider: Stretch,
    order: HeldOrder,
    /// The row but for its texts.
    rest: Row<'static>,
}

/// A place in a run.
#[derive(Debug)]
pub(super) struct Cursor {
    run: Arc<Run>,
    /// Number in the table of each entry of the run.
    dictionary: Vec<(u32, Arc<DictionaryEntry>)>,
    next_block: u32,
    /// The rows of the block; their entries are those of the run.
    staged_rows: Vec<StagedRow>,
    /// The commit of each.
    commits: Vec<u64>,
    /// The rows that are not wholly in their staged row.
    held: Vec<Held>,
    text: String,
    at: usize,
}

impl Cursor {
    /// Before the first row of a run.
    pub(super) fn new(run: &Arc<Run>, table: &mut Dictionary) -> LedgerResult<Self> {
        let dictionary =
            run.dictionary().iter().map(|entry| (table.number(entry), Arc::clone(entry))).collect();
        let mut cursor = Self {
            run: Arc::clone(run),
            dictionary,
            next_block: 0,
            staged_rows: Vec::new(),
            commits: Vec::new(),
            held: Vec::new(),
            text: String::new(),
            at: 0,
        };
        cursor.load()?;
        Ok(cursor)
    }

    /// Whether there is a row here.
    pub(super) fn is_before_the_end(&self) -> bool {
        self.at < self.staged_rows.len()
    }

    /// The row here, its entry a number of the table; `None` after the last one.
    pub(super) fn row(&self) -> Option<Row<'_>> {
        let staged = self.staged_rows.get(self.at)?;
        let commit = *self.commits.get(self.at)?;
        let row = match staged.row(commit) {
            Some(row) => row,
            None => self.held_row(staged)?,
        };
        Some(Row { code: self.dictionary.get(usize::try_from(staged.code).ok()?)?.0, ..row })
    }

    fn held_row(&self, staged: &StagedRow) -> Option<Row<'_>> {
        let held = self.held.get(usize::try_from(staged.at).ok()?)?;
        let text = |(from, to): Stretch| self.text.get(from..to).unwrap_or_default();
        let order_id = match held.order {
            HeldOrder::Digits { count, value } => OrderId::Digits { count, value },
            HeldOrder::Text(stretch) => OrderId::Text(text(stretch)),
        };
        Some(Row { rider_id: text(held.rider), order_id, ..held.rest })
    }

    /// The entry of the row here.
    pub(super) fn entry(&self) -> Option<&Arc<DictionaryEntry>> {
        let code = usize::try_from(self.staged_rows.get(self.at)?.code).ok()?;
        self.dictionary.get(code).map(|(_, entry)| entry)
    }

    /// Goes to the next row.
    #[inline]
    pub(super) fn advance(&mut self) -> LedgerResult<()> {
        self.at += 1;
        if self.at < self.staged_rows.len() { Ok(()) } else { self.load() }
    }

    /// Which of two cursors is at the earlier place; one at its end comes last.
    #[inline]
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let (Some(a), Some(b)) = (self.staged_rows.get(self.at), other.staged_rows.get(other.at)) else {
            return other.is_before_the_end().cmp(&self.is_before_the_end());
        };
        let by_rider = a.rider.cmp(&b.rider);
        if by_rider.is_ne() {
            return by_rider;
        }
        if a.holds_rider() && b.holds_rider() && a.accepted_at != b.accepted_at {
            return a.accepted_at.cmp(&b.accepted_at);
        }
        match (self.row(), self.entry(), other.row(), other.entry()) {
            (Some(a), Some(a_class), Some(b), Some(b_class)) => a.cmp_place(a_class, &b, b_class),
            _ => Ordering::Equal,
        }
    }

    fn load(&mut self) -> LedgerResult<()> {
        self.staged_rows.clear();
        self.commits.clear();
        self.held.clear();
        self.text.clear();
        self.at = 0;
        if self.next_block >= self.run.entry.blocks {
            return Ok(());
        }
        give_way();
        let block = usize::try_from(self.next_block).unwrap_or(usize::MAX);
        self.next_block += 1;
        let (staged_rows, commits, held) = (&mut self.staged_rows, &mut self.commits, &mut self.held);
        let (text, known) = (&mut self.text, self.dictionary.len());
        let mut unknown = None;
        self.run.visit_block(block, Select::All, |row| {
            if usize::try_from(row.code).map_or(true, |code| code >= known) {
                unknown = Some(row.code);
                return false;
            }
            let staged = StagedRow::of_row(row, u32::try_from(held.len()).unwrap_or(u32::MAX));
            if staged.row(row.commit).is_none() {
                held.push(copied(row, text));
            }
            staged_rows.push(staged);
            commits.push(row.commit);
            true
        })?;
        // A code that the run does not know fails here as it does everywhere.
        unknown.map_or(Ok(()), |code| self.run.dictionary_entry(code).map(|_| ()))
    }
}

fn copied(row: &Row<'_>, text: &mut String) -> Held {
    let order = match row.order_id {
        OrderId::Digits { count, value } => HeldOrder::Digits { count, value },
        OrderId::Text(order) => HeldOrder::Text(put(text, order)),
    };
    let rest = Row {
        rider_id: "",
        accepted_at: row.accepted_at,
        order_id: OrderId::Text(""),
        ended_at: row.ended_at,
        code: row.code,
        region: row.region,
        revision: row.revision,
        commit: row.commit,
        fare: row.fare,
        previous_accepted_at: row.previous_accepted_at,
        moved_to: row.moved_to,
    };
    Held { rider: put(text, row.rider_id), order, rest }
}

fn put(text: &mut String, part: &str) -> Stretch {
    let from = text.len();
    text.push_str(part);
    (from, text.len())
}
