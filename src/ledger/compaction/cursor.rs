//! Reads one run from front to back, a block at a time.

use super::super::block::Select;
use super::super::error::Outcome;
use super::super::row::{Class, OrderId, Row};
use super::super::run::Run;
use super::super::run_writer::ClassTable;
use std::cmp::Ordering;
use std::sync::Arc;

/// A stretch of the cursor's text.
type Stretch = (usize, usize);

#[derive(Clone, Copy, Debug)]
enum HeldOrder {
    Digits { count: u8, value: u128 },
    Text(Stretch),
}

/// A row whose texts lie in the cursor.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// First sixteen bytes of the rider identifier: tells nearly all riders apart. Identifiers hold no NUL.
    prefix: u128,
    rider: Stretch,
    order: HeldOrder,
    /// Its class's code in the run.
    code: usize,
    /// The row but for its texts; its class is a number of the table.
    rest: Row<'static>,
}

/// A place in a run.
#[derive(Debug)]
pub(super) struct Cursor {
    run: Arc<Run>,
    /// Number in the table of each class of the run.
    classes: Vec<(u32, Arc<Class>)>,
    next_block: u32,
    text: String,
    rows: Vec<Held>,
    at: usize,
}

impl Cursor {
    /// Before the first row of a run.
    pub(super) fn new(run: &Arc<Run>, table: &mut ClassTable) -> Outcome<Self> {
        let classes = run.classes().iter().map(|class| (table.number(class), Arc::clone(class))).collect();
        let mut cursor = Self {
            run: Arc::clone(run),
            classes,
            next_block: 0,
            text: String::new(),
            rows: Vec::new(),
            at: 0,
        };
        cursor.load()?;
        Ok(cursor)
    }

    /// The row here; `None` after the last one.
    pub(super) fn row(&self) -> Option<Row<'_>> {
        let held = self.rows.get(self.at)?;
        let text = |(from, to): Stretch| self.text.get(from..to).unwrap_or_default();
        let order_id = match held.order {
            HeldOrder::Digits { count, value } => OrderId::Digits { count, value },
            HeldOrder::Text(stretch) => OrderId::Text(text(stretch)),
        };
        Some(Row { rider_id: text(held.rider), order_id, ..held.rest })
    }

    /// The class of the row here.
    pub(super) fn class(&self) -> Option<&Arc<Class>> {
        self.classes.get(self.rows.get(self.at)?.code).map(|(_, class)| class)
    }

    /// Goes to the next row.
    pub(super) fn advance(&mut self) -> Outcome<()> {
        self.at += 1;
        if self.at < self.rows.len() { Ok(()) } else { self.load() }
    }

    /// Which of two cursors stands at the earlier place; one at its end comes last.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let (Some(a), Some(b)) = (self.rows.get(self.at), other.rows.get(other.at)) else {
            return other.rows.get(other.at).is_some().cmp(&self.rows.get(self.at).is_some());
        };
        a.prefix.cmp(&b.prefix).then_with(|| match (self.row(), self.class(), other.row(), other.class()) {
            (Some(a), Some(a_class), Some(b), Some(b_class)) => a.cmp_place(a_class, &b, b_class),
            _ => Ordering::Equal,
        })
    }

    fn load(&mut self) -> Outcome<()> {
        self.rows.clear();
        self.text.clear();
        self.at = 0;
        if self.next_block >= self.run.entry.blocks {
            return Ok(());
        }
        let block = usize::try_from(self.next_block).unwrap_or(usize::MAX);
        self.next_block += 1;
        let (rows, text, classes) = (&mut self.rows, &mut self.text, &self.classes);
        let mut unknown = None;
        self.run.visit_block(block, Select::All, |row| {
            let code = usize::try_from(row.class).unwrap_or(usize::MAX);
            let Some(&(class, _)) = classes.get(code) else {
                unknown = Some(row.class);
                return false;
            };
            rows.push(hold(row, (code, class), rows.last(), text));
            true
        })?;
        // A code that the run does not know fails here as it does everywhere.
        unknown.map_or(Ok(()), |code| self.run.class(code).map(|_| ()))
    }
}

fn hold(row: &Row<'_>, (code, class): (usize, u32), before: Option<&Held>, text: &mut String) -> Held {
    let order = match row.order_id {
        OrderId::Digits { count, value } => HeldOrder::Digits { count, value },
        OrderId::Text(order) => HeldOrder::Text(put(text, order)),
    };
    let same = before.map(|held| held.rider).filter(|&(from, to)| text.get(from..to) == Some(row.rider_id));
    let rider = same.unwrap_or_else(|| put(text, row.rider_id));
    let mut prefix = [0; 16];
    prefix.iter_mut().zip(row.rider_id.as_bytes()).for_each(|(to, from)| *to = *from);
    let rest = Row {
        rider_id: "",
        accepted_at: row.accepted_at,
        order_id: OrderId::Text(""),
        ended_at: row.ended_at,
        class,
        region: row.region,
        revision: row.revision,
        commit: row.commit,
        fare: row.fare,
        previous_accepted_at: row.previous_accepted_at,
        moved_to: row.moved_to,
    };
    Held { prefix: u128::from_be_bytes(prefix), rider, order, code, rest }
}

fn put(text: &mut String, part: &str) -> Stretch {
    let from = text.len();
    text.push_str(part);
    (from, text.len())
}
