//! Names told apart by small numbers.

use crate::ledger::run::identity::IdentityHash;
use std::collections::HashMap;

/// Names that are compared one by one before the others are looked up.
const NAMES_COMPARED: usize = 12;

/// Names told apart by small numbers within a batch.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<String>,
    seeds: Vec<u64>,
    numbers: HashMap<String, u16>,
    last: u16,
}

impl Names {
    /// The number of a name.
    pub(super) fn number(&mut self, name: &str) -> u16 {
        if self.names.get(usize::from(self.last)).is_some_and(|last| last == name) {
            return self.last;
        }
        // A handful of names is the rule: comparing them costs less than hashing one.
        let few = self.names.iter().take(NAMES_COMPARED).zip(0u16..).find(|(known, _)| *known == name);
        let known = few.map(|(_, number)| number).or_else(|| self.numbers.get(name).copied());
        let number = known.unwrap_or_else(|| self.insert(name));
        self.last = number;
        number
    }

    fn insert(&mut self, name: &str) -> u16 {
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_owned());
        self.seeds.push(IdentityHash::seed(name));
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name of a number.
    pub fn name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// All names, by number.
    pub fn all(&self) -> &[String] {
        &self.names
    }

    /// The platform's part of identity hashes.
    pub(super) fn seed(&self, number: u16) -> u64 {
        self.seeds.get(usize::from(number)).copied().unwrap_or_default()
    }
}
