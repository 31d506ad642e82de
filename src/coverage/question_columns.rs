//! The columns of a CSV file of questions: every term of a question, and nothing that only looks like one.

use super::csv::CsvError;
use super::question::NAMES_MAX;
use thiserror::Error;

/// The terms of a question that have one column.
const TERMS: [&str; 6] = ["rider_id", "at", "from", "to", "platform", "reference"];

/// Why the first line of a file names no questions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Nothing in the file.
    #[error(
        "the file is empty: its first line must name the columns rider_id and at, or rider_id, from and to"
    )]
    Empty,
    /// The first line cannot be read.
    #[error("the first line is unreadable: {0}")]
    Unreadable(CsvError),
    /// A column that every question needs is absent.
    #[error(
        "the first line must name the columns: rider_id and at, or rider_id, from and to; it names {}",
        .found.join(", ")
    )]
    Missing {
        /// The columns that it names.
        found: Vec<String>,
    },
    /// Another separator than a comma.
    #[error(
        "the columns are separated by {name}, not by commas: save the file as comma-separated values (CSV UTF-8)"
    )]
    Separator {
        /// Which.
        name: &'static str,
    },
    /// A line that only spreadsheet programs read.
    #[error("the first line only names a separator, for spreadsheet programs: delete it")]
    SeparatorLine,
    /// Lines that end with a carriage return alone.
    #[error(
        "the lines end with a carriage return alone: save the file with the line ends of Unix or Windows"
    )]
    CarriageReturns,
    /// A term twice.
    #[error(
        "the column {name} occurs twice, as columns {first} and {second}: delete one; further identifiers of one person go \
         into rider_id_2, rider_id_3, ..., several platforms into one column, with blanks between them"
    )]
    Twice {
        /// The term.
        name: String,
        /// Its first place, from 1.
        first: usize,
        /// Its second place.
        second: usize,
    },
    /// A name that is nearly one of a term.
    #[error(
        "the column `{column}` looks like {term}: write {term} if it is meant, else give it another name"
    )]
    Resembles {
        /// Unchanged.
        column: String,
        /// What it looks like.
        term: String,
    },
}

/// The columns of the terms of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Columns of the file.
    pub count: usize,
    /// rider_id, then rider_id_2 and so on: the identifiers of one person.
    pub rider_ids: Vec<usize>,
    /// An instant or a minute.
    pub at: Option<usize>,
    /// Start of an interval.
    pub from: Option<usize>,
    /// Its end, exclusive.
    pub to: Option<usize>,
    /// Narrows the question.
    pub platform: Option<usize>,
    /// Echoed.
    pub reference: Option<usize>,
}

impl Columns {
    /// Reads a header. A column that is no term, and looks like none, is ignored.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn of(header: &[String]) -> Result<Self, HeaderError> {
        separator(header)?;
        for column in header {
            if let Some(term) = resembled(column) {
                return Err(HeaderError::Resembles { column: column.clone(), term });
            }
        }
        let missing = || HeaderError::Missing { found: header.to_vec() };
        let [rider_id, at, from, to, platform, reference] = TERMS.map(|term| place(header, term));
        let mut rider_ids = vec![rider_id?.ok_or_else(missing)?];
        for number in 2..=NAMES_MAX {
            rider_ids.extend(place(header, &format!("rider_id_{number}"))?);
        }
        let (at, from, to) = (at?, from?, to?);
        if at.is_none() && (from.is_none() || to.is_none()) {
            return Err(missing());
        }
        let (platform, reference) = (platform?, reference?);
        Ok(Self { count: header.len(), rider_ids, at, from, to, platform, reference })
    }

    /// Every place that means something.
    pub(super) fn terms(&self) -> impl Iterator<Item = usize> {
        let one = [self.at, self.from, self.to, self.platform, self.reference];
        self.rider_ids.iter().copied().chain(one.into_iter().flatten())
    }
}

fn place(header: &[String], name: &str) -> Result<Option<usize>, HeaderError> {
    let mut places = (0..).zip(header).filter(|(_, column)| *column == name).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(first), Some(second)) => {
            Err(HeaderError::Twice { name: name.to_owned(), first: first + 1, second: second + 1 })
        }
        (first, _) => Ok(first),
    }
}

/// Fails when another character than the comma separates names that are terms.
fn separator(header: &[String]) -> Result<(), HeaderError> {
    let first = header.first().map(String::as_str).unwrap_or_default();
    if first.len() <= 5 && first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep=")) {
        return Err(HeaderError::SeparatorLine);
    }
    if header.iter().any(|column| column.contains('\r')) {
        return Err(HeaderError::CarriageReturns);
    }
    for (mark, name) in [
        (';', "`;`"),
        ('\t', "tabs"),
        ('|', "`|`"),
        ('，', "full-width commas"),
        ('；', "full-width semicolons"),
    ] {
        let mut parts = header.iter().filter(|column| column.contains(mark)).flat_map(|c| c.split(mark));
        if parts.any(|part| is_term(part.trim_matches(['"', ' '])) || resembled(part).is_some()) {
            return Err(HeaderError::Separator { name });
        }
    }
    Ok(())
}

/// Whether the column has exactly this meaning.
fn is_term(column: &str) -> bool {
    TERMS.contains(&column) || (2..=NAMES_MAX).any(|number| column == format!("rider_id_{number}"))
}

/// The term that a column looks like without being it: other case, blanks, full-width letters, one letter wrong.
fn resembled(column: &str) -> Option<String> {
    if is_term(column) {
        return None;
    }
    let plain = plain(column);
    let further = plain.strip_prefix("riderid").and_then(|number| number.parse().ok());
    if let Some(number) = further.filter(|number| (2..=NAMES_MAX).contains(number)) {
        return Some(format!("rider_id_{number}"));
    }
    let plain: Vec<char> = plain.chars().collect();
    let is_near = |term: &str| {
        let term: Vec<char> = term.chars().filter(|letter| *letter != '_').collect();
        // Short names have many neighbours that are words of their own.
        let slips = if term.len() < 7 { 0 } else { term.len() / 7 };
        slips_between(&plain, &term) <= slips
    };
    TERMS.iter().find(|term| is_near(term)).map(|term| (*term).to_owned())
}

/// A name without what people vary: case, blanks and marks between words, width, letters of another script that look alike.
fn plain(column: &str) -> String {
    let folded = column.chars().flat_map(char::to_lowercase).map(|letter| match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        'а' => 'a',
        'е' => 'e',
        'о' => 'o',
        'р' => 'p',
        'с' => 'c',
        'т' => 't',
        'і' => 'i',
        'м' => 'm',
        other => other,
    });
    folded.flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric()).collect()
}

/// Letters that must be put in, left out, replaced or swapped with their neighbour.
fn slips_between(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut least =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if is_swapped {
                least = least.min(at(&before_last, j - 1) + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> Result<Columns, HeaderError> {
        Columns::of(&header.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn terms_are_found_and_other_columns_ignored() {
        let found =
            columns("note,reference,rider_id,note,at,platform,rider_id_2,骑手,time,form,tot").unwrap();
        assert_eq!((found.count, &found.rider_ids[..], found.at), (11, &[2, 6][..], Some(4)));
        assert_eq!((found.platform, found.reference, found.from, found.to), (Some(5), Some(1), None, None));
        assert!(columns("rider_id,from,to,rider_name,rider,order_id,city,plate,offer").is_ok());
    }

    #[test]
    fn a_column_that_looks_like_a_term_is_named() {
        for (column, term) in [
            ("Rider_ID", "rider_id"),
            ("rider id", "rider_id"),
            ("riderId", "rider_id"),
            ("RIDER-ID", "rider_id"),
            (" rider_id", "rider_id"),
            ("rider_id\u{a0}", "rider_id"),
            ("\u{feff}rider_id", "rider_id"),
            ("ｒｉｄｅｒ＿ｉｄ", "rider_id"),
            ("rider_ids", "rider_id"),
            ("rideri_d", "rider_id"),
            ("rdier_id", "rider_id"),
            ("rider_id2", "rider_id_2"),
            ("Rider_ID_2", "rider_id_2"),
            ("rider_id_1", "rider_id"),
            ("platfrom", "platform"),
            ("Platform", "platform"),
            ("platforms", "platform"),
            ("plаtform", "platform"),
            ("referense", "reference"),
            ("REFERENCE", "reference"),
            ("At", "at"),
            ("at ", "at"),
            ("FROM", "from"),
            ("To", "to"),
        ] {
            let error = columns(&format!("rider_id,at,{column}")).unwrap_err();
            let expected = HeaderError::Resembles { column: column.to_owned(), term: term.to_owned() };
            assert_eq!(error, expected, "{column}");
        }
    }

    #[test]
    fn defects_are_named() {
        let text = |header: &str| columns(header).unwrap_err().to_string();
        assert!(text("rider_id;at;platform").contains("separated by `;`"));
        assert!(text("rider_id\tat").contains("separated by tabs"));
        assert!(text("Rider_ID\tAt").contains("separated by tabs"));
        assert!(text("rider_id，at").contains("full-width commas"));
        assert!(text("sep=;").contains("delete it"));
        assert!(text("rider_id,at\rR1,2026-11-20T12:07Z").contains("carriage return"));
        assert!(
            text("rider_id,at,rider_id").contains("the column rider_id occurs twice, as columns 1 and 3")
        );
        assert!(text("rider_id,at,platform,platform").contains("the column platform occurs twice"));
        assert!(text("rider_id,from").ends_with("it names rider_id, from"));
        assert!(text("nobody,at").ends_with("it names nobody, at"));
    }
}
