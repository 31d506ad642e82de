//! The real program with its ledger in a real object store over TLS: an own authority, the bucket in the host name, a proxy; and
//! what it says where the store is not trusted.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::machine::{Machine, with_credentials};
use testkit::orders::{config_of, order};
use testkit::program::binary;
use testkit::seaweedfs::{BUCKET, DOMAIN, SECRET, SeaweedFs};
use testkit::tls::Authority;
use testkit::tunnel::Tunnel;

/// Variables that would send requests another way.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// What a proxy may ask for; it stands in the environment.
const PROXY_SECRET: &str = "word-for-the-proxy";

/// A store whose first gateway has a good certificate, and whose second one has one that expired.
struct Store {
    folder: TempDir,
    seaweed: SeaweedFs,
}

impl Store {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (authority, other) = (Authority::new("of the store"), Authority::new("another one"));
        let hosts = ["localhost", DOMAIN, &format!("*.{DOMAIN}")];
        authority.certify(folder.path(), "1", &hosts, 2090);
        authority.certify(folder.path(), "2", &hosts, 2021);
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        fs::write(folder.path().join("other.pem"), other.pem()).unwrap();
        fs::write(folder.path().join("empty.pem"), "no certificate\n").unwrap();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(folder.path().join("broken.pem"), broken).unwrap();
        let seaweed = SeaweedFs::start_with_tls(folder.path());
        Self { folder, seaweed }
    }

    /// The gateway under another name, and with the authority of a file.
    fn reached(&self, nth: usize, host: &str, more: &str) -> String {
        let port = self.seaweed.endpoints[nth].rsplit_once(':').unwrap().1;
        format!("endpoints = [\"https://{host}:{port}\"]\n{more}")
    }

    fn ca_file(&self, name: &str) -> String {
        format!("ca_file = {:?}\n", self.folder.path().join(name))
    }

    /// A machine of the ledger below a prefix.
    fn machine(&self, prefix: &str, storage: &str) -> Machine {
        let folder = TempDir::new().unwrap();
        let text = format!(
            "[ledger]\nmin_free_bytes = \"1MiB\"\n[http]\nlisten = \"127.0.0.1:0\"\n[[rate]]\ncategory = \"instant_delivery\"\n\
             per_order = \"0.25\"\n[platform.meituan]\nrecords_from = 2025-07-01\n[storage]\nurl = \"s3://{BUCKET}/{prefix}\"\n\
             cache_bytes = \"64MiB\"\n{storage}"
        );
        let config = config_of(folder.path(), "coverledger", &text);
        fs::write(folder.path().join("orders.jsonl"), order(1) + "\n").unwrap();
        Machine { folder, config }
    }
}

/// Runs a command without the proxies of the one who tests, after `change` had its way with it.
fn run(machine: &Machine, args: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let mut command = binary();
    command.args(args).arg("--config").arg(&machine.config);
    with_credentials(&mut command);
    PROXIES.iter().for_each(|name| {
        command.env_remove(name);
    });
    change(&mut command);
    let output = command.output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains(SECRET) && !said.contains(PROXY_SECRET), "a secret is in the output: {said}");
    output
}

fn ingest(machine: &Machine) -> [String; 2] {
    ["ingest".to_owned(), machine.folder.path().join("orders.jsonl").to_str().unwrap().to_owned()]
}

const LOOKUP: [&str; 6] = ["lookup", "--rider", "R1", "--at", "2025-07-10T09:10:00+08:00", "--json"];

/// Files go into the ledger, which answers, is verified, and is well in the eyes of the doctor.
fn works(machine: &Machine, change: impl Fn(&mut Command)) {
    let good = |args: &[&str]| {
        let output = run(machine, args, &change);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{args:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
        printed
    };
    good(&ingest(machine).each_ref().map(String::as_str));
    let answer: Value = serde_json::from_str(&good(&LOOKUP)).unwrap();
    assert_eq!(answer["verdict"], "covered", "{answer}");
    good(&["verify"]);
    // Whether the disk of the one who tests is a good one does not matter here.
    let findings = findings(&String::from_utf8(run(machine, &["doctor", "--json"], &change).stdout).unwrap());
    has(&findings, "ok", "ledger", "opens; its newest commit is");
    has(&findings, "ok", "probe", "creates each object once");
    has(&findings, "ok", "certificate", "the ca_file of [storage] (");
}

/// Every command says so, the doctor too, and no secret is said.
#[track_caller]
fn refused(machine: &Machine, words: &[&str], change: impl Fn(&mut Command)) {
    let ingest = ingest(machine);
    for args in [&ingest.each_ref().map(String::as_str)[..], &LOOKUP, &["verify"]] {
        let output = run(machine, args, &change);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args:?}: {said}");
        assert!(
            !said.contains("rebuild"),
            "{args:?}: a ledger that could not be read is not damaged: {said}"
        );
        assert!(words.iter().all(|words| said.contains(words)), "{args:?}: {said} lacks one of {words:?}");
    }
    let output = run(machine, &["doctor", "--json"], &change);
    assert_eq!(output.status.code(), Some(1));
    let findings = findings(&String::from_utf8(output.stdout).unwrap());
    for words in words {
        has(&findings, "problem", "probe", words);
        has(&findings, "problem", "ledger", words);
    }
    let todo = findings.iter().find(|finding| finding["check"] == "ledger").unwrap()["todo"].clone();
    assert_eq!(todo, "do what the finding says");
}

fn findings(printed: &str) -> Vec<Value> {
    let whole: Value = serde_json::from_str(printed).unwrap();
    whole["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn has(findings: &[Value], level: &str, check: &str, words: &str) {
    let found = findings.iter().any(|finding| {
        finding["level"] == level
            && finding["check"] == check
            && finding["found"].as_str().unwrap().contains(words)
    });
    assert!(found, "no {level} of {check} with {words}: {findings:#?}");
}

/// Requests go nowhere but where the configuration says.
fn plain(_: &mut Command) {}

#[test]
fn a_store_over_tls_is_used_where_it_is_trusted_and_refused_with_what_to_do_where_not() {
    let store = Store::start();
    let own = store.reached(0, "localhost", &store.ca_file("ca.pem"));
    works(&store.machine("own", &own), plain);
    // A machine without any authority of its own needs no other one.
    works(&store.machine("bare", &own), without_authorities);
    not_trusted(&store);
    wrong_files(&store);
    one_of_two(&store);
    in_the_host_name(&store);
}

/// As in a container that has no certificates.
fn without_authorities(command: &mut Command) {
    command.env("SSL_CERT_FILE", "/none/ca.pem").env("SSL_CERT_DIR", "/none");
}

fn not_trusted(store: &Store) {
    let named = ["Failed to use the object store s3://ledger/refused: the certificate of https://"];
    let unknown =
        [&named[..], &["is of an authority that is not trusted", "as `ca_file` under [storage]"]].concat();
    refused(&store.machine("refused", &store.reached(0, "localhost", "")), &unknown, plain);
    let other = store.reached(0, "localhost", &store.ca_file("other.pem"));
    refused(&store.machine("refused", &other), &unknown, plain);
    let name = store.reached(0, "127.0.0.1", &store.ca_file("ca.pem"));
    let words = ["is not for this name, only for: localhost, s3.localhost, *.s3.localhost", "in `endpoints`"];
    refused(&store.machine("refused", &name), &[&named[..], &words].concat(), plain);
    let old = store.reached(1, "localhost", &store.ca_file("ca.pem"));
    let words = ["expired at 2021-12-31T00:00:00Z", "renew it"];
    refused(&store.machine("refused", &old), &[&named[..], &words].concat(), plain);
    let bare = store.machine("refused", &store.reached(0, "localhost", ""));
    refused(&bare, &["No CA certificates", "ca-certificates", "`ca_file`"], without_authorities);
}

fn wrong_files(store: &Store) {
    let wrong = |file: &str, reason: &str| {
        let machine = store.machine("refused", &store.reached(0, "localhost", &store.ca_file(file)));
        let path = store.folder.path().join(file);
        let begin = format!("Failed to use {} (`ca_file` under [storage]): {reason}", path.display());
        refused(&machine, &[&begin, "in PEM"], plain);
        let doctor = run(&machine, &["doctor", "--json"], plain).stdout;
        let findings = findings(&String::from_utf8(doctor).unwrap());
        has(&findings, "problem", "certificate", &format!("ca_file of [storage] ({})", path.display()));
    };
    wrong("missing.pem", "No such file");
    wrong("empty.pem", "it holds no certificate;");
    wrong("broken.pem", "it holds no certificate that can be read (");
}

/// What reads makes do with the gateway that is trusted; a writer needs all of them.
fn one_of_two(store: &Store) {
    for [first, second] in [[0, 1], [1, 0]] {
        let [first, second] = [first, second].map(|nth| &store.seaweed.endpoints[nth]);
        let both = format!("endpoints = [\"{first}\", \"{second}\"]\n{}", store.ca_file("ca.pem"));
        let machine = store.machine("own", &both);
        let read = run(&machine, &LOOKUP, plain);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let written = run(&machine, &ingest(&machine).each_ref().map(String::as_str), plain);
        let said = String::from_utf8(written.stderr).unwrap();
        let words = format!("the certificate of {} expired at", store.seaweed.endpoints[1]);
        assert!(!written.status.success() && said.contains(&words), "{said}");
    }
}

/// No resolver needs to know the name of the bucket: the proxy finds it.
fn in_the_host_name(store: &Store) {
    let tunnel = Tunnel::start();
    let port = store.seaweed.endpoints[0].rsplit_once(':').unwrap().1;
    let asked = || {
        assert_eq!(tunnel.take_asked().into_iter().collect::<Vec<_>>(), [format!("{BUCKET}.{DOMAIN}:{port}")])
    };
    let hosted = store.reached(0, DOMAIN, &format!("path_style = false\n{}", store.ca_file("ca.pem")));
    let named = format!("{hosted}proxy = \"http://{}\"\n", tunnel.address());
    works(&store.machine("hosted", &named), plain);
    asked();
    // The same bucket in the path: it is one ledger.
    let in_path = store.machine("hosted", &store.reached(0, "localhost", &store.ca_file("ca.pem")));
    let answer = run(&in_path, &LOOKUP, plain);
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    assert!(tunnel.take_asked().is_empty());
    // The proxy of the environment, with what lets one pass it.
    let from_environment = |command: &mut Command| {
        command.env("HTTPS_PROXY", format!("http://clerk:{PROXY_SECRET}@{}", tunnel.address()));
    };
    works(&store.machine("hosted", &hosted), from_environment);
    asked();
    let unknown = store.reached(0, DOMAIN, "path_style = false\n");
    let host = format!("the certificate of https://{BUCKET}.{DOMAIN}:{port} is of an authority that is not");
    refused(&store.machine("hosted", &unknown), &[&host, "`ca_file`"], from_environment);
}
