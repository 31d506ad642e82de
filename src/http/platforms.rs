//! Which platforms there are: a list about one that is none would be empty, as that of a misspelt name.

use super::problem::{Kind, Problem};

/// Refuses a platform that is not among those that the asker may know.
pub(super) fn check(known: &[String], name: &str) -> Result<(), Problem> {
    if known.iter().any(|known| known == name) { Ok(()) } else { Err(unknown(known, name)) }
}

/// The problem of a platform that is not among those.
pub(super) fn unknown(known: &[String], name: &str) -> Problem {
    let known = if known.is_empty() { "none is yet".to_owned() } else { known.join(", ") };
    Problem::of(
        Kind::PlatformUnknown,
        "platform",
        format!("platform {name} was never registered and nothing of it is stored; known: {known}"),
    )
}
