//! A machine of a ledger in a bucket: a folder with a configuration that names the bucket, and the programs that run there.

use super::program::{Program, binary};
use super::seaweedfs::{BUCKET, KEY, SECRET, SeaweedFs};
use super::store_proxy::StoreProxy;
use super::stream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// One machine.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) config: PathBuf,
}

impl Machine {
    /// With a configuration of a ledger on its own disk, and more that puts it into the bucket.
    pub(crate) fn new(seaweed: &SeaweedFs, config: impl Fn(&TempDir) -> PathBuf) -> Self {
        Self::below("nation", seaweed, config)
    }

    /// The same, for a ledger below a prefix of the bucket.
    pub(crate) fn below(prefix: &str, seaweed: &SeaweedFs, config: impl Fn(&TempDir) -> PathBuf) -> Self {
        let folder = TempDir::new().unwrap();
        let config = config(&folder);
        let endpoints = &seaweed.endpoints;
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&format!(
            "[storage]\nurl = \"s3://{BUCKET}/{prefix}\"\nendpoints = {endpoints:?}\ncache_bytes = \"64MiB\"\n"
        ));
        std::fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    pub(crate) fn serve(&self, args: &[&str]) -> Program {
        Program::serve_with(&self.config, args, &mut with_credentials)
    }

    /// `serve` whose requests to the store go through a proxy.
    pub(crate) fn serve_through(&self, proxy: &StoreProxy, args: &[&str]) -> Program {
        Program::serve_with(&self.config, args, &mut |command| {
            with_credentials(command);
            command.env("HTTP_PROXY", proxy.address()).env_remove("NO_PROXY").env_remove("no_proxy");
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = binary();
        command.args(args).arg("--config").arg(&self.config);
        with_credentials(&mut command);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts a command, of which the output is read later.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
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
        let config = stream::config(&folder, brokers);
        self.printed(&["backup", folder.path().join("data").to_str().unwrap()]);
        (folder, config)
    }
}

/// Lets a program into the bucket.
pub(crate) fn with_credentials(command: &mut Command) {
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
}
