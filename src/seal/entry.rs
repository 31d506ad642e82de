//! An entry of the log of sealed days: lines of text, in one order and one form.

use super::hash::{Hash, from_base64};
use super::instant;
use crate::domain::time::LocalDay;
use crate::domain::window::Window;
use data_encoding::BASE64;
use std::fmt;
use thiserror::Error;

/// The first line of an entry.
pub const ENTRY_HEADER: &str = "coverledger/day/1";

/// A sealed day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayEntry {
    /// IANA name of the zone in which the day is local.
    pub zone: String,
    /// The day.
    pub day: LocalDay,
    /// Its instants.
    pub span: Window,
    /// 1 for the first seal of the day, 2 for the next.
    pub generation: u64,
    /// The log's entry of the generation before; none for generation 1.
    pub previous: Option<u64>,
    /// Leaves of the day's tree: its riders.
    pub leaves: u64,
    /// Root of the day's tree.
    pub root: Hash,
    /// Public key of the verifiable random function, 32 bytes.
    pub vrf_key: [u8; 32],
    /// The platforms on which the day was settled, sorted.
    pub platforms: Vec<String>,
}

/// A line of an entry that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the entry is wrong: expected `{expected}`")]
pub struct EntryError {
    /// The line, from 1.
    pub line: usize,
    /// What it should be.
    pub expected: &'static str,
}

const LINES: [&str; 10] = [
    ENTRY_HEADER,
    "zone NAME",
    "day YYYY-MM-DD",
    "span FROM UNTIL",
    "generation NUMBER",
    "previous NUMBER, or previous - for generation 1",
    "leaves NUMBER",
    "root BASE64",
    "vrf BASE64",
    "platforms NAME NAME ..., sorted",
];

impl DayEntry {
    /// Reads an entry.
    ///
    /// # Errors
    /// The first line that is not as this program writes it.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let lines: Vec<&str> = text.lines().collect();
        let wrong =
            |line: usize| EntryError { line, expected: LINES.get(line - 1).unwrap_or(&"nothing more") };
        let value = |line: usize, key: &str| -> Result<&str, EntryError> {
            let found = lines.get(line - 1).and_then(|found| found.strip_prefix(key)?.strip_prefix(' '));
            found.ok_or_else(|| wrong(line))
        };
        if lines.first() != Some(&ENTRY_HEADER) {
            return Err(wrong(1));
        }
        let number = |line, key| value(line, key)?.parse().map_err(|_| wrong(line));
        let previous = match value(6, "previous")? {
            "-" => None,
            number => Some(number.parse().map_err(|_| wrong(6))?),
        };
        let entry = Self {
            zone: value(2, "zone")?.to_owned(),
            day: instant::day_from_text(value(3, "day")?).ok_or_else(|| wrong(3))?,
            span: span(value(4, "span")?).ok_or_else(|| wrong(4))?,
            generation: number(5, "generation")?,
            previous,
            leaves: number(7, "leaves")?,
            root: Hash::parse(value(8, "root")?).ok_or_else(|| wrong(8))?,
            vrf_key: from_base64(value(9, "vrf")?).ok_or_else(|| wrong(9))?,
            platforms: value(10, "platforms")?.split(' ').map(str::to_owned).collect(),
        };
        if entry.generation == 0 || entry.previous.is_some() != (entry.generation > 1) {
            return Err(wrong(6));
        }
        if !entry.platforms.is_sorted_by(|one, other| one < other)
            || entry.platforms.iter().any(String::is_empty)
        {
            return Err(wrong(10));
        }
        let own = entry.to_string();
        if own != text {
            let mut lines = (1..).zip(own.lines().zip(text.lines()));
            return Err(wrong(lines.find(|(_, (own, given))| own != given).map_or(11, |(line, _)| line)));
        }
        Ok(entry)
    }
}

fn span(text: &str) -> Option<Window> {
    let (from, until) = text.split_once(' ')?;
    let span = Window::new(instant::from_text(from)?, instant::from_text(until)?);
    (!span.is_empty()).then_some(span)
}

impl fmt::Display for DayEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |at| instant::to_text(at).ok_or(fmt::Error);
        writeln!(f, "{ENTRY_HEADER}\nzone {}", self.zone)?;
        writeln!(f, "day {}", instant::day_text(self.day).ok_or(fmt::Error)?)?;
        writeln!(f, "span {} {}", text(self.span.from)?, text(self.span.until)?)?;
        writeln!(f, "generation {}", self.generation)?;
        match self.previous {
            None => writeln!(f, "previous -")?,
            Some(index) => writeln!(f, "previous {index}")?,
        }
        writeln!(f, "leaves {}\nroot {}", self.leaves, self.root)?;
        writeln!(f, "vrf {}\nplatforms {}", BASE64.encode(&self.vrf_key), self.platforms.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> DayEntry {
        let day = LocalDay::from_ymd(2026, 11, 20).unwrap();
        let from = instant::from_text("2026-11-19T16:00:00.000Z").unwrap();
        DayEntry {
            zone: "Asia/Shanghai".to_owned(),
            day,
            span: Window::new(from, from.plus(86_400_000)),
            generation: 2,
            previous: Some(17),
            leaves: 3,
            root: Hash::of_leaf(b"root"),
            vrf_key: [5; 32],
            platforms: vec!["dada".to_owned(), "meituan".to_owned()],
        }
    }

    #[test]
    fn an_entry_is_read_back() {
        let first = DayEntry { generation: 1, previous: None, platforms: vec!["dada".to_owned()], ..entry() };
        for entry in [entry(), first] {
            assert_eq!(DayEntry::parse(&entry.to_string()), Ok(entry));
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let text = entry().to_string();
        let cases = [
            ("coverledger/day/1", "coverledger/day/2", 1),
            ("zone Asia", "zone: Asia", 2),
            ("2026-11-20", "2026-11-31", 3),
            ("2026-11-20T16", "2026-11-18T16", 4),
            ("generation 2", "generation 02", 5),
            ("generation 2", "generation 1", 6),
            ("previous 17", "previous -", 6),
            ("leaves 3", "leaves +3", 7),
            ("root ", "root =", 8),
            ("vrf ", "vrf\t", 9),
            ("dada meituan", "meituan dada", 10),
            ("dada meituan", "dada  meituan", 10),
            ("meituan\n", "meituan\nmore\n", 11),
            ("meituan\n", "meituan", 11),
        ];
        for (from, to, line) in cases {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(DayEntry::parse(&changed).unwrap_err().line, line, "{changed}");
        }
        assert_eq!(DayEntry::parse("").unwrap_err().line, 1);
    }
}
