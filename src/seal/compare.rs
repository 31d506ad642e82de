//! Compares the sealed content of two ledgers, rider by rider, also when their sealing secrets differ.

use super::rider_day::RiderDay;

/// Where two ledgers differ on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the first ledger has anything of the rider.
    OnlyFirst(RiderDay),
    /// Only the second one has.
    OnlySecond(RiderDay),
    /// Both have, and not the same.
    Other(Box<(RiderDay, RiderDay)>),
}

/// The first difference, in the order of rider identifiers, between the rider-days of two ledgers. Both come in ascending order
/// of rider identifiers, each rider once and as [`RiderDay::in_order`] leaves it.
pub fn first_difference(
    first: impl IntoIterator<Item = RiderDay>,
    second: impl IntoIterator<Item = RiderDay>,
) -> Option<Difference> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => return None,
            (Some(one), None) => return Some(Difference::OnlyFirst(one)),
            (None, Some(other)) => return Some(Difference::OnlySecond(other)),
            (Some(one), Some(other)) if one.rider_id < other.rider_id => {
                return Some(Difference::OnlyFirst(one));
            }
            (Some(one), Some(other)) if one.rider_id > other.rider_id => {
                return Some(Difference::OnlySecond(other));
            }
            (Some(one), Some(other)) if one != other => {
                return Some(Difference::Other(Box::new((one, other))));
            }
            (Some(_), Some(_)) => {}
        }
    }
}
