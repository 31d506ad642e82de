//! A real Keycloak in a temporary directory, on a free port, ended when it is dropped.

use super::http;
use super::wait::poll_until;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A provider of OpenID Connect. `scripts/keycloak.sh` does the work.
pub(crate) struct Keycloak {
    dir: TempDir,
    address: String,
    realm: PathBuf,
}

impl Keycloak {
    /// Chooses where it will be, without starting it. `realm` is a file that Keycloak imports.
    pub(crate) fn planned(realm: &Path) -> Self {
        // The port may be taken before Keycloak binds it: the test fails then, and says so.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { dir: TempDir::new().unwrap(), address, realm: realm.to_path_buf() }
    }

    /// The issuer of a realm.
    pub(crate) fn issuer(&self, realm: &str) -> String {
        format!("http://{}/realms/{realm}", self.address)
    }

    /// Starts it and waits until it serves a realm.
    pub(crate) fn start(&self, realm: &str) {
        let port = self.address.rsplit(':').next().unwrap();
        self.script(&["start", self.dir.path().to_str().unwrap(), port, self.realm.to_str().unwrap()]);
        let said = || fs::read_to_string(self.dir.path().join("keycloak.log")).unwrap_or_default();
        let is_running = || {
            let pid = fs::read_to_string(self.dir.path().join("pid")).unwrap();
            Path::new("/proc").join(pid.trim()).exists()
        };
        poll_until("Keycloak opens its database", || {
            assert!(is_running(), "Keycloak ended: {}", said());
            said().contains("Initializing master realm").then_some(())
        });
        let path = format!("/realms/{realm}/.well-known/openid-configuration");
        poll_until("Keycloak serves the realm", || {
            assert!(is_running(), "Keycloak ended: {}", said());
            http::get(&self.address, &path, "").filter(|reply| reply.status == 200).map(drop)
        });
    }

    fn script(&self, args: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/keycloak.sh");
        let done = Command::new(script).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        // Where it was never started there is nothing to stop.
        self.script(&["stop", self.dir.path().to_str().unwrap()]);
    }
}
