//! Asks a running service over HTTP, one connection a question.

use super::WrongUsage;
use crate::config::{Config, Secret};
use crate::domain::time::Zone;
use crate::http::{SESSION_COOKIE, UNRESERVED};
use anyhow::{Context, bail};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use std::io::Read;
use std::time::Duration;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body, Error, RequestBuilder};

/// The longest time in which a service may send or take nothing, or accept no connection.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// The environment variable with the token for a service that has `[access]`.
const TOKEN_VARIABLE: &str = "COVERLEDGER_TOKEN";
/// The longest part of an answer without a problem document that a message repeats, in bytes.
const REPEATED_BYTES_MAX: usize = 200;

/// A running service.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// Scheme, host, port and the path before the targets.
    base: String,
    agent: Agent,
    /// Who asks, where the service wants to know: a header and its value.
    credential: Option<(&'static str, Secret)>,
}

impl Remote {
    /// Reads `http://HOST:PORT[/BASE]`.
    pub(super) fn parse(url: &str) -> Result<Self, WrongUsage> {
        let bad = || WrongUsage(format!("--url {url}: write http://HOST:PORT, e.g. http://127.0.0.1:8080"));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(bad)?;
        let host = authority.host();
        let has_port = authority.port_u16().is_some();
        let is_plain =
            !host.is_empty() && (has_port || authority.as_str() == host) && !url.contains(['?', '#', '@']);
        if !is_plain {
            return Err(bad());
        }
        let port = if has_port { "" } else { ":80" };
        let base = format!("http://{authority}{port}{}", uri.path().trim_end_matches('/'));
        // Not an argument: others could see that.
        let token = std::env::var(TOKEN_VARIABLE).ok().map(|token| bearer(token.trim()));
        Ok(Self { base, agent: agent(), credential: token })
    }

    /// The same, for the bearer of a token.
    pub(super) fn with_token(self, token: &Secret) -> Self {
        Self { credential: Some(bearer(token.expose())), ..self }
    }

    /// The same, for a person who signed in.
    pub(super) fn with_session(self, cookie: &Secret) -> Self {
        let cookie = Secret::new(format!("{SESSION_COOKIE}={}", cookie.expose()));
        Self { credential: Some(("cookie", cookie)), ..self }
    }

    /// The body of a successful answer to GET.
    pub(super) fn get(&self, target: &str) -> anyhow::Result<Vec<u8>> {
        let asked = self.agent.get(format!("{}{target}", self.base)).header("accept", "application/json");
        let asked = self.known(asked);
        self.answer(asked.call())
    }

    /// The body of a successful answer to POST of lines of JSON.
    pub(super) fn post(&self, target: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let asked = self.known(self.agent.post(format!("{}{target}", self.base)));
        self.answer(asked.header("content-type", "application/x-ndjson").send(body))
    }

    /// The request with who asks.
    fn known<T>(&self, asked: RequestBuilder<T>) -> RequestBuilder<T> {
        match &self.credential {
            Some((name, value)) => asked.header(*name, value.expose()),
            None => asked,
        }
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
            "Failed to read the zone of the service: write times with their offset, without --platform",
        )?;
        let config =
            Config::from_text(&format!("timezone = {:?}", progress.timezone)).with_context(|| {
                format!(
                    "Failed to use the zone {} of the service: it is not known here; update coverledger",
                    progress.timezone
                )
            })?;
        let platforms = progress.platforms.into_iter().map(|line| line.platform).collect();
        Ok(RemoteTerms { zone: config.zone, platforms })
    }

    fn answer(&self, asked: Result<Response<Body>, Error>) -> anyhow::Result<Vec<u8>> {
        let base = &self.base;
        let answer = asked.with_context(|| format!("Failed to ask {base}"))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        answer
            .into_body()
            .into_reader()
            .read_to_end(&mut body)
            .with_context(|| format!("Failed to read the answer of {base}"))?;
        if status != 200 {
            bail!("Failed to ask {base}: it answers {status}: {}", problem(&body));
        }
        Ok(body)
    }
}

fn bearer(token: &str) -> (&'static str, Secret) {
    ("authorization", Secret::new(format!("Bearer {token}")))
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        // The answer is about a person: the question goes to the service itself, whatever the environment says.
        .proxy(None)
        .max_redirects(0)
        .max_idle_connections(0)
        // The body of a refusal holds its message.
        .http_status_as_error(false)
        .user_agent(concat!("coverledger/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(SILENT_MAX))
        .timeout_per_read(Some(SILENT_MAX))
        .timeout_per_write(Some(SILENT_MAX));
    config.build().new_agent()
}

/// What a problem document says.
fn problem(body: &[u8]) -> String {
    let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = |name: &str| document.as_ref()?.get(name)?.as_str().map(str::to_owned);
    text("detail").or_else(|| text("title")).unwrap_or_else(|| {
        String::from_utf8_lossy(body.get(..REPEATED_BYTES_MAX).unwrap_or(body)).into_owned()
    })
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
        self.0.extend(utf8_percent_encode(value, UNRESERVED));
    }

    /// The text of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn urls_and_targets() {
        let base = |url: &str| Remote::parse(url).map(|remote| remote.base);
        assert_eq!(base("http://h:81").unwrap(), "http://h:81");
        assert_eq!(base("http://[::1]:81/a/b/").unwrap(), "http://[::1]:81/a/b");
        assert_eq!(base("http://h").unwrap(), "http://h:80");
        for bad in [
            "https://h",
            "h:80",
            "http://",
            "http://:80",
            "http://a b",
            "http://h/\r\nX: y",
            "http://h:99999",
            "http://u@h:80",
            "http://h/?a",
            "http://h/#a",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
        let mut target = Target::new("/v1/coverage");
        target.put("rider_id", "R 1&ä");
        target.put("at", "2026-11-20T12:07:31+08:00");
        assert_eq!(
            target.finish(),
            "/v1/coverage?rider_id=R%201%26%C3%A4&at=2026-11-20T12%3A07%3A31%2B08%3A00"
        );
    }

    /// The body, or the whole error, that a service with this reply leads to.
    fn answer_to(reply: &[u8]) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = Remote::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answer = thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                assert!(head.any(|line| line.is_empty()));
                stream.write_all(reply).unwrap();
            });
            remote.get("/x")
        });
        answer.map(|body| String::from_utf8(body).unwrap()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn replies_whole_chunked_and_cut_off() {
        assert_eq!(answer_to(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap(), "ab");
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n";
        assert_eq!(answer_to(chunked).unwrap(), "abc");
        for cut_off in [
            chunked.get(..chunked.len() - 6).unwrap(),
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
            b"HTTP/1.1 200 OK",
            b"nonsense\r\n\r\n",
            b"",
        ] {
            let error = answer_to(cut_off).unwrap_err();
            assert!(error.starts_with("Failed to "), "{error}");
        }
    }

    #[test]
    fn refusals_say_what_their_body_says() {
        let refused = |reply: &[u8]| answer_to(reply).unwrap_err();
        let problem = refused(b"HTTP/1.1 400 Bad\r\n\r\n{\"title\":\"t\",\"detail\":\"d\"}");
        assert!(problem.ends_with(" answers 400: d"), "{problem}");
        // An address that the answer names is not followed.
        let moved = refused(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 4\r\n\r\nover");
        assert!(moved.ends_with(" answers 302: over"), "{moved}");
    }

    #[test]
    fn a_service_that_is_not_there_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = format!("{:#}", Remote::parse(&url).unwrap().get("/x").unwrap_err());
        assert!(error.starts_with(&format!("Failed to ask {url}: ")) && error.contains("refused"), "{error}");
    }
}
