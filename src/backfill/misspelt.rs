//! Optional fields whose names are misspelt: such an order is booked by the default, `outcom` as completed.

use crate::domain::event::misspelt_optional_field;
use memchr::memchr_iter;
use std::collections::{BTreeMap, HashMap};

/// Names of fields that are remembered.
const NAMES_MAX: usize = 1_000;
/// Places of a record whose names are remembered.
const PLACES_MAX: usize = 64;
/// Longer names resemble none.
const NAME_BYTES_MAX: usize = 40;

/// Records whose field is misspelt: how many, and the line of the first.
pub type Misspelt = BTreeMap<&'static str, (u64, u64)>;

/// Adds what another part of a run found.
pub(super) fn add(sum: &mut Misspelt, more: &Misspelt) {
    for (&field, &(count, line)) in more {
        let known = sum.entry(field).or_insert((0, line));
        *known = (known.0 + count, known.1.min(line));
    }
}

/// Looks for them in orders that have fields which the contract does not know.
#[derive(Debug, Default)]
pub(super) struct Speller {
    /// Names that the contract does not know, and whether one resembles a name that it knows.
    names: HashMap<Vec<u8>, bool>,
    /// The names that resemble none, in quotes, at each place of the records before: records of one source are alike, so
    /// one comparison a name is mostly enough.
    layout: Vec<Vec<u8>>,
}

impl Speller {
    /// Counts the record of an accepted order, which is at `line`.
    pub(super) fn look(&mut self, record: &[u8], line: u64, found: &mut Misspelt) {
        if self.is_suspect(record)
            && let Some(field) = misspelt_optional_field(record)
        {
            add(found, &Misspelt::from([(field, (1, line))]));
        }
    }

    /// Whether any name in the record, however deep, resembles an optional field.
    fn is_suspect(&mut self, record: &[u8]) -> bool {
        let first = record.iter().position(|&byte| byte == b'{');
        first.into_iter().chain(memchr_iter(b',', record)).enumerate().any(|(place, at)| {
            let rest = record.get(at + 1..).unwrap_or_default();
            if self.layout.get(place).is_some_and(|name| !name.is_empty() && rest.starts_with(name)) {
                return false;
            }
            let rest = rest.trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b"\"") else { return false };
            let rest = rest.get(..rest.len().min(NAME_BYTES_MAX)).unwrap_or_default();
            let Some(end) = rest.iter().position(|&byte| byte == b'"') else { return false };
            let name = rest.get(..end).unwrap_or_default();
            let resembles = self.resembles(name);
            if !resembles {
                self.remember(place, name);
            }
            resembles
        })
    }

    fn remember(&mut self, place: usize, name: &[u8]) {
        if place < PLACES_MAX {
            if self.layout.len() <= place {
                self.layout.resize(place + 1, Vec::new());
            }
            if let Some(known) = self.layout.get_mut(place) {
                *known = [b"\"", name, b"\""].concat();
            }
        }
    }

    fn resembles(&mut self, name: &[u8]) -> bool {
        if is_known(name) {
            return false;
        }
        if let Some(&resembles) = self.names.get(name) {
            return resembles;
        }
        let alone = [b"{\"", name, b"\":0}"].concat();
        let resembles = misspelt_optional_field(&alone).is_some();
        if self.names.len() < NAMES_MAX {
            self.names.insert(name.to_vec(), resembles);
        }
        resembles
    }
}

/// Whether the contract knows the name.
fn is_known(name: &[u8]) -> bool {
    matches!(
        name,
        b"kind"
            | b"platform"
            | b"order_id"
            | b"leg"
            | b"rider_id"
            | b"category"
            | b"region"
            | b"accepted_at"
            | b"ended_at"
            | b"outcome"
            | b"revision"
            | b"fare"
            | b"previous_accepted_at"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(records: &[&str]) -> Misspelt {
        let (mut speller, mut found) = (Speller::default(), Misspelt::new());
        for (record, line) in records.iter().zip(1..) {
            speller.look(record.as_bytes(), line, &mut found);
        }
        found
    }

    #[test]
    fn records_with_a_misspelt_optional_field_are_counted_from_the_first() {
        let plain = r#"{"platform":"aa","order_id":"1","distance_km":2,"note":"outcom, \"fare\""}"#;
        let nested = r#"{"platform":"aa","more":{"outcom":1}}"#;
        let misspelt = r#"{ "platform" : "aa" , "outcom" : "cancelled" }"#;
        let both = r#"{"outcome":"completed","outcom":"cancelled"}"#;
        let first = r#"{"revison":1,"platform":"aa"}"#;
        assert_eq!(found(&[plain, nested, both]), Misspelt::new());
        let expected = Misspelt::from([("outcome", (2, 2)), ("revision", (1, 3))]);
        assert_eq!(found(&[both, misspelt, first, plain, misspelt]), expected);
    }
}
