//! `coverledger lookup`: was this rider covered?

use super::lookup_batch;
use super::lookup_text;
use super::reading::Opened;
use super::remote::{Remote, Target};
use super::{Ending, WrongUsage};
use crate::coverage::question::{Question, QuestionText};
use crate::coverage::resolve::resolve;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// What to do while a service holds the ledger.
pub(super) const ASK_THE_SERVICE: &str = "a running service answers too: ask it with --url http://HOST:PORT";

/// Arguments of `lookup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger lookup --config coverledger.toml --rider R1 --at 2026-11-20T12:07:31+08:00
  coverledger lookup --config coverledger.toml --rider R1 --at 2026-11-20T12:07+08:00 --json
  coverledger lookup --config coverledger.toml --rider R1 --rider R1-old --platform meituan \\
      --from 2026-11-20T12:00:00+08:00 --to 2026-11-20T13:00:00+08:00
  coverledger lookup --config coverledger.toml --batch questions.csv --out answers.ndjson
  coverledger lookup --url http://127.0.0.1:8080 --rider R1 --at 2026-11-20T12:07:31+08:00

A time without seconds is the whole minute. The batch file is CSV with a header that has rider_id and at, or from and to;
one answer a line comes out in the same order, {\"line\": n, \"error\": \"...\"} in the place of a bad row.")]
pub struct LookupArgs {
    /// The configuration file of the ledger.
    #[arg(long, required_unless_present = "url", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Ask a running service instead of the data directory.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An identifier of the rider; repeated: all identifiers of one person.
    #[arg(long, required_unless_present = "batch")]
    rider: Vec<String>,
    /// The instant (RFC 3339 with an offset), or a whole minute without seconds.
    #[arg(long, value_name = "T", required_unless_present_any = ["from", "batch"])]
    at: Option<String>,
    /// Start of an interval.
    #[arg(long, value_name = "A", requires = "to", conflicts_with = "at")]
    from: Option<String>,
    /// End of the interval, exclusive.
    #[arg(long, value_name = "B", requires = "from")]
    to: Option<String>,
    /// Only this platform; may be repeated.
    #[arg(long)]
    platform: Vec<String>,
    /// Print the answer as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Questions of a CSV file.
    #[arg(long, value_name = "QUERIES.csv", requires = "out", conflicts_with_all = ["rider", "at", "from", "to", "platform"])]
    batch: Option<PathBuf>,
    /// Where the answers of a batch go; `-` for standard output.
    #[arg(long, value_name = "ANSWERS.ndjson", requires = "batch")]
    out: Option<PathBuf>,
}

/// Answers.
///
/// # Errors
/// A question that is none, a ledger or service that cannot be read.
pub fn run(args: &LookupArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    match (&args.batch, &args.out) {
        (Some(questions), Some(answers)) => {
            let source = match &args.url {
                Some(url) => lookup_batch::Answerer::Service(Remote::parse(url)?),
                None => lookup_batch::Answerer::Ledger(Box::new(args.open()?)),
            };
            lookup_batch::run(&source, questions, answers, out)?;
        }
        _ => args.ask_one(out)?,
    }
    Ok(Ending::Holds)
}

impl LookupArgs {
    fn open(&self) -> anyhow::Result<Opened> {
        Opened::read(self.config.as_deref().unwrap_or_else(|| "".as_ref()), ASK_THE_SERVICE)
    }

    fn ask_one(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let question = Question::parse(QuestionText {
            rider_ids: self.rider.clone(),
            at: self.at.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            platforms: self.platform.clone(),
            reference: None,
        })
        .map_err(|error| WrongUsage(error.to_string()))?;
        if let Some(url) = &self.url {
            let answer = Remote::parse(url)?.get(&self.target())?;
            out.write_all(&answer)?;
            if !answer.ends_with(b"\n") {
                writeln!(out)?;
            }
            return Ok(());
        }
        let opened = self.open()?;
        let years = question.when.check_years(&opened.config.zone);
        years.map_err(|error| WrongUsage(error.to_string()))?;
        let answer = resolve(&*opened.snapshot(), opened.terms(), &question)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        } else {
            lookup_text::write(&answer, out)?;
        }
        Ok(())
    }

    fn target(&self) -> String {
        let mut target = Target::new("/v1/coverage");
        self.rider.iter().for_each(|rider| target.put("rider_id", rider));
        for (name, value) in [("at", &self.at), ("from", &self.from), ("to", &self.to)] {
            value.iter().for_each(|value| target.put(name, value));
        }
        self.platform.iter().for_each(|platform| target.put("platform", platform));
        target.finish()
    }
}
