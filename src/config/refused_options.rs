//! Options of librdkafka that an operator may not set.

/// Options that an operator may not set, each with the reason: they would break exactly-once or completeness.
pub const RESERVED_OPTIONS: &[(&str, &str)] = &[
    ("enable.auto.commit", "positions are committed with the orders, in the ledger"),
    ("auto.commit.enable", "positions are committed with the orders, in the ledger"),
    ("auto.commit.interval.ms", "positions are committed with the orders, in the ledger"),
    ("enable.auto.offset.store", "positions are kept in the ledger"),
    ("offset.store.method", "positions are kept in the ledger"),
    ("offset.store.path", "positions are kept in the ledger"),
    ("offset.store.sync.interval.ms", "positions are kept in the ledger"),
    ("auto.offset.reset", "an offset that is gone must stop the service, never be skipped"),
    ("check.crcs", "damaged records must be noticed; it is always on"),
    ("enable.partition.eof", "the ledger sets it where it needs it"),
    ("bootstrap.servers", "write `brokers` in [kafka]"),
    ("metadata.broker.list", "write `brokers` in [kafka]"),
    ("group.id", "write `group_id` in [kafka]"),
    ("topic.blacklist", "a hidden topic would look complete"),
    ("group.protocol", "partitions are assigned by the ledger, not by the group"),
    ("group.instance.id", "partitions are assigned by the ledger, not by the group"),
    ("partition.assignment.strategy", "partitions are assigned by the ledger, not by the group"),
    ("allow.auto.create.topics", "a mistyped topic must be an error"),
    ("enable.idempotence", "a retried record must not be written twice"),
    ("builtin.features", "it is what librdkafka was built with"),
    ("plugin.library.paths", "foreign code could change what is read"),
];

/// Why an operator may not set an option, or not to this value; `None` when it may be set. A value that is not known
/// yet is judged like the worst one.
pub fn refused_option(option: &str, value: Option<&str>) -> Option<&'static str> {
    if let Some((_, why)) = RESERVED_OPTIONS.iter().find(|(name, _)| *name == option) {
        return Some(why);
    }
    if option == "isolation.level" && value != Some("read_committed") {
        return Some("orders of aborted transactions must not be booked; only `read_committed` is possible");
    }
    option.starts_with("test.").then_some("it replaces the real brokers or their behaviour")
}
