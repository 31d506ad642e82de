//! Totals of a run: net changes of its day's totals, apart by the booking period that they were booked in.

use super::totals::{DayTotals, Lines};
use crate::domain::charge::ChargeSource;
use crate::domain::period::PeriodNo;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::LedgerResult;
use std::collections::BTreeMap;

/// Net totals of one day by booking period, those with nothing left omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeriodTotals {
    periods: BTreeMap<PeriodNo, DayTotals>,
}

impl PeriodTotals {
    /// Totals that were booked in one period.
    pub fn of(period: PeriodNo, totals: DayTotals) -> Self {
        let mut all = Self::default();
        if !totals.is_empty() {
            all.periods.insert(period, totals);
        }
        all
    }

    /// Adds every line of `other` to that of the same period and key.
    pub fn merge(&mut self, other: &Self) -> LedgerResult<()> {
        other.periods().try_for_each(|(period, totals)| self.add(period, totals))
    }

    /// Adds to the totals of a period.
    pub fn add(&mut self, period: PeriodNo, more: &DayTotals) -> LedgerResult<()> {
        let totals = self.periods.entry(period).or_default();
        totals.merge(more)?;
        if totals.is_empty() {
            self.periods.remove(&period);
        }
        Ok(())
    }

    /// The totals of each period, by number.
    pub fn periods(&self) -> impl Iterator<Item = (PeriodNo, &DayTotals)> {
        self.periods.iter().map(|(&period, totals)| (period, totals))
    }

    /// The sum over the periods.
    pub fn sum(&self) -> LedgerResult<DayTotals> {
        let mut sum = DayTotals::default();
        self.periods.values().try_for_each(|totals| sum.merge(totals))?;
        Ok(sum)
    }

    /// The lines of each period by platform and category.
    pub fn groups(&self) -> impl Iterator<Item = (&str, (&str, ChargeSource), &Lines)> {
        self.periods.values().flat_map(DayTotals::groups)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.periods.is_empty()
    }

    /// The stored form: periods as differences, each followed by its totals.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_len(self.periods.len());
        let mut before = 0;
        for (period, totals) in &self.periods {
            out.put_varint(u64::from(period.get() - before));
            before = period.get();
            totals.encode(&mut out);
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut all = Self::default();
        if bytes.is_empty() {
            return Ok(all);
        }
        let mut reader = Reader::new(bytes);
        let mut before = 0_u32;
        for _ in 0..reader.count(2, "booking periods")? {
            let more: u32 = reader.number("booking period")?;
            let number = before.checked_add(more).filter(|_| more > 0);
            let period = number.and_then(PeriodNo::new).ok_or(CodecError::Invalid("booking period"))?;
            before = period.get();
            let totals = DayTotals::decode(&mut reader)?;
            if totals.is_empty() {
                return Err(CodecError::Invalid("totals of a booking period"));
            }
            all.periods.insert(period, totals);
        }
        reader.end("totals")?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Region;
    use crate::domain::totals::{Total, TotalKey};
    use proptest::prelude::*;

    fn one(region: u32, orders_charged: i64) -> DayTotals {
        let region = Region::from_code(region).unwrap();
        let key = TotalKey {
            platform: "p".to_owned(),
            region,
            category: "ride".to_owned(),
            source: ChargeSource::Order,
        };
        let mut totals = DayTotals::default();
        totals.add(&key, &Total { orders_charged, ..Total::default() }).unwrap();
        totals
    }

    fn period(number: u32) -> PeriodNo {
        PeriodNo::new(number).unwrap()
    }

    #[test]
    fn lines_of_two_periods_stay_apart_and_sum_up() {
        let mut totals = PeriodTotals::of(period(1), one(7, 3));
        totals.merge(&PeriodTotals::of(period(3), one(7, -1))).unwrap();
        totals.merge(&PeriodTotals::of(period(1), one(7, 2))).unwrap();
        let apart: Vec<_> = totals.periods().map(|(no, totals)| (no.get(), totals.clone())).collect();
        assert_eq!(apart, [(1, one(7, 5)), (3, one(7, -1))]);
        assert_eq!(totals.sum().unwrap(), one(7, 4));
        totals.merge(&PeriodTotals::of(period(1), one(7, -4))).unwrap();
        assert!(totals.sum().unwrap().is_empty() && !totals.is_empty());
        totals.merge(&PeriodTotals::of(period(1), one(7, -1))).unwrap();
        totals.merge(&PeriodTotals::of(period(3), one(7, 1))).unwrap();
        assert!(totals.is_empty());
    }

    #[test]
    fn a_run_of_one_period_takes_two_bytes_more() {
        let mut without = Vec::new();
        one(7, 3).encode(&mut without);
        let with = PeriodTotals::of(period(100), one(7, 3)).encode();
        assert_eq!(with.len(), without.len() + 2);
    }

    proptest! {
        #[test]
        fn totals_go_there_and_back(lines in prop::collection::vec((1u32..9, 0u32..4, -3i64..9), 0..20)) {
            let mut totals = PeriodTotals::default();
            for (number, region, orders) in lines {
                totals.add(period(number), &one(region, orders)).unwrap();
            }
            prop_assert_eq!(PeriodTotals::decode(&totals.encode()).unwrap(), totals);
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(PeriodTotals::decode(&bytes));
        }
    }
}
