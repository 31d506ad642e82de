//! Half-open stretches of time and their union.

use super::time::UtcMillis;

/// The instants `from <= t < until`; empty when `until <= from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First instant inside.
    pub from: UtcMillis,
    /// First instant after.
    pub until: UtcMillis,
}

impl Window {
    /// All time.
    pub const ALWAYS: Self = Self { from: UtcMillis::MIN, until: UtcMillis::MAX };

    /// The instants `from <= t < until`.
    pub const fn new(from: UtcMillis, until: UtcMillis) -> Self {
        Self { from, until }
    }

    /// The one millisecond that starts at `at`.
    pub const fn instant(at: UtcMillis) -> Self {
        Self { from: at, until: at.plus(1) }
    }

    /// Whether no instant is inside.
    pub fn is_empty(self) -> bool {
        self.until <= self.from
    }

    /// Whether `at` is inside.
    pub fn holds(self, at: UtcMillis) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether all of `other` is inside.
    pub fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    /// The part inside `bounds`; `None` when nothing is.
    pub fn cut(self, bounds: Self) -> Option<Self> {
        let part = Self { from: self.from.max(bounds.from), until: self.until.min(bounds.until) };
        (!part.is_empty()).then_some(part)
    }

    /// Whether an instant is inside both.
    pub fn overlaps(self, other: Self) -> bool {
        self.cut(other).is_some()
    }
}

/// The union as ascending windows that neither overlap nor touch; empty ones vanish.
pub fn union(mut windows: Vec<Window>) -> Vec<Window> {
    windows.retain(|window| !window.is_empty());
    windows.sort_unstable();
    let mut merged: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.from <= last.until => last.until = last.until.max(window.until),
            _ => merged.push(window),
        }
    }
    merged
}

/// The union of `windows`, cut to `bounds`.
pub fn union_within(windows: impl IntoIterator<Item = Window>, bounds: Window) -> Vec<Window> {
    union(windows.into_iter().filter_map(|window| window.cut(bounds)).collect())
}

/// What of `window` lies in none of `holes` (in any order), ascending.
pub fn subtract(window: Window, holes: &[Window]) -> Vec<Window> {
    let mut left = Vec::new();
    let mut from = window.from;
    for hole in union_within(holes.iter().copied(), window) {
        left.push(Window::new(from, hole.from));
        from = hole.until;
    }
    left.push(Window::new(from, window.until));
    left.retain(|part| !part.is_empty());
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn w(from: i64, until: i64) -> Window {
        Window::new(UtcMillis::new(from), UtcMillis::new(until))
    }

    #[test]
    fn touching_windows_are_one() {
        assert_eq!(union(vec![w(5, 7), w(1, 3), w(3, 5), w(9, 9)]), [w(1, 7)]);
        assert_eq!(union(vec![w(5, 7), w(1, 3)]), [w(1, 3), w(5, 7)]);
        assert_eq!(union_within([w(0, 10)], w(3, 4)), [w(3, 4)]);
    }

    #[test]
    fn half_open() {
        assert!(w(1, 2).holds(UtcMillis::new(1)) && !w(1, 2).holds(UtcMillis::new(2)));
        assert!(!w(1, 2).overlaps(w(2, 3)));
    }

    proptest! {
        #[test]
        fn union_and_difference_agree_with_single_instants(
            windows in prop::collection::vec((0_i64..40, 0_i64..15), 0..8),
            holes in prop::collection::vec((0_i64..40, 0_i64..15), 0..5),
        ) {
            let windows: Vec<Window> = windows.into_iter().map(|(f, l)| w(f, f + l)).collect();
            let holes: Vec<Window> = holes.into_iter().map(|(f, l)| w(f, f + l)).collect();
            let all = union(windows.clone());
            prop_assert!(all.windows(2).all(|pair| pair[0].until < pair[1].from));
            let left: Vec<Window> = all.iter().flat_map(|&part| subtract(part, &holes)).collect();
            for t in (-1..60).map(UtcMillis::new) {
                let inside = windows.iter().any(|x| x.holds(t));
                prop_assert_eq!(all.iter().any(|x| x.holds(t)), inside);
                let open = inside && !holes.iter().any(|x| x.holds(t));
                prop_assert_eq!(left.iter().any(|x| x.holds(t)), open);
            }
        }
    }
}
