//! What a print carries so that it can be compared with the receipt, or with the answer that the service gives: the digest of it, as text, as numbers that two people can read to each other, and as a QR code.

use crate::domain::check_numbers::check_numbers;
use data_encoding::HEXUPPER;
use qrcode::types::Color;
use qrcode::{EcLevel, QrCode};
use sha2::{Digest, Sha256};

/// Modules of blank margin that readers of QR codes need.
const QUIET: usize = 4;

/// A digest, in the forms in which a print shows it.
#[derive(Debug)]
pub(super) struct FileCopy {
    /// SHA-256 in hexadecimal: of the answer as JSON, byte for byte, or the digest of a receipt.
    pub(super) digest: String,
    /// Its beginning, in six groups of four decimal digits.
    pub(super) check_numbers: String,
    /// `SHA-256:` and the digest.
    pub(super) qr: Option<QrPicture>,
}

/// A QR code, ready to be written as SVG.
#[derive(Debug)]
pub(super) struct QrPicture {
    /// Modules of a side, with the blank margin.
    pub(super) side: usize,
    /// The dark modules as a path.
    pub(super) path: String,
}

impl FileCopy {
    /// Of the bytes of an answer.
    pub(super) fn of(answer: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(answer).into())
    }

    /// Of a digest.
    pub(super) fn of_digest(digest: &[u8; 32]) -> Self {
        let text = HEXUPPER.encode(digest);
        let qr = QrPicture::of(&format!("SHA-256:{text}"));
        Self { digest: text.to_ascii_lowercase(), check_numbers: check_numbers(digest), qr }
    }
}

impl QrPicture {
    /// `None` for a text that fits no QR code.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let colors = code.into_colors();
        let mut path = String::new();
        for (y, row) in colors.chunks(width.max(1)).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run.first() == Some(&Color::Dark) {
                    let length = run.len();
                    path.push_str(&format!("M{} {}h{length}v1h-{length}z", x + QUIET, y + QUIET));
                }
                x += run.len();
            }
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_digest() {
        let copy = FileCopy::of(b"abc");
        assert_eq!(copy.digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // 0xba7816bf modulo 10,000 is 2319, and so on.
        assert_eq!(copy.check_numbers, "2319 0650 5486 3091 1619 1116");
        let qr = copy.qr.unwrap();
        // 72 characters of the alphanumeric mode need version 4 (33 modules).
        assert_eq!(qr.side, 33 + 2 * QUIET);
        // The finder pattern of the first row: seven dark modules.
        assert!(qr.path.starts_with("M4 4h7v1h-7z"), "{}", qr.path);
        assert!(QrPicture::of(&"x".repeat(10_000)).is_none());
    }
}
