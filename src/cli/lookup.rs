//! `coverledger lookup`: was this rider covered?

use super::Ending;
use super::WrongUsage;
use super::load_config;
use super::lookup_batch;
use super::lookup_text;
use super::reading::{Opened, known_at, unknown_platform};
use super::remote::{Remote, Target};
use super::typed;
use crate::config::Config;
use crate::coverage::instant::parse_at;
use crate::coverage::question::{Question, QuestionError, When};
use crate::coverage::resolve::resolve;
use crate::domain::time::Zone;
use crate::domain::view::KnownAt;
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
            let source = match &args.url {
                Some(url) => lookup_batch::Answerer::Service(Remote::parse(url)?, args.known_at.clone()),
                None => {
                    lookup_batch::Answerer::Ledger(Box::new(args.open(args.config()?)?), args.known_at()?)
                }
            };
            lookup_batch::run(&source, questions, answers, out)?;
        }
        _ => args.ask_one(out)?,
    }
    Ok(Ending::Holds)
}

impl LookupArgs {
    fn open(&self, config: Config) -> anyhow::Result<Opened> {
        let opened = Opened::read(config, ASK_THE_SERVICE)?;
        opened.check_platforms(&self.platform)?;
        Ok(opened)
    }

    fn known_at(&self) -> Result<Option<KnownAt>, WrongUsage> {
        self.known_at.as_deref().map(known_at).transpose().map_err(WrongUsage)
    }

    fn config(&self) -> anyhow::Result<Config> {
        load_config(self.config.as_deref().unwrap_or_else(|| "".as_ref()))
    }

    fn ask_one(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if let Some(url) = &self.url {
            return self.ask_service(&Remote::parse(url)?, out);
        }
        let config = self.config()?;
        let question = self.question(&config.zone)?;
        let years = question.when.check_years(&config.zone);
        years.map_err(|error| WrongUsage(error.to_string()))?;
        let opened = self.open(config)?;
        let state = opened.state(self.known_at()?)?;
        let answer = resolve(&*state, opened.terms(&state), &question)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        } else {
            lookup_text::write(&answer, out)?;
        }
        Ok(())
    }

    fn question(&self, zone: &Zone) -> Result<Question, WrongUsage> {
        let when = match (&self.at, &self.from, &self.to) {
            (Some(at), ..) => typed::at(at, zone)?,
            (None, Some(from), Some(to)) => When::Interval(typed::interval(from, to, zone)?),
            _ => return Err(WrongUsage(QuestionError::When.to_string())),
        };
        let question = Question::about(self.rider.clone(), when);
        question
            .and_then(|question| question.with_platforms(self.platform.clone()))
            .map_err(|error| WrongUsage(error.to_string()))
    }

    fn ask_service(&self, remote: &Remote, out: &mut dyn Write) -> anyhow::Result<()> {
        // Times without an offset are local times of the service's zone; it knows which platforms there are, too.
        let times = [("at", &self.at), ("from", &self.from), ("to", &self.to)];
        let are_exact = times.iter().filter_map(|(_, text)| text.as_ref()).all(|text| parse_at(text).is_ok());
        let zone = if are_exact && self.platform.is_empty() {
            Zone::utc()
        } else {
            let terms = remote.terms()?;
            unknown_platform(&self.platform, &terms.platforms)?;
            terms.zone
        };
        let question = self.question(&zone)?;
        let mut target = Target::new("/v1/coverage");
        question.rider_ids.iter().for_each(|rider| target.put("rider_id", rider));
        if are_exact {
            for (name, text) in times {
                text.iter().for_each(|text| target.put(name, text));
            }
        } else {
            put_time(question.when, &zone, &mut target);
        }
        question.platforms.iter().flatten().for_each(|platform| target.put("platform", platform));
        self.known_at.iter().for_each(|known_at| target.put("known_at", known_at));
        let answer = remote.get(&target.finish())?;
        out.write_all(&answer)?;
        if !answer.ends_with(b"\n") {
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Checks `--known-at`, which a service reads itself.
fn known_at_text(text: &str) -> Result<String, String> {
    known_at(text).map(|_| text.to_owned())
}

/// The time of a question as the service reads it.
fn put_time(when: When, zone: &Zone, target: &mut Target) {
    match when {
        When::Instant(at) => target.put("at", &zone.rfc3339(at)),
        // Without its seconds it is the whole minute.
        When::Minute(minute) => target.put("at", &zone.rfc3339(minute.from).replace(":00.000", "")),
        When::Interval(window) => {
            target.put("from", &zone.rfc3339(window.from));
            target.put("to", &zone.rfc3339(window.until));
        }
    }
}
