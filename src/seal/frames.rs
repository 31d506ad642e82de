//! The one form of what is hashed: fields in order, each with its length before it as four bytes, high byte first. No two
//! lists of fields have the same bytes.

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
        self.push(number.to_string().as_bytes());
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
