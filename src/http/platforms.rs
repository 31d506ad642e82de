//! Which platforms there are: a list about one that is none would be empty, as that of a misspelt name.

use super::backend::Source;
use super::problem::{Kind, Problem};
use super::state::HttpState;
use crate::domain::view::LedgerView;

/// Every platform that was ever registered or stored, sorted.
pub(super) fn known<S: Source>(state: &HttpState<S>) -> Vec<String> {
    let view = state.source().view();
    view.completeness().platforms_known(state.platforms(), view.platforms_stored())
}

/// The problem of a platform that is not among those.
pub(super) fn unknown<S: Source>(state: &HttpState<S>, name: &str) -> Problem {
    let known = known(state);
    let known = if known.is_empty() { "none is yet".to_owned() } else { known.join(", ") };
    Problem::of(
        Kind::PlatformUnknown,
        "platform",
        format!("platform {name} was never registered and nothing of it is stored; known: {known}"),
    )
}
