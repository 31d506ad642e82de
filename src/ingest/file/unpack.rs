//! Unpacks an input: gzip with all its members, Zstandard with all its frames.

use super::READ_BYTES;
use super::format::Packing;
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// The longest window of Zstandard that is unpacked, as a power of two: what `zstd --long=31` writes. Up to so much memory
/// (2 GiB) is taken while such a frame is read.
pub(super) const WINDOW_LOG_MAX: u32 = 31;

/// What the library says of a frame with a longer one.
const WINDOW_TOO_LONG: &str = "requires too much memory";

/// Reads what `input` holds, unpacked.
pub(super) fn unpacked(
    input: impl Read + Send + 'static,
    packing: Packing,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Plain => Box::new(input),
        Packing::Gzip => Box::new(Gzip::Between(BufReader::with_capacity(READ_BYTES, input))),
        Packing::Zstandard => {
            let mut decoder = zstd::stream::read::Decoder::new(input)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(Zstandard(decoder))
        }
    })
}

/// Members of gzip one after the other; zero bytes behind one are padding of a tape or a block device.
enum Gzip<R> {
    Inside(Box<GzDecoder<BufReader<R>>>),
    Between(BufReader<R>),
    /// While it passes from one to the other.
    Ended,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Ended) {
                Self::Ended => return Ok(0),
                Self::Inside(mut member) => {
                    let read = member.read(buffer);
                    if matches!(read, Ok(0)) && !buffer.is_empty() {
                        *self = Self::Between(member.into_inner());
                    } else {
                        *self = Self::Inside(member);
                        return read;
                    }
                }
                Self::Between(mut input) => match after_padding(&mut input)? {
                    None => return Ok(0),
                    Some(0x1f) => *self = Self::Inside(Box::new(GzDecoder::new(input))),
                    Some(_) => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "other bytes follow a whole gzip member",
                        ));
                    }
                },
            }
        }
    }
}

/// The next byte that is not zero; it is not taken.
fn after_padding(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = input.fill_buf()?;
        let length = bytes.len();
        if length == 0 {
            return Ok(None);
        }
        match bytes.iter().position(|&byte| byte != 0) {
            Some(at) => {
                let next = bytes.get(at).copied();
                input.consume(at);
                return Ok(next);
            }
            None => input.consume(length),
        }
    }
}

/// Names what is too large for it.
struct Zstandard<R: BufRead>(zstd::stream::read::Decoder<'static, R>);

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            if error.to_string().contains(WINDOW_TOO_LONG) {
                io::Error::other(format!(
                    "a Zstandard frame has a window above 2^{WINDOW_LOG_MAX} bytes: unpack it with \
                     `zstd -dc --long={}` and pipe it in, or pack it again with a shorter window",
                    WINDOW_LOG_MAX + 1
                ))
            } else {
                error
            }
        })
    }
}
