//! Asks the demo's own service, as anybody would: over HTTP.

use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the service may be silent.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// The running service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    address: SocketAddr,
}

impl Service {
    /// The service that listens there.
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// What a person types.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer to GET, when it is 200.
    pub(super) fn get(&self, target: &str) -> anyhow::Result<Value> {
        let url = format!("{}{target}", self.url());
        let mut stream = TcpStream::connect(self.address).with_context(|| format!("connecting to {url}"))?;
        stream.set_read_timeout(Some(SILENT_MAX))?;
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        write!(stream, "GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).with_context(|| format!("reading {url}"))?;
        let reply = String::from_utf8_lossy(&reply);
        let (head, body) = reply.split_once("\r\n\r\n").with_context(|| format!("{url} answers no HTTP"))?;
        if head.split(' ').nth(1) != Some("200") {
            bail!("{url} answers {}: {body}", head.lines().next().unwrap_or_default());
        }
        serde_json::from_str(body).with_context(|| format!("{url} answers no JSON"))
    }
}
