//! The Kafka edge against librdkafka's mock cluster and a real Apache Kafka.

// The attribute tells the lints that helpers are tests too: they may unwrap.
#[cfg(test)]
mod testkit;

#[cfg(test)]
#[path = "kafka_source/again.rs"]
mod again;
#[cfg(test)]
#[path = "kafka_source/arrival.rs"]
mod arrival;
#[cfg(test)]
#[path = "kafka_source/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "kafka_source/mock.rs"]
mod mock;
#[cfg(test)]
#[path = "kafka_source/real.rs"]
mod real;
