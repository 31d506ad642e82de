//! Times of arguments, as people type them: every form that the page takes.

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
