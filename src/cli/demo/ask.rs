//! Asks the demo's own service over HTTP, as any client does.

use crate::cli::remote::Remote;
use anyhow::Context;
use serde_json::Value;
use std::net::SocketAddr;

/// The running service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    url: String,
    remote: Remote,
}

impl Service {
    /// The service that listens there.
    pub(super) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let url = format!("http://{address}");
        let remote = Remote::parse(&url)?;
        Ok(Self { url, remote })
    }

    /// What a person types.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The answer to GET, when it is 200.
    pub(super) fn get(&self, target: &str) -> anyhow::Result<Value> {
        let body = self.remote.get(target)?;
        serde_json::from_slice(&body)
            .with_context(|| format!("Failed to read the answer of {}{target}: it is no JSON", self.url))
    }
}
