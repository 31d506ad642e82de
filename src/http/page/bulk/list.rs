//! Reads a list of questions: comma-separated values, or cells of a spreadsheet with tabs between them. Every row goes by the
//! rules of the case page, so that people may type times and read mistakes as they do there.

use super::super::form::Form;
use super::super::identifier::parts;
use super::super::messages::{Words, fill};
use crate::coverage::csv::{CsvError, Reader, Record, quoted};
use crate::coverage::question::Question;
use crate::coverage::question_columns::{Columns, HeaderError};
use crate::coverage::spreadsheet::damage;
use crate::domain::time::Zone;
use std::borrow::Cow;

/// Rows of one list.
pub(super) const ROWS_MAX: usize = 20_000;
/// Names of columns in Chinese, and the terms that they stand for.
const CHINESE: [(&str, &str); 14] = [
    ("骑手标识", "rider_id"),
    ("骑手", "rider_id"),
    ("骑手标识2", "rider_id_2"),
    ("骑手标识3", "rider_id_3"),
    ("时刻", "at"),
    ("时间", "at"),
    ("事故时间", "at"),
    ("从", "from"),
    ("开始", "from"),
    ("到", "to"),
    ("结束", "to"),
    ("平台", "platform"),
    ("案件编号", "reference"),
    ("案件", "reference"),
];

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The line on which it stands, from 1; the names of the columns are on line 1.
    pub(super) line: u64,
    /// The identifiers, as they were given.
    pub(super) rider_ids: Vec<String>,
    /// The time, as it was given.
    pub(super) time: String,
    pub(super) reference: String,
    /// The question, or what is wrong with the row.
    pub(super) question: Result<Question, String>,
}

/// Every row of a list; `reference` is that of rows without their own.
///
/// # Errors
/// Why the list as a whole cannot be read, in words.
pub(super) fn read(text: &[u8], reference: &str, zone: &Zone, w: &Words) -> Result<Vec<Asked>, String> {
    let b = w.bulk();
    let text = commas(text);
    let mut reader = Reader::new(text.as_ref());
    let mut next = || reader.next_record().map_err(|_| b.error_body.to_owned());
    let header = next()?.ok_or(b.error_empty)?.fields;
    let header =
        header.map_err(|error| whole_file(error, 1, w).unwrap_or_else(|| b.error_columns.to_owned()))?;
    let columns = Columns::of(&terms(header)).map_err(|error| header_error(&error, w))?;
    let list = List { columns, reference, zone, w };
    let mut rows = Vec::new();
    while let Some(record) = next()? {
        if rows.len() >= ROWS_MAX {
            return Err(fill(b.error_rows, &[&ROWS_MAX.to_string()]));
        }
        rows.push(list.row(record)?);
    }
    if rows.is_empty() { Err(b.error_no_rows.to_owned()) } else { Ok(rows) }
}

/// The same text with commas, where its first line has tabs.
fn commas(text: &[u8]) -> Cow<'_, [u8]> {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(whole) = std::str::from_utf8(text) else { return Cow::Borrowed(text) };
    if !first.contains(&b'\t') {
        return Cow::Borrowed(text);
    }
    let whole = whole.strip_prefix('\u{feff}').unwrap_or(whole);
    let line = |line: &str| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // An empty line stays one.
        let cells: Vec<Cow<'_, str>> = line.split('\t').map(quoted).collect();
        cells.join(",")
    };
    Cow::Owned(whole.split('\n').map(line).collect::<Vec<_>>().join("\n").into_bytes())
}

/// The names of the columns as terms of a question.
fn terms(header: Vec<String>) -> Vec<String> {
    let term = |column: String| {
        let known = CHINESE.iter().find(|(name, _)| *name == column.trim());
        known.map_or(column, |(_, term)| (*term).to_owned())
    };
    header.into_iter().map(term).collect()
}

fn header_error(error: &HeaderError, w: &Words) -> String {
    let b = w.bulk();
    match error {
        HeaderError::Resembles { column, term } => fill(b.error_column_alike, &[column, term]),
        HeaderError::Twice { name, .. } => fill(b.error_column_twice, &[name]),
        _ => b.error_columns.to_owned(),
    }
}

/// What is wrong, where no row after it can be told apart, or none can be read.
fn whole_file(error: CsvError, line: u64, w: &Words) -> Option<String> {
    let b = w.bulk();
    match error {
        CsvError::NotClosed { opened } | CsvError::Runaway { opened, .. } => {
            Some(fill(b.error_quote, &[&opened.to_string()]))
        }
        CsvError::NotText { .. } => Some(b.error_text.to_owned()),
        CsvError::NotUtf8 | CsvError::ProbablyGbk if line == 1 => Some(b.error_text.to_owned()),
        _ => None,
    }
}

struct List<'a> {
    columns: Columns,
    reference: &'a str,
    zone: &'a Zone,
    w: &'a Words,
}

impl List<'_> {
    fn row(&self, record: Record) -> Result<Asked, String> {
        let (b, line) = (self.w.bulk(), record.line);
        if record.last_line > line {
            // No term of a question goes over lines: a quote took other rows in.
            return Err(fill(b.error_quote, &[&line.to_string()]));
        }
        let unread = |error: &str| Asked {
            line,
            rider_ids: Vec::new(),
            time: String::new(),
            reference: String::new(),
            question: Err(error.to_owned()),
        };
        match record.fields {
            Ok(fields) if fields.len() != self.columns.count => Ok(unread(b.row_fields)),
            Ok(fields) => Ok(self.asked(line, &fields)),
            Err(error) => match (whole_file(error, line, self.w), error) {
                (Some(text), _) => Err(text),
                (None, CsvError::TooLong) => Ok(unread(b.row_long)),
                (None, CsvError::NotUtf8 | CsvError::ProbablyGbk) => Ok(unread(b.row_text)),
                (None, _) => Ok(unread(b.row_quote)),
            },
        }
    }

    fn asked(&self, line: u64, fields: &[String]) -> Asked {
        let columns = &self.columns;
        let field = |place: usize| fields.get(place).map(String::as_str).unwrap_or_default();
        let term = |place: Option<usize>| place.map(field).unwrap_or_default().trim().to_owned();
        let rider_ids: Vec<String> = columns
            .rider_ids
            .iter()
            .map(|place| field(*place))
            .filter(|id| !id.trim().is_empty())
            .map(str::to_owned)
            .collect();
        let [at, from, to] = [columns.at, columns.from, columns.to].map(term);
        let own = term(columns.reference);
        let reference = if own.is_empty() { self.reference.to_owned() } else { own };
        let time = if from.is_empty() && to.is_empty() { at.clone() } else { format!("{from} – {to}") };
        let form = Form {
            riders: rider_ids.clone(),
            at,
            from,
            to,
            platforms: parts(&term(columns.platform)),
            reference: reference.clone(),
            ..Form::default()
        };
        let is_damaged = rider_ids.iter().any(|id| damage(id).is_some());
        let damaged = || Err(self.w.bulk().row_damaged.to_owned());
        let question = if is_damaged { damaged() } else { form.question(self.zone, self.w) };
        Asked { line, rider_ids, time, reference, question }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::messages::choose;
    use super::*;

    fn rows(text: &str) -> Result<Vec<Asked>, String> {
        let zone = Zone::new("Asia/Shanghai", 8 * 3_600, []);
        read(text.as_bytes(), "case-9", &zone, choose(Some("en"), None))
    }

    #[test]
    fn commas_tabs_and_chinese_names_of_columns_mean_the_same() {
        let commas =
            rows("rider_id,at,reference\nR1,2026-11-20 12:07:31,c-1\n\nR2,2026年11月20日 12:07,\n").unwrap();
        let tabs = rows(
            "骑手标识\t事故时间\t案件编号\r\nR1\t2026-11-20 12:07:31\tc-1\r\n\r\nR2\t2026年11月20日 12:07\t\r\n",
        );
        assert_eq!(Ok(commas.clone()), tabs);
        assert_eq!((commas[0].line, commas[1].line), (2, 4));
        let questions: Vec<&Question> = commas.iter().map(|row| row.question.as_ref().unwrap()).collect();
        assert_eq!(questions[0].reference.as_deref(), Some("c-1"));
        assert_eq!(questions[1].reference.as_deref(), Some("case-9"));
        assert_eq!(questions[1].rider_ids, ["R2"]);
    }

    #[test]
    fn a_row_says_what_is_wrong_with_it_and_the_others_are_asked() {
        let text = "rider_id,rider_id_2,from,to,platform\nR1,R2,2026-11-20,2026-11-21,dada meituan\nR1\n,,2026-11-20,2026-11-21,\n\
                    3.1E+17,,2026-11-20,2026-11-21,\nR1,,2026-11-21,2026-11-20 10:00,\nR\"1,,2026-11-20,2026-11-21,\n";
        let rows = rows(text).unwrap();
        assert_eq!(rows[0].question.as_ref().unwrap().rider_ids, ["R1", "R2"]);
        let error = |row: usize| rows[row].question.clone().unwrap_err();
        assert!(error(1).contains("another number of columns"), "{}", error(1));
        assert!(error(2).contains("A rider identifier is needed"), "{}", error(2));
        assert!(error(3).contains("damaged by a spreadsheet"), "{}", error(3));
        assert!(error(4).contains("The end must be later"), "{}", error(4));
        assert!(error(5).contains("quote is misplaced"), "{}", error(5));
    }

    #[test]
    fn a_list_that_cannot_be_read_as_a_whole_says_why() {
        let many = format!("rider_id,at\n{}", "R1,2026-11-20\n".repeat(ROWS_MAX + 1));
        for (text, says) in [
            ("", "Paste a list"),
            ("rider_id,at\n", "no questions"),
            ("R1,2026-11-20\n", "The first line must name"),
            ("Rider_ID,at\nR1,2026-11-20\n", "looks like rider_id"),
            ("rider_id,at,at\nR1,2026-11-20,\n", "occurs twice"),
            ("rider_id,at\n\"R1,2026-11-20\nR2,2026-11-20\n", "A quote on line 2"),
            ("rider_id,at\n\"R1\nR2\",2026-11-20\n", "A quote on line 2"),
            ("PK\u{3}\u{4}", "no text in UTF-8"),
            (many.as_str(), "at most 20000 lines"),
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.contains(says), "{}: {error}", text.get(..40).unwrap_or(text));
        }
    }
}
