//! `coverledger statement`: what each platform owes.

use super::Ending;
use super::load_config;
use super::reading::{Opened, known_at};
use crate::coverage::statement::{statement, write_csv};
use crate::domain::time::Month;
use crate::domain::view::KnownAt;
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::PathBuf;

/// How the lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array.
    Json,
}

/// Arguments of `statement`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger statement --config coverledger.toml --month 2026-11 > statement-2026-11.csv
  coverledger statement --config coverledger.toml --platform meituan --format json

premium_exact is the sum of the orders, premium_rounded that sum half-up to the cent. A running service answers
GET /v1/statements?month=YYYY-MM as well.")]
pub struct StatementArgs {
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// Only this month of the configured zone; all months without it.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Option<Month>,
    /// Only this platform; an error when it was never registered and nothing of it is stored.
    #[arg(long)]
    platform: Option<String>,
    /// As it was known then: the number of a commit, or an instant with its seconds (RFC 3339).
    #[arg(long, value_name = "COMMIT|T", value_parser = known_at)]
    known_at: Option<KnownAt>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "write a month as YYYY-MM, e.g. 2026-11".to_owned())
}

/// Prints the statement.
///
/// # Errors
/// A ledger that cannot be read, an unknown platform.
pub fn run(args: &StatementArgs, mut out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let opened = Opened::read(config, "a running service answers too: GET /v1/statements?month=YYYY-MM")?;
    opened.check_platforms(&args.platform)?;
    let lines = statement(&*opened.state(args.known_at)?, args.month, args.platform.as_deref())?;
    match args.format {
        Format::Csv => write_csv(&lines, &mut out)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string(&lines)?)?,
    }
    Ok(Ending::Holds)
}
