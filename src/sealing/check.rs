//! Checks what is sealed: stored leaves against the roots in the log, and rows against the leaves.

use super::{SealBook, SealingError, name};
use crate::domain::time::LocalDay;
use crate::seal::day_tree::DayTree;
use crate::seal::secret::SealingSecret;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// Days of a sample that are worked out again.
const SAMPLE_DAYS: usize = 8;

/// Which sealed days are worked out again from their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recompute {
    /// The first, the last, and some between.
    Sample,
    /// All whose rows are there.
    All,
}

/// What a check of the sealed days came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealCheck {
    /// Entries of the log whose leaves were compared with their root.
    pub entries: u64,
    /// Leaves of all of them.
    pub leaves: u64,
    /// Days that were worked out again from their rows.
    pub recomputed: u64,
    /// Days that could be: their rows are kept, and nothing came since they were sealed.
    pub comparable: u64,
    /// What is wrong.
    pub problems: Vec<String>,
}

impl SealBook<'_> {
    /// Compares the stored leaves of every entry with its root, and works days out again from their rows where `secret` is
    /// given.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn check(&self, secret: Option<&SealingSecret>, which: Recompute) -> Result<SealCheck, SealingError> {
        let mut check = SealCheck::default();
        for index in 0..self.log.size() {
            let Some(entry) = self.log.entry(index) else { continue };
            match self.tree(index) {
                Ok(tree) if (tree.root(), tree.size()) == (entry.root, entry.leaves) => {}
                Ok(_) => check.problems.push(format!(
                    "the stored leaves of {} (entry {index} of the seal log) do not give its root: restore the ledger from a backup",
                    name(entry.day)
                )),
                Err(problem @ SealingError::Tree { .. }) => check.problems.push(problem.to_string()),
                Err(problem) => return Err(problem),
            }
            check.entries += 1;
            check.leaves += entry.leaves;
        }
        let days = self.comparable_days(secret)?;
        check.comparable = u64::try_from(days.len()).unwrap_or(u64::MAX);
        if let Some(secret) = secret {
            for day in sample(&days, which) {
                check.problems.extend(self.recompute(day, secret)?);
                check.recomputed += 1;
            }
        }
        Ok(check)
    }

    /// The sealed days whose rows are there as they were sealed, ascending; with a secret, those of that secret.
    fn comparable_days(&self, secret: Option<&SealingSecret>) -> Result<Vec<LocalDay>, SealingError> {
        let own_key = secret.map(|secret| *secret.vrf_public().as_bytes());
        let mut days = Vec::new();
        for day in self.log.days() {
            let Some((index, entry)) = self.log.newest(day) else { continue };
            let Some(stored) = self.seal_at(index) else { continue };
            let around = self.days_around(day);
            let is_kept = around.0 >= self.state.root().retention_line.unwrap_or(LocalDay(i32::MIN));
            let is_own = own_key.is_none_or(|key| key == entry.vrf_key);
            if is_own && is_kept && !self.state.is_newer_than(stored, around)? && self.is_settled(day) {
                days.push(day);
            }
        }
        Ok(days)
    }

    /// What is wrong with a day, if anything is.
    fn recompute(&self, day: LocalDay, secret: &SealingSecret) -> Result<Option<String>, SealingError> {
        let leaves = self.leaves(day, secret, &AtomicBool::new(false))?.unwrap_or_default();
        let tree = DayTree::new(leaves);
        let Some((index, entry)) = self.log.newest(day) else { return Ok(None) };
        if (tree.root(), tree.size()) == (entry.root, entry.leaves) {
            return Ok(None);
        }
        let sealed: BTreeSet<_> = self.tree(index)?.leaves().iter().copied().collect();
        let now: BTreeSet<_> = tree.leaves().iter().copied().collect();
        let first = sealed.symmetric_difference(&now).next();
        Ok(Some(format!(
            "the rows of {} do not give the root that was sealed (entry {index} of the seal log); the first leaf that differs has the \
             tag {}",
            name(day),
            first.map_or_else(String::new, |leaf| leaf.tag.to_string())
        )))
    }
}

/// All of the days, or the first, the last, and some between.
fn sample(days: &[LocalDay], which: Recompute) -> BTreeSet<LocalDay> {
    if which == Recompute::All || days.len() <= SAMPLE_DAYS {
        return days.iter().copied().collect();
    }
    let last = days.len() - 1;
    (0..SAMPLE_DAYS).filter_map(|nth| days.get(last * nth / (SAMPLE_DAYS - 1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_ends_and_days_between() {
        let days: Vec<LocalDay> = (0..100).map(LocalDay).collect();
        let found = sample(&days, Recompute::Sample);
        assert_eq!(found.len(), SAMPLE_DAYS);
        assert!(found.contains(&LocalDay(0)) && found.contains(&LocalDay(99)));
        assert_eq!(sample(&days, Recompute::All).len(), 100);
        assert_eq!(sample(&days[..3], Recompute::Sample).len(), 3);
        assert_eq!(sample(&[], Recompute::Sample).len(), 0);
    }
}
