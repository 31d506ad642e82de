//! `coverledger verify-receipt` as a shell sees it.

#![cfg(test)]

mod testkit;

use std::fs;
use std::process::Output;
use testkit::program::binary;

/// The key that signed the receipts of `tests/verifier`.
const KEY: &str = "ledger.example/seal+6b41dc99+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

fn verify(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = binary().arg("verify-receipt").args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn file(name: &str) -> String {
    format!("{}/tests/verifier/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_valid_receipt_says_what_it_proves() {
    let (code, out, err) = verify(&[&file("receipt-with-leaf.json"), "--key", KEY]);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "valid: undetermined\n",
        "rider: 骑手 1\n",
        "  2026-11-19T16:00:00.000Z to 2026-11-19T16:15:00.000Z: covered\n",
        "day: 2026-11-20 (Asia/Shanghai), generation 1\n",
        "behind it: 2 orders, 1 refused records\nthe receipt has all of them\n",
        "log: ledger.example/seal, entry 9 of 11\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
    let (code, out, _) = verify(&[&file("receipt-without-leaf.json"), "--key", KEY, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["valid"], &json["answer"]["verdict"]), (0, &true.into(), &"not_covered".into()));
}

#[test]
fn an_invalid_receipt_is_1_and_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.json");
    let text = fs::read_to_string(file("receipt-with-leaf.json")).unwrap();
    for (from, to, at) in [
        ("\"verdict\":\"undetermined\",\"parts\"", "\"verdict\":\"covered\",\"parts\"", "answer"),
        ("骑手 1\",\"from\"", "骑手 2\",\"from\"", "rider_proof"),
        ("\"count\":2", "\"count\":3", "leaf"),
        ("\"fare\":\"12.5\"", "\"fare\":\"12.6\"", "rider_day.orders"),
        ("ledger.example/seal\\n11", "ledger.example/seal\\n12", "checkpoint"),
        ("{\"format\"", "{ \"format\"", "byte 1"),
        ("coverledger/receipt/1", "coverledger/receipt/2", "format"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&changed, text.replacen(from, to, 1)).unwrap();
        let path = changed.to_str().unwrap();
        let (code, out, err) = verify(&[path, "--key", KEY]);
        assert_eq!((code, err.as_str()), (1, ""), "{from}");
        assert!(out.starts_with(&format!("Failed to verify the receipt at {at}: ")), "{from}: {out}");
        let (code, out, _) = verify(&[path, "--key", KEY, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &json["valid"], &json["at"]), (1, &false.into(), &at.into()));
    }
}

#[test]
fn wrong_keys_and_missing_files_say_what_to_do() {
    let receipt = file("receipt-with-leaf.json");
    let (code, out, err) = verify(&[&receipt, "--key", "ledger.example/seal+6b41dc98+AepK"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("--key") && err.contains("NAME+ID+BASE64"), "{err}");
    let (code, _, err) = verify(&[&receipt]);
    assert_eq!(code, 2, "{err}");
    let (code, _, err) = verify(&["missing.json", "--key", KEY]);
    assert_eq!(code, 1);
    assert!(err.contains("missing.json"), "{err}");
    let witness = "example.com/other+00000000+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
    let (code, _, err) = verify(&[&receipt, "--key", witness]);
    assert_eq!(code, 2);
    assert!(err.contains("does not belong to its name"), "{err}");
}
