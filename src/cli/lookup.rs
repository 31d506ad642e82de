//! `coverledger lookup`: was this rider covered?

use super::Ending;
use super::asking::{Asking, known_at_text};
use super::lookup_batch;
use super::lookup_text;
use super::remote::Remote;
use crate::coverage::explain::{Language, words};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `lookup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger lookup --config coverledger.toml --rider R1 --at 2026-11-20T12:07:31+08:00
  coverledger lookup --config coverledger.toml --rider R1 --at 2026-11-20T12:07+08:00 --json
  coverledger lookup --config coverledger.toml --rider R1 --rider R1-old --platform meituan \\
      --from 2026-11-20T12:00:00+08:00 --to 2026-11-20T13:00:00+08:00
  coverledger lookup --config coverledger.toml --batch questions.csv --out answers.ndjson
  coverledger lookup --url http://127.0.0.1:8080 --rider R1 --at 2026-11-20T12:07:31+08:00

A time is RFC 3339, or a local time of the configured zone: '2026-11-20 12:07:31', 2026/11/20 9:07, 2026年11月20日 12:07;
without seconds it is the whole minute, without a time of day the whole day.

The batch file is CSV in UTF-8 with a header: rider_id and at, or rider_id, from and to (RFC 3339). More columns of the same
question: rider_id_2, rider_id_3, ... (further identifiers of one person), platform (several with blanks between them),
reference. Other columns are ignored; one that nearly has such a name is an error. One answer a line comes out in the same
order, {\"line\": n, \"error\": \"...\"} in the place of a bad row. A file in which rows cannot be told apart (a quote that
never closes) is refused whole.")]
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
    /// The instant; a whole minute without seconds, a whole day without a time of day.
    #[arg(long, value_name = "T", required_unless_present_any = ["from", "batch"])]
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
    /// Print the answer as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Explain each answer, too; for one question in words: coverledger explain.
    #[arg(long)]
    explain: bool,
    /// Questions of a CSV file; `-` for standard input.
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
            let asking = args.asking();
            let answerer = match &args.url {
                Some(url) => lookup_batch::Answerer::Service(Remote::parse(url)?, args.known_at.clone()),
                None => {
                    let opened = asking.open(asking.config()?)?;
                    lookup_batch::Answerer::Ledger(Box::new(opened), asking.known_at()?)
                }
            };
            lookup_batch::run(
                &lookup_batch::Batch { answerer, is_explained: args.explain },
                questions,
                answers,
                out,
            )?;
        }
        _ => args.ask_one(out)?,
    }
    Ok(Ending::Holds)
}

impl LookupArgs {
    fn asking(&self) -> Asking<'_> {
        Asking {
            config: self.config.as_deref(),
            rider: &self.rider,
            at: self.at.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            platform: &self.platform,
            known_at: self.known_at.as_deref(),
            is_explained: self.explain,
        }
    }

    fn ask_one(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if let Some(url) = &self.url {
            return write_line(&self.asking().ask_service(&Remote::parse(url)?)?, out);
        }
        let answer = self.asking().ask_ledger()?;
        if self.json {
            return write_line(&serde_json::to_vec(&answer)?, out);
        }
        lookup_text::write(&answer, out)?;
        if let Some(why) = &answer.why {
            write!(out, "\n{}", words(why, Language::English))?;
        }
        Ok(())
    }
}

/// Writes an answer as one line.
pub(super) fn write_line(answer: &[u8], out: &mut dyn Write) -> anyhow::Result<()> {
    out.write_all(answer)?;
    if !answer.ends_with(b"\n") {
        writeln!(out)?;
    }
    Ok(())
}
