//! Comma-separated values as RFC 4180 has them: a strict reader, and the quoting that writers need.

use std::borrow::Cow;
use std::io::{self, BufRead};
use thiserror::Error;

/// Longest record, in bytes: a question or a statement line is far shorter.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CsvError {
    /// A quote inside a field that does not start with one, or text after a closing quote.
    #[error("a quote is misplaced: a field with quotes must be quoted, and its quotes doubled")]
    MisplacedQuote,
    /// The input ends inside a quoted field.
    #[error("a quoted field is not closed")]
    NotClosed,
    /// Not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// Beyond [`RECORD_BYTES_MAX`].
    #[error("longer than 65536 bytes")]
    TooLong,
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line on which it starts, from 1.
    pub line: u64,
    /// Its fields, or what is wrong with it.
    pub fields: Result<Vec<String>, CsvError>,
}

/// Reads records one after the other. Empty lines are no records. A record that cannot be read ends with its line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; a byte-order mark at its start is skipped.
    pub fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    /// The next record; `None` at the end of the input.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let mut raw = Vec::new();
            let Some(whole) = self.read_line(&mut raw)? else { return Ok(None) };
            let line = self.line;
            if line == 1 && raw.starts_with(b"\xEF\xBB\xBF") {
                raw.drain(..3);
            }
            if whole && trim_end(&raw).is_empty() {
                continue;
            }
            let fields = if whole { self.finish(&mut raw)? } else { Err(CsvError::TooLong) };
            return Ok(Some(Record { line, fields }));
        }
    }

    /// Reads on while a quoted field is open, then cuts the record into fields.
    fn finish(&mut self, raw: &mut Vec<u8>) -> io::Result<Result<Vec<String>, CsvError>> {
        loop {
            match cut(trim_end(raw)) {
                Err(CsvError::NotClosed) => match self.read_line(raw)? {
                    Some(true) => {}
                    Some(false) => return Ok(Err(CsvError::TooLong)),
                    None => return Ok(Err(CsvError::NotClosed)),
                },
                result => return Ok(result),
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

fn trim_end(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// Cuts a record into fields.
fn cut(record: &[u8]) -> Result<Vec<String>, CsvError> {
    let mut fields = Vec::new();
    let mut bytes = record.iter().copied().peekable();
    loop {
        let mut field = Vec::new();
        let quoted = bytes.next_if_eq(&b'"').is_some();
        if quoted {
            loop {
                match bytes.next() {
                    None => return Err(CsvError::NotClosed),
                    Some(b'"') if bytes.next_if_eq(&b'"').is_none() => break,
                    Some(byte) => field.push(byte),
                }
            }
        } else {
            while let Some(byte) = bytes.next_if(|&byte| byte != b',') {
                if byte == b'"' {
                    return Err(CsvError::MisplacedQuote);
                }
                field.push(byte);
            }
        }
        fields.push(String::from_utf8(field).map_err(|_| CsvError::NotUtf8)?);
        match bytes.next() {
            None => return Ok(fields),
            Some(b',') => {}
            Some(_) => return Err(CsvError::MisplacedQuote),
        }
    }
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
            read(b"\xEF\xBB\xBFa,b\r\n\n\"x\ny\",\"\"\"\"\nbad\"quote,1\n\"a\"b,1\n,\n\xFF,1\n\"open,1\n");
        let lines: Vec<u64> = records.iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 7, 8, 9]);
        let fields: Vec<_> = records.into_iter().map(|record| record.fields).collect();
        assert_eq!(fields[0], Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(fields[1], Ok(vec!["x\ny".to_owned(), "\"".to_owned()]));
        assert_eq!(fields[2], Err(CsvError::MisplacedQuote));
        assert_eq!(fields[3], Err(CsvError::MisplacedQuote));
        assert_eq!(fields[4], Ok(vec![String::new(), String::new()]));
        assert_eq!(fields[5], Err(CsvError::NotUtf8));
        assert_eq!(fields[6], Err(CsvError::NotClosed));
    }

    #[test]
    fn a_record_that_is_too_long_ends_with_its_line() {
        let text = format!("{}\nb\n", "a".repeat(RECORD_BYTES_MAX + 1));
        let records = read(text.as_bytes());
        assert_eq!(records[0].fields, Err(CsvError::TooLong));
        assert_eq!(records[1], Record { line: 2, fields: Ok(vec!["b".to_owned()]) });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in prop::collection::vec("[ -~\n\r,\"]{1,9}", 1..5)) {
            let line: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
            let text = format!("{}\n", line.join(","));
            prop_assert_eq!(read(text.as_bytes()), [Record { line: 1, fields: Ok(fields) }]);
        }
    }
}
