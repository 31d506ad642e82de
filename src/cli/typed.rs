//! Arguments as people type them: times in every form that the page takes, and reasons that say something.

use super::WrongUsage;
use crate::coverage::instant::{parse_typed, parse_typed_from, parse_typed_to};
use crate::coverage::question::When;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::window::Window;

/// `--at`: an instant, a minute, or a whole day.
pub(super) fn at(text: &str, zone: &Zone) -> Result<When, WrongUsage> {
    parse_typed(text, zone).map_err(|error| WrongUsage(format!("--at {text}: {error}")))
}

/// `--from`
pub(super) fn from(text: &str, zone: &Zone) -> Result<UtcMillis, WrongUsage> {
    parse_typed_from(text, zone).map_err(|error| WrongUsage(format!("--from {text}: {error}")))
}

/// `--to`
pub(super) fn to(text: &str, zone: &Zone) -> Result<UtcMillis, WrongUsage> {
    parse_typed_to(text, zone).map_err(|error| WrongUsage(format!("--to {text}: {error}")))
}

/// `--from` and `--to`
pub(super) fn interval(begin: &str, end: &str, zone: &Zone) -> Result<Window, WrongUsage> {
    let window = Window::new(from(begin, zone)?, to(end, zone)?);
    if window.is_empty() { Err(WrongUsage("--to must be later than --from".to_owned())) } else { Ok(window) }
}

/// A reason that is kept in the ledger: it must say something.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let is_hidden =
        |letter: char| matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control() || is_hidden(letter);
    if text.chars().all(is_blank) {
        return Err("it is blank: write why, it is kept in the ledger".to_owned());
    }
    Ok(text.to_owned())
}
