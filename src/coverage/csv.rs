//! Comma-separated values as RFC 4180 has them: a strict reader, and the quoting that writers need.
//!
//! The `csv` crate reads leniently: a quote that never closes takes in the rest of the file as one field, without an error.
//! A file of questions must not lose rows that way, so this reader stays.

use super::foreign_text::{ForeignText, foreign_text};
use std::borrow::Cow;
use std::io::{self, BufRead};
use thiserror::Error;

/// Longest record, in bytes: a question or a statement line is far shorter.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The mark that some programs write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CsvError {
    /// A quote inside a field that does not start with one, or text after a closing quote.
    #[error("a quote is misplaced: a field with quotes must be quoted, and its quotes doubled")]
    MisplacedQuote,
    /// The input, or the longest record, ends inside a quoted field.
    #[error(
        "the quote that opens on line {opened} is never closed, so the lines after it cannot be told apart: close it, or \
         double it within a quoted field"
    )]
    NotClosed {
        /// The line of the opening quote, from 1.
        opened: u64,
    },
    /// A quoted field that goes over lines is closed where text follows: another row was taken in.
    #[error(
        "the quote that opens on line {opened} runs on to line {last}, so the rows between cannot be told apart: close it \
         on its own line, or double it within a quoted field"
    )]
    Runaway {
        /// The line of the opening quote, from 1.
        opened: u64,
        /// The line on which the record goes wrong.
        last: u64,
    },
    /// Not text.
    #[error("not UTF-8: save the file as CSV UTF-8")]
    NotUtf8,
    /// Not UTF-8, but every byte pair is one of GBK.
    #[error(
        "not UTF-8, but probably GBK: save the file as CSV UTF-8, or convert it: iconv -f GB18030 -t UTF-8"
    )]
    ProbablyGbk,
    /// The file is something else, by its first bytes.
    #[error("the file is {what}, not text in UTF-8: {remedy}")]
    NotText {
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Text, but no CSV, by its first character.
    #[error(
        "the file is {what}, not CSV: write a first line that names the columns, such as rider_id,at, and one question a \
         line below it"
    )]
    NotCsv {
        /// What it is.
        what: &'static str,
    },
    /// Beyond [`RECORD_BYTES_MAX`].
    #[error("longer than 65536 bytes")]
    TooLong,
}

impl CsvError {
    /// Whether the rows after it cannot be told apart, or none can be read at all.
    pub const fn is_of_whole_file(self) -> bool {
        matches!(
            self,
            Self::NotClosed { .. } | Self::Runaway { .. } | Self::NotText { .. } | Self::NotCsv { .. }
        )
    }
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line on which it starts, from 1.
    pub line: u64,
    /// The line on which it ends.
    pub last_line: u64,
    /// Its fields, or what is wrong with it.
    pub fields: Result<Vec<String>, CsvError>,
}

/// Reads records one after the other. Empty lines are no records. A record that cannot be read ends with its line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    other_format: Option<&'static str>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; a byte-order mark at its start is skipped.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, other_format: None }
    }

    /// What the input looks like by its first line, where that is not CSV; a CSV may begin like it all the same.
    pub const fn other_format(&self) -> Option<&'static str> {
        self.other_format
    }

    /// The next record; `None` at the end of the input.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let mut raw = Vec::new();
            let Some(whole) = self.read_line(&mut raw)? else { return Ok(None) };
            let line = self.line;
            if line == 1 {
                self.other_format = other_format(&raw);
                if let Some(ForeignText { what, remedy }) = foreign_text(&raw) {
                    let error = CsvError::NotText { what, remedy };
                    return Ok(Some(Record { line, last_line: line, fields: Err(error) }));
                }
                if raw.starts_with(BYTE_ORDER_MARK) {
                    raw.drain(..BYTE_ORDER_MARK.len());
                }
            }
            if whole && trim_end(&raw).is_empty() {
                continue;
            }
            let fields = if whole { self.finish(raw)? } else { Err(CsvError::TooLong) };
            return Ok(Some(Record { line, last_line: self.line, fields }));
        }
    }

    /// Cuts the record into fields; reads on while a quoted field is open.
    fn finish(&mut self, mut raw: Vec<u8>) -> io::Result<Result<Vec<String>, CsvError>> {
        let mut cutter = Cutter::default();
        let mut bytes = 0_usize;
        loop {
            match cutter.take(&raw, self.line) {
                Ok(true) => return Ok(cutter.fields()),
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            }
            bytes = bytes.saturating_add(raw.len());
            raw.clear();
            let whole = self.read_line(&mut raw)?;
            if whole != Some(true) || bytes.saturating_add(raw.len()) > RECORD_BYTES_MAX {
                return Ok(Err(CsvError::NotClosed { opened: cutter.opened }));
            }
        }
    }

    /// Appends the next line with its end; `Some(false)` when the record became too long: the rest of the line is
    /// passed over.
    fn read_line(&mut self, raw: &mut Vec<u8>) -> io::Result<Option<bool>> {
        let mut any = false;
        let mut whole = true;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            if !any {
                any = true;
                self.line = self.line.saturating_add(1);
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let used = end.map_or(chunk.len(), |end| end.saturating_add(1));
            if raw.len().saturating_add(used) > RECORD_BYTES_MAX {
                whole = false;
            } else {
                raw.extend(chunk.iter().take(used));
            }
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        Ok(any.then_some(whole))
    }
}

/// What a text is that is probably no CSV, by its first line.
fn other_format(first_line: &[u8]) -> Option<&'static str> {
    let text = first_line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first_line);
    match text.trim_ascii_start() {
        [b'{', ..] => Some("JSON lines, or another kind of JSON"),
        [b'[', ..] => Some("a JSON array"),
        [b'<', ..] => Some("XML or HTML"),
        _ => None,
    }
}

fn trim_end(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// The position of the cutter in a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote within a quoted field: it closes the field, or is the first of two.
    Closed,
}

/// Cuts a record into fields, line by line.
#[derive(Debug, Default)]
struct Cutter {
    done: Vec<Vec<u8>>,
    field: Vec<u8>,
    state: State,
    /// The line of the newest opening quote.
    opened: u64,
}

impl Cutter {
    /// Takes in a line with its end; whether the record ends with it.
    fn take(&mut self, line: &[u8], number: u64) -> Result<bool, CsvError> {
        let body = trim_end(line);
        for &byte in body {
            self.step(byte, number)?;
        }
        if self.state == State::Quoted {
            self.field.extend(line.iter().skip(body.len()));
            return Ok(false);
        }
        self.done.push(std::mem::take(&mut self.field));
        Ok(true)
    }

    fn step(&mut self, byte: u8, number: u64) -> Result<(), CsvError> {
        self.state = match (self.state, byte) {
            (State::Start, b'"') => {
                self.opened = number;
                State::Quoted
            }
            (State::Start | State::Plain | State::Closed, b',') => {
                self.done.push(std::mem::take(&mut self.field));
                State::Start
            }
            (State::Plain, b'"') => return Err(self.misplaced(number)),
            (State::Quoted, b'"') => State::Closed,
            (State::Closed, b'"') | (State::Quoted, _) => {
                self.field.push(byte);
                State::Quoted
            }
            (State::Closed, _) => return Err(self.misplaced(number)),
            (State::Start | State::Plain, _) => {
                self.field.push(byte);
                State::Plain
            }
        };
        Ok(())
    }

    const fn misplaced(&self, number: u64) -> CsvError {
        if self.opened > 0 && self.opened < number {
            CsvError::Runaway { opened: self.opened, last: number }
        } else {
            CsvError::MisplacedQuote
        }
    }

    fn fields(self) -> Result<Vec<String>, CsvError> {
        let text = |field: Vec<u8>| {
            String::from_utf8(field).map_err(|error| {
                if is_probably_gbk(error.as_bytes()) { CsvError::ProbablyGbk } else { CsvError::NotUtf8 }
            })
        };
        self.done.into_iter().map(text).collect()
    }
}

/// Whether every byte beyond ASCII belongs to a pair of GBK.
fn is_probably_gbk(field: &[u8]) -> bool {
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        let mut is_pair = || matches!(bytes.next(), Some(0x40..=0x7E | 0x80..=0xFE));
        if *byte >= 0x80 && !((0x81..=0xFE).contains(byte) && is_pair()) {
            return false;
        }
    }
    true
}

/// A field as it is written: quoted when it must be.
pub fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Vec<Record> {
        let mut reader = Reader::new(text);
        std::iter::from_fn(|| reader.next_record().unwrap()).collect()
    }

    #[test]
    fn strict_and_line_by_line() {
        let records =
            read(b"\xEF\xBB\xBFa,b\r\n\n\"x\ny\",\"\"\"\"\nbad\"quote,1\n\"a\"b,1\n,\n\xFF,1\n\xC4\xE3,1\n\"open,1\n");
        let lines: Vec<u64> = records.iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 7, 8, 9, 10]);
        let fields: Vec<_> = records.into_iter().map(|record| record.fields).collect();
        assert_eq!(fields[0], Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(fields[1], Ok(vec!["x\ny".to_owned(), "\"".to_owned()]));
        assert_eq!(fields[2], Err(CsvError::MisplacedQuote));
        assert_eq!(fields[3], Err(CsvError::MisplacedQuote));
        assert_eq!(fields[4], Ok(vec![String::new(), String::new()]));
        assert_eq!(fields[5], Err(CsvError::NotUtf8));
        assert_eq!(fields[6], Err(CsvError::ProbablyGbk));
        assert_eq!(fields[7], Err(CsvError::NotClosed { opened: 10 }));
    }

    #[test]
    fn a_quote_that_runs_over_rows_names_its_line() {
        let error = |text: &str| read(text.as_bytes()).into_iter().find_map(|record| record.fields.err());
        let over = "a,b\n1,\"open\n2,\"x\"\n";
        assert_eq!(error(over), Some(CsvError::Runaway { opened: 2, last: 3 }));
        assert_eq!(error("a,b\n1,\"x\ny\"\n"), None);
        let long = format!("a\n\"{}", "b\n".repeat(RECORD_BYTES_MAX));
        assert_eq!(error(&long), Some(CsvError::NotClosed { opened: 2 }));
    }

    #[test]
    fn what_is_no_text_is_named() {
        let what = |bytes: &[u8]| read(bytes).remove(0).fields.unwrap_err().to_string();
        for (bytes, name) in
            [(&b"\xFF\xFEr\0i\0\n\0"[..], "in UTF-16LE, not text in UTF-8"), (b"PK\x03\x04\x14\0", ".xlsx")]
        {
            assert!(what(bytes).contains(name), "{}", what(bytes));
        }
    }

    #[test]
    fn a_record_that_is_too_long_ends_with_its_line() {
        let text = format!("{}\nb\n", "a".repeat(RECORD_BYTES_MAX + 1));
        let records = read(text.as_bytes());
        assert_eq!(records[0].fields, Err(CsvError::TooLong));
        assert_eq!(records[1], Record { line: 2, last_line: 2, fields: Ok(vec!["b".to_owned()]) });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in prop::collection::vec("[ -~\n\r,\"]{1,9}", 1..5)) {
            let line: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
            let text = format!("{}\n", line.join(","));
            let records = read(text.as_bytes());
            prop_assert_eq!(records.len(), 1);
            prop_assert_eq!(records[0].fields.clone(), Ok(fields));
        }
    }
}
