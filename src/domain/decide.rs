//! The one place that decides what an event of a known identity does.

use super::posting::Disposition;

/// What becomes of an event whose identity is stored with `stored_revision`.
///
/// `same_content` compares every field of the contract by value; it is asked only when the revisions are equal.
pub fn decide(stored_revision: u64, revision: u64, same_content: impl FnOnce() -> bool) -> Disposition {
    match revision.cmp(&stored_revision) {
        std::cmp::Ordering::Greater => Disposition::Amended,
        std::cmp::Ordering::Less => Disposition::Stale,
        std::cmp::Ordering::Equal if same_content() => Disposition::Duplicate,
        std::cmp::Ordering::Equal => Disposition::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_decide_first_and_content_only_between_equals() {
        let unasked = || -> bool { panic!("content is compared between equal revisions only") };
        assert_eq!(decide(3, 4, unasked), Disposition::Amended);
        assert_eq!(decide(3, 2, unasked), Disposition::Stale);
        assert_eq!(decide(3, 3, || true), Disposition::Duplicate);
        assert_eq!(decide(3, 3, || false), Disposition::Conflict);
    }
}
