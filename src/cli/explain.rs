//! `coverledger explain`: why was this rider covered, or not?

use super::Ending;
use super::asking::{Asking, known_at_text};
use super::lookup::write_line;
use super::remote::Remote;
use crate::coverage::explain::{Language, Why, words};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger explain --config coverledger.toml --rider R1 --at 2026-11-20T12:07:31+08:00 --lang zh
  coverledger explain --url http://127.0.0.1:8080 --rider R1 --at '2026-11-20 12:07:31' --known-at 991

The explanation of each answer of a batch: coverledger lookup --batch questions.csv --out answers.ndjson --explain")]
pub struct ExplainArgs {
    /// The configuration file of the ledger.
    #[arg(long, required_unless_present = "url", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Ask a running service instead of the data directory.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An identifier of the rider; repeated: all identifiers of one person.
    #[arg(long, required = true)]
    rider: Vec<String>,
    /// The instant; a whole minute without seconds, a whole day without a time of day.
    #[arg(long, value_name = "T", required_unless_present = "from")]
    at: Option<String>,
    /// Start of an interval.
    #[arg(long, value_name = "A", requires = "to", conflicts_with = "at")]
    from: Option<String>,
    /// End of the interval, exclusive.
    #[arg(long, value_name = "B", requires = "from")]
    to: Option<String>,
    /// Only this platform; may be repeated. An error when it was never registered and nothing of it is stored.
    #[arg(long)]
    platform: Vec<String>,
    /// As it was known then: the number of a commit, or an instant with its seconds (RFC 3339).
    #[arg(long, value_name = "COMMIT|T", value_parser = known_at_text)]
    known_at: Option<String>,
    /// The language of the explanation.
    #[arg(long, value_enum, default_value = "en", conflicts_with = "json")]
    lang: Lang,
    /// Print the answer with its explanation as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Languages of explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

/// The part of a service's answer that is explained.
#[derive(Debug, Deserialize)]
struct Explained {
    why: Why,
}

/// Explains.
///
/// # Errors
/// A question that is none, a ledger or service that cannot be read.
pub fn run(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let asking = Asking {
        config: args.config.as_deref(),
        rider: &args.rider,
        at: args.at.as_deref(),
        from: args.from.as_deref(),
        to: args.to.as_deref(),
        platform: &args.platform,
        known_at: args.known_at.as_deref(),
        is_explained: true,
    };
    // Both ways pass through the JSON, so that the words of a service's answer are those of the ledger's.
    let answer = match &args.url {
        Some(url) => asking.ask_service(&Remote::parse(url)?)?,
        None => serde_json::to_vec(&asking.ask_ledger()?)?,
    };
    if args.json {
        write_line(&answer, out)?;
        return Ok(Ending::Holds);
    }
    let explained: Explained = serde_json::from_slice(&answer).context(
        "Failed to read the explanation: the service is of another version; use its own coverledger, or --json",
    )?;
    let language = match args.lang {
        Lang::Zh => Language::Chinese,
        Lang::En => Language::English,
    };
    write!(out, "{}", words(&explained.why, language))?;
    Ok(Ending::Holds)
}
