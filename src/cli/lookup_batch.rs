//! Many questions of a CSV file: one answer a line, in the same order.

use super::input::Input;
use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use super::remote::{Remote, Target};
use crate::coverage::lookup_batch::{BadRow, BatchError, Questions, Row};
use crate::coverage::question::{Question, When};
use crate::coverage::resolve::{explain, resolve};
use crate::domain::time::Zone;
use crate::domain::view::{KnownAt, LedgerView, Refused};
use crate::ledger::Snapshot;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};
use std::io::{BufReader, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

/// Questions that are answered together: one request to a service.
const TOGETHER: usize = 500;
/// Seconds between plain lines.
const LINE_EVERY_S: u64 = 10;

/// Who answers.
pub(super) enum Answerer {
    /// A ledger, from its newest state or an earlier one.
    Ledger(Box<Opened>, Option<KnownAt>),
    /// A service, likewise.
    Service(Remote, Option<String>),
}

/// Who answers, and how.
pub(super) struct Batch {
    pub(super) answerer: Answerer,
    /// Whether each answer says why.
    pub(super) is_explained: bool,
}

/// Answers every row of `questions` into `answers`. The file is checked whole before anything is answered.
pub(super) fn run(
    Batch { answerer, is_explained }: &Batch,
    questions: &Path,
    answers: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let inputs = match answerer {
        Answerer::Ledger(opened, _) => Inputs::of_config(&opened.config),
        Answerer::Service(..) => Inputs::default(),
    };
    let mut sink = OutputFile::create(answers, &inputs.with(questions), out)?;
    let reading = || format!("the questions of {}", questions.display());
    let mut input = Input::open(questions)?;
    check(&mut input).with_context(reading)?;
    input.rewind().with_context(reading)?;
    let mut bar = Bar::new(input.len());
    let mut rows = Questions::new(BufReader::new(bar.bar.wrap_read(input))).with_context(reading)?;
    if let Answerer::Ledger(opened, _) = answerer {
        rows = rows.in_zone(&opened.config.zone);
    }
    loop {
        let mut together = Vec::with_capacity(TOGETHER);
        while together.len() < TOGETHER
            && let Some(row) = rows.next_row().with_context(reading)?
        {
            together.push(row);
        }
        if together.is_empty() {
            break;
        }
        match answerer {
            Answerer::Ledger(opened, known_at) => {
                answer_here(opened, (*known_at, *is_explained), &together, &mut sink)?
            }
            Answerer::Service(remote, known_at) => {
                answer_there(remote, (known_at.as_deref(), *is_explained), &together, &mut sink)?;
            }
        }
        bar.answered(together.len());
    }
    sink.commit()?;
    bar.finish();
    Ok(())
}

/// Reads every row once: rows that cannot be told apart end the command before it answers any. Reports rows that go over
/// several lines, which a quote that was left open by mistake may have made.
fn check(input: &mut Input) -> Result<(), BatchError> {
    let mut rows = Questions::new(BufReader::new(input))?;
    let (mut long, mut first) = (0_u64, None);
    while let Some(row) = rows.next_row()? {
        if row.last_line > row.line {
            long += 1;
            first.get_or_insert((row.line, row.last_line));
        }
    }
    if let Some((from, to)) = first {
        eprintln!(
            "warning: {long} rows go over several lines within quotes, the first from line {from} to {to}: close the \
             quote there if it was left open"
        );
    }
    Ok(())
}

fn answer_here(
    opened: &Opened,
    (known_at, is_explained): (Option<KnownAt>, bool),
    rows: &[Row],
    sink: &mut dyn Write,
) -> anyhow::Result<()> {
    let state = opened.state(known_at)?;
    let answer = if is_explained { explain::<Snapshot> } else { resolve };
    for row in rows {
        let line = match &row.question {
            Ok(question) => match answer(&state, opened.terms(&state), question) {
                Ok(answer) => serde_json::to_string(&answer)?,
                Err(error) => match Snapshot::refusal(&error).map(Refused::detail) {
                    Some(error) => serde_json::to_string(&BadRow { line: row.line, error })?,
                    None => return Err(error).context("Failed to look up an answer"),
                },
            },
            Err(bad) => serde_json::to_string(bad)?,
        };
        writeln!(sink, "{line}").context("Failed to write the answers")?;
    }
    Ok(())
}

fn answer_there(
    remote: &Remote,
    (known_at, is_explained): (Option<&str>, bool),
    rows: &[Row],
    sink: &mut dyn Write,
) -> anyhow::Result<()> {
    let zone = Zone::utc();
    let mut target = Target::new("/v1/coverage/batch");
    known_at.iter().for_each(|known_at| target.put("known_at", known_at));
    if is_explained {
        target.put("explain", "true");
    }
    let mut body = String::new();
    for question in rows.iter().filter_map(|row| row.question.as_ref().ok()) {
        body.push_str(&request_line(question, &zone).to_string());
        body.push('\n');
    }
    let reply = if body.is_empty() { Vec::new() } else { remote.post(&target.finish(), &body)? };

    let reply =
        String::from_utf8(reply).context("Failed to read the answers of the service: they are not UTF-8")?;
    let mut answers = reply.lines();
    for row in rows {
        match (&row.question, row.question.is_ok().then(|| answers.next()).flatten()) {
            (Err(bad), _) => writeln!(sink, "{}", serde_json::to_string(bad)?)?,
            (Ok(_), Some(answer)) => match refused(answer) {
                Some(error) => {
                    writeln!(sink, "{}", serde_json::to_string(&BadRow { line: row.line, error })?)?
                }
                None => writeln!(sink, "{answer}")?,
            },
            (Ok(_), None) => {
                bail!("Failed to read the answers of the service: there are fewer than questions; ask again")
            }
        }
    }
    if answers.next().is_some() {
        bail!("Failed to read the answers of the service: there are more than questions; ask again");
    }
    Ok(())
}

/// Why the service gave no answer; the line that it names is one of the request, not of the file.
fn refused(answer: &str) -> Option<String> {
    let bad: Value = serde_json::from_str(answer).ok().filter(|_| answer.starts_with("{\"line\":"))?;
    bad.get("error")?.as_str().map(str::to_owned)
}

/// A question as the service reads it.
fn request_line(question: &Question, zone: &Zone) -> Value {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
    put("rider_id", question.rider_ids.clone().into());
    match question.when {
        When::Instant(at) => put("at", zone.rfc3339(at).into()),
        When::Minute(window) | When::Interval(window) => {
            put("from", zone.rfc3339(window.from).into());
            put("to", zone.rfc3339(window.until).into());
        }
    }
    if let Some(platforms) = &question.platforms {
        put("platform", platforms.clone().into());
    }
    if let Some(reference) = &question.reference {
        put("reference", reference.clone().into());
    }
    line.into()
}

/// A progress bar on a terminal, plain lines elsewhere.
struct Bar {
    bar: ProgressBar,
    answered: usize,
    said: Instant,
}

impl Bar {
    fn new(bytes: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg} {eta}");
            ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Self { bar, answered: 0, said: Instant::now() }
    }

    fn answered(&mut self, more: usize) {
        self.answered = self.answered.saturating_add(more);
        self.bar.set_message(format!("{} answers", self.answered));
        if self.bar.is_hidden() && self.said.elapsed().as_secs() >= LINE_EVERY_S {
            self.said = Instant::now();
            eprintln!("{} questions answered", self.answered);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
