//! What a request body is written in: UTF-8 text as it is, or a refusal that names what came instead.

use super::problem::{Kind, Problem};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};

/// The media types of one JSON text a line.
const MEDIA_TYPES: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/jsonlines",
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Refuses a body that its headers name as something else than plain JSON lines in UTF-8.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let coded = headers.get_all(TRANSFER_ENCODING).iter();
    if coded.into_iter().any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        let detail = "the only transfer coding that is read is chunked: send the body as it is";
        return Err(Problem::new(Kind::UnsupportedTransferCoding, detail));
    }
    for value in headers.get_all(CONTENT_ENCODING) {
        let codings = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        if let Some(coding) =
            codings.into_iter().find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
        {
            let coding = String::from_utf8_lossy(coding);
            let detail = format!("Content-Encoding {coding} is not read: send the lines without compression");
            return Err(Problem::new(Kind::UnsupportedEncoding, detail));
        }
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(given) = types.next() else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let mut parts = given.split(';');
    let name = parts.next().unwrap_or_default().trim();
    if types.next().is_some() || !MEDIA_TYPES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        let detail = "send one JSON object a line, with one header `Content-Type: application/x-ndjson`";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    parts.try_for_each(check_parameter)
}

fn check_parameter(parameter: &str) -> Result<(), Problem> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    let is_utf_8 = value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8");
    if !name.trim().eq_ignore_ascii_case("charset") || is_utf_8 {
        return Ok(());
    }
    let detail = format!("the charset {value} is not read: send the lines in UTF-8");
    Err(Problem::new(Kind::UnsupportedEncoding, detail))
}

/// The lines of a body, without the byte order mark that may come before the first. A body that is not UTF-8 is refused,
/// by name where its first bytes tell what it is.
pub(super) fn lines_of(body: &[u8]) -> Result<&[u8], Problem> {
    let refused = |detail: String| Err(Problem::new(Kind::UnsupportedEncoding, detail));
    if let Some(name) = compression(body).or_else(|| wide_encoding(body)) {
        return refused(format!("the body is {name}: send the lines in UTF-8, without compression"));
    }
    if let Err(error) = std::str::from_utf8(body) {
        let offset = error.valid_up_to();
        return refused(format!(
            "the body is not UTF-8 at byte offset {offset}: send the lines in UTF-8, without compression"
        ));
    }
    Ok(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body))
}

/// The compression whose first bytes a body has. They may contain zero bytes, so they come before [`wide_encoding`].
fn compression(body: &[u8]) -> Option<&'static str> {
    match body {
        [0x1f, 0x8b, ..] => Some("compressed with gzip"),
        [0x1f, 0x9d, ..] => Some("compressed with compress"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed with zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed with xz"),
        [0x5d, 0, 0, ..] => Some("compressed with lzma"),
        [b'B', b'Z', b'h', ..] => Some("compressed with bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some("compressed with lz4"),
        [0xff, 0x06, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some("compressed with snappy"),
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("compressed with zlib"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("a 7z archive"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        _ => None,
    }
}

/// UTF-16 and UTF-32 by their byte order marks. JSON begins with ASCII, so a zero byte among the first four tells them
/// without a mark (RFC 4627, section 3).
fn wide_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, 0, 0, ..] | [_, 0, 0, 0, ..] => Some("UTF-32"),
        [0, _, ..] | [_, 0, ..] | [_, _, 0, ..] | [_, _, _, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}
