//! A machine of its own whose ledger lies in the bucket of an object store: a folder with a configuration that names it.

use super::program::{Program, binary};
use super::seaweedfs::{BUCKET, KEY, SECRET};
use super::store_proxy::StoreProxy;
use super::stream::config;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) config: PathBuf,
}

impl Machine {
    /// A ledger below `prefix`, over these endpoints.
    pub(crate) fn new(brokers: &str, endpoints: &[String], prefix: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = config(&folder, brokers);
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&format!(
            "[storage]\nurl = \"s3://{BUCKET}/{prefix}\"\nendpoints = {endpoints:?}\ncache_bytes = \"16MiB\"\n"
        ));
        std::fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    pub(crate) fn serve(&self) -> Program {
        self.serve_with(&[])
    }

    /// `serve` with more arguments.
    pub(crate) fn serve_with(&self, args: &[&str]) -> Program {
        Program::serve_with(&self.config, args, &mut with_credentials)
    }

    /// `serve` whose requests to the store go through a proxy.
    pub(crate) fn serve_through(&self, proxy: &StoreProxy) -> Program {
        Program::serve_with(&self.config, &[], &mut |command| {
            with_credentials(command);
            command.env("HTTP_PROXY", proxy.address()).env_remove("NO_PROXY").env_remove("no_proxy");
        })
    }

    /// A command that reads the configuration.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = binary();
        command.args(args).arg("--config").arg(&self.config);
        with_credentials(&mut command);
        command.output().unwrap()
    }

    /// What a command that succeeds prints.
    pub(crate) fn printed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    /// A backup on this machine's disk, and the configuration of a ledger there.
    pub(crate) fn copied(&self, brokers: &str) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let config = config(&folder, brokers);
        self.printed(&["backup", folder.path().join("data").to_str().unwrap()]);
        (folder, config)
    }
}

/// Adds what the store knows its one user by.
pub(crate) fn with_credentials(command: &mut Command) {
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
}
