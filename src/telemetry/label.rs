//! Metric labels that cannot grow without bound, whatever producers send.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The label of every value beyond the bound.
pub const OTHER: &str = "other";

/// The first values of a label, as they came; all later ones are [`OTHER`].
#[derive(Debug)]
pub struct Labels {
    known: Mutex<BTreeSet<String>>,
    count_max: usize,
}

impl Labels {
    /// At most `count_max` different values.
    pub const fn new(count_max: usize) -> Self {
        Self { known: Mutex::new(BTreeSet::new()), count_max }
    }

    /// The value itself, or [`OTHER`].
    pub fn bound<'a>(&self, value: &'a str) -> &'a str {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(value) {
            return value;
        }
        if known.len() >= self.count_max {
            return OTHER;
        }
        known.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_bound_share_a_label() {
        let labels = Labels::new(2);
        assert_eq!(
            [labels.bound("a"), labels.bound("b"), labels.bound("c"), labels.bound("a")],
            ["a", "b", OTHER, "a"]
        );
    }
}
