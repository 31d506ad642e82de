//! A real SeaweedFS with two gateways in a temporary directory, on free ports, ended when it is dropped. Unit tests include this
//! file, too.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PORTS: usize = 10;
/// What a test needs at most.
const VOLUMES: u32 = 40;
/// What the script gives its one user.
pub(crate) const KEY: &str = "coverledger";
pub(crate) const SECRET: &str = "coverledger-secret";
/// The bucket.
pub(crate) const BUCKET: &str = "ledger";
/// Below this name buckets are hosts, where there is TLS.
pub(crate) const DOMAIN: &str = "s3.localhost";

/// An object store. `scripts/seaweedfs.sh` does the work.
pub(crate) struct SeaweedFs {
    dir: TempDir,
    volumes: u32,
    /// Addresses of its gateways.
    pub(crate) endpoints: [String; 2],
}

impl SeaweedFs {
    /// Starts it, and returns once it serves its bucket.
    pub(crate) fn start() -> Self {
        Self::start_with("http://127.0.0.1", VOLUMES, &[])
    }

    /// The same with room for so many volumes of 64 MB.
    #[allow(dead_code, reason = "benchmarks need more than tests")]
    pub(crate) fn with_volumes(volumes: u32) -> Self {
        Self::start_with("http://127.0.0.1", volumes, &[])
    }

    /// The same over TLS, with the certificates `1.crt` and `2.crt` of the folder for the two gateways, and with the bucket in the
    /// host name `ledger.s3.localhost`, too.
    pub(crate) fn start_with_tls(certificates: &Path) -> Self {
        let variables = [
            ("COVERLEDGER_SEAWEEDFS_TLS", certificates),
            ("COVERLEDGER_SEAWEEDFS_DOMAIN", Path::new(DOMAIN)),
        ];
        Self::start_with("https://localhost", VOLUMES, &variables)
    }

    fn start_with(host: &str, volumes: u32, variables: &[(&str, &Path)]) -> Self {
        let dir = TempDir::new().unwrap();
        // All at once, so that they differ. One may be taken before it is used: the test fails then, and says so.
        let held: Vec<TcpListener> = (0..PORTS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<String> =
            held.iter().map(|port| port.local_addr().unwrap().port().to_string()).collect();
        drop(held);
        let endpoint = |nth: usize| format!("{host}:{}", ports[nth]);
        let this = Self { dir, volumes, endpoints: [endpoint(0), endpoint(1)] };
        let folder = this.dir.path().to_str().unwrap();
        this.script(["start", folder, BUCKET].into_iter().chain(ports.iter().map(String::as_str)), variables);
        this
    }

    /// Numbers of its processes.
    pub(crate) fn pids(&self) -> Vec<String> {
        let pids = std::fs::read_to_string(self.dir.path().join("pids")).unwrap_or_default();
        pids.lines().map(str::to_owned).collect()
    }

    /// Stops it where it stands: it accepts connections, and answers nothing.
    pub(crate) fn pause(&self) {
        assert!(self.signal("-STOP"));
    }

    /// Lets it continue.
    pub(crate) fn resume(&self) {
        assert!(self.signal("-CONT"));
    }

    fn signal(&self, name: &str) -> bool {
        Command::new("kill").arg(name).args(self.pids()).status().unwrap().success()
    }

    fn script<'a>(&self, args: impl Iterator<Item = &'a str>, variables: &[(&str, &Path)]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/seaweedfs.sh");
        let done = Command::new(script)
            .args(args)
            .env("COVERLEDGER_SEAWEEDFS_VOLUMES", self.volumes.to_string())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        // One that a failed test left stopped hears nothing; one that never started is not there.
        let _heard = self.signal("-CONT");
        self.script(["stop", self.dir.path().to_str().unwrap()].into_iter(), &[]);
    }
}
