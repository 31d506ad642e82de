//! The settings of librdkafka: the operator's options, then the ones that exactly-once rests on.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

use super::fault::may_be_secret;
use crate::config::refused_option;

/// How to reach Kafka. Its `Debug` shows the names of options, and values only where they cannot be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The consumer group under which progress is reported.
    pub group_id: String,
    /// Any other librdkafka options.
    pub options: BTreeMap<String, String>,
}

impl ClientSettings {
    /// Settings with nothing but the brokers and the group.
    pub fn new(brokers: impl Into<String>, group_id: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), group_id: group_id.into(), options: BTreeMap::new() }
    }

    /// For reading whole partitions fast with bounded memory. A benchmark reads with the same options.
    pub fn reader(&self) -> ClientConfig {
        let mut config = self.with_defaults(&[
            ("fetch.min.bytes", "262144"),
            ("fetch.wait.max.ms", "100"),
            // Of each partition, and of all in one answer: what is fetched at once is held at once, twice over while it is
            // unpacked. Records that are larger come all the same, one at a time.
            ("fetch.message.max.bytes", "1048576"),
            ("fetch.max.bytes", "16777216"),
            ("fetch.error.backoff.ms", "100"),
            // The default pauses a fast reader for up to a second whenever its queue was full.
            ("fetch.queue.backoff.ms", "20"),
            ("queued.min.messages", "400000"),
            ("queued.max.messages.kbytes", "32768"),
            ("statistics.interval.ms", "0"),
        ]);
        config.set("group.id", &self.group_id).set("isolation.level", "read_committed");
        make_safe(&mut config);
        config
    }

    /// For partitions and end offsets. Without a group; and the end is the high watermark, not the last stable offset:
    /// records behind an open transaction are acknowledged too, and must be waited for.
    pub(super) fn probe(&self) -> ClientConfig {
        let mut config = self.with_defaults(&[("statistics.interval.ms", "0")]);
        config.set("isolation.level", "read_uncommitted");
        make_safe(&mut config);
        config.remove("group.id");
        config
    }

    /// For reading single records back.
    pub(super) fn read_back(&self) -> ClientConfig {
        let mut config = self.with_defaults(&[]);
        config
            .set("group.id", &self.group_id)
            .set("isolation.level", "read_committed")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.message.max.bytes", "65536")
            .set("queued.min.messages", "1")
            .set("queued.max.messages.kbytes", "65536")
            .set("fetch.queue.backoff.ms", "10")
            .set("statistics.interval.ms", "0");
        make_safe(&mut config);
        // One topic is read back at a time: there the announced end of a partition is unambiguous.
        config.set("enable.partition.eof", "true");
        config
    }

    /// For writing events: idempotent, large batches, a bounded queue.
    pub(super) fn writer(&self) -> ClientConfig {
        let mut config = self.with_defaults(&[
            ("compression.type", "lz4"),
            ("linger.ms", "50"),
            ("batch.num.messages", "10000"),
            ("queue.buffering.max.messages", "200000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("statistics.interval.ms", "0"),
        ]);
        config.set("enable.idempotence", "true").set("allow.auto.create.topics", "false");
        config
    }

    /// `defaults`, the operator's options over them, and the brokers over both.
    fn with_defaults(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Every wait for a broker is bounded by this one; the default of a minute would outlast a grace time.
        config.set("socket.timeout.ms", "10000").set("socket.keepalive.enable", "true");
        config.set("reconnect.backoff.max.ms", "2000").set("client.id", "coverledger");
        for (option, value) in defaults {
            config.set(*option, *value);
        }
        for (option, value) in &self.options {
            if refused_option(option, Some(value)).is_none() {
                config.set(option, value);
            }
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

/// The options that no operator may change, set last.
fn make_safe(config: &mut ClientConfig) {
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("enable.partition.eof", "false")
        .set("allow.auto.create.topics", "false");
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<&str, &str> = self
            .options
            .iter()
            .map(|(name, value)| {
                (name.as_str(), if may_be_secret(name) { "(hidden)" } else { value.as_str() })
            })
            .collect();
        f.debug_struct("ClientSettings")
            .field("brokers", &self.brokers)
            .field("group_id", &self.group_id)
            .field("options", &shown)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RESERVED_OPTIONS;

    #[test]
    fn no_option_of_the_operator_undoes_exactly_once() {
        let mut settings = ClientSettings::new("right:9092", "coverledger");
        for name in
            RESERVED_OPTIONS.iter().map(|(name, _)| name).chain(&["isolation.level", "test.mock.num.brokers"])
        {
            settings.options.insert((*name).to_owned(), "wrong".to_owned());
        }
        settings.options.insert("fetch.wait.max.ms".to_owned(), "7".to_owned());
        assert!(settings.options.keys().filter(|name| *name != "fetch.wait.max.ms").all(|name| {
            refused_option(name, Some("wrong")).is_some() && refused_option(name, None).is_some()
        }));
        let reader = settings.reader();
        for (name, value) in [
            ("bootstrap.servers", "right:9092"),
            ("group.id", "coverledger"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("check.crcs", "true"),
            ("enable.partition.eof", "false"),
            ("allow.auto.create.topics", "false"),
            ("fetch.wait.max.ms", "7"),
        ] {
            assert_eq!(reader.get(name), Some(value), "{name}");
        }
        for client in [&reader, &settings.probe(), &settings.read_back(), &settings.writer()] {
            assert!(!format!("{client:?}").contains("wrong"), "{client:?}");
        }
        assert_eq!(settings.probe().get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(settings.probe().get("group.id"), None);
        assert_eq!(settings.writer().get("enable.idempotence"), Some("true"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = ClientSettings::new("b:1", "g");
        settings.options.insert("sasl.password".to_owned(), "hunter2".to_owned());
        settings.options.insert("ssl.key.pem".to_owned(), "hunter2".to_owned());
        settings.options.insert("sasl.mechanism".to_owned(), "PLAIN".to_owned());
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("PLAIN"), "{shown}");
    }
}
