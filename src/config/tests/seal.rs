//! `[seal]`

use super::*;

#[test]
fn sealing_needs_its_secrets_and_a_topic_of_its_own() {
    assert_eq!(with_files(&[("c.toml", "")]).unwrap().seal, None);
    let seal = with_files(&[("c.toml", "[seal]\nsecrets = \"a/seal.secrets\"\n")]).unwrap().seal.unwrap();
    assert_eq!(
        (seal.secrets, seal.name, seal.checkpoint_topic),
        (PathBuf::from("a/seal.secrets"), None, None)
    );
    expect(&problems("[seal]\nname = \"ledger.example/seal\"\n"), &[("c.toml:1", "no `secrets`")]);
    let topic = "[seal]\nsecrets = \"s\"\ncheckpoint_topic = \"checkpoints\"\n";
    expect(&problems(topic), &[("c.toml:1", "needs [kafka]")]);
    let kafka = "[kafka]\nbrokers = \"b:1\"\n[platform.dada]\nrecords_from = 2025-07-01\ntopics = [\"checkpoints\"]\n";
    expect(&problems(&format!("{topic}{kafka}")), &[("c.toml:1", "the topic of a platform")]);
    let text = format!("{topic}{}", kafka.replace("\"checkpoints\"", "\"orders\""));
    let seal = with_files(&[("c.toml", &text)]).unwrap().seal.unwrap();
    assert_eq!(seal.checkpoint_topic.as_deref(), Some("checkpoints"));
}
