//! Many questions from a CSV file: one answer a line, in the same order.

use super::Terms;
use super::answer::Verdict;
use super::csv::Reader;
use super::question::{Question, QuestionText};
use super::resolve::resolve;
use crate::domain::time::Zone;
use crate::domain::view::LedgerView;
use serde::Serialize;
use std::io::{self, BufRead, Write};
use thiserror::Error;

/// Why a file of questions cannot be read at all.
#[derive(Debug, Error)]
pub enum BatchError {
    /// The input failed.
    #[error("failed to read the questions")]
    Read(#[from] io::Error),
    /// The first line does not name the columns.
    #[error("the first line must name the columns: rider_id and at, or rider_id, from and to")]
    Header,
    /// The answers cannot be written.
    #[error("failed to write the answers")]
    Write(#[source] io::Error),
    /// The ledger failed.
    #[error("failed to look up an answer")]
    Ledger(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What stands in the place of an answer to a row that is no question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// The line on which the row starts, from 1; the header is line 1.
    pub line: u64,
    /// What is wrong.
    pub error: String,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    count: usize,
    rider_id: usize,
    at: Option<usize>,
    from: Option<usize>,
    to: Option<usize>,
}

/// The questions of a CSV file whose header has rider_id and at, or from and to. Other columns are ignored.
#[derive(Debug)]
pub struct Questions<R> {
    reader: Reader<R>,
    columns: Columns,
    /// Where the last row started.
    line: u64,
    /// In which answers are written, if that is known here.
    zone: Option<Zone>,
}

impl<R: BufRead> Questions<R> {
    /// Reads the header.
    pub fn new(input: R) -> Result<Self, BatchError> {
        let mut reader = Reader::new(input);
        let header = reader.next_record()?.and_then(|record| record.fields.ok()).ok_or(BatchError::Header)?;
        let column = |name: &str| {
            let mut found = header.iter().enumerate().filter(|(_, field)| field.as_str() == name);
            match (found.next(), found.next()) {
                (Some((place, _)), None) => Ok(Some(place)),
                (None, _) => Ok(None),
                _ => Err(BatchError::Header),
            }
        };
        let (at, from, to) = (column("at")?, column("from")?, column("to")?);
        let rider_id = column("rider_id")?.ok_or(BatchError::Header)?;
        if at.is_none() && (from.is_none() || to.is_none()) {
            return Err(BatchError::Header);
        }
        Ok(Self {
            reader,
            columns: Columns { count: header.len(), rider_id, at, from, to },
            line: 1,
            zone: None,
        })
    }

    /// Refuses questions about times that no answer in this zone could write.
    pub fn in_zone(self, zone: &Zone) -> Self {
        Self { zone: Some(zone.clone()), ..self }
    }

    /// The next question, or what is wrong with its row; `None` at the end.
    pub fn next_question(&mut self) -> Result<Option<Result<Question, BadRow>>, BatchError> {
        let Some(record) = self.reader.next_record()? else { return Ok(None) };
        self.line = record.line;
        let question = match record.fields {
            Err(error) => Err(error.to_string()),
            Ok(fields) if fields.len() != self.columns.count => {
                Err(format!("{} fields where the header has {}", fields.len(), self.columns.count))
            }
            Ok(fields) => self.question(&fields),
        };
        Ok(Some(question.map_err(|error| BadRow { line: record.line, error })))
    }

    fn question(&self, fields: &[String]) -> Result<Question, String> {
        let field = |place: Option<usize>| {
            place.and_then(|place| fields.get(place)).map(String::as_str).filter(|field| !field.is_empty())
        };
        let rider_ids = field(Some(self.columns.rider_id)).map(str::to_owned).into_iter().collect();
        let text = QuestionText {
            rider_ids,
            at: field(self.columns.at),
            from: field(self.columns.from),
            to: field(self.columns.to),
            ..QuestionText::default()
        };
        let question = Question::parse(text).map_err(|error| error.to_string())?;
        let years = self.zone.as_ref().map(|zone| question.when.check_years(zone));
        years.transpose().map_err(|error| error.to_string())?;
        Ok(question)
    }
}

/// Answers every row of `input`, one JSON object a line of `out` in the same order. `each` is told the verdict of every
/// row as it is written; `None` for a bad row.
pub fn answer_all<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    input: impl BufRead,
    out: &mut impl Write,
    mut each: impl FnMut(Option<Verdict>),
) -> Result<(), BatchError> {
    let mut questions = Questions::new(input)?.in_zone(terms.zone);
    while let Some(question) = questions.next_question()? {
        let verdict = match question {
            Ok(question) => match resolve(view, terms, &question) {
                Ok(answer) => {
                    write_line(out, &answer)?;
                    Some(answer.verdict)
                }
                Err(error) => {
                    let Some(told) = V::refusal(&error) else {
                        return Err(BatchError::Ledger(Box::new(error)));
                    };
                    write_line(out, &BadRow { line: questions.line, error: told })?;
                    None
                }
            },
            Err(bad) => {
                write_line(out, &bad)?;
                None
            }
        };
        each(verdict);
    }
    out.flush().map_err(BatchError::Write)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), BatchError> {
    serde_json::to_writer(&mut *out, line).map_err(|error| BatchError::Write(error.into()))?;
    out.write_all(b"\n").map_err(BatchError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::question::When;
    use crate::coverage::testing::NaiveLedger;
    use crate::domain::platform::Platforms;

    #[test]
    fn every_row_has_its_line() {
        let ledger = NaiveLedger::default();
        let terms = Terms { platforms: &Platforms::default(), zone: &ledger.zone };
        let text = "rider_id,from,to\nR,2026-11-20T12:07Z,2026-11-20T12:08Z\nR,x,2026-11-20T12:08Z\n";
        let (mut out, mut verdicts) = (Vec::new(), Vec::new());
        answer_all(&ledger, terms, text.as_bytes(), &mut out, |verdict| verdicts.push(verdict)).unwrap();
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert!(
            lines[0]
                .starts_with(r#"{"verdict":"undetermined","rider_id":["R"],"from":"2026-11-20T12:07:00.000"#)
        );
        assert!(lines[1].starts_with(r#"{"line":3,"error":"from: not an RFC 3339 time"#));
        assert_eq!((lines.len(), verdicts), (2, vec![Some(Verdict::Undetermined), None]));
    }

    #[test]
    fn rows_become_questions_or_say_what_is_wrong() {
        let text = "x,rider_id,at\n1,\"R,1\",2026-11-20T12:07:31Z\n,R2,\n2,R3\n3,,2026-11-20T12:07:31Z\n4,R4,2026-11-20T12:07Z";
        let mut questions = Questions::new(text.as_bytes()).unwrap();
        let mut next = || questions.next_question().unwrap();
        assert_eq!(next().unwrap().unwrap().rider_ids, ["R,1"]);
        let bad = |line, error: &str| Some(Err(BadRow { line, error: error.to_owned() }));
        assert_eq!(next(), bad(3, "give either at, or from and to"));
        assert_eq!(next(), bad(4, "2 fields where the header has 3"));
        assert_eq!(next(), bad(5, "rider_id is missing"));
        assert!(matches!(next().unwrap().unwrap().when, When::Minute(_)));
        assert_eq!(next(), None);
        assert!(matches!(Questions::new("rider_id,from\n".as_bytes()), Err(BatchError::Header)));
        assert!(matches!(Questions::new("".as_bytes()), Err(BatchError::Header)));
        assert_eq!(
            serde_json::to_string(&BadRow { line: 3, error: "x".to_owned() }).unwrap(),
            r#"{"line":3,"error":"x"}"#
        );
    }
}
