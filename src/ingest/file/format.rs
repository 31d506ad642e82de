//! What an input is, told by its first bytes: names of files say little (`orders.jsonl.gz.1`, `.xz` renamed to `.gz`).

use crate::domain::event::is_order_field;

/// Bytes that are looked at: beyond the place at which a tar archive says what it is.
pub(super) const LOOK_BYTES: usize = 1 << 10;

/// The byte order mark that some programs write before UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the bytes of an input are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstandard,
}

impl Packing {
    pub(super) fn of(start: &[u8]) -> Self {
        if start.starts_with(b"\x1f\x8b") {
            Self::Gzip
        } else if start.starts_with(b"\x28\xb5\x2f\xfd") || is_skippable_frame(start) {
            Self::Zstandard
        } else {
            Self::Plain
        }
    }
}

/// A frame of Zstandard without content, such as some programs begin with.
fn is_skippable_frame(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Something else than JSON lines, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    /// What it is.
    pub(super) what: &'static str,
    /// What to do. `FILE` denotes the input.
    pub(super) advice: &'static str,
}

const UNPACKED_TWICE: &str = "unpack it once: `gzip -dc FILE | coverledger ingest --config CONFIG -`";
const EXPORT: &str = "export its rows as JSON lines with the fields of the contract, and ingest those";
const FROM_UTF_32BE: &str =
    "turn it into UTF-8: `iconv -f UTF-32BE -t UTF-8 FILE | coverledger ingest --config CONFIG -`";
const FROM_UTF_32LE: &str =
    "turn it into UTF-8: `iconv -f UTF-32LE -t UTF-8 FILE | coverledger ingest --config CONFIG -`";
const FROM_UTF_16BE: &str =
    "turn it into UTF-8: `iconv -f UTF-16BE -t UTF-8 FILE | coverledger ingest --config CONFIG -`";
const FROM_UTF_16LE: &str =
    "turn it into UTF-8: `iconv -f UTF-16LE -t UTF-8 FILE | coverledger ingest --config CONFIG -`";
const FROM_UTF_7: &str =
    "turn it into UTF-8: `iconv -f UTF-7 -t UTF-8 FILE | coverledger ingest --config CONFIG -`";

/// Formats by the bytes at their beginning.
const SIGNATURES: [(&[u8], &str, &str); 33] = [
    (b"\x1f\x8b", "gzip inside another compression", UNPACKED_TWICE),
    (
        b"\x28\xb5\x2f\xfd",
        "Zstandard inside another compression",
        "unpack it once: `zstd -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (b"\xfd7zXZ\0", "compressed by xz", "unpack it: `xz -dc FILE | coverledger ingest --config CONFIG -`"),
    (
        b"\x5d\0\0",
        "compressed by lzma",
        "unpack it: `xz --format=lzma -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (b"LZIP", "compressed by lzip", "unpack it: `lzip -dc FILE | coverledger ingest --config CONFIG -`"),
    (b"BZh", "compressed by bzip2", "unpack it: `bzip2 -dc FILE | coverledger ingest --config CONFIG -`"),
    (
        b"\x04\x22\x4d\x18",
        "compressed by lz4",
        "unpack it: `lz4 -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"\x02\x21\x4c\x18",
        "compressed by lz4",
        "unpack it: `lz4 -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"\x1f\x9d",
        "compressed by compress",
        "unpack it: `gzip -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"\x1f\xa0",
        "compressed by compress",
        "unpack it: `gzip -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"\x89LZO\0\r\n",
        "compressed by lzop",
        "unpack it: `lzop -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"\xff\x06\0\0sNaPpY",
        "compressed by Snappy",
        "unpack it: `snzip -dc FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"PK\x03\x04",
        "a zip archive (or a spreadsheet such as .xlsx)",
        "unpack it: `unzip -p FILE | coverledger ingest --config CONFIG -`; of a spreadsheet, export the rows as JSON lines",
    ),
    (b"PK\x05\x06", "an empty zip archive", "look for the file that was meant"),
    (b"PK\x07\x08", "a zip archive in parts", "put it together and unpack it with `unzip`"),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7-Zip archive",
        "unpack it: `7z x -so FILE | coverledger ingest --config CONFIG -`",
    ),
    (
        b"Rar!\x1a\x07",
        "a RAR archive",
        "unpack it: `unrar p -inul FILE | coverledger ingest --config CONFIG -`",
    ),
    (b"PAR1", "a Parquet file", EXPORT),
    (b"Obj\x01", "an Avro file", EXPORT),
    (b"ORC", "an ORC file", EXPORT),
    (b"ARROW1", "an Arrow file", EXPORT),
    (b"SEQ\x06", "a Hadoop sequence file", EXPORT),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"PGDMP", "a dump of PostgreSQL", EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet or document of Office", EXPORT),
    (b"%PDF-", "a PDF document", "look for the file that was meant"),
    (b"\x7fELF", "a program", "look for the file that was meant"),
    (
        b"\x1e{",
        "a JSON text sequence (RFC 7464)",
        "take its separators out: `tr -d '\\036' <FILE | coverledger ingest --config CONFIG -`",
    ),
    (b"\0\0\xfe\xff", "text in UTF-32BE", FROM_UTF_32BE),
    (b"\xff\xfe\0\0", "text in UTF-32LE", FROM_UTF_32LE),
    (b"\xfe\xff", "text in UTF-16BE", FROM_UTF_16BE),
    (b"\xff\xfe", "text in UTF-16LE", FROM_UTF_16LE),
    (b"+/v8", "text in UTF-7", FROM_UTF_7),
];

/// Where a tar archive says what it is.
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// What the beginning of an input is when it is not JSON lines. Lines that are only broken are none of this: they are
/// rejected one by one.
pub(super) fn foreign(start: &[u8]) -> Option<Foreign> {
    let signature = SIGNATURES.iter().find(|(bytes, ..)| start.starts_with(bytes));
    if let Some((_, what, advice)) = signature {
        return Some(Foreign { what, advice });
    }
    if start.get(TAR_MARK) == Some(b"ustar") {
        let advice = "unpack it: `tar -xOf FILE | coverledger ingest --config CONFIG -`";
        return Some(Foreign { what: "a tar archive", advice });
    }
    wide_text(start).map(|(what, advice)| Foreign { what, advice }).or_else(|| text(start))
}

/// UTF-16 and UTF-32 without a mark: JSON begins with two characters of ASCII, whose other bytes are zero.
fn wide_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_ascii = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match *start {
        [a, 0, 0, 0, b, 0, 0, 0, ..] if is_ascii(a) && is_ascii(b) => {
            Some(("text in UTF-32LE", FROM_UTF_32LE))
        }
        [0, 0, 0, a, 0, 0, 0, b, ..] if is_ascii(a) && is_ascii(b) => {
            Some(("text in UTF-32BE", FROM_UTF_32BE))
        }
        [a, 0, b, 0, ..] if is_ascii(a) && is_ascii(b) => Some(("text in UTF-16LE", FROM_UTF_16LE)),
        [0, a, 0, b, ..] if is_ascii(a) && is_ascii(b) => Some(("text in UTF-16BE", FROM_UTF_16BE)),
        _ => None,
    }
}

/// Text that is not JSON lines.
fn text(start: &[u8]) -> Option<Foreign> {
    let text = start.trim_ascii_start();
    let foreign = |what, advice| Some(Foreign { what, advice });
    match text.first()? {
        _ if is_toml(text) => foreign(
            "TOML, such as a configuration",
            "look for the file that was meant; the configuration goes to --config",
        ),
        b'[' => foreign(
            "a JSON array",
            "write one object a line: `jq -c '.[]' FILE | coverledger ingest --config CONFIG -`",
        ),
        b'{' if is_spread(text) => foreign(
            "JSON objects over several lines",
            "write one object a line: `jq -c . FILE | coverledger ingest --config CONFIG -`",
        ),
        b'{' => None,
        b'<' => foreign(
            "XML or HTML",
            "look for the file that was meant; an error page may have come in its place",
        ),
        b'-' if text.starts_with(b"---\n") || text.starts_with(b"-----BEGIN ") => {
            foreign("YAML, or a certificate or key", "look for the file that was meant")
        }
        _ if is_table(text) => foreign(
            "a table such as CSV",
            "write each row as one JSON object a line with the fields of the contract (docs/contract.md, section 1): \
             order_id, rider_id and region as strings, times with an offset",
        ),
        _ => None,
    }
}

/// Whether the first line that is no comment is the name of a table, and the next one a key with its value, or a table.
fn is_toml(text: &[u8]) -> bool {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let is_name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.\"' ".contains(byte))
    };
    let is_table = |line: &[u8]| {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
        let inner = line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]"));
        let inner = inner
            .map(|line| line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]")).unwrap_or(line));
        inner.is_some_and(is_name)
    };
    let is_value = |line: &[u8]| {
        let at = line.iter().position(|&byte| byte == b'=');
        let key = at.and_then(|at| line.get(..at)).map(<[u8]>::trim_ascii);
        key.is_some_and(is_name)
    };
    lines.next().is_some_and(is_table) && lines.next().is_some_and(|line| is_value(line) || is_table(line))
}

/// Whether the first line is only the beginning of an object.
fn is_spread(text: &[u8]) -> bool {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.next() == Some(b"{")
        && lines.find(|line| !line.is_empty()).is_some_and(|line| line.starts_with(b"\""))
}

/// Whether the first line is a header of columns: it names a field of the contract, or the next one has as many columns.
fn is_table(text: &[u8]) -> bool {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let Some(header) = lines.next() else { return false };
    if header.contains(&b'{') {
        return false;
    }
    let names_field = |cell: &[u8]| {
        let cell = cell.trim_ascii().trim_ascii_start();
        let cell = cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell);
        is_order_field(cell)
    };
    let columns = |line: &[u8], separator| line.iter().filter(|&&byte| byte == separator).count();
    let next = lines.next().filter(|line| !line.contains(&b'{'));
    [b',', b';', b'\t', b'|'].into_iter().any(|separator| {
        header.split(|&byte| byte == separator).any(names_field)
            || columns(header, separator) >= 2
                && next.is_some_and(|next| columns(next, separator) == columns(header, separator))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(start: &[u8]) -> Option<&'static str> {
        foreign(start).map(|foreign| foreign.what)
    }

    #[test]
    fn other_formats_are_told_by_their_first_bytes() {
        for (bytes, ..) in SIGNATURES {
            assert!(foreign(&[bytes, b"and more"].concat()).is_some(), "{bytes:?}");
        }
        let mut tar = vec![b'x'; 300];
        tar[TAR_MARK].copy_from_slice(b"ustar");
        assert_eq!(what(&tar), Some("a tar archive"));
        for (text, encoding) in [("{\"a\":1}", "{"), ("[{\"a\":1}]", "[")] {
            let wide: Vec<u16> = text.encode_utf16().collect();
            let le: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes().into_iter().rev()).collect();
            let be: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            let be32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
            let le32: Vec<u8> =
                text.chars().flat_map(|c| u32::from(c).to_be_bytes().into_iter().rev()).collect();
            assert_eq!(what(&le), Some("text in UTF-16LE"), "{encoding}");
            assert_eq!(what(&be), Some("text in UTF-16BE"), "{encoding}");
            assert_eq!(what(&be32), Some("text in UTF-32BE"), "{encoding}");
            assert_eq!(what(&le32), Some("text in UTF-32LE"), "{encoding}");
        }
    }

    #[test]
    fn text_that_is_no_json_lines_is_named() {
        for array in ["[", "[]", " \n[{\"platform\":\"aa\"}]", "[\n{}"] {
            assert_eq!(what(array.as_bytes()), Some("a JSON array"), "{array}");
        }
        for spread in ["{\n  \"platform\": \"aa\"", "{\r\n\r\n\t\"a\""] {
            assert_eq!(what(spread.as_bytes()), Some("JSON objects over several lines"), "{spread}");
        }
        for table in [
            "platform,order_id,rider_id\naa,1,R1\n",
            "\"Platform\";\"Order_ID\"\r\n",
            "rider_id\nR1\nR2",
            "order_id\trider\n",
            "订单号,骑手,开始\n1,R1,2026\n",
            "a|b|c\n1|2|3\n",
            "\n\norder_id, rider_id",
        ] {
            assert_eq!(what(table.as_bytes()), Some("a table such as CSV"), "{table}");
        }
        assert_eq!(what(b"<!DOCTYPE html>"), Some("XML or HTML"));
        for toml in [
            "[ledger]\ndata_dir = \"data\"\n",
            "# settings\n\n[[rate]] # one\ncategory = \"x\"\r\n",
            "[platform.\"a b\"]\n# nothing yet\n[http]\n",
        ] {
            assert_eq!(what(toml.as_bytes()), Some("TOML, such as a configuration"), "{toml}");
        }
        for array in ["[1]\n", "[\"a = b\",\n\"c\"]", "[ledger]\n{\"a\":1}", "[]\n"] {
            assert_eq!(what(array.as_bytes()), Some("a JSON array"), "{array}");
        }
    }

    #[test]
    fn broken_lines_are_left_to_the_checks_of_records() {
        for start in [
            "",
            "\n\n",
            "{",
            "{\n",
            "{broken\n",
            "{\"a\":1,\"b\":[2,\n",
            "order completed\n{\"platform\":1}\n",
            "one, two, three\n{\"platform\":\"aa\"}\n",
            "order_id {\n",
            "\u{1}\u{2}\u{3}",
            "not json",
            "null\n",
            "12\n",
            "\"text\"\n",
        ] {
            assert_eq!(foreign(start.as_bytes()), None, "{start:?}");
        }
        assert_eq!(foreign(&[0xff; 40]), None);
        assert_eq!(foreign(&[0; 40]), None);
    }
}
