//! The results of a list as a file: comma-separated values, or a workbook of Excel.

use super::super::identifier::Ident;
use super::super::messages::{Words, fill};
use super::super::names::Names;
use super::job::{Line, Outcome};
use crate::coverage::csv::quoted;
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use std::borrow::Cow;

/// Makes spreadsheet programs read the file as UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Cells of a row.
const COLUMNS: usize = 12;
/// Width of the columns, in characters.
const WIDTHS: [u8; COLUMNS] = [6, 30, 26, 18, 16, 16, 10, 34, 44, 28, 40, 10];

/// The names of the columns.
fn head(w: &Words) -> [&'static str; COLUMNS] {
    let b = w.bulk();
    [
        b.col_line,
        b.col_riders,
        b.col_time,
        b.col_reference,
        b.col_verdict,
        b.col_code,
        b.col_settled,
        b.col_orders,
        b.col_open,
        b.col_again,
        b.col_error,
        b.col_commit,
    ]
}

/// The verdict of a line in words.
pub(super) fn outcome_text(outcome: Option<Outcome>, w: &Words) -> &'static str {
    match outcome {
        Some(Outcome::Verdict(verdict)) => w.verdict(verdict),
        Some(Outcome::NoRecord) => w.no_record,
        None => w.bulk().unanswered,
    }
}

/// The covering orders of a line, as far as it names them.
pub(super) fn orders_text(line: &Line, names: &Names, w: &Words) -> String {
    let order =
        |(platform, id): &(String, String)| format!("{} {}", names.platform(platform).text, Ident::new(id));
    let mut orders: Vec<String> = line.orders.iter().map(order).collect();
    orders
        .extend((line.more_orders > 0).then(|| fill(w.bulk().more_orders, &[&line.more_orders.to_string()])));
    orders.join("; ")
}

/// The platforms that are not settled, each with its reason.
pub(super) fn open_text(line: &Line, names: &Names, w: &Words) -> String {
    let open = line.open_platforms.iter();
    let texts: Vec<String> = open
        .map(|(platform, reason)| format!("{}: {}", names.platform(platform).text, w.reason(reason)))
        .collect();
    texts.join("; ")
}

fn cells<'a>(line: &'a Line, commit: &'a str, names: &Names, w: &Words) -> [Cow<'a, str>; COLUMNS] {
    let b = w.bulk();
    let settled = match line.outcome {
        None => "",
        Some(_) if line.settled => b.yes,
        Some(_) => b.no,
    };
    [
        line.number.to_string().into(),
        line.rider_ids.join(" ").into(),
        line.time.as_str().into(),
        line.reference.as_str().into(),
        outcome_text(line.outcome, w).into(),
        line.outcome.map_or("", Outcome::code).into(),
        settled.into(),
        orders_text(line, names, w).into(),
        open_text(line, names, w).into(),
        line.ask_again_at.as_str().into(),
        line.error.as_str().into(),
        commit.into(),
    ]
}

/// The lines as CSV in UTF-8, for people who open it in a spreadsheet program. A text that such a program would run as a
/// formula gets an apostrophe in front.
pub(super) fn csv(lines: &[Line], commit: u64, names: &Names, w: &Words) -> Vec<u8> {
    let commit = commit.to_string();
    let mut text = format!("{BYTE_ORDER_MARK}{}\r\n", head(w).map(quoted).join(","));
    for line in lines {
        let cells = cells(line, &commit, names, w).map(|cell| quoted(&harmless(&cell)).into_owned());
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text.into_bytes()
}

fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}").into() } else { cell.into() }
}

/// The lines as a workbook; every cell is text.
///
/// # Errors
/// The library cannot write it.
pub(super) fn xlsx(lines: &[Line], commit: u64, names: &Names, w: &Words) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(w.bulk().results)?;
    let bold = Format::new().set_bold();
    for (column, (name, width)) in (0_u16..).zip(head(w).into_iter().zip(WIDTHS)) {
        sheet.write_string_with_format(0, column, name, &bold)?;
        sheet.set_column_width(column, width)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    let commit = commit.to_string();
    for (row, line) in (1_u32..).zip(lines) {
        for (column, cell) in (0_u16..).zip(cells(line, &commit, names, w)) {
            sheet.write_string(row, column, cell)?;
        }
    }
    workbook.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::super::super::messages::choose;
    use super::*;
    use crate::domain::verdict::Verdict;
    use std::sync::Arc;

    #[test]
    fn no_cell_of_a_csv_is_a_formula_and_no_comma_cuts_one() {
        let line = Line {
            number: 2,
            rider_ids: vec!["=1+1".to_owned()],
            time: "2026-11-20".to_owned(),
            reference: "a,\"b".to_owned(),
            outcome: Some(Outcome::Verdict(Verdict::NotCovered)),
            settled: true,
            error: "@x".to_owned(),
            ..Line::default()
        };
        let w = choose(Some("zh"), None);
        let text = String::from_utf8(csv(&[line], 7, &Names::new(&Arc::default(), w), w)).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("\u{feff}行,骑手标识,时间,案件编号,结论,结论代码,"));
        assert_eq!(lines.next(), Some("2,'=1+1,2026-11-20,\"a,\"\"b\",无保障,not_covered,是,,,,'@x,7"));
        assert_eq!(lines.next(), None);
    }
}
