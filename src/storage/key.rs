//! Where a value is stored: the kind of the value, the run that it belongs to, and its number in the run.
//!
//! A storage orders values by these three, deletes them by kind and run, and knows no more of them: what a kind means is
//! the business of its user.

use std::ops::Deref;

/// The smallest kind of a value: the bytes below it are the storage's own.
pub const KIND_MIN: u8 = 0x10;

/// Bytes of a key.
const KEY_BYTES: usize = 13;

/// The key of a value: kind (1 byte), run (8) and number in the run (4), big-endian, so that bytes sort as the three do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey([u8; KEY_BYTES]);

impl ValueKey {
    /// The key of a value; `kind` is [`KIND_MIN`] or more.
    pub const fn new(kind: u8, run: u64, number: u32) -> Self {
        let [a, b, c, d, e, f, g, h] = run.to_be_bytes();
        let [w, x, y, z] = number.to_be_bytes();
        Self([kind, a, b, c, d, e, f, g, h, w, x, y, z])
    }

    /// Reads its bytes; `None` for bytes of another length.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The kind of the value.
    pub const fn kind(&self) -> u8 {
        let [kind, ..] = self.0;
        kind
    }

    /// The run that it belongs to.
    pub const fn run(&self) -> u64 {
        let [_, a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Its number in the run.
    pub const fn number(&self) -> u32 {
        let [.., w, x, y, z] = self.0;
        u32::from_be_bytes([w, x, y, z])
    }
}

impl Deref for ValueKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a value.
pub const fn in_run(kind: u8, run: u64, number: u32) -> ValueKey {
    ValueKey::new(kind, run, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_what_they_are_made_of(a: (u8, u64, u32), b: (u8, u64, u32)) {
            let (one, other) = (ValueKey::new(a.0, a.1, a.2), ValueKey::new(b.0, b.1, b.2));
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
            prop_assert_eq!((one.kind(), one.run(), one.number()), a);
            prop_assert_eq!(ValueKey::read(&one), Some(one));
        }
    }
}
