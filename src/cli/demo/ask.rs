//! Asks the demo's own service over HTTP, as any client does.

use crate::cli::remote::Remote;
use crate::config::Secret;
use anyhow::Context;
use serde_json::Value;
use std::net::SocketAddr;

/// The running service, as one principal asks it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    url: String,
    remote: Remote,
}

impl Service {
    /// The service that listens there, asked by the bearer of a token.
    pub(super) fn new(address: SocketAddr, token: &Secret) -> anyhow::Result<Self> {
        let url = format!("http://{address}");
        let remote = Remote::parse(&url)?.with_token(token);
        Ok(Self { url, remote })
    }

    /// The same, asked by a person who signed in.
    pub(super) fn of_session(&self, cookie: &Secret) -> Self {
        Self { url: self.url.clone(), remote: self.remote.clone().with_session(cookie) }
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
