//! Secrets, and options that are refused.

use super::FULL;
use super::expect;
use super::problems;
use super::with_files;

#[test]
fn secrets_are_for_librdkafka_alone() {
    let config = with_files(&[("c.toml", FULL)]).unwrap();
    let kafka = config.kafka.as_ref().unwrap();
    let exposed: Vec<_> = kafka.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let options =
        [("fetch.wait.max.ms", "100"), ("sasl.password", "hunter\"2"), ("security.protocol", "SASL_SSL")];
    assert_eq!(exposed, options);
    assert!(!format!("{config:?}").contains("hunter") && !config.text.contains("hunter"));
    let kept: toml::Table = config.text.split("# ==== defaults").next().unwrap().parse().unwrap();
    assert_eq!(kept["kafka"]["options"]["sasl.password"].as_str(), Some("<secret>"));
    // The hash does not tell passwords apart, so a new password is no new configuration.
    let other = FULL.replace("hunter\"2", "another");
    assert_eq!(with_files(&[("c.toml", &other)]).unwrap().hash, config.hash);
    assert_ne!(with_files(&[("c.toml", &FULL.replace("0.07", "0.08"))]).unwrap().hash, config.hash);
    let commented = FULL.replace("[limits]", "# sasl.password = \"old hunter\"\n[limits]");
    assert!(!with_files(&[("c.toml", &commented)]).unwrap().text.contains("hunter"));
}

#[test]
fn secrets_may_stand_elsewhere() {
    let text = "[kafka]\nbrokers = \"a:1\"\n[kafka.options]\nsasl.password = { env = \"KAFKA_PASSWORD\" }\n\
                \"ssl.key.password\" = { file = \"key\" }\n";
    let config = with_files(&[("c.toml", text), ("key", "from file\n")]).unwrap();
    let options = config.kafka.unwrap().options;
    assert_eq!(options["sasl.password"].expose(), "from-env");
    assert_eq!(options["ssl.key.password"].expose(), "from file");
    let text = text.replace("KAFKA_PASSWORD", "UNSET");
    let errors = with_files(&[("c.toml", &text)]).unwrap_err().to_string();
    assert!(errors.contains("c.toml:4: ") && errors.contains("`UNSET` is not set"), "{errors}");
    assert!(errors.contains("c.toml:5: ") && errors.contains("Failed to read the file `key`"), "{errors}");
}

#[test]
fn options_that_break_exactly_once_are_refused_by_name() {
    let refused = [
        "enable.auto.commit",
        "auto.offset.reset",
        "check.crcs",
        "bootstrap.servers",
        "allow.auto.create.topics",
        "test.mock.num.brokers",
    ];
    for option in refused {
        for text in [format!("\"{option}\" = \"x\""), format!("{option} = \"x\"")] {
            let found = problems(&format!("[kafka]\nbrokers = \"a:1\"\n[kafka.options]\n{text}\n"));
            expect(&found, &[("c.toml:4", &format!("option `{option}` is refused"))]);
        }
    }
    let isolation =
        |level| format!("[kafka]\nbrokers = \"a:1\"\noptions = {{ \"isolation.level\" = \"{level}\" }}\n");
    assert!(with_files(&[("c.toml", &isolation("read_committed"))]).is_ok());
    expect(&problems(&isolation("read_uncommitted")), &[("c.toml:3", "read_committed")]);
    let group = "[kafka]\nbrokers = \"a:1\"\noptions = { \"group.id\" = \"g\" }\n";
    assert_eq!(with_files(&[("c.toml", group)]).unwrap().kafka.unwrap().group_id, "g");
    expect(&problems(&group.replace("[kafka]", "[kafka]\ngroup_id = \"h\"")), &[("c.toml:4", "keep one")]);
}
