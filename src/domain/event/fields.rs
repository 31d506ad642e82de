//! The fields of one record, found in a single pass and not yet judged.

use super::check::Named;
use super::json::{Malformed, Scanner, Value};
use super::schema::{Field, NAMES, scan_in_order};
use std::borrow::Cow;
use std::collections::HashSet;

/// Unknown keys that are compared one by one; more of them go into a hash set.
const FEW_KEYS: usize = 8;

/// The value of every field that some schema lists.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    values: [Value<'a>; NAMES.len()],
    /// Whether there is a field that the contract does not know.
    pub(super) has_unknown: bool,
}

impl<'a> Fields<'a> {
    pub(super) const EMPTY: Self = Self { values: [Value::ABSENT; NAMES.len()], has_unknown: false };

    /// The value of a field.
    #[inline(always)]
    pub(super) fn value(&self, field: Field) -> Value<'a> {
        self.values.get(field.place).copied().unwrap_or(Value::ABSENT)
    }

    /// The name of a field with its value.
    pub(super) fn named(&self, field: Field) -> Named<'a> {
        (field.name, self.value(field))
    }

    /// The name of a field, one that a schema lists, with its value.
    pub(super) fn of_name(&self, name: &'static str) -> Named<'a> {
        let value = place_of(name).and_then(|place| self.values.get(place));
        (name, value.copied().unwrap_or(Value::ABSENT))
    }

    /// Reads one JSON object, the whole text and nothing but it, into empty fields: in place, as they are too large
    /// to be moved around for every record. A key that occurs twice is an error.
    #[inline]
    pub(super) fn fill(&mut self, text: &'a str) -> Result<(), Malformed> {
        let mut scanner = Scanner::new(text);
        scanner.space();
        if scanner.peek() != Some(b'{') {
            return scanner.fail("an object is expected here");
        }
        scanner.take();
        scanner.space();
        if scanner.peek() == Some(b'}') {
            scanner.take();
        } else {
            match scan_in_order(self, &mut scanner)? {
                Next::Separator if scanner.peek() == Some(b'}') => scanner.take(),
                next => self.scan_in_any_order(&mut scanner, next)?,
            }
        }
        scanner.space();
        if scanner.peek().is_some() {
            return scanner.fail("the record continues after the object");
        }
        Ok(())
    }

    /// Reads the value of a field whose key has just been read, the first of that name.
    #[inline(always)]
    pub(super) fn put_expected(&mut self, field: Field, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        scanner.little_space();
        let value = scanner.value()?;
        if let Some(place) = self.values.get_mut(field.place) {
            *place = value;
        }
        Ok(())
    }

    /// Reads the rest of the object, in any order and with anything in it.
    #[cold]
    fn scan_in_any_order(&mut self, scanner: &mut Scanner<'a>, mut next: Next) -> Result<(), Malformed> {
        let mut unknown = UnknownKeys::default();
        loop {
            scanner.space();
            if next == Next::Key {
                let key = scanner.key()?;
                if !self.put(key, scanner, &mut unknown)? {
                    return scanner.fail("the key before this value occurs twice");
                }
                scanner.space();
            }
            match scanner.peek() {
                Some(b',') => scanner.take(),
                Some(b'}') => {
                    scanner.take();
                    return Ok(());
                }
                _ => return scanner.fail("a comma or the end of the object is expected here"),
            }
            next = Next::Key;
        }
    }

    /// Reads the value of `key`; false when the key was there before.
    fn put(
        &mut self,
        key: Value<'a>,
        scanner: &mut Scanner<'a>,
        unknown: &mut UnknownKeys<'a>,
    ) -> Result<bool, Malformed> {
        let slot = match key.plain() {
            Some(name) => self.slot(name),
            None => key.text().and_then(|name| self.slot(&name)),
        };
        match slot {
            Some(slot) if slot.kind == Value::ABSENT.kind => {
                *slot = scanner.value()?;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => {
                self.has_unknown = true;
                let is_new = key.text().is_some_and(|name| unknown.insert(name));
                if is_new {
                    scanner.value()?;
                }
                Ok(is_new)
            }
        }
    }

    /// The value of the field of that name; `None` when no schema lists it.
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Value<'a>> {
        self.values.get_mut(place_of(name)?)
    }
}

/// The place of the field of that name; `None` when no schema lists it.
fn place_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|&known| known == name)
}

/// What comes next in an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A key, after a comma or at the beginning.
    Key,
    /// A comma or the end, after a value.
    Separator,
}

/// The keys that the contract does not know, kept to find repeated ones: the first few without allocation, all of
/// them in a hash set when they are many, so that a hostile record costs no quadratic time.
#[derive(Default)]
struct UnknownKeys<'a> {
    few: [Option<Cow<'a, str>>; FEW_KEYS],
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> UnknownKeys<'a> {
    /// False when the key was there before.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        for place in &mut self.few {
            match place {
                Some(known) if *known == key => return false,
                Some(_) => {}
                None => {
                    *place = Some(key);
                    return true;
                }
            }
        }
        self.many.get_or_insert_default().insert(key)
    }
}
