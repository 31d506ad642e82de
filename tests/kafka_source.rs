//! The Kafka edge against librdkafka's mock cluster and a real Apache Kafka.

mod support;

#[path = "kafka_source/mock.rs"]
mod mock;
#[path = "kafka_source/real.rs"]
mod real;
