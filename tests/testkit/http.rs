//! The one HTTP client: the service's answers as they are on the wire.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The answer in what came; `None` when that is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }
}

/// Sends bytes on a connection of their own and reads to its end; `None` when the connection breaks before.
pub(crate) fn exchange(address: &str, request: &[u8]) -> Option<String> {
    Some(String::from_utf8(exchange_bytes(address, request)?).expect("answers are text"))
}

fn exchange_bytes(address: &str, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request).ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    Some(reply)
}

/// The body of `GET path` as bytes, if its status is 200.
pub(crate) fn bytes(address: &str, path: &str) -> Option<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let reply = exchange_bytes(address, request.as_bytes())?;
    let head = reply.windows(4).position(|end| end == b"\r\n\r\n")?;
    reply.get(head + 4..).filter(|_| reply.starts_with(b"HTTP/1.0 200")).map(<[u8]>::to_vec)
}

/// `GET path` with more headers, each with its line end; `None` when no whole answer comes.
pub(crate) fn get(address: &str, path: &str, headers: &str) -> Option<Reply> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n");
    Reply::parse(&exchange(address, request.as_bytes())?)
}

/// `POST path` with a body and more headers, each with its line end; `None` when no whole answer comes.
pub(crate) fn post(address: &str, path: &str, headers: &str, body: &[u8]) -> Option<Reply> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n");
    Reply::parse(&exchange(address, &[head.as_bytes(), body].concat())?)
}

/// A connection that stays open, with as little work as an answer allows.
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    received: Vec<u8>,
}

impl Client {
    /// Connects; `None` while no process listens.
    pub(crate) fn connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, request: Vec::new(), received: Vec::new() })
    }

    /// The status and the body of the answer to `GET target`.
    pub(crate) fn get(&mut self, target: &str) -> Result<(u16, &[u8])> {
        self.send(target)?;
        self.receive()
    }

    /// Sends `GET target` in one piece.
    pub(crate) fn send(&mut self, target: &str) -> Result<()> {
        self.request.clear();
        write!(self.request, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        self.stream.write_all(&self.request)
    }

    /// The status and the body of the answer to the request that was sent. Usually one read.
    pub(crate) fn receive(&mut self) -> Result<(u16, &[u8])> {
        self.received.clear();
        let (mut head_end, mut whole) = (None, usize::MAX);
        let mut piece = [0; 16 * 1024];
        while self.received.len() < whole {
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(piece.get(..count).unwrap_or_default());
            if head_end.is_none()
                && let Some(at) = self.received.windows(4).position(|end| end == b"\r\n\r\n")
            {
                let head = self.received.get(..at).unwrap_or_default();
                let length = length(head).ok_or_else(|| Error::other("an answer without a length"))?;
                (head_end, whole) = (Some(at + 4), at + 4 + length);
            }
        }
        let status = self.received.get(9..12).and_then(number).unwrap_or_default();
        let body = self.received.get(head_end.unwrap_or_default()..).unwrap_or_default();
        Ok((u16::try_from(status).unwrap_or_default(), body))
    }
}

/// The value of `content-length`.
fn length(head: &[u8]) -> Option<usize> {
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| number(value.trim_ascii()))?
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
