//! Many questions of a CSV file: one answer a line, in the same order.

use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use super::remote::Remote;
use crate::coverage::lookup_batch::{BadRow, Questions};
use crate::coverage::question::{Question, When};
use crate::coverage::resolve::resolve;
use crate::domain::time::Zone;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

/// Questions that are answered together: one request to a service.
const TOGETHER: usize = 500;
/// Seconds between plain lines.
const LINE_EVERY_S: u64 = 10;

/// Who answers.
pub(super) enum Answerer {
    Ledger(Box<Opened>),
    Service(Remote),
}

type Row = Result<Question, BadRow>;

/// Answers every row of `questions` into `answers`.
pub(super) fn run(
    answerer: &Answerer,
    questions: &Path,
    answers: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let inputs = match answerer {
        Answerer::Ledger(opened) => Inputs::of_config(&opened.config),
        Answerer::Service(_) => Inputs::default(),
    };
    let mut sink = OutputFile::create(answers, &inputs.with(questions), out)?;
    let file = File::open(questions).with_context(|| format!("opening {}", questions.display()))?;
    let bar = Bar::new(file.metadata().map_or(0, |metadata| metadata.len()));
    let mut rows = Questions::new(BufReader::new(bar.bar.wrap_read(file)))
        .with_context(|| format!("reading {}", questions.display()))?;
    let mut bar = bar;
    loop {
        let mut together = Vec::with_capacity(TOGETHER);
        while together.len() < TOGETHER
            && let Some(row) = rows.next_question()?
        {
            together.push(row);
        }
        if together.is_empty() {
            break;
        }
        match answerer {
            Answerer::Ledger(opened) => answer_here(opened, &together, &mut sink)?,
            Answerer::Service(remote) => answer_there(remote, &together, &mut sink)?,
        }
        bar.answered(together.len());
    }
    sink.commit()?;
    bar.finish();
    Ok(())
}

fn answer_here(opened: &Opened, rows: &[Row], sink: &mut dyn Write) -> anyhow::Result<()> {
    let snapshot = opened.snapshot();
    for row in rows {
        let line = match row {
            Ok(question) => serde_json::to_string(&resolve(&*snapshot, opened.terms(), question)?)?,
            Err(bad) => serde_json::to_string(bad)?,
        };
        writeln!(sink, "{line}").context("writing the answers")?;
    }
    Ok(())
}

fn answer_there(remote: &Remote, rows: &[Row], sink: &mut dyn Write) -> anyhow::Result<()> {
    let zone = Zone::utc();
    let mut body = String::new();
    for question in rows.iter().flatten() {
        body.push_str(&request_line(question, &zone).to_string());
        body.push('\n');
    }
    let reply = if body.is_empty() { Vec::new() } else { remote.post("/v1/coverage/batch", &body)? };
    let reply = String::from_utf8(reply).context("the service's answers are not UTF-8")?;
    let mut answers = reply.lines();
    for row in rows {
        match (row, row.is_ok().then(|| answers.next()).flatten()) {
            (Err(bad), _) => writeln!(sink, "{}", serde_json::to_string(bad)?)?,
            (Ok(_), Some(answer)) => writeln!(sink, "{answer}")?,
            (Ok(_), None) => bail!("the service gave fewer answers than it was asked questions"),
        }
    }
    if answers.next().is_some() {
        bail!("the service gave more answers than it was asked questions");
    }
    Ok(())
}

fn request_line(question: &Question, zone: &Zone) -> Value {
    match question.when {
        When::Instant(at) => json!({"rider_id": question.rider_ids, "at": zone.rfc3339(at)}),
        When::Minute(window) | When::Interval(window) => json!({
            "rider_id": question.rider_ids,
            "from": zone.rfc3339(window.from),
            "to": zone.rfc3339(window.until),
        }),
    }
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
