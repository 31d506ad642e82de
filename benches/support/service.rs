//! The real programs as child processes: a broker, and the service.

use super::http::Client;
use super::per_second;
use super::seaweedfs::{KEY, SECRET};
use super::wait::delay;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under test: `--binary FILE`, or the one of this build.
pub(crate) fn binary() -> String {
    super::text_option("binary").unwrap_or_else(|| env!("CARGO_BIN_EXE_coverledger").to_owned())
}

/// How often something is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A real Apache Kafka, ended when it is dropped.
pub(crate) struct Kafka {
    dir: PathBuf,
    port: u16,
}

impl Kafka {
    /// Starts a broker with a heap of 1 GiB that keeps its log below `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let kafka = Self { dir: dir.join("kafka"), port: free_port() };
        kafka.script("start");
        kafka
    }

    /// `host:port`
    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Number of the broker's process.
    pub(crate) fn pid(&self) -> String {
        fs::read_to_string(self.dir.join("pid")).unwrap_or_default().trim().to_owned()
    }

    fn script(&self, command: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka.sh");
        let mut run = Command::new(script);
        run.arg(command).arg(&self.dir).arg(self.port.to_string()).env("COVERLEDGER_KAFKA_HEAP", "1g");
        let output = run.output().expect("scripts/kafka.sh runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.script("stop");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Starts `coverledger generate` into the topic `orders`.
pub(crate) fn generate(brokers: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(binary());
    command.args([
        "generate",
        "--kafka",
        brokers,
        "--topic",
        "orders",
        "--create-topics",
        "--partitions",
        "8",
    ]);
    command.args(arguments).stderr(Stdio::null()).spawn().expect("the generator starts")
}

/// Fills a ledger through the program's own commands.
pub(crate) fn fill(dir: &Path, seed: u64, orders: u64, days: u64, complete_through: &str) {
    fs::create_dir_all(dir).expect("the folder can be made");
    let config = super::configuration(dir, None, "", "[http]\nlisten = \"127.0.0.1:0\"\n");
    let mut generate = Command::new(binary())
        .args(["generate", "--seed", &seed.to_string(), "--orders", &orders.to_string()])
        .args(["--days", &days.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the generator starts");
    let events = generate.stdout.take().expect("a pipe");
    let done = Command::new(binary())
        .args([
            "ingest",
            "--config",
            &config.display().to_string(),
            "--future",
            "--complete-through",
            complete_through,
            "-",
        ])
        .stdin(events)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.is_ok_and(|status| status.success()), "the orders are ingested");
    assert!(generate.wait().is_ok_and(|status| status.success()), "the orders are generated");
}

/// A running `coverledger serve` with an empty data directory.
pub(crate) struct Service {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// Its data.
    pub(crate) dir: PathBuf,
}

impl Service {
    /// Starts it on an empty `dir`.
    pub(crate) fn start(dir: &Path, brokers: &str, extra: &str) -> Self {
        Self::start_as(&[], dir, brokers, extra)
    }

    /// The same with more arguments: a reader, a standby. `{run}` in `extra` is the folder's name.
    pub(crate) fn start_as(arguments: &[&str], dir: &Path, brokers: &str, extra: &str) -> Self {
        fs::create_dir_all(dir).expect("the folder can be made");
        let address = format!("127.0.0.1:{}", free_port());
        let run = dir.file_name().unwrap_or_default().to_string_lossy();
        let config = super::configuration(dir, Some(brokers), &address, &extra.replace("{run}", &run));
        let log = fs::File::create(dir.join("log")).expect("the log can be made");
        let mut command = Command::new(binary());
        // For a ledger in the bucket of a test.
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        let child = command.arg("serve").args(arguments).arg("--config").arg(config).stderr(log).spawn();
        Self { child: child.expect("the service starts"), address, dir: dir.to_path_buf() }
    }

    /// Starts a binary without Kafka on the data and the configuration that are in `dir`.
    pub(crate) fn on(binary: &str, dir: &Path) -> Self {
        let config = dir.join("coverledger.toml");
        let log = dir.join("log");
        let errors = fs::File::create(&log).expect("the log can be made");
        let child = Command::new(binary).arg("serve").arg("--config").arg(config).stderr(errors).spawn();
        let mut service = Self {
            child: child.expect("the service starts"),
            address: String::new(),
            dir: dir.to_path_buf(),
        };
        while service.address.is_empty() {
            service.must_live();
            delay(LOOK_EVERY);
            let said = fs::read_to_string(&log).unwrap_or_default();
            let listening = said.split_once("http://").map_or("", |(_, after)| after);
            if let Some((address, _)) = listening.split_once(['"', ' ', '\n']) {
                address.clone_into(&mut service.address);
            }
        }
        service
    }

    /// Waits until no compaction has run for a second.
    pub(crate) fn settled(&mut self) {
        const LOOKS: u32 = 50;
        let mut client = self.connect();
        let (mut before, mut same) = (String::new(), 0);
        while same < LOOKS {
            self.must_live();
            delay(LOOK_EVERY);
            let Ok((200, body)) = client.get("/metrics") else { continue };
            let text = String::from_utf8_lossy(body);
            let lines = text.lines().filter(|line| line.starts_with("coverledger_compactions_"));
            let now = lines.collect::<Vec<_>>().join("\n");
            let busy = now.contains("coverledger_compactions_running 1");
            same = if now == before && !busy { same + 1 } else { 0 };
            before = now;
        }
    }

    /// Number of the process.
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// A connection, as soon as it listens.
    pub(crate) fn connect(&mut self) -> Client {
        loop {
            if let Some(client) = Client::connect(&self.address) {
                return client;
            }
            self.must_live();
            delay(LOOK_EVERY);
        }
    }

    fn must_live(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            panic!("the service ended with {status}:\n{log}");
        }
    }

    /// Waits until `records` records are applied and visible. Returns the rate of all but the first quarter: that of a
    /// service that has long been started.
    pub(crate) fn wait_for(&mut self, records: u64) -> u64 {
        let mut client = self.connect();
        let mut quarter = None;
        loop {
            let now = applied(&mut client);
            if now >= records / 4 && quarter.is_none() {
                quarter = Some((now, Instant::now()));
            }
            if now >= records {
                return quarter.map_or(0, |(then, at)| per_second(now - then, at.elapsed()));
            }
            self.must_live();
            delay(LOOK_EVERY);
        }
    }

    /// Waits until it says that it is ready.
    pub(crate) fn ready(&mut self) {
        loop {
            let mut client = self.connect();
            if client.get("/readyz").is_ok_and(|(status, _)| status == 200) {
                return;
            }
            self.must_live();
            delay(LOOK_EVERY);
        }
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(mut self) -> PathBuf {
        self.child.kill().expect("the service can be killed");
        self.child.wait().expect("the service ends");
        self.dir
    }

    /// Ends it with SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> PathBuf {
        let told = Command::new("kill").arg(self.pid()).status();
        assert!(told.is_ok_and(|status| status.success()), "the service can be told to stop");
        let status = self.child.wait().expect("the service ends");
        assert!(status.success(), "the service ended with {status}");
        self.dir
    }
}

/// Sum of the positions of all partitions, which all start at 0.
fn applied(client: &mut Client) -> u64 {
    let Ok((200, body)) = client.get("/v1/progress") else { return 0 };
    let progress: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partitions = progress.get("partitions").and_then(|list| list.as_array()).cloned().unwrap_or_default();
    partitions.iter().filter_map(|partition| partition.get("position")?.as_u64()).sum()
}
