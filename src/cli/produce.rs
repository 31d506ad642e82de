//! `coverledger generate --kafka`: generated events to topics, as fast as Kafka takes them or at a given rate.

use crate::generate::{Generator, PLATFORMS};
use crate::ingest::kafka::{ClientSettings, EventProducer, KafkaHealth, Outgoing, create_topics};
use anyhow::{Context, anyhow};
use clap::Args;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long Kafka may take to make topics, and to acknowledge the last records.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often the progress is reported.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Records between two looks at the clock.
const LOOK_EVERY: u64 = 64;

/// Where events are sent to.
#[derive(Args, Clone, Debug, Default)]
pub struct KafkaArgs {
    /// Send the events to Kafka: `host:port`, several separated by commas
    #[arg(long, value_name = "BROKERS")]
    pub kafka: Option<String>,
    /// All events to this topic, instead of one topic for each platform
    #[arg(long, requires = "kafka", conflicts_with = "topic_prefix")]
    pub topic: Option<String>,
    /// Before the name of each platform's topic
    #[arg(long, requires = "kafka", value_name = "PREFIX")]
    pub topic_prefix: Option<String>,
    /// Make the topics that do not exist
    #[arg(long, requires = "kafka")]
    pub create_topics: bool,
    /// Partitions of a topic that is made
    #[arg(long, requires = "create_topics", default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: i32,
    /// Records a second at most
    #[arg(long, requires = "kafka", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// A librdkafka option, such as security.protocol=SSL
    #[arg(long, requires = "kafka", value_name = "NAME=VALUE")]
    pub kafka_option: Vec<String>,
}

impl KafkaArgs {
    /// The topic of a platform whose own is `topic`.
    fn name(&self, topic: &str) -> String {
        match &self.topic {
            Some(one) => one.clone(),
            None => format!("{}{topic}", self.topic_prefix.as_deref().unwrap_or_default()),
        }
    }

    fn settings(&self, brokers: &str) -> anyhow::Result<ClientSettings> {
        let mut settings = ClientSettings::new(brokers, "coverledger-generate");
        for option in &self.kafka_option {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| anyhow!("--kafka-option {option}: expected NAME=VALUE"))?;
            settings.options.insert(name.to_owned(), value.to_owned());
        }
        Ok(settings)
    }
}

/// Sends every record of the generator, keyed by its rider, and waits until Kafka has them.
///
/// # Errors
/// Kafka cannot be reached or does not take the records.
pub fn run(
    generator: &mut Generator,
    brokers: &str,
    args: &KafkaArgs,
    each: &mut dyn FnMut(u64),
) -> anyhow::Result<u64> {
    let settings = args.settings(brokers)?;
    let topics: BTreeMap<&str, String> =
        PLATFORMS.iter().map(|&(_, topic)| (topic, args.name(topic))).collect();
    if args.create_topics {
        let mut names: Vec<&str> = topics.values().map(String::as_str).collect();
        names.dedup();
        let made = create_topics(&settings, &names, args.partitions, TIMEOUT)
            .context("Failed to create the topics")?;
        made.iter()
            .for_each(|topic| eprintln!("created the topic {topic} with {} partitions", args.partitions));
    }
    let producer = EventProducer::new(&settings, KafkaHealth::new())?;
    let (started, mut told) = (Instant::now(), Instant::now());
    let mut payload = Vec::new();
    let mut records = 0_u64;
    loop {
        payload.clear();
        let Some(meta) = generator.next_event(&mut payload) else { break };
        let topic = topics.get(meta.topic).map_or(meta.topic, String::as_str);
        let key = meta.rider_hash.to_be_bytes();
        // Completeness records belong to no rider.
        let key = (meta.rider_hash != 0).then_some(&key[..]);
        producer.send(&Outgoing { topic, partition: None, key, payload: &payload, timestamp: None })?;
        records += 1;
        if records.is_multiple_of(LOOK_EVERY) {
            producer.poll();
            pace(args.rate, records, started);
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!("{records} records sent");
                each(records);
            }
        }
    }
    producer.flush(TIMEOUT)?;
    each(records);
    eprintln!("{records} records sent in {:.1} s", started.elapsed().as_secs_f64());
    Ok(records)
}

/// Waits until it is time for the record with this number.
fn pace(rate: Option<u64>, records: u64, started: Instant) {
    let Some(rate) = rate else { return };
    let due = Duration::from_micros(records.saturating_mul(1_000_000) / rate.max(1));
    if let Some(early) = due.checked_sub(started.elapsed()) {
        crate::wait::pace(early);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_the_platforms_own_with_a_prefix_or_one_for_all() {
        let mut args = KafkaArgs::default();
        assert_eq!(args.name("orders.meituan"), "orders.meituan");
        args.topic_prefix = Some("test-".to_owned());
        assert_eq!(args.name("orders.meituan"), "test-orders.meituan");
        args.topic = Some("all".to_owned());
        assert_eq!(args.name("orders.meituan"), "all");
    }

    #[test]
    fn options_have_a_name_and_a_value() {
        let mut args = KafkaArgs { kafka_option: vec!["linger.ms=5".to_owned()], ..KafkaArgs::default() };
        assert_eq!(args.settings("b:1").unwrap().options.get("linger.ms").map(String::as_str), Some("5"));
        args.kafka_option = vec!["linger.ms".to_owned()];
        assert!(args.settings("b:1").is_err());
    }
}
