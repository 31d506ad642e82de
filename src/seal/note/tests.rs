use super::*;
use crate::seal::checkpoint::{Checkpoint, CheckpointError};

fn log_key() -> PrivateKey {
    PrivateKey::of_seed("ledger.example/seal", &[7; 32]).unwrap()
}

fn witness() -> PrivateKey {
    PrivateKey::of_witness_seed("witness.example/w1", &[8; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "ledger.example/seal".to_owned(), size: 3, root: Hash::of_leaf(b"root") }
}

#[test]
fn the_example_of_the_specification_of_cosignatures_has_its_key_ids() {
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let note = Note::parse(note).unwrap();
    let ids: Vec<String> = note.signatures.iter().map(|line| HEXLOWER.encode(&line.id)).collect();
    assert_eq!(ids, ["033de0ae", "8d66cf3f"]);
    let lengths: Vec<usize> = note.signatures.iter().map(|line| line.signature.len()).collect();
    assert_eq!(lengths, [64, 72]);
}

#[test]
fn keys_are_read_back_and_secrets_not_shown() {
    for key in [log_key(), witness()] {
        let public = key.public().to_string();
        assert_eq!(PublicKey::parse(&public).unwrap(), *key.public());
        let secret = key.to_secret_text();
        assert_eq!(PrivateKey::parse(&secret).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(secret.rsplit('+').next().unwrap()));
    }
    let text = log_key().public().to_string();
    let cases = [
        (text.replace("ledger", "other"), KeyError::Id),
        (text.replace("+6b41", "+6b42"), KeyError::Id),
        (text.replace("+AepK", "+CepK"), KeyError::Algorithm(9)),
        (text.replace('+', "-"), KeyError::Form),
        (text.replace("ledger", "led ger"), KeyError::Name),
        (format!("{text} "), KeyError::Form),
        (format!("a+00000000+{}", BASE64.encode(&[[1].as_slice(), &[0; 32]].concat())), KeyError::Bytes),
    ];
    for (changed, error) in cases {
        assert_eq!(PublicKey::parse(&changed).unwrap_err(), error, "{changed}");
    }
    assert_eq!(PrivateKey::parse(&text).unwrap_err(), KeyError::PrivateForm);
}

#[test]
fn a_note_is_verified_by_the_keys_that_signed() {
    let (old, new) = (log_key(), PrivateKey::of_seed("ledger.example/seal", &[9; 32]).unwrap());
    let note = checkpoint().sign(&[&old, &new]);
    let note = cosign(&note, &witness(), 1_763_600_000).unwrap();
    for known in [&old, &new] {
        let verified = Checkpoint::verify(&note, &[known.public().clone()]).unwrap();
        assert_eq!((verified.checkpoint, verified.witnesses.len()), (checkpoint(), 0));
    }
    let both = [old.public().clone(), witness().public().clone()];
    assert_eq!(Checkpoint::verify(&note, &both).unwrap().witnesses, ["witness.example/w1"]);
    let only = [witness().public().clone()];
    let refused = Checkpoint::verify(&note, &only).unwrap_err();
    assert_eq!(refused, CheckpointError::NotByTheLog { origin: "ledger.example/seal".to_owned() });
    let stranger = PrivateKey::of_seed("ledger.example/seal", &[1; 32]).unwrap();
    let refused = Checkpoint::verify(&note, &[stranger.public().clone()]).unwrap_err();
    assert!(matches!(refused, CheckpointError::Note(NoteError::NoKnownKey { .. })), "{refused}");
}

#[test]
fn a_changed_byte_of_a_signed_checkpoint_is_refused() {
    let note = cosign(&checkpoint().sign(&[&log_key()]), &witness(), 1_763_600_000).unwrap();
    let known = [log_key().public().clone(), witness().public().clone()];
    let whole = Checkpoint::verify(&note, &known).unwrap();
    for place in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        // A line of a key with another name or identifier is ignored: then its key no longer vouches.
        let same = Checkpoint::verify(&changed, &known).is_ok_and(|verified| verified == whole);
        assert!(!same, "byte {place}: {changed}");
    }
}

#[test]
fn notes_that_are_none_are_refused() {
    let note = checkpoint().sign(&[&log_key()]);
    let known = [log_key().public().clone()];
    let refused = |note: &str| Checkpoint::verify(note, &known).is_err();
    assert!(refused(""));
    assert!(refused(note.trim_end()));
    assert!(refused(&note.replace("\n\n", "\n")));
    assert!(refused(&note.replace("— ", "- ")));
    assert!(refused(&note.replace('\n', "\r\n")));
    assert!(refused(&format!("{note}{}", "x".repeat(NOTE_BYTES_MAX))));
    let line = note.lines().last().unwrap();
    assert!(refused(&format!("{note}{}", format!("{line}\n").repeat(SIGNATURES_MAX))));
    for text in ["ledger.example/seal\n03\n", "ledger.example/seal\n3\n", "\n3\n"] {
        let text = format!("{text}{}\n", Hash::of_leaf(b"root"));
        let good = text.starts_with("ledger.example/seal\n3\n");
        assert_eq!(refused(&sign(&text, &[&log_key()])), !good, "{text}");
    }
    let extended = format!("{}more\n", checkpoint().text());
    let error = Checkpoint::verify(&sign(&extended, &[&log_key()]), &known).unwrap_err();
    assert_eq!(error, CheckpointError::Line { line: 4 });
}
