//! What a record is that is no event: recognised by its first bytes and keys, with what to do about it.

use super::salvage::Salvaged;

const DEBEZIUM: &str = "a Debezium envelope: set transforms=unwrap (ExtractNewRecordState) in the connector";
const CONNECT: &str =
    "a Connect envelope of schema and payload: set value.converter.schemas.enable=false in the connector";
const REGISTRY: &str = "framed by a schema registry (byte 0, then a schema id of four bytes): send plain JSON without a registry's serializer";
const UTF_16: &str = "UTF-16 text: send it as UTF-8";
const UTF_32: &str = "UTF-32 text: send it as UTF-8";

/// Formats that begin with fixed bytes.
const MAGIC: [(&[u8], &str); 14] = [
    (b"\x1f\x8b", "compressed with gzip: send it decompressed"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: send it decompressed"),
    (b"\xfd7zXZ\0", "compressed with xz: send it decompressed"),
    (b"\x04\x22\x4d\x18", "compressed with lz4: send it decompressed"),
    (b"BZh", "compressed with bzip2: send it decompressed"),
    (b"\xff\x06\0\0sNaPpY", "compressed with snappy: send it decompressed"),
    (b"\x82SNAPPY\0", "compressed with snappy: send it decompressed"),
    (b"\x78\x9c", "compressed with zlib: send it decompressed"),
    (b"PK\x03\x04", "a zip archive: send the events in it, one JSON object a record"),
    (b"Obj\x01", "an Avro file: send the events as JSON"),
    (b"PAR1", "a Parquet file: send the events as JSON"),
    // UTF-32 first: its little-endian mark begins with that of UTF-16.
    (b"\xff\xfe\0\0", UTF_32),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
];

/// The envelope around an event.
pub(super) fn envelope(salvaged: &Salvaged<'_>) -> Option<&'static str> {
    let keys = &salvaged.envelope;
    if keys.has_row && keys.has_op {
        return Some(DEBEZIUM);
    }
    let payload = keys.payload.filter(|_| keys.has_schema)?;
    let inside = Salvaged::of(payload.as_bytes()).envelope;
    Some(if inside.has_row && inside.has_op { DEBEZIUM } else { CONNECT })
}

/// What a record that is not one JSON object is, if that is recognised.
pub(super) fn form(record: &[u8], salvaged: &Salvaged<'_>) -> Option<&'static str> {
    if record.trim_ascii().is_empty() {
        return Some(
            "empty, as a Kafka tombstone is: stop sending deletions to this topic (tombstones.on.delete=false)",
        );
    }
    if let Some((_, form)) = MAGIC.iter().find(|(start, _)| record.starts_with(start)) {
        return Some(form);
    }
    match record {
        [0, 0, 0xfe, 0xff, ..]
        | [0, 0, 0, 0x09..=0x7e, 0, 0, 0, _, ..]
        | [0x09..=0x7e, 0, 0, 0, _, 0, 0, 0, ..] => {
            return Some(UTF_32);
        }
        [0, 0x09..=0x7e, 0, 0x09..=0x7e, ..] | [0x09..=0x7e, 0, 0x09..=0x7e, 0, ..] => return Some(UTF_16),
        [0, _, _, _, _, _, ..] => return Some(REGISTRY),
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(record) else {
        return Some("in another encoding (such as GBK) or binary: send JSON as UTF-8");
    };
    if let Some(form) = envelope(salvaged) {
        return Some(form);
    }
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return rest
            .trim_start()
            .starts_with('{')
            .then_some("behind a byte order mark: write it without one");
    }
    of_text(text.trim())
}

/// The form of a text that is no object.
fn of_text(text: &str) -> Option<&'static str> {
    let mut start = text.bytes();
    match start.next()? {
        b'{' => None,
        b'[' => Some("a JSON array: send one JSON object a record"),
        b'<' => Some("XML or HTML: send one JSON object a record"),
        b'"' if text.get(1..).is_some_and(|rest| rest.trim_start().starts_with('{')) => {
            Some("JSON within a JSON string, encoded twice: send the object itself")
        }
        _ if text == "null" => {
            Some("a JSON null, as a connector writes for a deletion: stop sending deletions to this topic")
        }
        _ if has_columns(text) => Some("text that looks like CSV: send one JSON object a record"),
        _ => Some("plain text or another JSON value: send one JSON object a record"),
    }
}

/// Whether the first line has three columns or more.
fn has_columns(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    [',', ';', '\t', '|'].into_iter().any(|separator| line.matches(separator).count() >= 2)
}
