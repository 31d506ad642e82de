//! A reader of a ledger that others write, and that cannot say whether its state is still the newest.

use super::time::UtcMillis;

/// How long a reader has been behind, or may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// When its state was last confirmed to be the newest: later commits may be missing.
    pub since: UtcMillis,
    /// When to ask again.
    pub ask_again_at: UtcMillis,
}

impl Behind {
    /// The name in answers: a reason, and a warning.
    pub const CODE: &'static str = "reader_behind";
}
