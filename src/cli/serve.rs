//! `coverledger serve`: the service.

use super::Ending;
use super::load_config;
use super::typed;
use crate::app::{ServeOptions, Skip, serve};
use crate::telemetry::log::{self, LogFormat};
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example: coverledger serve --config coverledger.toml\n\
                        SIGTERM finishes the batch, commits it and ends with 0; SIGHUP reads the configuration again (docs/operations.md says \
                        which keys count at once); SIGUSR1 and SIGUSR2 are logged and ignored. The log goes to standard error.")]
pub struct ServeArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Continue at this offset although the ones before it are gone: a recorded gap in what can be answered.
    #[arg(long, value_name = "TOPIC:PARTITION:OFFSET", requires = "reason")]
    skip: Vec<String>,
    /// Continue from the store's older state although the witness HEAD tells of a newer one: Kafka is read again.
    #[arg(long, requires = "reason")]
    accept_older_state: bool,
    /// Answer from the ledger, without Kafka and without changing a byte: from a copy, or after a failure.
    #[arg(long, conflicts_with_all = ["skip", "accept_older_state"])]
    read_only: bool,
    /// Follow the writer of a ledger in a bucket, answer, and take its place when it ends or dies.
    #[arg(long, conflicts_with_all = ["skip", "accept_older_state", "read_only"])]
    standby: bool,
    /// Why; kept in the ledger.
    #[arg(long, value_name = "TEXT", value_parser = typed::reason)]
    reason: Option<String>,
    /// Log filter, such as `info` or `coverledger=debug,info`.
    #[arg(long, env = "COVERLEDGER_LOG", default_value = "info")]
    log: String,
    /// Log lines as JSON objects.
    #[arg(long)]
    log_json: bool,
}

/// Runs the service until it is asked to stop.
///
/// # Errors
/// Whatever failed first.
pub fn run(args: &ServeArgs) -> anyhow::Result<Ending> {
    log::init(if args.log_json { LogFormat::Json } else { LogFormat::Text }, &args.log)?;
    let config = load_config(&args.config)?;
    let options = ServeOptions {
        skips: args.skip.iter().map(|text| parse_skip(text)).collect::<anyhow::Result<_>>()?,
        accept_older_state: args.accept_older_state,
        read_only: args.read_only,
        standby: args.standby,
        reason: args.reason.clone().unwrap_or_default(),
        config_file: Some(args.config.clone()),
        ..ServeOptions::default()
    };
    serve(&config, &options, |_| Ok(()))?;
    Ok(Ending::Holds)
}

/// `TOPIC:PARTITION:OFFSET`
fn parse_skip(text: &str) -> anyhow::Result<Skip> {
    let mut parts = text.rsplitn(3, ':');
    let (offset, partition, topic) = (parts.next(), parts.next(), parts.next());
    match (topic, partition.map(str::parse), offset.map(str::parse)) {
        (Some(topic), Some(Ok(partition)), Some(Ok(offset))) if !topic.is_empty() && offset >= 0 => {
            Ok(Skip { topic: topic.to_owned(), partition, offset })
        }
        _ => bail!("--skip {text}: expected TOPIC:PARTITION:OFFSET, e.g. orders.meituan:3:123456"),
    }
}
