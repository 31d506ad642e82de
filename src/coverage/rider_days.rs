//! What is stored of the riders of one question, day by day: each day is read once, however often the question comes back
//! to it (to find who covers, what is nearest, when the rider was seen).

use crate::domain::posting::StoredVersion;
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::view::LedgerView;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Days of a long stretch that are expected before the first of them is read.
const DAYS_EXPECTED_MAX: i32 = 8;

/// Versions of one rider on one day.
pub(super) type Versions = Rc<[StoredVersion]>;

/// The days of a question's riders. One state, one question.
#[derive(Debug)]
pub(super) struct RiderDays<'a, V> {
    pub(super) view: &'a V,
    pub(super) zone: &'a Zone,
    /// The identifiers of the person.
    pub(super) rider_ids: &'a [String],
    /// Days that were said to be read next.
    expected: RefCell<BTreeSet<LocalDay>>,
    read: RefCell<BTreeMap<(usize, LocalDay), Versions>>,
}

impl<'a, V: LedgerView> RiderDays<'a, V> {
    pub(super) const fn new(view: &'a V, zone: &'a Zone, rider_ids: &'a [String]) -> Self {
        let expected = RefCell::new(BTreeSet::new());
        Self { view, zone, rider_ids, expected, read: RefCell::new(BTreeMap::new()) }
    }

    /// Says that the days of `[from, until)` are read next.
    pub(super) fn expect(&self, (from, until): (UtcMillis, UtcMillis)) {
        let Some((first, last)) = self.view.days() else { return };
        let asked = self.zone.days_between(from, until);
        let (from, until) = (asked.0.max(first), asked.1.min(last));
        self.expect_days((0..DAYS_EXPECTED_MAX).map(|day| from.plus_days(day)).filter(|&day| day <= until));
    }

    /// Says that the first and the last of all days are read next: they tell when the riders were seen.
    pub(super) fn expect_ends(&self) {
        self.expect_days(self.view.days().into_iter().flat_map(|(first, last)| [first, last]));
    }

    fn expect_days(&self, days: impl Iterator<Item = LocalDay>) {
        let mut expected = self.expected.borrow_mut();
        let fresh: BTreeSet<LocalDay> = days.filter(|&day| expected.insert(day)).collect();
        self.view.prefetch_riders(self.rider_ids, &fresh);
    }

    /// Every stored version of one of the riders that was accepted on a day, superseded ones included, in the order of
    /// [`LedgerView::rider_versions`].
    pub(super) fn of(&self, rider: usize, day: LocalDay) -> Result<Versions, V::Error> {
        if let Some(versions) = self.read.borrow().get(&(rider, day)) {
            return Ok(Rc::clone(versions));
        }
        let (from, until) = (self.zone.start_of(day), self.zone.end_of(day));
        let mut versions = match self.rider_ids.get(rider) {
            Some(rider_id) => self.view.rider_versions(rider_id, from, until)?,
            None => Vec::new(),
        };
        // Days overlap where clocks are set back over midnight.
        versions.retain(|version| self.zone.day(version.posting.accepted_at) == day);
        let versions: Versions = versions.into();
        self.read.borrow_mut().insert((rider, day), Rc::clone(&versions));
        Ok(versions)
    }

    /// Calls `see` with every stored version of one of the riders that was accepted in `[from, until)`.
    pub(super) fn visit(
        &self,
        rider: usize,
        (from, until): (UtcMillis, UtcMillis),
        mut see: impl FnMut(&StoredVersion) -> Result<(), V::Error>,
    ) -> Result<(), V::Error> {
        let Some((first, last)) = self.view.days() else { return Ok(()) };
        let asked = self.zone.days_between(from, until);
        let (mut day, last) = (asked.0.max(first), asked.1.min(last));
        while from < until && day <= last {
            for version in self.of(rider, day)?.iter() {
                let accepted_at = version.posting.accepted_at;
                if from <= accepted_at && accepted_at < until {
                    see(version)?;
                }
            }
            day = day.plus_days(1);
        }
        Ok(())
    }
}
