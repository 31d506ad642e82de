//! What a file of questions or mended records is when it is no text in UTF-8, by its first line.

/// Something else than text in UTF-8, with what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignText {
    /// What it is.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const UTF_16_LE: &str = "save it in UTF-8, or convert it: iconv -f UTF-16LE -t UTF-8";
const UTF_16_BE: &str = "save it in UTF-8, or convert it: iconv -f UTF-16BE -t UTF-8";
const UTF_32_LE: &str = "save it in UTF-8, or convert it: iconv -f UTF-32LE -t UTF-8";
const UTF_32_BE: &str = "save it in UTF-8, or convert it: iconv -f UTF-32BE -t UTF-8";
const WORKBOOK: &str = "save the sheet as CSV UTF-8";

/// Formats by the bytes at their beginning.
const SIGNATURES: [(&[u8], &str, &str); 13] = [
    (b"\xFF\xFE\0\0", "in UTF-32LE", UTF_32_LE),
    (b"\0\0\xFE\xFF", "in UTF-32BE", UTF_32_BE),
    (b"\xFF\xFE", "in UTF-16LE", UTF_16_LE),
    (b"\xFE\xFF", "in UTF-16BE", UTF_16_BE),
    (b"PK\x03\x04", "a workbook (.xlsx) or a zip archive", WORKBOOK),
    (b"\xD0\xCF\x11\xE0", "a workbook (.xls)", WORKBOOK),
    (b"\x1F\x8B", "compressed with gzip", "unpack it first: gzip -dc"),
    (b"\x28\xB5\x2F\xFD", "compressed with zstd", "unpack it first: zstd -dc"),
    (b"\xFD7zXZ\0", "compressed with xz", "unpack it first: xz -dc"),
    (b"BZh", "compressed with bzip2", "unpack it first: bzip2 -dc"),
    (b"\x04\x22\x4D\x18", "compressed with lz4", "unpack it first: lz4 -dc"),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", "unpack it first: 7z x -so"),
    (b"%PDF-", "a PDF document", "look for the file that was meant"),
];

/// One zero byte of so many makes a text of wide characters.
const ZERO_SHARE: usize = 4;

/// What a file is that is no text in UTF-8, by its first line.
pub fn foreign_text(first_line: &[u8]) -> Option<ForeignText> {
    let by_start = SIGNATURES.iter().find(|(start, ..)| first_line.starts_with(start));
    let (what, remedy) = match by_start {
        Some((_, what, remedy)) => (*what, *remedy),
        None if first_line.contains(&0) => unmarked(first_line),
        None => return None,
    };
    Some(ForeignText { what, remedy })
}

/// A line with zero bytes: in wide characters without their mark, or no text at all.
fn unmarked(line: &[u8]) -> (&'static str, &'static str) {
    let zeros = |at: usize| line.iter().skip(at).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match line {
        [a, 0, 0, 0, ..] if *a != 0 => ("in UTF-32LE without its mark", UTF_32_LE),
        [0, 0, 0, a, ..] if *a != 0 => ("in UTF-32BE without its mark", UTF_32_BE),
        _ if odd > even && odd * ZERO_SHARE >= line.len() => ("in UTF-16LE without its mark", UTF_16_LE),
        _ if even > odd && even * ZERO_SHARE >= line.len() => ("in UTF-16BE without its mark", UTF_16_BE),
        _ => ("binary", "look for the file that was meant"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named_with_its_encoding() {
        let wide = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| {
                let mut bytes = unit.to_be_bytes();
                if !big {
                    bytes.reverse();
                }
                bytes
            };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let what = |bytes: &[u8]| foreign_text(bytes).map(|found| (found.what, found.remedy));
        for text in ["rider_id,at\r\n", "骑手,rider_id,at\n", "{\"rejection\":1}"] {
            let marked = format!("\u{feff}{text}");
            assert_eq!(what(&wide(&marked, false)), Some(("in UTF-16LE", UTF_16_LE)));
            assert_eq!(what(&wide(&marked, true)), Some(("in UTF-16BE", UTF_16_BE)));
            assert_eq!(what(&wide(text, false)), Some(("in UTF-16LE without its mark", UTF_16_LE)));
            assert_eq!(what(&wide(text, true)), Some(("in UTF-16BE without its mark", UTF_16_BE)));
            assert_eq!(what(text.as_bytes()), None);
        }
        assert_eq!(what(b"\xFF\xFE\0\0r\0\0\0"), Some(("in UTF-32LE", UTF_32_LE)));
        assert_eq!(what(b"\0\0\xFE\xFF\0\0\0r"), Some(("in UTF-32BE", UTF_32_BE)));
        assert_eq!(what(b"r\0\0\0i\0\0\0"), Some(("in UTF-32LE without its mark", UTF_32_LE)));
        assert_eq!(what(b"\0\0\0r\0\0\0i"), Some(("in UTF-32BE without its mark", UTF_32_BE)));
        assert_eq!(what(b"rider_id\0,at\n").map(|(what, _)| what), Some("binary"));
        assert_eq!(what(b"PK\x03\x04\x14\0"), Some(("a workbook (.xlsx) or a zip archive", WORKBOOK)));
    }
}
