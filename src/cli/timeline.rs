//! `coverledger timeline`: a rider's orders and merged cover.

use super::Ending;
use super::WrongUsage;
use super::load_config;
use super::lookup_text::window;
use super::reading::{Opened, known_at};
use super::typed::interval;
use crate::coverage::question::{check_interval_years, check_rider};
use crate::coverage::timeline::{Timeline, timeline};
use crate::domain::view::KnownAt;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `timeline`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger timeline --config coverledger.toml --rider R1 --from 2026-11-16T00:00:00+08:00 --to 2026-11-23T00:00:00+08:00
  coverledger timeline --config coverledger.toml --rider R1 --from 2026-11-16T00:00:00+08:00 --to 2026-11-23T00:00:00+08:00 --json

A running service answers GET /v1/riders/RIDER/timeline?from=&to= as well.")]
pub struct TimelineArgs {
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// The rider.
    #[arg(long)]
    rider: String,
    /// Start: RFC 3339, or a local time of the configured zone such as `2026-11-20 12:07` or `2026-11-20`.
    #[arg(long, value_name = "A")]
    from: String,
    /// End, exclusive; a day without a time of day counts through its end.
    #[arg(long, value_name = "B")]
    to: String,
    /// As it was known then: the number of a commit, or an instant with its seconds (RFC 3339).
    #[arg(long, value_name = "COMMIT|T", value_parser = known_at)]
    known_at: Option<KnownAt>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Answers.
///
/// # Errors
/// Times that are none, a ledger that cannot be read.
pub fn run(args: &TimelineArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    check_rider(&args.rider).map_err(|error| WrongUsage(error.to_string()))?;
    let config = load_config(&args.config)?;
    let within = interval(&args.from, &args.to, &config.zone)?;
    check_interval_years(within, &config.zone).map_err(|error| WrongUsage(error.to_string()))?;
    let opened =
        Opened::read(config, "a running service answers too: GET /v1/riders/RIDER/timeline?from=&to=")?;
    let state = opened.state(args.known_at)?;
    let found = timeline(&*state, opened.terms(&state), &args.rider, within)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&found)?)?;
    } else {
        write_text(&found, out)?;
    }
    Ok(Ending::Holds)
}

fn write_text(found: &Timeline, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} from {} to {}", found.rider_id, found.from, found.to)?;
    if found.cover.is_empty() {
        writeln!(out, "No recorded cover. Whether that is final, `coverledger lookup` says.")?;
    } else {
        writeln!(out, "Covered (orders merged):")?;
    }
    found.cover.iter().try_for_each(|cover| writeln!(out, "  {} to {}", cover.from, cover.to))?;
    if let Some(from) = &found.kept_from {
        writeln!(out, "Orders accepted before {from} were dropped by retention.")?;
    }
    for (title, orders) in [("Orders:", &found.orders), ("Open orders:", &found.open)] {
        if !orders.is_empty() {
            writeln!(out, "{title}")?;
        }
        orders.iter().try_for_each(|order| writeln!(out, "  {}", window(order)))?;
    }
    Ok(())
}
