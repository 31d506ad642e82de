//! Sealed days from files to receipts, with the real binary: what is sealed is what is answered, two ledgers of the same
//! events seal the same, and later arrivals make a new generation.

#![cfg(test)]

mod testkit;

use coverledger::config::Config;
use coverledger::coverage::Terms;
use coverledger::ledger::{Ledger, LedgerOptions, NewSeal};
use coverledger::seal::day_tree::{DayTree, Leaf};
use coverledger::seal::entry::DayEntry;
use coverledger::seal::secret::SealingSecret;
use coverledger::sealing::{Outcome, SealBook};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::AtomicBool;
use testkit::cases::Bench;
use testkit::program::{Program, binary};
use testkit::sealed::{RIDERS, check, configure, events, ledger, order, secrets, take};
use testkit::wait::poll_until;

fn seal(bench: &Bench) -> Value {
    bench.json("seal", &["--secrets", "seal.secrets"])
}

fn receipt(bench: &Bench, rider: &str, at: &str, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["--secrets", "seal.secrets", "--rider", rider, "--at", at], more].concat();
    let output = bench.run("receipt", &arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_settled_answer_has_a_receipt_that_verifies() {
    let bench = ledger(&events(), 1000);
    let key = secrets(&bench, None);
    let said = seal(&bench);
    // From 3 March, of which 04:10 of UTC is the evening, to the day after 8 March.
    assert_eq!(said["sealed_now"].as_array().unwrap().len(), 7, "{said}");
    assert_eq!((&said["due"], &said["size"]), (&Value::Array(Vec::new()), &7.into()));
    let mut verdicts = BTreeSet::new();
    for (rider, at) in (0..=RIDERS).flat_map(|rider| {
        [
            "04T04:20:30",
            "05T11:20:00",
            "05T05:10:00",
            "06T13:20:00",
            "06T14:20:00",
            "07T16:39:59",
            "08T20:00:00",
        ]
        .map(|at| (format!("R{rider}"), format!("2013-03-{at}Z")))
    }) {
        let answer = bench.json("lookup", &["--rider", &rider, "--at", &at, "--json"]);
        let (code, text, err) = receipt(&bench, &rider, &at, &[]);
        assert_eq!((code, err.as_str()), (0, ""), "{rider} {at}");
        assert!(text.len() <= 8192, "{}", text.len());
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["answer"]["verdict"], answer["verdict"], "{rider} {at}");
        verdicts.insert((answer["verdict"].as_str().unwrap().to_owned(), made.get("leaf").is_some()));
        if rider == "R3" || made.get("leaf").is_none() {
            check(&bench, &text, &key);
        }
    }
    let kinds: Vec<(&str, bool)> = verdicts.iter().map(|(verdict, leaf)| (verdict.as_str(), *leaf)).collect();
    assert_eq!(
        kinds,
        [("covered", true), ("not_covered", false), ("not_covered", true), ("undetermined", true)]
    );
    assert!(bench.ok("verify", &["--json"]).contains("\"holds\":true"));
}

#[test]
fn a_whole_rider_day_has_every_order_and_refused_record() {
    let bench = ledger(&events(), 1000);
    let key = secrets(&bench, None);
    seal(&bench);
    let (code, text, err) = receipt(&bench, "R3", "2013-03-06", &["--whole"]);
    assert_eq!((code, err.as_str()), (0, ""));
    check(&bench, &text, &key);
    let whole: Value = serde_json::from_str(&text).unwrap();
    let orders = whole["rider_day"]["orders"].as_array().unwrap();
    let ids: Vec<&str> = orders.iter().map(|order| order["order_id"].as_str().unwrap()).collect();
    // The night of 5 to 6 March in New York belongs to both of its days.
    assert_eq!(ids, ["n-3-6", "o-3-6-11", "o-3-6-16"]);
    let refused = whole["rider_day"]["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (&refused[0]["reason"], &refused[0]["resolved_by"]),
        (&"bad_region".into(), &"unresolved".into())
    );
    // A void order is listed, and covers nothing.
    let (_, text, _) = receipt(&bench, "R2", "2013-03-05", &["--whole"]);
    let whole: Value = serde_json::from_str(&text).unwrap();
    let voids =
        whole["rider_day"]["orders"].as_array().unwrap().iter().filter(|order| order["outcome"] == "void");
    assert_eq!(voids.map(|order| order["starts_at"].as_str().unwrap()).collect::<Vec<_>>(), [""]);
}

#[test]
fn ledgers_of_the_same_events_have_the_same_roots() {
    let events = events();
    let (one, other) = (ledger(&events, 1000), ledger(&events, 17));
    secrets(&one, None);
    secrets(&other, Some(&one));
    let (first, second) = (seal(&one), seal(&other));
    assert_eq!((&first["root"], &first["size"]), (&second["root"], &7.into()));
    let compare = |with: &Bench| {
        let arguments =
            ["flights.toml", with.path("flights.toml").to_str().unwrap(), "--secrets", "seal.secrets"]
                .map(str::to_owned);
        let config = fs::read_to_string(with.path("flights.toml")).unwrap();
        let data = format!("data_dir = \"{}\"", with.path("data").display());
        fs::write(with.path("flights.toml"), config.replace("data_dir = \"data\"", &data)).unwrap();
        let output = binary().current_dir(one.folder.path()).arg("compare").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), serde_json::from_str::<Value>(&said).unwrap())
    };
    let (code, said) = compare(&other);
    assert_eq!((code, &said["same"], &said["days"]), (0, &true.into(), &7.into()), "{said}");
    // Another secret, and one order more on 6 March.
    let third = ledger(&[events, vec![order(5, 6, 20, "")]].concat(), 40);
    secrets(&third, None);
    seal(&third);
    let (code, said) = compare(&third);
    assert_eq!((code, &said["same"], &said["day"]), (1, &false.into(), &"2013-03-06".into()), "{said}");
    assert_eq!(said["rider_tag"].as_str().unwrap().len(), 16);
    assert!(!said.to_string().contains("R5"), "{said}");
}

#[test]
fn a_later_arrival_makes_a_new_generation() {
    let bench = ledger(&events(), 1000);
    let key = secrets(&bench, None);
    seal(&bench);
    let (_, before, _) = receipt(&bench, "R5", "2013-03-06T20:20:00Z", &[]);
    assert!(before.contains("\"verdict\":\"not_covered\""));
    assert_eq!(seal(&bench)["sealed_now"], Value::Array(Vec::new()));
    take(&bench, &[order(5, 6, 20, "")]);
    let (code, _, err) = receipt(&bench, "R5", "2013-03-06T20:20:00Z", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("not those that were sealed"), "{err}");
    let said = seal(&bench);
    assert_eq!(
        (&said["sealed_now"], &said["size"]),
        (&serde_json::json!(["2013-03-06"]), &8.into()),
        "{said}"
    );
    assert!(said["checked_again"].as_u64().unwrap() >= 1, "{said}");
    let again = seal(&bench);
    assert_eq!((&again["checked_again"], &again["size"]), (&0.into(), &8.into()), "{again}");
    let (code, after, err) = receipt(&bench, "R5", "2013-03-06T20:20:00Z", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        after.contains("\"verdict\":\"covered\"") && after.contains("generation 2\\nprevious 3\\n"),
        "{after}"
    );
    check(&bench, &before, &key);
    check(&bench, &after, &key);
    assert!(bench.ok("verify", &["--json"]).contains("\"holds\":true"));
}

#[test]
fn a_service_seals_by_itself() {
    let bench = ledger(&events(), 1000);
    let key = secrets(&bench, None);
    configure(&bench, "");
    let mut program = Program::serve(&bench.path("flights.toml"), &[]);
    poll_until("seven days are sealed", || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        (program.said().matches("sealed a day").count() == 7).then_some(())
    });
    assert!(!program.said().contains("R1"), "{}", program.said());
    assert_eq!(program.terminate(), Some(0));
    let said = bench.json("seal", &["--secrets", "seal.secrets", "--status"]);
    assert_eq!((&said["size"], &said["due"]), (&7.into(), &Value::Array(Vec::new())), "{said}");
    let (code, text, err) = receipt(&bench, "R1", "2013-03-05T11:20:00Z", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    check(&bench, &text, &key);
    // What the service sealed is what the command seals of the same events.
    let other = ledger(&events(), 50);
    fs::copy(bench.path("seal.secrets"), other.path("seal.secrets")).unwrap();
    assert_eq!(seal(&other)["root"], said["root"]);
}

/// Puts a further generation of a day into the log, with leaves as `change` leaves them.
fn forge(bench: &Bench, change: impl Fn(&mut DayEntry, &mut Vec<Leaf>)) {
    let config = Config::load(&bench.path("flights.toml"), &|_| None).unwrap();
    let folder = bench.folder.path().join("data");
    assert_eq!(config.ledger.data_dir, folder);
    let mut ledger = Ledger::open(LedgerOptions::new(&config)).unwrap();
    let state = ledger.published().current();
    let seals = state.seals().unwrap();
    let index = u64::try_from(seals.len()).unwrap();
    let mut entry = DayEntry::parse(&seals[2].text).unwrap();
    let mut leaves =
        DayTree::of_bytes(&state.sealed_leaves(2, &seals[2]).unwrap()).unwrap().leaves().to_vec();
    (entry.generation, entry.previous) = (2, Some(2));
    change(&mut entry, &mut leaves);
    let tree = DayTree::new(leaves);
    let (commit, next_run) = (state.root().commit, state.root().next_run);
    let seal = NewSeal { index, text: entry.to_string(), leaves: tree.to_bytes(), commit, next_run };
    ledger.add_seal(&seal, state.root().recorded_at).unwrap();
}

#[test]
fn a_prepared_day_is_sealed_as_one_that_was_not() {
    let bench = ledger(&events(), 1000);
    let config = Config::load(&bench.path("flights.toml"), &|_| None).unwrap();
    let ledger = Ledger::open(LedgerOptions::new(&config)).unwrap();
    let state = ledger.published().current();
    let book = SealBook::of(&state, Terms { platforms: &config.platforms, zone: &config.zone }).unwrap();
    let (prepared, fresh) = (SealingSecret::of_seed(&[1; 32]), SealingSecret::of_seed(&[1; 32]));
    let stop = AtomicBool::new(false);
    let (day, riders) = book.prepare(&prepared, &stop).unwrap().unwrap();
    let all: Vec<_> = book.rider_days(day).unwrap().map(|found| found.unwrap().rider_id).collect();
    assert!(riders > 1 && riders <= all.len(), "{riders} of {all:?}");
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(prepared.known_of(&ids, day), riders);
    assert_eq!(fresh.known_of(&ids, day), 0);
    let text = |secret| match book.seal(day, secret, &stop).unwrap() {
        Outcome::Sealed(seal) => (seal.text, seal.leaves),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&prepared), text(&fresh));
    // Told to stop, it does nothing.
    let stopped = book.prepare(&SealingSecret::of_seed(&[1; 32]), &AtomicBool::new(true)).unwrap();
    assert_eq!(stopped, Some((day, 0)));
}

#[test]
fn verify_compares_leaves_with_roots_and_rows_with_leaves() {
    let sealed = || {
        let bench = ledger(&events(), 1000);
        secrets(&bench, None);
        seal(&bench);
        bench
    };
    let verify = |bench: &Bench, more: &[&str]| {
        let output = bench.run("verify", &[&["--json"], more].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said["problems"].to_string(), said)
    };
    let with_secrets = ["--secrets", "seal.secrets"];
    let good = sealed();
    let (code, _, said) = verify(&good, &with_secrets);
    assert_eq!((code, &said["sealed_days_recomputed"]), (Some(0), &7.into()), "{said}");
    let (code, _, said) = verify(&good, &[]);
    assert_eq!(
        (code, &said["sealed_days_recomputed"], &said["seal_entries"]),
        (Some(0), &0.into(), &7.into())
    );
    // Leaves that do not give the root are found without the secrets.
    let other_root = sealed();
    forge(&other_root, |entry, leaves| {
        entry.root = leaves[0].commitment;
    });
    let (code, problems, _) = verify(&other_root, &[]);
    assert_eq!(code, Some(1));
    assert!(problems.contains("the stored leaves of 2013-03-05 (entry 7 of the seal log)"), "{problems}");
    // A rider who is left out is found with them.
    let left_out = sealed();
    forge(&left_out, |entry, leaves| {
        leaves.remove(1);
        let tree = DayTree::new(leaves.clone());
        (entry.root, entry.leaves) = (tree.root(), tree.size());
    });
    assert_eq!(verify(&left_out, &[]).0, Some(0));
    let (code, problems, _) = verify(&left_out, &with_secrets);
    assert_eq!(code, Some(1));
    assert!(
        problems.contains("the rows of 2013-03-05 do not give the root that was sealed (entry 7"),
        "{problems}"
    );
    assert!(!problems.contains("R1"), "{problems}");
}

#[test]
fn the_log_is_exported_as_static_files() {
    let bench = ledger(&events(), 1000);
    let key = secrets(&bench, None);
    bench.ok("seal", &["--secrets", "seal.secrets", "--export", "www"]);
    let checkpoint = fs::read_to_string(bench.path("www/checkpoint")).unwrap();
    let known = [coverledger::seal::note::PublicKey::parse(&key).unwrap()];
    let verified = coverledger::seal::checkpoint::Checkpoint::verify(&checkpoint, &known).unwrap();
    assert_eq!(verified.checkpoint.size, 7);
    let bundle = fs::read(bench.path("www/tile/entries/000.p/7")).unwrap();
    let mut tree = coverledger::seal::merkle::TreeBuilder::new();
    for entry in coverledger::seal::tiles::decode_bundle(&bundle).unwrap() {
        tree.push(coverledger::seal::hash::Hash::of_leaf(entry), |_, _, _| {});
    }
    assert_eq!(tree.root(), verified.checkpoint.root);
    assert_eq!(fs::read(bench.path("www/tile/0/000.p/7")).unwrap().len(), 7 * 32);
}

#[test]
fn what_cannot_be_sealed_or_proved_says_why() {
    let bench = ledger(&events(), 1000);
    let (code, _, err) = receipt(&bench, "R1", "2013-03-05T11:20:00Z", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("--new-secrets"), "{err}");
    secrets(&bench, None);
    let again = binary()
        .current_dir(bench.folder.path())
        .args(["seal", "--new-secrets", "seal.secrets", "--name", "a"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(bench.path("seal.secrets")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, err) = receipt(&bench, "R1", "2013-03-05T11:20:00Z", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("2013-03-05 is not sealed yet"), "{err}");
    seal(&bench);
    for at in ["2013-03-19T12:00:00Z", "2013-03-25T12:00:00Z"] {
        let (code, _, err) = receipt(&bench, "R1", at, &[]);
        assert_eq!(code, 1);
        assert!(err.contains("is not sealed yet"), "{err}");
    }
    let arguments =
        ["--secrets", "seal.secrets", "--rider", "R1", "--from", "2013-03-05", "--to", "2013-03-07"];
    let output = bench.run("receipt", &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a receipt of each day"));
    let other = Bench::flights();
    secrets(&other, None);
    fs::copy(other.path("seal.secrets"), bench.path("seal.secrets")).unwrap();
    let (code, _, err) = receipt(&bench, "R1", "2013-03-05T11:20:00Z", &[]);
    assert_eq!(code, 1);
    assert!(err.contains("the sealing secret is not the one"), "{err}");
}
