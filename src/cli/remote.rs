//! Asks a running service: one plain HTTP/1.1 exchange a connection.

use super::WrongUsage;
use crate::config::Config;
use crate::domain::time::Zone;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a service may be silent.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// A running service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    authority: String,
    base: String,
}

impl Remote {
    /// Reads `http://HOST:PORT[/BASE]`.
    pub(super) fn parse(url: &str) -> Result<Self, WrongUsage> {
        let bad = || WrongUsage(format!("--url {url}: write http://HOST:PORT, e.g. http://127.0.0.1:8080"));
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@".contains(&byte));
        if host.is_empty() || !clean(host) || !clean(base) {
            return Err(bad());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { host.to_owned() } else { format!("{host}:80") };
        let base = base.trim_end_matches('/');
        Ok(Self { authority, base: if base.is_empty() { String::new() } else { format!("/{base}") } })
    }

    /// The body of a successful answer to GET.
    pub(super) fn get(&self, target: &str) -> anyhow::Result<Vec<u8>> {
        self.exchange(&format!("GET {}{target} HTTP/1.1\r\nAccept: application/json\r\n", self.base), "")
    }

    /// The body of a successful answer to POST of lines of JSON.
    pub(super) fn post(&self, target: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let length = body.len();
        let head = format!(
            "POST {}{target} HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n",
            self.base
        );
        self.exchange(&head, body)
    }

    /// What questions to the service may depend on.
    pub(super) fn terms(&self) -> anyhow::Result<RemoteTerms> {
        #[derive(Deserialize)]
        struct Progress {
            timezone: String,
            platforms: Vec<Platform>,
        }
        #[derive(Deserialize)]
        struct Platform {
            platform: String,
        }
        let progress: Progress = serde_json::from_slice(&self.get("/v1/progress")?).context(
            "the service does not tell its zone: write times with their offset, without --platform",
        )?;
        let config = Config::from_text(&format!("timezone = {:?}", progress.timezone))
            .with_context(|| format!("the service's zone {} is not known here", progress.timezone))?;
        let platforms = progress.platforms.into_iter().map(|line| line.platform).collect();
        Ok(RemoteTerms { zone: config.zone, platforms })
    }

    fn exchange(&self, head: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let authority = &self.authority;
        let mut stream =
            TcpStream::connect(authority).with_context(|| format!("connecting to http://{authority}"))?;
        stream.set_read_timeout(Some(SILENT_MAX))?;
        write!(stream, "{head}Host: {authority}\r\nConnection: close\r\n\r\n{body}")
            .and_then(|()| stream.flush())
            .with_context(|| format!("asking http://{authority}"))?;
        let mut reply = Vec::new();
        stream
            .read_to_end(&mut reply)
            .with_context(|| format!("reading the answer of http://{authority}"))?;
        let reply = Reply::parse(&reply).with_context(|| format!("the answer of http://{authority}"))?;
        if reply.status != 200 {
            bail!("http://{authority} answers {}: {}", reply.status, reply.problem());
        }
        Ok(reply.body)
    }
}

/// What a service knows that questions depend on.
#[derive(Debug)]
pub(super) struct RemoteTerms {
    /// The zone of local times.
    pub(super) zone: Zone,
    /// Every platform that was ever registered or stored.
    pub(super) platforms: Vec<String>,
}

/// The path and query of a request.
#[derive(Clone, Debug)]
pub(super) struct Target(String);

impl Target {
    /// Without parameters yet.
    pub(super) fn new(path: &str) -> Self {
        Self(format!("{path}?"))
    }

    /// Adds a parameter.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if !self.0.ends_with('?') {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.push(char::from(byte));
            } else if write!(self.0, "%{byte:02X}").is_err() {
                // ValueWriter to a String does not fail.
                return;
            }
        }
    }

    /// The text of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("ends in its head")?;
        let (head, body) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 4..).unwrap_or_default());
        let head = std::str::from_utf8(head).context("is not HTTP")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).context("is not HTTP")?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("has no status")?;
        let field = |wanted: &str| {
            let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
            fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        if field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Self { status, body: unchunked(body).context("is cut off")? });
        }
        match field("content-length").and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => {
                let body = body.get(..length).context("is cut off")?.to_vec();
                Ok(Self { status, body })
            }
            None => Ok(Self { status, body: body.to_vec() }),
        }
    }

    /// What a problem document says.
    fn problem(&self) -> String {
        let document: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let text = |name: &str| document.as_ref()?.get(name)?.as_str().map(str::to_owned);
        text("detail").or_else(|| text("title")).unwrap_or_else(|| {
            String::from_utf8_lossy(self.body.get(..200).unwrap_or(&self.body)).into_owned()
        })
    }
}

/// A chunked body in one piece; `None` when its end is missing.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let from = end.checked_add(2)?;
        let to = from.checked_add(size)?;
        body.extend_from_slice(rest.get(from..to)?);
        rest = rest.get(to..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_targets() {
        let remote = |url: &str| Remote::parse(url).map(|remote| (remote.authority, remote.base));
        assert_eq!(remote("http://h:81").unwrap(), ("h:81".to_owned(), String::new()));
        assert_eq!(remote("http://[::1]:81/a/b/").unwrap(), ("[::1]:81".to_owned(), "/a/b".to_owned()));
        assert_eq!(remote("http://h").unwrap().0, "h:80");
        for bad in ["https://h", "h:80", "http://", "http://a b", "http://h/\r\nX: y"] {
            assert!(remote(bad).is_err(), "{bad}");
        }
        let mut target = Target::new("/v1/coverage");
        target.put("rider_id", "R 1&ä");
        target.put("at", "2026-11-20T12:07:31+08:00");
        assert_eq!(
            target.finish(),
            "/v1/coverage?rider_id=R%201%26%C3%A4&at=2026-11-20T12%3A07%3A31%2B08%3A00"
        );
    }

    #[test]
    fn replies_whole_chunked_and_cut_off() {
        let whole = Reply::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap();
        assert_eq!(whole, Reply { status: 200, body: b"ab".to_vec() });
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n";
        assert_eq!(Reply::parse(chunked).unwrap().body, b"abc");
        assert!(Reply::parse(&chunked[..chunked.len() - 6]).is_err());
        assert!(Reply::parse(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").is_err());
        assert!(Reply::parse(b"HTTP/1.1 200 OK").is_err());
        assert!(Reply::parse(b"nonsense\r\n\r\n").is_err());
        let problem = Reply::parse(b"HTTP/1.1 400 Bad\r\n\r\n{\"title\":\"t\",\"detail\":\"d\"}").unwrap();
        assert_eq!((problem.status, problem.problem().as_str()), (400, "d"));
    }
}
