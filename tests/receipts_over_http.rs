//! Receipts and the seal log of a running service, asked over HTTP and with `coverledger receipt --url`.

#![cfg(test)]

mod testkit;

use coverledger::seal::checkpoint::Checkpoint;
use coverledger::seal::hash::Hash;
use coverledger::seal::merkle::TreeBuilder;
use coverledger::seal::note::PublicKey;
use coverledger::seal::tiles::decode_bundle;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use testkit::cases::Bench;
use testkit::http::{self, Reply};
use testkit::program::{Program, binary};
use testkit::sealed::{RIDERS, check, configure, events, ledger, order, take};
use testkit::wait::poll_until;

const NAMED: &str = "name = \"ledger.example/seal\"\n";

/// A service that has sealed all that is due.
fn service(bench: &Bench, days: usize) -> Program {
    let mut program = Program::serve(&bench.path("flights.toml"), &[]);
    let wanted = format!("coverledger_seals {days}\n");
    poll_until("every settled day is sealed", || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        let metrics = program.text("/metrics", "*/*");
        (metrics.contains(&wanted) && metrics.contains("coverledger_seals_due 0\n")).then_some(())
    });
    program
}

fn ask(program: &mut Program, target: &str) -> Reply {
    http::get(&program.address(), target, "")
        .unwrap_or_else(|| panic!("{target}: no answer: {}", program.said()))
}

fn question(rider: &str, at: &str, receipt: &str) -> String {
    format!("/v1/coverage?rider_id={rider}&at=2013-03-{at}Z&receipt={receipt}")
}

#[test]
fn a_service_makes_its_secrets_seals_and_answers_with_receipts() {
    let bench = ledger(&events(), 1000);
    configure(&bench, NAMED);
    let mut program = service(&bench, 7);
    let key = program.text("/tlog/keys", "*/*").trim_end().to_owned();
    assert!(program.said().contains(&key), "the key of a new log is told: {}", program.said());
    let mut verdicts = BTreeSet::new();
    for rider in (0..=RIDERS).map(|rider| format!("R{rider}")) {
        for at in ["04T04:20:30", "05T11:20:00", "06T13:20:00", "06T14:20:00", "08T20:00:00"] {
            let reply = ask(&mut program, &question(&rider, at, "true"));
            assert_eq!(reply.status, 200, "{rider} {at}: {}", reply.body);
            let answer: Value = serde_json::from_str(&reply.body).unwrap();
            let receipt = answer["receipt"].as_str().unwrap();
            let made: Value = serde_json::from_str(receipt).unwrap();
            assert_eq!(made["answer"]["verdict"], answer["verdict"], "{rider} {at}");
            verdicts.insert(answer["verdict"].as_str().unwrap().to_owned());
            if rider == "R3" || made.get("leaf").is_none() {
                check(&bench, receipt, &key);
            }
        }
    }
    assert_eq!(verdicts.into_iter().collect::<Vec<_>>(), ["covered", "not_covered", "undetermined"]);
    // The command gives the same file, whole rider-days too.
    let url = format!("http://{}", program.address());
    for whole in [false, true] {
        let mut arguments = vec![
            "receipt",
            "--url",
            &url,
            "--rider",
            "R3",
            "--at",
            "2013-03-06T13:20:00Z",
            "--out",
            "r.json",
        ];
        arguments.extend(whole.then_some("--whole"));
        let output = binary().current_dir(bench.folder.path()).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let file = fs::read_to_string(bench.path("r.json")).unwrap();
        let asked = ask(&mut program, &question("R3", "06T13:20:00", if whole { "whole" } else { "true" }));
        let answer: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(answer["receipt"], file.as_str());
        assert_eq!(file.contains("\"rider_day\""), whole);
        check(&bench, &file, &key);
        fs::remove_file(bench.path("r.json")).unwrap();
    }
    let metrics = program.text("/metrics", "*/*");
    for line in [
        "coverledger_seal_log_entries 7\n",
        "coverledger_seal_duration_seconds_count 7\n",
        "coverledger_seal_failures_total 0\n",
        // The end of 9 March in New York.
        "coverledger_sealed_through_seconds 1362891600\n",
        "coverledger_receipts_total{outcome=\"made\"} 44\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    // Keys in the log are random texts, which may contain the identifier.
    let said = program.said();
    let is_separator = |c: char| !c.is_ascii_alphanumeric() && !"+/-_".contains(c);
    assert!(said.split(is_separator).all(|word| word != "R3"), "{said}");
    assert_eq!(program.terminate(), Some(0));
    let verified: Value = bench.json("verify", &["--json", "--every-sealed-day"]);
    assert_eq!((&verified["seal_entries"], &verified["sealed_days_recomputed"]), (&7.into(), &7.into()));
}

#[test]
fn the_log_is_read_by_its_files() {
    let bench = ledger(&events(), 1000);
    configure(&bench, NAMED);
    let mut program = service(&bench, 7);
    let known = [PublicKey::parse(program.text("/tlog/keys", "*/*").trim_end()).unwrap()];
    let reply = ask(&mut program, "/tlog/checkpoint");
    assert!(reply.head.contains("cache-control: no-cache"), "{}", reply.head);
    let checkpoint = Checkpoint::verify(&reply.body, &known).unwrap().checkpoint;
    let entries = ask(&mut program, "/tlog/tile/entries/000.p/7");
    assert!(entries.head.contains("cache-control: public, max-age=31536000, immutable"), "{}", entries.head);
    let mut tree = TreeBuilder::new();
    for entry in decode_bundle(entries.body.as_bytes()).unwrap() {
        tree.push(Hash::of_leaf(entry), |_, _, _| {});
    }
    assert_eq!((tree.size(), tree.root()), (checkpoint.size, checkpoint.root));
    // An earlier width stays, and no other file is there.
    assert_eq!(ask(&mut program, "/tlog/tile/entries/000.p/3").status, 200);
    assert_eq!(ask(&mut program, "/tlog/tile/entries/000").status, 404);
    // What the service serves is what the command exports.
    assert_eq!(program.terminate(), Some(0));
    bench.ok("seal", &["--status", "--export", "www"]);
    assert_eq!(fs::read_to_string(bench.path("www/checkpoint")).unwrap(), reply.body);
    assert_eq!(fs::read_to_string(bench.path("www/tile/entries/000.p/7")).unwrap(), entries.body);
}

#[test]
fn what_is_not_sealed_yet_says_so_and_what_came_later_waits_for_its_seal() {
    let bench = ledger(&events(), 1000);
    configure(&bench, NAMED);
    let mut program = service(&bench, 7);
    let key = program.text("/tlog/keys", "*/*").trim_end().to_owned();
    for (target, status, text) in [
        (
            question("R1", "19T12:00:00", "true"),
            409,
            "2013-03-19 is not sealed yet, since not every platform",
        ),
        (
            "/v1/coverage?rider_id=R1&from=2013-03-05T00:00:00Z&to=2013-03-07T00:00:00Z&receipt=true"
                .to_owned(),
            400,
            "a receipt of each day",
        ),
    ] {
        let reply = ask(&mut program, &target);
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(text), "{}", reply.body);
    }
    let before = ask(&mut program, &question("R5", "06T20:20:00", "true")).body;
    assert_eq!(program.terminate(), Some(0));
    take(&bench, &[order(5, 6, 20, "")]);
    // Not sealing, it answers as it is: the day waits for its next generation.
    let mut reading = Program::serve(&bench.path("flights.toml"), &["--read-only"]);
    let reply = ask(&mut reading, &question("R5", "06T20:20:00", "true"));
    assert_eq!(reply.status, 409, "{}", reply.body);
    assert!(reply.body.contains("not those that were sealed"), "{}", reply.body);
    assert_eq!(ask(&mut reading, &question("R4", "06T20:20:00", "true")).status, 200);
    assert_eq!(reading.terminate(), Some(0));
    let mut program = Program::serve(&bench.path("flights.toml"), &[]);
    let after = poll_until("the day is sealed again", || {
        let reply = ask(&mut program, &question("R5", "06T20:20:00", "true"));
        (reply.status == 200).then_some(reply.body)
    });
    let [before, after] = [before, after].map(|body| serde_json::from_str::<Value>(&body).unwrap());
    assert_eq!((&before["verdict"], &after["verdict"]), (&"not_covered".into(), &"covered".into()));
    for answer in [&before, &after] {
        check(&bench, answer["receipt"].as_str().unwrap(), &key);
    }
    assert_eq!(program.text("/tlog/keys", "*/*").trim_end(), key, "the key stays after a restart");
    assert!(program.text("/metrics", "*/*").contains("coverledger_seal_log_entries 8\n"));
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn secrets_that_are_lost_or_of_another_log_are_not_made_up_for() {
    let bench = ledger(&events(), 1000);
    configure(&bench, NAMED);
    assert_eq!(service(&bench, 7).terminate(), Some(0));
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("flights.toml"), config.replace("ledger.example/seal", "other.example/seal"))
        .unwrap();
    let (code, said) = Program::serve(&bench.path("flights.toml"), &[]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("those of the log ledger.example/seal"), "{said}");
    fs::write(bench.path("flights.toml"), config).unwrap();
    fs::rename(bench.path("seal.secrets"), bench.path("lost")).unwrap();
    let (code, said) = Program::serve(&bench.path("flights.toml"), &[]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("restore the file from its backup"), "{said}");
    assert!(!bench.path("seal.secrets").exists());
    // Without [seal] nothing of it is there.
    let without = Bench::flights();
    let config = fs::read_to_string(without.path("flights.toml")).unwrap();
    let config = config.replacen("[ledger]", "[http]\nlisten = \"127.0.0.1:0\"\n[ledger]", 1);
    fs::write(without.path("flights.toml"), config).unwrap();
    let mut program = Program::serve(&without.path("flights.toml"), &[]);
    for target in ["/tlog/checkpoint", "/tlog/keys", &question("R1", "05T11:20:00", "true")] {
        let reply = ask(&mut program, target);
        assert_eq!(reply.status, 404, "{}", reply.body);
        assert!(reply.body.contains("urn:coverledger:problem:sealing-off"), "{}", reply.body);
    }
    assert_eq!(program.terminate(), Some(0));
}
