//! Two verifiers over the same receipts: this program's, and one in Python that was written from `docs/receipts.md`.

use super::*;
use data_encoding::BASE64;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

/// What the verifier in Python says of each file: `ok VERDICT` or `refused WHERE: WHY`.
fn in_python(keys: &[PublicKey], files: &[Vec<u8>]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verifier/verify_receipt.py");
    let mut command = Command::new("python3");
    command.arg(script).arg("--lines");
    keys.iter().for_each(|key| {
        command.args(["--key", &key.to_string()]);
    });
    let lines: String = files.iter().map(|file| BASE64.encode(file) + "\n").collect();
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    input.rewind().unwrap();
    let output = command.stdin(input).stderr(Stdio::inherit()).output();
    let output = output.expect("python3 runs the second verifier: scripts/setup installs it");
    assert!(output.status.success(), "the verifier in Python failed");
    let said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(said.len(), files.len());
    said
}

fn file(receipt: &Receipt) -> Vec<u8> {
    receipt.to_json().unwrap().into_bytes()
}

#[test]
fn both_accept_the_good_ones() {
    let world = World::new(30, 4);
    let mut receipts = Vec::new();
    for rider in 0..30 {
        let from = i64::try_from(rider).unwrap() * 3;
        receipts.push(world.receipt(rider, minutes(from, from + 1), rider % 2 == 0));
        receipts.push(world.receipt(rider, minutes(0, from + 20), rider % 3 == 0));
        receipts.push(world.absent(&format!("stranger \"{rider}\" \\ \u{7f}é/🛵")));
    }
    receipts.push(world.receipt(2, minutes(30, 45), true));
    receipts.push(World::new(0, 0).absent("stranger"));
    receipts.extend((0..4).map(|number| World::new(1, 1).absent(&format!("stranger {number}"))));
    let files: Vec<Vec<u8>> = receipts.iter().map(file).collect();
    let mut verdicts = std::collections::BTreeSet::new();
    for (receipt, file) in receipts.iter().zip(&files) {
        assert_eq!(verify_receipt(file, &world.known()).unwrap().receipt, *receipt);
        verdicts.insert(receipt.answer.verdict.as_str());
    }
    assert_eq!(verdicts.len(), 4, "{verdicts:?}");
    for (receipt, said) in receipts.iter().zip(in_python(&world.known(), &files)) {
        assert_eq!(said, format!("ok {}", receipt.answer.verdict));
    }
}

#[test]
fn both_refuse_the_changed_ones() {
    let world = World::new(30, 2);
    let bases = [
        file(&world.receipt(3, minutes(5, 6), true)),
        file(&world.receipt(4, minutes(0, 60), false)),
        file(&world.absent("stranger")),
    ];
    let mut files = Vec::new();
    for number in 0..2000_usize {
        let base = &bases[number % bases.len()];
        let mut changed = base.clone();
        let place = number * 7919 % base.len();
        changed[place] = match number % 5 {
            // Mostly the next letter or digit, which leaves the form as it is.
            0 => changed[place] ^ 0x80,
            1 => b' ',
            _ => changed[place] ^ 1,
        };
        // Half of them with the digest that belongs to what was changed.
        if number % 2 == 0
            && let Ok(receipt) = serde_json::from_slice::<Receipt>(&changed)
        {
            changed = file(&receipt.with_digest());
        }
        if !bases.contains(&changed) {
            files.push(changed);
        }
    }
    assert!(files.len() > 1800, "{}", files.len());
    for file in &files {
        assert!(verify_receipt(file, &world.known()).is_err(), "{}", String::from_utf8_lossy(file));
    }
    for (file, said) in files.iter().zip(in_python(&world.known(), &files)) {
        assert!(said.starts_with("refused "), "{said}: {}", String::from_utf8_lossy(file));
    }
}
