//! Heads that the HTTP library refuses before any handler sees them. It answers such a request by itself, without a body;
//! here that answer is known by its form and exchanged for a problem document.

use super::middleware;
use super::problem::{Kind, MEDIA_TYPE, Problem};
use axum::http::StatusCode;

/// The library's answers are shorter.
const LONGEST: usize = 256;
const END: &[u8] = b"\r\n\r\n";

/// An answer of the library at the end of what is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Automatic {
    /// Where it begins.
    pub(super) start: usize,
    pub(super) status: StatusCode,
    date: Option<String>,
}

impl Automatic {
    /// Finds one. The service's own answers have a body or headers that the library's lack.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        if !bytes.ends_with(END) {
            return None;
        }
        let earliest = bytes.len().saturating_sub(LONGEST);
        let tail = bytes.get(earliest..)?;
        let place = memchr::memmem::rfind(tail, b"HTTP/1.")?;
        let head = std::str::from_utf8(tail.get(place..)?).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?;
        let status = StatusCode::from_bytes(status.as_bytes()).ok().filter(StatusCode::is_client_error)?;
        let (mut is_empty, mut date) = (false, None);
        for line in lines.filter(|line| !line.is_empty()) {
            match line.split_once(": ")? {
                ("content-length", "0") => is_empty = true,
                ("date", at) => date = Some(at.to_owned()),
                ("connection", "close") => {}
                _ => return None,
            }
        }
        is_empty.then_some(Self { start: earliest + place, status, date })
    }

    /// What is sent instead.
    pub(super) fn instead(&self, monstrous_length: bool) -> Vec<u8> {
        let problem = match self.status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if monstrous_length => {
                Problem::new(Kind::BadRequest, "the header Content-Length is a number beyond every limit")
            }
            StatusCode::URI_TOO_LONG => Problem::new(
                Kind::UriTooLong,
                "the target of the request is too long: send many questions as a batch",
            ),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Problem::new(Kind::HeadTooLarge, "the request has too many headers, or too large ones")
            }
            _ => Problem::new(
                Kind::BadRequest,
                "this is no HTTP/1.1 request: look at the request line and the headers",
            ),
        };
        whole(&problem, self.date.as_deref())
    }
}

/// The first bytes of a client that speaks HTTP/2 from the start.
pub(super) const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The answer to them.
pub(super) fn http_2() -> Vec<u8> {
    whole(
        &Problem::new(Kind::BadRequest, "this service speaks HTTP/1.1, not HTTP/2: ask with HTTP/1.1"),
        None,
    )
}

/// Whether a head has a `Content-Length` that the library takes for a head that is too large.
pub(super) fn has_monstrous_length(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let head = bytes.get(..memchr::memmem::find(bytes, END).unwrap_or(bytes.len())).unwrap_or_default();
    let lines = memchr::memchr_iter(b'\n', head).filter_map(|end| head.get(end.saturating_add(1)..));
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii_start())
    });
    let digits = |value: &[u8]| value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    values.any(|value| digits(value) >= u64::MAX.ilog10().try_into().unwrap_or(usize::MAX))
}

/// The answer to a head that does not come to its end in time.
pub(super) fn too_slow() -> Vec<u8> {
    whole(&Problem::new(Kind::SlowRequest, "the head of the request did not arrive in time"), None)
}

/// A whole answer, after which the connection is closed.
fn whole(problem: &Problem, date: Option<&str>) -> Vec<u8> {
    let body = problem.document();
    let status = problem.kind.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\n", status.as_u16());
    for (name, value) in middleware::HEADERS {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(date) = date {
        text.push_str(&format!("date: {date}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTOMATIC: &str =
        "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";

    #[test]
    fn a_monstrous_length_is_seen() {
        let head =
            |line: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\ncontent-length: {}", u64::MAX);
        for (line, monstrous) in [
            ("Content-Length: 18446744073709551615", true),
            ("content-length:99999999999999999999999", true),
            ("Content-Length: 12", false),
            ("X: 18446744073709551615", false),
        ] {
            assert_eq!(has_monstrous_length(head(line).as_bytes()), monstrous, "{line}");
        }
    }

    #[test]
    fn only_an_answer_of_the_library_is_exchanged() {
        let found = Automatic::find(AUTOMATIC.as_bytes()).unwrap();
        assert_eq!((found.start, found.status.as_u16()), (0, 414));
        let text = String::from_utf8(found.instead(false)).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 414 URI Too Long\r\n") && text.contains("\r\ndate: today\r\n"),
            "{text}"
        );
        assert!(text.contains("urn:coverledger:problem:uri-too-long"), "{text}");
        let behind = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{AUTOMATIC}");
        assert_eq!(Automatic::find(behind.as_bytes()).unwrap().start, behind.len() - AUTOMATIC.len());
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "\r\n\r\n",
            "",
        ] {
            assert_eq!(Automatic::find(other.as_bytes()), None, "{other}");
        }
    }
}
