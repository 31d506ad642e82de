//! One row of a run: a version of an order, or the tombstone of a version that moved away from here.

use crate::domain::charge::Charge;
use crate::domain::order::{Outcome, Phase, Region};
use crate::domain::posting::{ConfigNo, CoverTerms, Posting, RuleNo};
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer, low_byte};
use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::sync::Arc;

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// A version of an order, booked here.
    Version,
    /// The version at this place was replaced by one with another rider or start (`moved_to`).
    Moved,
}

/// What many rows share: kept once a run, named by a code in its rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DictionaryEntry {
    /// Version or tombstone.
    pub kind: RowKind,
    /// Platform.
    pub platform: Arc<str>,
    /// Category.
    pub category: Arc<str>,
    /// Leg.
    pub leg: u8,
    /// Phase.
    pub phase: Phase,
    /// Outcome of an ended order.
    pub outcome: Option<Outcome>,
    /// What the order covers.
    pub cover: CoverTerms,
    /// What its platform pays for it.
    pub charge: Charge,
}

impl DictionaryEntry {
    /// Appends the stored form; `charge` is the number of the entry's charge in the run.
    pub fn encode(&self, charge: u32, out: &mut Vec<u8>) {
        out.push(u8::from(self.kind == RowKind::Moved));
        out.put_prefixed(self.platform.as_bytes());
        out.put_prefixed(self.category.as_bytes());
        out.push(self.leg);
        out.push(u8::from(self.phase == Phase::Open));
        out.put_option(self.outcome, |out, outcome| out.push(outcome_code(outcome)));
        out.put_varint(u64::from(self.cover.config.0));
        out.put_option(self.cover.rule, |out, rule| out.put_varint(u64::from(rule.0)));
        out.put_signed(self.cover.lead_ms);
        out.put_signed(self.cover.tail_ms);
        out.put_varint(u64::from(charge));
    }

    /// Reads the stored form; `charges` are those of the run.
    pub fn decode(reader: &mut Reader<'_>, charges: &[Charge]) -> Decoded<Self> {
        let kind = if reader.u8("row kind")? == 0 { RowKind::Version } else { RowKind::Moved };
        let platform = reader.text("platform")?.into();
        let category = reader.text("category")?.into();
        let leg = reader.u8("leg")?;
        let phase = if reader.u8("phase")? == 0 { Phase::Ended } else { Phase::Open };
        let outcome = reader.option("outcome", |r| outcome_of(r.u8("outcome")?))?;
        let cover = CoverTerms {
            config: ConfigNo(reader.number("configuration of the cover rule")?),
            rule: reader.option("cover rule", |r| r.number("cover rule").map(RuleNo))?,
            lead_ms: reader.signed("lead")?,
            tail_ms: reader.signed("tail")?,
        };
        let number: usize = reader.number("charge")?;
        let charge = *charges.get(number).ok_or(CodecError::Invalid("charge"))?;
        Ok(Self { kind, platform, category, leg, phase, outcome, cover, charge })
    }
}

/// The stored number of an outcome.
pub(crate) fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Cancelled => 1,
        Outcome::Interrupted => 2,
        Outcome::Transferred => 3,
        Outcome::Void => 4,
    }
}

/// The outcome of a stored number.
pub(crate) fn outcome_of(code: u8) -> Decoded<Outcome> {
    Outcome::ALL.into_iter().find(|&o| outcome_code(o) == code).ok_or(CodecError::Invalid("outcome"))
}

/// An order identifier in its packed form: digits as a number, anything else as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderId<'a> {
    /// 1..=38 digits.
    Digits {
        /// Their number.
        count: u8,
        /// Their value.
        value: u128,
    },
    /// Anything else.
    Text(&'a str),
}

impl<'a> OrderId<'a> {
    /// Most digits that are packed as a number.
    pub const DIGITS_MAX: usize = 38;

    /// The packed form of an identifier.
    pub fn pack(text: &'a str) -> Self {
        let value = match text.as_bytes().split_at_checked(HALF_DIGITS) {
            // Two 64-bit halves: 128-bit multiplication for every digit would cost ten times as much.
            Some((high, low)) if !low.is_empty() && text.len() <= Self::DIGITS_MAX => {
                let scale = 10_u128.pow(u32::try_from(low.len()).unwrap_or(0));
                digits_u64(high)
                    .zip(digits_u64(low))
                    .map(|(high, low)| u128::from(high) * scale + u128::from(low))
            }
            Some((high, [])) => digits_u64(high).map(u128::from),
            Some(_) => None,
            None => digits_u64(text.as_bytes()).map(u128::from),
        };
        match value {
            Some(value) => Self::Digits { count: u8::try_from(text.len()).unwrap_or(0), value },
            None => Self::Text(text),
        }
    }

    /// The identifier as text, written into `buffer` when it was packed.
    pub fn text<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        match *self {
            Self::Text(text) => text,
            Self::Digits { count, value } => {
                buffer.clear();
                let digits = digits_of(value);
                let from = digits.len().saturating_sub(usize::from(count));
                // ASCII digits are text.
                buffer.push_str(
                    std::str::from_utf8(digits.get(from..).unwrap_or_default()).unwrap_or_default(),
                );
                buffer.as_str()
            }
        }
    }

    /// Orders as the texts do, byte by byte.
    pub fn cmp_text(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Digits { count: a_count, value: a }, Self::Digits { count: b_count, value: b })
                if a_count == b_count =>
            {
                a.cmp(b)
            }
            _ => {
                let (mut a, mut b) = (String::new(), String::new());
                self.text(&mut a).as_bytes().cmp(other.text(&mut b).as_bytes())
            }
        }
    }
}

/// Digits whose value always fits 64 bits.
const HALF_DIGITS: usize = 19;

/// All digits of a number below 10^38, zeros before it. 128-bit divisions are slow: one at most is made.
fn digits_of(value: u128) -> [u8; OrderId::DIGITS_MAX] {
    const HALF: u64 = 10_u64.pow(19);
    let (high, low) = match u64::try_from(value) {
        Ok(low) => (low / HALF, low % HALF),
        Err(_) => {
            let high = u64::try_from(value / u128::from(HALF)).unwrap_or(u64::MAX);
            (high, u64::try_from(value % u128::from(HALF)).unwrap_or(u64::MAX))
        }
    };
    let mut digits = [b'0'; OrderId::DIGITS_MAX];
    let (first, second) = digits.split_at_mut(OrderId::DIGITS_MAX / 2);
    for (half, mut rest) in [(first, high), (second, low)] {
        for digit in half.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit += low_byte(rest % 10);
            rest /= 10;
        }
    }
    digits
}

/// The value of one to nineteen digits; `None` when something else is among them.
#[inline]
fn digits_u64(text: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    let mut rest = text;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        value = value * 100_000_000 + eight_digits(u64::from_be_bytes(*eight))?;
        rest = after;
    }
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    (!text.is_empty()).then_some(value)
}

/// The value of eight ASCII digits, the first in the highest byte: pairs, then fours, then all, each in one step.
#[inline]
fn eight_digits(text: u64) -> Option<u64> {
    let digits = text.wrapping_sub(0x3030_3030_3030_3030);
    // A byte below '0' borrows or keeps a high bit; one above '9' reaches it by adding 0x76.
    if (text | digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits & 0x000f_000f_000f_000f) + ((digits >> 8) & 0x000f_000f_000f_000f) * 10;
    let fours = (pairs & 0x0000_00ff_0000_00ff) + ((pairs >> 16) & 0x0000_00ff_0000_00ff) * 100;
    Some((fours & 0xffff) + ((fours >> 32) & 0xffff) * 10_000)
}

/// One row, borrowing from a batch or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The rider at whose place the row lies.
    pub rider_id: &'a str,
    /// The start at which the row lies.
    pub accepted_at: UtcMillis,
    /// Order identifier.
    pub order_id: OrderId<'a>,
    /// `None` for an open order (and for a tombstone).
    pub ended_at: Option<UtcMillis>,
    /// Code of the row's [`DictionaryEntry`] in its run.
    pub code: u32,
    /// Region.
    pub region: Region,
    /// Revision of this version, or of the one that replaced it.
    pub revision: u64,
    /// The commit that booked this row.
    pub commit: u64,
    /// Order value.
    pub fare: Option<Decimal>,
    /// `previous_accepted_at` of a version.
    pub previous_accepted_at: Option<UtcMillis>,
    /// Where a tombstone's order went.
    pub moved_to: Option<UtcMillis>,
}

impl Row<'_> {
    /// The version that this row books, given its entry of the dictionary.
    pub fn posting(&self, entry: &DictionaryEntry) -> Posting {
        let mut buffer = String::new();
        Posting {
            platform: entry.platform.to_string(),
            order_id: self.order_id.text(&mut buffer).to_owned(),
            leg: entry.leg,
            phase: entry.phase,
            rider_id: self.rider_id.to_owned(),
            category: entry.category.to_string(),
            region: self.region,
            accepted_at: self.accepted_at,
            ended_at: self.ended_at,
            outcome: entry.outcome,
            revision: self.revision,
            fare: self.fare,
            previous_accepted_at: self.previous_accepted_at,
            cover: entry.cover,
            charge: entry.charge,
            commit: self.commit,
        }
    }

    /// The order of rows within a run: (rider, start), then identity, then version. Rows of one place and identity lie
    /// together, oldest first; repriced versions follow the ones that they price.
    pub fn cmp_place(
        &self,
        entry: &DictionaryEntry,
        other: &Self,
        other_entry: &DictionaryEntry,
    ) -> Ordering {
        self.rider_id
            .as_bytes()
            .cmp(other.rider_id.as_bytes())
            .then_with(|| self.accepted_at.cmp(&other.accepted_at))
            .then_with(|| entry.platform.as_bytes().cmp(other_entry.platform.as_bytes()))
            .then_with(|| self.order_id.cmp_text(&other.order_id))
            .then_with(|| entry.leg.cmp(&other_entry.leg))
            .then_with(|| entry.phase.cmp(&other_entry.phase))
            .then_with(|| self.revision.cmp(&other.revision))
            .then_with(|| self.commit.cmp(&other.commit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_read_as_the_library_reads_them(text in "[0-9]{1,19}") {
            prop_assert_eq!(digits_u64(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn anything_else_is_no_number(text in "[0-9]{0,9}[^0-9][0-9]{0,9}") {
            prop_assert_eq!(digits_u64(text.as_bytes()), None);
        }
    }
}
