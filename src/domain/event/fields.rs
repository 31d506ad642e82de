//! The fields of one record, found in a single pass and not yet judged.

use super::json::{Malformed, Scanner, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// Unknown keys that are compared one by one; more of them go into a hash set.
const FEW_KEYS: usize = 8;

/// The value of every field that the contract knows, in table order.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    pub(super) kind: Value<'a>,
    pub(super) platform: Value<'a>,
    pub(super) order_id: Value<'a>,
    pub(super) leg: Value<'a>,
    pub(super) rider_id: Value<'a>,
    pub(super) category: Value<'a>,
    pub(super) region: Value<'a>,
    pub(super) accepted_at: Value<'a>,
    pub(super) ended_at: Value<'a>,
    pub(super) outcome: Value<'a>,
    pub(super) revision: Value<'a>,
    pub(super) fare: Value<'a>,
    pub(super) previous_accepted_at: Value<'a>,
    /// Of completeness records.
    pub(super) through: Value<'a>,
    /// Whether there is a field that the contract does not know.
    pub(super) has_unknown: bool,
}

impl<'a> Fields<'a> {
    pub(super) const EMPTY: Self = Self {
        kind: Value::ABSENT,
        platform: Value::ABSENT,
        order_id: Value::ABSENT,
        leg: Value::ABSENT,
        rider_id: Value::ABSENT,
        category: Value::ABSENT,
        region: Value::ABSENT,
        accepted_at: Value::ABSENT,
        ended_at: Value::ABSENT,
        outcome: Value::ABSENT,
        revision: Value::ABSENT,
        fare: Value::ABSENT,
        previous_accepted_at: Value::ABSENT,
        through: Value::ABSENT,
        has_unknown: false,
    };

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
            match self.scan_in_order(&mut scanner)? {
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

    /// Reads as many fields as follow the order of the contract, as platforms mostly send them: a key that is
    /// expected costs one comparison.
    #[inline]
    fn scan_in_order(&mut self, scanner: &mut Scanner<'a>) -> Result<Next, Malformed> {
        macro_rules! in_order {
            ($($key:literal => $slot:ident,)*) => {
                $(
                    if scanner.takes($key) {
                        scanner.little_space();
                        self.$slot = scanner.value()?;
                        if scanner.peek() != Some(b',') {
                            return Ok(Next::Separator);
                        }
                        scanner.take();
                        scanner.little_space();
                    }
                )*
            };
        }
        in_order! {
            b"\"kind\":" => kind,
            b"\"platform\":" => platform,
            b"\"order_id\":" => order_id,
            b"\"leg\":" => leg,
            b"\"rider_id\":" => rider_id,
            b"\"category\":" => category,
            b"\"region\":" => region,
            b"\"accepted_at\":" => accepted_at,
            b"\"ended_at\":" => ended_at,
            b"\"outcome\":" => outcome,
            b"\"revision\":" => revision,
            b"\"fare\":" => fare,
            b"\"previous_accepted_at\":" => previous_accepted_at,
        }
        Ok(Next::Key)
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
            Some(name) => self.slot(name.as_bytes()),
            None => key.text().and_then(|name| self.slot(name.as_bytes())),
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

    pub(super) fn slot(&mut self, name: &[u8]) -> Option<&mut Value<'a>> {
        Some(match name {
            b"kind" => &mut self.kind,
            b"platform" => &mut self.platform,
            b"order_id" => &mut self.order_id,
            b"leg" => &mut self.leg,
            b"rider_id" => &mut self.rider_id,
            b"category" => &mut self.category,
            b"region" => &mut self.region,
            b"accepted_at" => &mut self.accepted_at,
            b"ended_at" => &mut self.ended_at,
            b"outcome" => &mut self.outcome,
            b"revision" => &mut self.revision,
            b"fare" => &mut self.fare,
            b"previous_accepted_at" => &mut self.previous_accepted_at,
            b"through" => &mut self.through,
            _ => return None,
        })
    }
}

/// What comes next in an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
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
