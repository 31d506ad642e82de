//! Real order streams, sealed by the service: every settled answer has a receipt that both verifiers accept, and changed receipts
//! are refused by both.

#![cfg(test)]

mod testkit;

use coverledger::config::Config;
use coverledger::domain::time::{DAY_MS, LocalDay, Zone};
use coverledger::domain::view::LedgerView as _;
use coverledger::ledger::{Ledger, LedgerOptions};
use coverledger::seal::instant::day_text;
use coverledger::seal::note::PublicKey;
use coverledger::seal::receipt::{Receipt, verify_receipt};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use testkit::cases::{Bench, Case};
use testkit::http::Client;
use testkit::program::Program;
use testkit::random::Random;
use testkit::sealed::{configure, in_python};
use testkit::skipped::skipped;
use testkit::wait::poll_until;

/// Names the folder of the large case.
const H1_FOLDER: &str = "COVERLEDGER_CASES_H1";
const NAMED: &str = "name = \"ledger.example/seal\"\n";
const SEED: u64 = 20_130_101;

#[test]
fn settled_answers_of_flights_march_have_receipts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/flights-march");
    have_receipts(&Case::new(folder), 300);
}

#[test]
fn settled_answers_of_flights_h1_have_receipts() {
    match std::env::var_os(H1_FOLDER) {
        Some(folder) => have_receipts(&Case::new(folder), 2_000),
        None => skipped("receipts of flights-h1", "set COVERLEDGER_CASES_H1 to its folder"),
    }
}

fn have_receipts(case: &Case, count: usize) {
    let started = Instant::now();
    let said = |what: &str| println!("{}: {what} ({:.1} s)", case.name, started.elapsed().as_secs_f64());
    let bench = Bench::flights();
    let input = case.path("orders.jsonl");
    // Some lines name no rider: nothing is stated by a run with them.
    bench.run("ingest", &[input.to_str().unwrap()]);
    let (first_day, through) = ends_of_what_is_stored(&bench);
    // Nothing is known of the time before the first order and after the last one: answers about it are not final.
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let config = config.replace("records_from = 1900-01-01", &format!("records_from = {first_day}"));
    assert!(config.contains(&first_day));
    fs::write(bench.path("flights.toml"), config).unwrap();
    fs::write(bench.path("nothing.jsonl"), "").unwrap();
    bench.ok("ingest", &["--complete-through", &through, "nothing.jsonl"]);
    bench.ok("rejections", &["--unreadable", "--resolve", "no tail number"]);
    configure(&bench, NAMED);
    let mut program = Program::serve(&bench.path("flights.toml"), &[]);
    let metrics = poll_until("every settled day is sealed", || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        let metrics = program.text("/metrics", "*/*");
        let is_done =
            metrics.contains("coverledger_seals_due 0\n") && !metrics.contains("coverledger_seals 0\n");
        is_done.then_some(metrics)
    });
    let days = metrics.lines().find_map(|line| line.strip_prefix("coverledger_seals ")).unwrap();
    said(&format!("{days} days sealed"));
    let key = program.text("/tlog/keys", "*/*").trim_end().to_owned();
    let receipts = receipts_of(&mut program, case, count);
    assert_eq!(program.terminate(), Some(0));
    let mut verdicts: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for receipt in &receipts {
        let made: Receipt = serde_json::from_str(receipt).unwrap();
        *verdicts.entry((made.answer.verdict, made.leaf.is_some())).or_default() += 1;
        assert!(receipt.len() <= 8_192, "{} bytes", receipt.len());
    }
    said(&format!("{} receipts, by verdict and whether the rider has a leaf: {verdicts:?}", receipts.len()));
    let kinds: BTreeSet<(&str, bool)> =
        verdicts.keys().map(|(verdict, leaf)| (verdict.as_str(), *leaf)).collect();
    assert!(
        kinds.is_superset(&[("covered", true), ("not_covered", true), ("not_covered", false)].into()),
        "{kinds:?}"
    );
    both_accept(&key, &receipts);
    said("both verifiers accept all of them");
    let refused = both_refuse(&key, &receipts, count);
    said(&format!("both verifiers refuse {count} changed ones, by the first member that fails: {refused:?}"));
}

/// The first day with orders, and the instant up to which all must be complete so that the day after the last one is settled, and
/// no time behind it.
fn ends_of_what_is_stored(bench: &Bench) -> (String, String) {
    let config = Config::load(&bench.path("flights.toml"), &|_| None).unwrap();
    let ledger = Ledger::open_read_only(LedgerOptions::new(&config)).unwrap();
    let state = ledger.published().current();
    let days: Vec<LocalDay> = state.days_stored().collect();
    let end = config.zone.end_of(days.last().unwrap().plus_days(1));
    let through = Zone::utc().rfc3339(end.plus(DAY_MS + 1));
    (day_text(days[0]).unwrap(), through)
}

/// The receipts of random questions; each settled answer must have one with the same verdict.
fn receipts_of(program: &mut Program, case: &Case, count: usize) -> Vec<String> {
    let rows = case.rows("lookups.csv");
    let (mut random, mut receipts) = (Random::new(SEED), Vec::new());
    let (mut client, mut open) = (Client::connect(&program.address()).unwrap(), 0_usize);
    while receipts.len() < count {
        let row = random.pick(&rows);
        let (rider, at) = (&row["rider_id"], &row["at"]);
        // Some riders are unknown, some questions are about another rider's time.
        let rider = match random.below(10_u64) {
            0 => format!("{rider}-unknown"),
            1 | 2 => random.pick(&rows)["rider_id"].clone(),
            _ => rider.clone(),
        };
        let at = at.replace('+', "%2B");
        let target = format!("/v1/coverage?rider_id={rider}&at={at}");
        let (status, body) = client.get(&target).unwrap();
        let answer: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(status, 200, "{target}: {answer}");
        let (status, body) = client.get(&format!("{target}&receipt=true")).unwrap();
        let with: Value = serde_json::from_slice(body).unwrap();
        if status == 409 {
            assert_eq!(answer["settled"], false, "a settled answer without a receipt: {target}: {with}");
            open += 1;
            assert!(open < count, "nearly nothing is settled");
            continue;
        }
        assert_eq!(status, 200, "{target}: {with}");
        let receipt = with["receipt"].as_str().unwrap();
        let made: Value = serde_json::from_str(receipt).unwrap();
        assert_eq!(made["answer"]["verdict"], answer["verdict"], "{target}");
        receipts.push(receipt.to_owned());
    }
    receipts
}

fn both_accept(key: &str, receipts: &[String]) {
    let known = [PublicKey::parse(key).unwrap()];
    let files: Vec<Vec<u8>> = receipts.iter().map(|receipt| receipt.as_bytes().to_vec()).collect();
    for (file, said) in files.iter().zip(in_python(key, &files)) {
        let verified = verify_receipt(file, &known).unwrap();
        assert_eq!(said, format!("ok {}", verified.receipt.answer.verdict));
    }
}

/// Changes one byte of each of so many receipts; half of them get the digest that belongs to the change. Gives how often each
/// member was the first to fail.
fn both_refuse(key: &str, receipts: &[String], count: usize) -> BTreeMap<String, usize> {
    let known = [PublicKey::parse(key).unwrap()];
    let (mut random, mut files) = (Random::new(SEED + 1), Vec::new());
    while files.len() < count {
        let base = random.pick(receipts).as_bytes();
        let mut changed = base.to_vec();
        let place = random.below(base.len());
        // Mostly the next letter or digit, which leaves the form as it is.
        changed[place] ^= *random.pick(&[1, 1, 1, 2, 0x20, 0x80]);
        if random.percent(50)
            && let Ok(receipt) = serde_json::from_slice::<Receipt>(&changed)
        {
            changed = receipt.with_digest().to_json().unwrap().into_bytes();
        }
        if changed != base {
            files.push(changed);
        }
    }
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (file, said) in files.iter().zip(in_python(key, &files)) {
        let refused = verify_receipt(file, &known).unwrap_err();
        assert!(said.starts_with("refused "), "{said}: {}", String::from_utf8_lossy(file));
        let member = refused.at.split(['.', '[', ' ']).next().unwrap().to_owned();
        *places.entry(member).or_default() += 1;
    }
    places
}
