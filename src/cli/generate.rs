//! `coverledger generate`: deterministic synthetic events, one JSON object a line, or sent to Kafka.

use super::produce::{self, KafkaArgs};
use crate::domain::event::ExactTime;
use crate::domain::time::MINUTE_MS;
use crate::generate::{Generator, GeneratorSettings};
use anyhow::Context;
use clap::Args;
use std::io::Write;

/// Bytes collected before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// What to generate.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    coverledger generate --orders 1000000 --seed 7 > orders.jsonl\n  \
    coverledger generate --orders 100000 --seed 7 --days 7 --amended 0.02 --late 0.001 --bad 0.001 | \
    coverledger ingest --config FILE -\n  \
    coverledger generate --orders 1000000 --seed 7 --kafka 127.0.0.1:9092 --create-topics --partitions 8")]
pub struct GenerateArgs {
    /// Orders; there are more records than orders
    #[arg(long)]
    pub orders: u64,
    /// The same seed gives the same bytes on every machine
    #[arg(long)]
    pub seed: u64,
    /// Riders that the orders are spread over
    #[arg(long, default_value_t = 2_000_000)]
    pub riders: u64,
    /// Start of the first day (RFC 3339 with an offset)
    #[arg(long, default_value = "2026-11-20T00:00:00+08:00")]
    pub from: String,
    /// Days over which the orders are spread
    #[arg(long, default_value_t = 1)]
    pub days: u32,
    /// Share of orders sent twice
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = share_ppm)]
    pub duplicates: u32,
    /// Share of orders sent 20 minutes to 6 hours late
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub late: u32,
    /// Share of orders corrected by revision 1
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub amended: u32,
    /// Share of orders corrected, and then sent again as they were
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub stale: u32,
    /// Share of orders sent again with another end under the same revision
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub conflicts: u32,
    /// Share of orders preceded by a broken record
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub bad: u32,
    /// Share of orders announced by an open event when they are accepted
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share_ppm)]
    pub open: u32,
    /// A completeness record of every platform each so many minutes, and one at the end
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub completeness: Option<u32>,
    /// Where else than to standard output
    #[command(flatten)]
    pub kafka: KafkaArgs,
}

impl GenerateArgs {
    /// The settings of the generator.
    ///
    /// # Errors
    /// When `--from` is not a time.
    pub fn settings(&self) -> anyhow::Result<GeneratorSettings> {
        let from = ExactTime::parse(&self.from).with_context(|| {
            format!("--from: `{}` is not an RFC 3339 time such as 2026-11-20T00:00:00+08:00", self.from)
        })?;
        Ok(GeneratorSettings {
            orders: self.orders,
            seed: self.seed,
            riders: self.riders,
            from: from.floor(),
            days: self.days,
            duplicate_ppm: self.duplicates,
            late_ppm: self.late,
            amended_ppm: self.amended,
            stale_ppm: self.stale,
            conflict_ppm: self.conflicts,
            bad_ppm: self.bad,
            open_ppm: self.open,
            completeness_every_ms: self.completeness.map(|minutes| i64::from(minutes) * MINUTE_MS),
        })
    }
}

/// Writes all records as lines, or sends them to Kafka; `each` is called with the number of records so far, now and then.
///
/// # Errors
/// Settings that make no stream, a failed write, or Kafka does not take the records.
pub fn run(args: &GenerateArgs, out: &mut dyn Write, each: &mut dyn FnMut(u64)) -> anyhow::Result<u64> {
    let mut generator = Generator::new(&args.settings()?)?;
    if let Some(brokers) = &args.kafka.kafka {
        return produce::run(&mut generator, brokers, &args.kafka, each);
    }
    let mut lines = Vec::with_capacity(WRITE_BYTES + 16_384);
    let mut records = 0;
    while generator.next_event(&mut lines).is_some() {
        lines.push(b'\n');
        records += 1;
        if lines.len() >= WRITE_BYTES {
            out.write_all(&lines).context("Failed to write the events")?;
            lines.clear();
            each(records);
        }
    }
    out.write_all(&lines).context("Failed to write the events")?;
    out.flush().context("Failed to write the events")?;
    each(records);
    Ok(records)
}

/// Reads a share such as `0.01` as parts per million.
fn share_ppm(text: &str) -> Result<u32, String> {
    let problem = || format!("`{text}` is not a share from 0 to 1 with at most six decimals, such as 0.01");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 1 || fraction.len() > 6 {
        return Err(problem());
    }
    let ppm: u32 = format!("{whole}{fraction:0<6}").parse().map_err(|_| problem())?;
    if ppm > 1_000_000 { Err(problem()) } else { Ok(ppm) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: GenerateArgs,
    }

    #[test]
    fn shares_are_exact() {
        for (text, ppm) in [("0", 0), ("1", 1_000_000), ("0.01", 10_000), ("0.000001", 1), ("1.0", 1_000_000)]
        {
            assert_eq!(share_ppm(text), Ok(ppm), "{text}");
        }
        for text in ["", ".", "1.1", "2", "-0.1", "0.0000001", "1e-2", "0.", "0,1"] {
            assert!(share_ppm(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_writes_lines() {
        let command =
            Command::try_parse_from(["generate", "--orders", "5000", "--seed", "1", "--completeness", "60"])
                .unwrap();
        let (mut out, mut seen) = (Vec::new(), 0);
        let records = run(&command.args, &mut out, &mut |records| seen = records).unwrap();
        assert_eq!(records, seen);
        assert_eq!(u64::try_from(out.split_inclusive(|&byte| byte == b'\n').count()).unwrap(), records);
        assert!(records > 5_000 && out.ends_with(b"\"}\n"));
        let mut args = command.args;
        args.from = "2026-11-20".to_owned();
        assert!(run(&args, &mut Vec::new(), &mut |_| {}).unwrap_err().to_string().contains("--from"));
    }
}
