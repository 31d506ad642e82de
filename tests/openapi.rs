//! The OpenAPI description: as it is kept in docs, as the service takes requests, and as Schemathesis finds it with every role.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use testkit::http;
use testkit::program::{Program, binary};

/// Requests that Schemathesis makes up for each call, at most.
const EXAMPLES: &str = "40";
/// Checks that say more than this interface promises.
/// * `positive_data_acceptance`: that `at` excludes `from`, and which texts are times, OpenAPI cannot say of parameters.
const LEFT_OUT: &str = "positive_data_acceptance";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn described() -> String {
    let output = binary().arg("openapi").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A change of the interface shows as a change of this file.
#[test]
fn the_description_in_docs_is_that_of_this_program() {
    let kept = fs::read_to_string(root().join("docs/openapi.json")).unwrap_or_default();
    assert!(
        described() == kept,
        "docs/openapi.json is another description; if the change is meant: coverledger openapi >docs/openapi.json"
    );
}

fn config(folder: &Path, access: &str) -> PathBuf {
    let text = format!(
        "[ledger]\ndata_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n{access}\n\
         [[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.25\"\n[platform.dada]\nrecords_from = 2025-07-01\n"
    );
    let path = folder.join("coverledger.toml");
    fs::write(&path, text).unwrap();
    path
}

#[track_caller]
fn done(config: &Path, args: &[&str]) -> String {
    let output = binary()
        .current_dir(config.parent().unwrap())
        .args(args)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Some orders and a refused record, so that answers have all their parts.
fn some_orders(config: &Path) {
    let order = |id: &str, revision: u32, more: &str| {
        format!(
            r#"{{"platform":"dada","order_id":"{id}","rider_id":"R-1","category":"instant_delivery","region":"310000","revision":{revision},"accepted_at":"2026-11-20T12:00:00+08:00"{more}}}"#
        )
    };
    let ended = r#","ended_at":"2026-11-20T12:30:00+08:00","outcome":"completed","fare":"30.00""#;
    let shorter = ended.replace("12:30", "12:20");
    let lines = [
        order("1", 0, ended),
        order("1", 1, &shorter),
        order("2", 0, ""),
        order("2", 0, &ended.replace("completed", "finished")),
        order("3", 0, ended),
        order("3", 0, &shorter),
    ];
    fs::write(config.parent().unwrap().join("orders.jsonl"), lines.join("\n") + "\n").unwrap();
    done(config, &["ingest", "orders.jsonl"]);
}

/// Every call that is described exists, with the parameters that it takes, and every parameter that a call takes is described.
#[test]
fn the_described_parameters_are_those_that_the_service_takes() {
    let folder = TempDir::new().unwrap();
    let mut service = Program::serve(&config(folder.path(), ""), &[]);
    let document: Value = serde_json::from_str(&described()).unwrap();
    let mut compared = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let parameters = call["parameters"].as_array().into_iter().flatten();
            let named: BTreeSet<&str> = parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let target = path
                .replace("{rider_id}", "R-1")
                .replace("{platform}", "dada")
                .replace("{order_id}", "1")
                .replace("{number}", "1");
            if !path.starts_with("/v1/") {
                assert_eq!(named.len(), 0, "{path}");
                continue;
            }
            let target = format!("{target}?no-such-parameter=1");
            let ndjson = "Content-Type: application/x-ndjson\r\n";
            let reply = match method.as_str() {
                "get" => http::get(&service.address(), &target, ""),
                _ => http::post(&service.address(), &target, ndjson, b"{}"),
            };
            let body: Value = serde_json::from_str(&reply.unwrap().body).unwrap();
            let detail = body["detail"].as_str().unwrap();
            let (_, taken) = detail.split_once("the parameters of this resource are: ").expect(detail);
            assert_eq!(taken.split(", ").collect::<BTreeSet<_>>(), named, "{method} {path}");
            compared += 1;
        }
    }
    assert_eq!(compared, 9, "calls under /v1 with parameters");
    assert_eq!(service.terminate(), Some(0));
}

/// Runs Schemathesis against a service; fails with what it found.
fn schemathesis(url: &str, folder: &Path, more: &[&str]) {
    let program = root().join("target/python/bin/schemathesis");
    assert!(program.exists(), "this test needs Schemathesis: run scripts/setup");
    let mut command = Command::new(program);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", root().join("tests/schemathesis"));
    // Nothing of the run stays in the repository.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--config-file").arg(root().join("tests/schemathesis/schemathesis.toml"));
    command.current_dir(folder).arg("run").arg(format!("{url}/v1/openapi.json")).args([
        "--max-examples",
        EXAMPLES,
        "--seed",
        "20261128",
        "--exclude-checks",
        LEFT_OUT,
        "--no-color",
    ]);
    let output = command.args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().find(|line| line.contains("generated")).unwrap_or_default();
    println!("{}: {}", more.join(" ").split("Bearer").next().unwrap_or_default(), tested.trim());
}

#[test]
fn schemathesis_finds_nothing_on_loopback() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path(), "");
    some_orders(&config);
    let mut service = Program::serve(&config, &[]);
    // Nobody signs in here.
    let url = format!("http://{}", service.address());
    schemathesis(&url, folder.path(), &["--exclude-checks", &format!("{LEFT_OUT},ignored_auth")]);
    assert!(!service.said().contains(" ERROR "), "{}", service.said());
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn schemathesis_finds_nothing_with_any_role() {
    let folder = TempDir::new().unwrap();
    let rates = "requests_per_second = 100000\nrequests_burst = 100000\n";
    let config = config(folder.path(), &format!("[access]\n{rates}"));
    some_orders(&config);
    let roles = ["claims", "platform:dada", "auditor", "ops", "admin"];
    let tokens = roles.map(|role| {
        let name = role.replace(':', "-");
        done(&config, &["token", "create", &name, "--role", role])
    });
    let mut service = Program::serve(&config, &[]);
    let url = format!("http://{}", service.address());
    for (role, token) in roles.iter().zip(&tokens) {
        println!("role {role}");
        schemathesis(&url, folder.path(), &["--header", &format!("Authorization: Bearer {token}")]);
    }
    assert!(!service.said().contains(" ERROR "), "{}", service.said());
    assert_eq!(service.terminate(), Some(0));
}
