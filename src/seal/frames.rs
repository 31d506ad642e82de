//! The one form of what is hashed: fields in order, each with its length before it as four bytes, high byte first. No two
//! lists of fields have the same bytes.

use super::instant;
use crate::domain::time::UtcMillis;

/// Fields in the form in which they are hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Fields that begin with a label, which tells what they are.
    pub fn of(label: &str) -> Self {
        Self::default().with(label.as_bytes())
    }

    /// Appends a field.
    pub fn push(&mut self, field: &[u8]) {
        // A field of 4 GiB does not occur: limits on records and counts are far below.
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field);
    }

    /// The same with a further field.
    #[must_use]
    pub fn with(mut self, field: &[u8]) -> Self {
        self.push(field);
        self
    }

    /// Appends a number as decimal text.
    pub fn push_number(&mut self, number: u64) {
        let mut digits = [b'0'; 20];
        let (mut rest, mut used) = (number, 0);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            (rest, used) = (rest / 10, used + 1);
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len() - used..).unwrap_or_default());
    }

    /// Appends the last six digits of a number, zeros before it.
    pub fn push_six_digits(&mut self, number: u32) {
        let mut digits = [b'0'; 6];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        self.push(&digits);
    }

    /// Appends an instant as text; an empty text for one without a text, and `None`.
    pub fn push_instant(&mut self, at: UtcMillis) -> Option<()> {
        let text = instant::to_bytes(at);
        self.push(text.as_ref().map_or(&[], |text| text.as_slice()));
        text.map(|_| ())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_library_writes_them(number: u64) {
            let mut fields = Frames::default();
            fields.push_number(number);
            prop_assert_eq!(fields, Frames::default().with(number.to_string().as_bytes()));
        }
    }

    #[test]
    fn the_ends_of_numbers_are_written_too() {
        for number in [0, 9, 10, u64::MAX] {
            let mut fields = Frames::default();
            fields.push_number(number);
            assert_eq!(fields, Frames::default().with(number.to_string().as_bytes()));
        }
    }
}
