//! An order of a sealed day, as the ledger has it: what is sealed of it, before it is text.

use super::frames::Frames;
use super::instant;
use super::rider_day::SealedOrder;
use crate::domain::order::{Outcome, Phase, Region};
use crate::domain::posting::Posting;
use crate::domain::time::UtcMillis;
use crate::domain::window::Window;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// The current version of an order, without what depends on when it was recorded and priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayOrder {
    /// When it was accepted.
    pub accepted_at: UtcMillis,
    /// Platform.
    pub platform: String,
    /// Order number.
    pub order_id: String,
    /// Leg.
    pub leg: u8,
    /// Open or ended.
    pub phase: Phase,
    /// Revision.
    pub revision: u64,
    /// Category.
    pub category: String,
    /// Region.
    pub region: Region,
    /// When it ended; `None` while open.
    pub ended_at: Option<UtcMillis>,
    /// Outcome; `None` while open.
    pub outcome: Option<Outcome>,
    /// Order value in yuan.
    pub fare: Option<Decimal>,
    /// The cover window; `None` of an open or void order.
    pub window: Option<Window>,
}

impl From<Posting> for DayOrder {
    fn from(posting: Posting) -> Self {
        let window = posting.ends_at().filter(|_| posting.has_window());
        Self {
            window: window.map(|until| Window::new(posting.starts_at(), until)),
            accepted_at: posting.accepted_at,
            platform: posting.platform,
            order_id: posting.order_id,
            leg: posting.leg,
            phase: posting.phase,
            revision: posting.revision,
            category: posting.category,
            region: posting.region,
            ended_at: posting.ended_at,
            outcome: posting.outcome,
            fare: posting.fare,
        }
    }
}

impl DayOrder {
    /// The order in which orders are sealed: that of their texts, member by member. No two current versions of one rider agree in all
    /// that is compared here.
    pub fn cmp_sealed(&self, other: &Self) -> Ordering {
        self.accepted_at
            .cmp(&other.accepted_at)
            .then_with(|| self.platform.as_bytes().cmp(other.platform.as_bytes()))
            .then_with(|| self.order_id.as_bytes().cmp(other.order_id.as_bytes()))
            .then_with(|| self.leg.cmp(&other.leg))
            .then_with(|| self.phase.as_str().cmp(other.phase.as_str()))
            .then_with(|| self.revision.cmp(&other.revision))
    }

    /// The texts. `None` when a time has none: it lies outside the years 0000 to 9999.
    pub fn to_text(&self) -> Option<SealedOrder> {
        let optional = |at: Option<UtcMillis>| at.map_or(Some(String::new()), instant::to_text);
        Some(SealedOrder {
            accepted_at: instant::to_text(self.accepted_at)?,
            platform: self.platform.clone(),
            order_id: self.order_id.clone(),
            leg: self.leg,
            phase: self.phase.as_str().to_owned(),
            revision: self.revision,
            category: self.category.clone(),
            region: self.region.to_string(),
            ended_at: optional(self.ended_at)?,
            outcome: self.outcome.map_or_else(String::new, |outcome| outcome.as_str().to_owned()),
            fare: self.fare.map_or_else(String::new, |fare| fare.to_string()),
            starts_at: optional(self.window.map(|window| window.from))?,
            ends_at: optional(self.window.map(|window| window.until))?,
        })
    }

    /// Appends the members of [`Self::to_text`] without making the texts: sealing a day does this for millions of orders.
    pub(super) fn push_to(&self, fields: &mut Frames) -> Option<()> {
        fields.push_instant(self.accepted_at)?;
        fields.push(self.platform.as_bytes());
        fields.push(self.order_id.as_bytes());
        fields.push_number(self.leg.into());
        fields.push(self.phase.as_str().as_bytes());
        fields.push_number(self.revision);
        fields.push(self.category.as_bytes());
        fields.push_six_digits(self.region.code());
        push_optional(self.ended_at, fields)?;
        fields.push(self.outcome.map_or("", Outcome::as_str).as_bytes());
        match self.fare {
            Some(fare) => fields.push(fare.to_string().as_bytes()),
            None => fields.push(&[]),
        }
        push_optional(self.window.map(|window| window.from), fields)?;
        push_optional(self.window.map(|window| window.until), fields)
    }
}

fn push_optional(at: Option<UtcMillis>, fields: &mut Frames) -> Option<()> {
    match at {
        Some(at) => fields.push_instant(at),
        None => {
            fields.push(&[]);
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn orders()(
            (accepted, minutes, leg, is_open) in (-70_000_000_000_000_i64..260_000_000_000_000, 0_i64..2, 0_u8..3, any::<bool>()),
            (platform, order_id) in ("[a-c]{0,2}", "[0-9é]{1,3}"),
            (revision, region, outcome) in (prop_oneof![0_u64..3, any::<u64>()], 0_u32..1_000_000, 0_usize..5),
            (fare, has_window) in (proptest::option::of((-900_i64..900, 0_u32..4)), any::<bool>()),
        ) -> DayOrder {
            let accepted_at = UtcMillis::new(accepted);
            let ended_at = accepted_at.plus(minutes * 60_000);
            DayOrder {
                accepted_at,
                platform,
                order_id,
                leg,
                phase: if is_open { Phase::Open } else { Phase::Ended },
                revision,
                category: "instant_delivery".to_owned(),
                region: Region::from_code(region).unwrap(),
                ended_at: (!is_open).then_some(ended_at),
                outcome: (!is_open).then(|| Outcome::ALL[outcome]),
                fare: fare.map(|(digits, scale)| Decimal::new(digits, scale)),
                window: has_window.then(|| Window::new(accepted_at, ended_at)),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_hashed_is_the_text(order in orders()) {
            let mut direct = Frames::default();
            let pushed = order.push_to(&mut direct);
            let text = order.to_text();
            prop_assert_eq!(pushed.is_some(), text.is_some());
            if let Some(text) = text {
                let mut fields = Frames::default();
                text.push_to(&mut fields);
                prop_assert_eq!(direct, fields);
                prop_assert_eq!(text.window(), order.window);
            }
        }

        #[test]
        fn orders_are_sealed_in_the_order_of_their_texts(one in orders(), other in orders()) {
            if let (Some(a), Some(b)) = (one.to_text(), other.to_text()) {
                let by_text = a.cmp(&b);
                let sealed = one.cmp_sealed(&other);
                prop_assert!(sealed == by_text || sealed.is_eq(), "{:?} {:?}", a, b);
            }
        }
    }
}
