//! Bytes of stored values: a bounded reader, a writer and variable-length integers.
//!
//! Every read is checked: corrupt input is an error, never a panic and never an allocation larger than the input
//! warrants. All fixed-width integers are big-endian.

use thiserror::Error;

/// Stored bytes do not have the form that their place promises.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CodecError {
    /// The value ends too early.
    #[error("the value ends inside {0}")]
    Truncated(&'static str),
    /// A field has an impossible value.
    #[error("{0} is out of range")]
    Invalid(&'static str),
    /// The checksum does not match.
    #[error("the checksum does not match: the value was changed or damaged")]
    Checksum,
    /// A newer (or foreign) format.
    #[error("format {found} is not known, this program writes {known}")]
    Format {
        /// What the value says.
        found: u8,
        /// What this program knows.
        known: u8,
    },
}

/// Result of reading stored bytes.
pub type Decoded<T> = Result<T, CodecError>;

/// Reads stored bytes from front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Decoded<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(CodecError::Truncated(what))?;
        self.rest = tail;
        Ok(head)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Decoded<u8> {
        let (&first, tail) = self.rest.split_first().ok_or(CodecError::Truncated(what))?;
        self.rest = tail;
        Ok(first)
    }

    /// A fixed array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Decoded<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated(what))?;
        self.rest = tail;
        Ok(*head)
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, what: &'static str) -> Decoded<u64> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// A variable-length integer (LEB128), at most ten bytes.
    pub fn varint(&mut self, what: &'static str) -> Decoded<u64> {
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || shift > 63 {
                return Err(CodecError::Invalid(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// Passes over variable-length integers, eight bytes at a time: their last bytes are those without the high bit.
    pub fn skip_varints(&mut self, count: usize, what: &'static str) -> Decoded<()> {
        let mut left = count;
        while let Some((eight, rest)) = self.rest.split_first_chunk::<8>() {
            let last_bytes = !u64::from_be_bytes(*eight) & 0x8080_8080_8080_8080;
            let ends = usize::try_from(last_bytes.count_ones()).unwrap_or(8);
            if ends >= left {
                break;
            }
            left -= ends;
            self.rest = rest;
        }
        for _ in 0..left {
            let length = self.rest.iter().position(|&byte| byte < 0x80).ok_or(CodecError::Truncated(what))?;
            self.bytes(length + 1, what)?;
        }
        Ok(())
    }

    /// A signed variable-length integer (zigzag).
    pub fn signed(&mut self, what: &'static str) -> Decoded<i64> {
        let raw = self.varint(what)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// A variable-length integer that fits `T`.
    pub fn number<T: TryFrom<u64>>(&mut self, what: &'static str) -> Decoded<T> {
        T::try_from(self.varint(what)?).map_err(|_| CodecError::Invalid(what))
    }

    /// A count of things of which each takes at least `bytes_each` of the bytes that remain: bounds allocations.
    pub fn count(&mut self, bytes_each: usize, what: &'static str) -> Decoded<usize> {
        let count: usize = self.number(what)?;
        if count.checked_mul(bytes_each.max(1)).is_none_or(|needed| needed > self.remaining()) && count > 0 {
            return Err(CodecError::Invalid(what));
        }
        Ok(count)
    }

    /// Bytes with their length before them.
    pub fn prefixed(&mut self, what: &'static str) -> Decoded<&'a [u8]> {
        let length: usize = self.number(what)?;
        self.bytes(length, what)
    }

    /// UTF-8 text with its length before it.
    pub fn text(&mut self, what: &'static str) -> Decoded<&'a str> {
        std::str::from_utf8(self.prefixed(what)?).map_err(|_| CodecError::Invalid(what))
    }

    /// An optional value behind a flag byte.
    pub fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        match self.u8(what)? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(CodecError::Invalid(what)),
        }
    }

    /// Nothing may be left.
    pub fn end(&self, what: &'static str) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Invalid(what)) }
    }
}

/// Appends to stored bytes; the mirror of [`Reader`].
pub trait Writer {
    /// A variable-length integer.
    fn put_varint(&mut self, value: u64);
    /// A signed variable-length integer.
    fn put_signed(&mut self, value: i64);
    /// A length or count.
    fn put_len(&mut self, value: usize);
    /// Bytes with their length before them.
    fn put_prefixed(&mut self, bytes: &[u8]);
    /// An optional value behind a flag byte.
    fn put_option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T));
}

impl Writer for Vec<u8> {
    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.push(low_byte(value));
    }

    #[inline]
    fn put_signed(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn put_len(&mut self, value: usize) {
        self.put_varint(u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn put_prefixed(&mut self, bytes: &[u8]) {
        self.put_len(bytes.len());
        self.extend_from_slice(bytes);
    }

    fn put_option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.push(0),
            Some(value) => {
                self.push(1);
                write(self, value);
            }
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The lowest eight bits.
#[inline]
pub const fn low_byte(value: u64) -> u8 {
    let [.., low] = value.to_be_bytes();
    low
}

/// The lowest 32 bits.
#[inline]
pub const fn low_u32(value: u64) -> u32 {
    let [.., a, b, c, d] = value.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_go_there_and_back(unsigned: u64, signed: i64) {
            let mut bytes = Vec::new();
            bytes.put_varint(unsigned);
            bytes.put_signed(signed);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("u").unwrap(), unsigned);
            prop_assert_eq!(reader.signed("s").unwrap(), signed);
            reader.end("all").unwrap();
        }

        #[test]
        fn passing_over_integers_is_reading_them(
            values in prop::collection::vec(prop_oneof![3 => 0..300_u64, 1 => any::<u64>()], 0..60),
            nth: prop::sample::Index,
        ) {
            let mut bytes = Vec::new();
            values.iter().for_each(|&value| bytes.put_varint(value));
            let count = nth.index(values.len() + 1);
            let (mut passed, mut read) = (Reader::new(&bytes), Reader::new(&bytes));
            passed.skip_varints(count, "x").unwrap();
            for _ in 0..count { read.varint("x").unwrap(); }
            prop_assert_eq!(passed.remaining(), read.remaining());
            prop_assert!(passed.skip_varints(values.len() - count + 1, "x").is_err());
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.remaining() > 0 && reader.varint("x").is_ok() {}
            drop(Reader::new(&bytes).text("t"));
        }
    }
}
