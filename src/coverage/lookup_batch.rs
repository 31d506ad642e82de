//! Many questions from a CSV file, one a row.

use super::csv::{CsvError, Reader};
use super::question::{Question, QuestionText};
use super::question_columns::{Columns, HeaderError};
use super::spreadsheet::damage;
use crate::domain::time::Zone;
use serde::Serialize;
use std::io::{self, BufRead};
use thiserror::Error;

/// Why a file of questions is unreadable as a whole.
#[derive(Debug, Error)]
pub enum BatchError {
    /// The input failed.
    #[error("Failed to read the questions")]
    Read(#[from] io::Error),
    /// The first line does not name the columns.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Rows cannot be told apart.
    #[error(transparent)]
    Rows(CsvError),
}

/// Replaces the answer to a row that is no question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// The line on which the row starts, from 1; the header is line 1.
    pub line: u64,
    /// What is wrong.
    pub error: String,
}

/// A row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line on which it starts.
    pub line: u64,
    /// The line on which it ends: a later one when a quoted field holds line ends.
    pub last_line: u64,
    /// The question, or what is wrong.
    pub question: Result<Question, BadRow>,
}

/// The questions of a CSV file. Its header has rider_id (further identifiers of one person: rider_id_2 and so on) and at, or
/// from and to; platform (several: with blanks between them) and reference may follow. Other columns are ignored.
#[derive(Debug)]
pub struct Questions<R> {
    reader: Reader<R>,
    columns: Columns,
    /// In which answers are written, if that is known here.
    zone: Option<Zone>,
}

impl<R: BufRead> Questions<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// An input that fails, a header that names no questions.
    pub fn new(input: R) -> Result<Self, BatchError> {
        let mut reader = Reader::new(input);
        let header = reader.next_record()?.ok_or(HeaderError::Empty)?.fields;
        let columns = header.map_err(HeaderError::Unreadable).and_then(|header| Columns::of(&header));
        let columns = columns.map_err(|error| match reader.other_format() {
            Some(what) => HeaderError::Unreadable(CsvError::NotCsv { what }),
            None => error,
        })?;
        Ok(Self { reader, columns, zone: None })
    }

    /// Refuses questions about times that no answer in this zone could write.
    pub fn in_zone(self, zone: &Zone) -> Self {
        Self { zone: Some(zone.clone()), ..self }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// An input that fails, or in which rows cannot be told apart: nothing after it can be read.
    pub fn next_row(&mut self) -> Result<Option<Row>, BatchError> {
        let Some(record) = self.reader.next_record()? else { return Ok(None) };
        let (line, last_line) = (record.line, record.last_line);
        let question = match record.fields {
            Err(error) if error.is_of_whole_file() => return Err(BatchError::Rows(error)),
            Err(error) => Err(error.to_string()),
            Ok(fields) => {
                if last_line > line
                    && let Some(opened) = self.runaway(&fields, line)
                {
                    return Err(BatchError::Rows(CsvError::Runaway { opened, last: last_line }));
                }
                self.question(&fields)
            }
        };
        let question = question.map_err(|error| BadRow { line, error });
        Ok(Some(Row { line, last_line, question }))
    }

    /// The line of the quote that took in other rows, where one probably did: fields are missing, a term holds a line end,
    /// which none ever does, or a line of another field looks like a row.
    fn runaway(&self, fields: &[String], line: u64) -> Option<u64> {
        let separators = self.columns.count.saturating_sub(1);
        let mut opened = line;
        let (mut first_of_all, is_whole) = (None, fields.len() == self.columns.count);
        for (place, field) in fields.iter().enumerate() {
            let lines: Vec<usize> = field.split('\n').map(|line| line.matches(',').count()).collect();
            let [first, inner @ ..] = lines.as_slice() else { continue };
            if let [.., last] = inner {
                first_of_all.get_or_insert(opened);
                // The row in which the quote opens may end in the field, and another one begin there.
                let is_two_rows = place + first >= separators && *last >= place;
                let holds_row = inner.iter().any(|count| *count >= separators) || is_two_rows;
                if holds_row || self.columns.terms().any(|term| term == place) {
                    return Some(opened);
                }
                opened = opened.saturating_add(u64::try_from(inner.len()).unwrap_or(u64::MAX));
            }
        }
        first_of_all.filter(|_| !is_whole)
    }

    fn question(&self, fields: &[String]) -> Result<Question, String> {
        let columns = &self.columns;
        if fields.len() != columns.count {
            return Err(format!("{} fields where the header has {}", fields.len(), columns.count));
        }
        let field = |place: usize| fields.get(place).map(String::as_str).filter(|field| !field.is_empty());
        let term = |place: Option<usize>| place.and_then(field);
        let rider_ids: Vec<String> =
            columns.rider_ids.iter().filter_map(|&place| field(place)).map(str::to_owned).collect();
        if let Some(damage) = rider_ids.iter().find_map(|rider_id| damage(rider_id)) {
            return Err(format!(
                "rider_id looks damaged by a spreadsheet: {damage}; take the identifier from where the sheet took it, and \
                 import the column as text (if it is right as it is, ask with --rider)"
            ));
        }
        let platforms = term(columns.platform).unwrap_or_default().split_ascii_whitespace();
        let text = QuestionText {
            rider_ids,
            at: term(columns.at),
            from: term(columns.from),
            to: term(columns.to),
            platforms: platforms.map(str::to_owned).collect(),
            reference: term(columns.reference).map(str::to_owned),
        };
        let question = Question::parse(text).map_err(|error| error.to_string())?;
        let years = self.zone.as_ref().map(|zone| question.when.check_years(zone));
        years.transpose().map_err(|error| error.to_string())?;
        Ok(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::question::When;

    #[test]
    fn rows_become_questions_or_say_what_is_wrong() {
        let text = "x,rider_id,at\n1,\"R,1\",2026-11-20T12:07:31Z\n,R2,\n2,R3\n3,,2026-11-20T12:07:31Z\n4,R4,2026-11-20T12:07Z";
        let mut questions = Questions::new(text.as_bytes()).unwrap();
        let mut next = || questions.next_row().unwrap().map(|row| row.question);
        assert_eq!(next().unwrap().unwrap().rider_ids, ["R,1"]);
        let bad = |line, error: &str| Some(Err(BadRow { line, error: error.to_owned() }));
        assert_eq!(next(), bad(3, "give either at, or from and to"));
        assert_eq!(next(), bad(4, "2 fields where the header has 3"));
        assert_eq!(next(), bad(5, "rider_id is missing"));
        assert!(matches!(next().unwrap().unwrap().when, When::Minute(_)));
        assert_eq!(next(), None);
        assert!(matches!(Questions::new("rider_id,from\n".as_bytes()), Err(BatchError::Header(_))));
        assert!(matches!(Questions::new("".as_bytes()).unwrap_err(), BatchError::Header(HeaderError::Empty)));
        assert_eq!(
            serde_json::to_string(&BadRow { line: 3, error: "x".to_owned() }).unwrap(),
            r#"{"line":3,"error":"x"}"#
        );
    }

    #[test]
    fn every_term_of_a_question_is_read() {
        let text = "reference,rider_id_2,rider_id,from,to,platform,at\n\
                    c-1,R2,R1,2026-11-20T12:07Z,2026-11-20T12:08Z,dada  meituan,\n\
                    ,,R1,,,,2026-11-20T12:07:31Z\n\
                    ,,R1,,,Dada,2026-11-20T12:07:31Z\n";
        let mut questions = Questions::new(text.as_bytes()).unwrap();
        let mut next = || questions.next_row().unwrap().unwrap().question;
        let first = next().unwrap();
        assert_eq!(first.rider_ids, ["R1", "R2"]);
        assert_eq!(first.platforms.unwrap(), ["dada", "meituan"]);
        assert_eq!(first.reference.as_deref(), Some("c-1"));
        assert!(matches!(first.when, When::Interval(_)));
        let second = next().unwrap();
        assert_eq!((second.platforms, second.reference), (None, None));
        assert!(next().unwrap_err().error.contains("platform must have"));
    }

    #[test]
    fn a_quote_that_takes_in_rows_ends_the_file() {
        let rows = |text: &str| {
            let mut questions = Questions::new(text.as_bytes()).unwrap();
            let mut lines = Vec::new();
            loop {
                match questions.next_row() {
                    Ok(Some(row)) => lines.push((row.line, row.last_line)),
                    Ok(None) => return Ok(lines),
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        let at = "2026-11-20T12:07Z";
        for note in [
            format!("rider_id,at,note\nR1,{at},\"two\nlines\"\nR2,{at},\n"),
            format!("rider_id,at,note\nR1,{at},\"one, two, three, four\nand, five\"\nR2,{at},\n"),
            format!("note,rider_id,at\n\"two\nlines\",R1,{at}\n,R2,{at}\n"),
            format!("rider_id,note,at\nR1,\"two\r\nlines\",{at}\r\nR2,,{at}\n"),
        ] {
            assert_eq!(rows(&note), Ok(vec![(2, 3), (4, 4)]), "{note}");
        }
        // Notes that contain rows: at the end, in the middle, at the beginning of a row, and behind another note.
        for text in [
            format!("rider_id,at,note\nR1,{at},\nR9,{at},\"open\nR1,{at},x\nR2,{at},y\"\nR1,{at},z\n"),
            format!("rider_id,at,note\nR1,{at},\nR9,{at},\"open\nR1,{at},x\"\nR1,{at},z\n"),
            format!("rider_id,at,note\nR1,{at},\nR9,{at},\"open\r\nR1,{at},x\r\ny\"\r\nR1,{at},z\n"),
            format!("rider_id,note,at\nR1,,{at}\nR9,\"open,{at}\nR1,x\",{at}\nR1,z,{at}\n"),
            format!("rider_id,note,at\nR1,,{at}\nR9,\"open,{at}\nR1,x,{at}\nR2,y\",{at}\n"),
            format!("note,rider_id,at\n,R1,{at}\n\"open,R9,{at}\nx\",R1,{at}\nz,R1,{at}\n"),
            format!("a,rider_id,at,b\nx,R1,{at},\n,R9,{at},\"open\nx,R1,{at},x\"\n"),
        ] {
            let error = rows(&text).unwrap_err();
            assert!(error.contains("opens on line 3"), "{text}: {error}");
        }
        let error = rows(&format!("a,rider_id,at,b\n\"1\n2\",R9,{at},\"open\nx,R1,{at},x\"\n")).unwrap_err();
        assert!(error.contains("opens on line 3"), "{error}");
        for text in [
            format!("rider_id,at\nR1,{at}\n\"R2,{at}\nR3,{at}\n"),
            format!("rider_id,at\nR1,{at}\n\"R2,{at}\nR3\",{at}\n"),
            format!("rider_id,at\nR1,{at}\n\"R2,{at}\n\"R3\",{at}\n"),
            format!("rider_id,at\nR1,{at}\n\"R2,{at}\n\",R3,{at}\n"),
        ] {
            let error = rows(&text).unwrap_err();
            assert!(error.contains("opens on line 3"), "{error}");
        }
    }
}
