//! The charges of a run: a table of its own, beside the entries of its dictionary. Each charge names its source.

use crate::domain::charge::{Charge, ChargeSource, Price};
use crate::domain::money::Micros;
use crate::domain::posting::{ConfigNo, RuleNo};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use std::collections::HashMap;

/// The stored number of a source.
pub(crate) const fn source_code(source: ChargeSource) -> u8 {
    match source {
        ChargeSource::Order => 0,
    }
}

/// The source of a stored number.
pub(crate) fn source_of(code: u8) -> Decoded<ChargeSource> {
    let known = ChargeSource::ALL.into_iter().find(|&source| source_code(source) == code);
    known.ok_or(CodecError::Invalid("source of a charge"))
}

/// Numbers for the charges of a run, in the order in which its entries name them.
#[derive(Debug, Default)]
pub(crate) struct ChargeTable {
    charges: Vec<Charge>,
    numbers: HashMap<Charge, u32>,
}

impl ChargeTable {
    /// The number of a charge, a new one when it is met for the first time.
    pub(crate) fn number(&mut self, charge: Charge) -> u32 {
        let next = u32::try_from(self.charges.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(charge).or_insert(next);
        if number == next {
            self.charges.push(charge);
        }
        number
    }

    /// Appends the stored form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_len(self.charges.len());
        self.charges.iter().for_each(|charge| encode(charge, out));
    }
}

/// Reads the charges of a run.
pub(crate) fn decode_charges(reader: &mut Reader<'_>) -> Decoded<Vec<Charge>> {
    let count = reader.count(3, "charges")?;
    (0..count).map(|_| decode(reader)).collect()
}

fn encode(charge: &Charge, out: &mut Vec<u8>) {
    out.push(source_code(charge.source));
    out.put_varint(u64::from(charge.config.0));
    match charge.price {
        Price::None => out.push(0),
        Price::Uncharged => out.push(1),
        Price::Unrated => out.push(2),
        Price::Charged { premium, rate, factor } => {
            out.push(3);
            out.put_signed(premium.get());
            out.put_varint(u64::from(rate.0));
            out.put_option(factor, |out, rule| out.put_varint(u64::from(rule.0)));
        }
    }
}

fn decode(reader: &mut Reader<'_>) -> Decoded<Charge> {
    let source = source_of(reader.u8("source of a charge")?)?;
    let config = ConfigNo(reader.number("configuration of a charge")?);
    let price = match reader.u8("price")? {
        0 => Price::None,
        1 => Price::Uncharged,
        2 => Price::Unrated,
        3 => Price::Charged {
            premium: Micros::new(reader.signed("premium")?),
            rate: RuleNo(reader.number("rate rule")?),
            factor: reader.option("factor rule", |r| r.number("factor rule").map(RuleNo))?,
        },
        _ => return Err(CodecError::Invalid("price")),
    };
    Ok(Charge { source, config, price })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_price() -> impl Strategy<Value = Price> {
        let charged = (any::<i64>(), any::<u16>(), prop::option::of(any::<u16>()));
        prop_oneof![
            Just(Price::None),
            Just(Price::Uncharged),
            Just(Price::Unrated),
            charged.prop_map(|(premium, rate, factor)| Price::Charged {
                premium: Micros::new(premium),
                rate: RuleNo(rate),
                factor: factor.map(RuleNo),
            }),
        ]
    }

    proptest! {
        #[test]
        fn charges_go_there_and_back(prices in prop::collection::vec((any::<u32>(), any_price()), 0..20)) {
            let charges: Vec<Charge> =
                prices.into_iter().map(|(config, price)| Charge::of_order(ConfigNo(config), price)).collect();
            let mut table = ChargeTable::default();
            let numbers: Vec<u32> = charges.iter().map(|&charge| table.number(charge)).collect();
            let mut stored = Vec::new();
            table.encode(&mut stored);
            let read = decode_charges(&mut Reader::new(&stored)).unwrap();
            let found: Vec<Charge> = numbers.iter().map(|&number| read[usize::try_from(number).unwrap()]).collect();
            prop_assert_eq!(found, charges);
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(decode_charges(&mut Reader::new(&bytes)));
        }
    }

    #[test]
    fn a_source_that_is_not_known_is_refused() {
        let mut table = ChargeTable::default();
        table.number(Charge::UNPRICED);
        let mut stored = Vec::new();
        table.encode(&mut stored);
        stored[1] = 1;
        assert_eq!(decode_charges(&mut Reader::new(&stored)), Err(CodecError::Invalid("source of a charge")));
    }
}
