//! The stored form of the ledger's values: keys, frames with a checksum, and bodies cut into chunks.

pub mod chunked;
pub mod keys;

pub use crate::storage::bytes::{CodecError, Decoded, Reader, Writer, low_byte, low_u32};

use xxhash_rust::xxh3::Xxh3;

/// How the body of a frame is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Raw = 0,
    /// lz4, the unpacked length before it.
    Lz4 = 1,
}

/// The format of every stored value; a store with another one is refused.
pub const FORMAT: u8 = 3;
/// Largest unpacked body of a frame, in bytes: bounds what a damaged length can make us allocate.
const BODY_BYTES_MAX: usize = 256 << 20;
/// What lz4 packs into one byte at most: a length beyond it is a lie.
const LZ4_RATIO_MAX: usize = 256;
const CHECKSUM_BYTES: usize = 8;

/// Wraps a body: format, packing, body, and a checksum over key and all of it, so that a value found under another
/// key does not pass either.
pub fn frame(key: &[u8], body: &[u8], packing: Packing) -> Vec<u8> {
    let mut value = Vec::with_capacity(body.len() + 2 + CHECKSUM_BYTES);
    value.push(FORMAT);
    let packed = (packing == Packing::Lz4).then(|| lz4_flex::block::compress_prepend_size(body));
    match packed.filter(|packed| packed.len() < body.len()) {
        Some(packed) => {
            value.push(Packing::Lz4 as u8);
            value.extend_from_slice(&packed);
        }
        None => {
            value.push(Packing::Raw as u8);
            value.extend_from_slice(body);
        }
    }
    let checksum = checksum(key, &value);
    value.extend_from_slice(&checksum);
    value
}

/// The body of a framed value.
pub fn unframe<'a>(key: &[u8], value: &'a [u8]) -> Decoded<std::borrow::Cow<'a, [u8]>> {
    let at = value.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("a frame"))?;
    let (content, stored) = value.split_at_checked(at).ok_or(CodecError::Truncated("a frame"))?;
    if checksum(key, content) != stored {
        return Err(CodecError::Checksum);
    }
    let (&format, rest) = content.split_first().ok_or(CodecError::Truncated("a frame"))?;
    if format != FORMAT {
        return Err(CodecError::Format { found: format, known: FORMAT });
    }
    match rest.split_first() {
        Some((0, body)) => Ok(body.into()),
        Some((1, packed)) => {
            let (size, _) =
                lz4_flex::block::uncompressed_size(packed).map_err(|_| CodecError::Invalid("packing"))?;
            if size > BODY_BYTES_MAX.min(packed.len().saturating_mul(LZ4_RATIO_MAX)) {
                return Err(CodecError::Invalid("packed length"));
            }
            lz4_flex::block::decompress_size_prepended(packed)
                .map(Into::into)
                .map_err(|_| CodecError::Invalid("packed body"))
        }
        _ => Err(CodecError::Invalid("packing")),
    }
}

fn checksum(key: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(content);
    hasher.digest().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_survives_nothing_but_itself(key: Vec<u8>, body: Vec<u8>, flip: prop::sample::Index, bit in 0u8..8) {
            for packing in [Packing::Raw, Packing::Lz4] {
                let mut value = frame(&key, &body, packing);
                prop_assert!(unframe(&key, &value).unwrap().as_ref() == body.as_slice());
                let at = flip.index(value.len());
                value[at] ^= 1 << bit;
                prop_assert!(unframe(&key, &value).is_err());
            }
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(unframe(b"k", &bytes));
        }
    }
}
