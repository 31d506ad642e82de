//! Mended records through the pipeline, each in the name of its rejection.

use super::Ending;
use super::ingest::counts_json;
use super::input::Input;
use super::mended::{Mended, Wrong, read_lines};
use super::output::Inputs;
use super::reading::Opened;
use crate::domain::event::{Event, EventRules, decode};
use crate::domain::posting::Disposition;
use crate::domain::reject::Readable;
use crate::redrive::{Line, NotTaken, topic_of};
use anyhow::bail;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// What must be known of a rejection to send its mended record.
struct Known {
    topic: Option<String>,
    readable: Readable,
    is_resolved: bool,
}

/// Checks the whole file, then sends its records.
pub(super) fn run(opened: &mut Opened, file: &Path, out: &mut dyn Write) -> anyhow::Result<Ending> {
    Inputs::default().with(file).refuse_standard_output()?;
    let mut input = Input::open(file)?;
    let known = check(&mut input, opened)?;
    let clock = opened.clock;
    let now = || clock.now();
    let mut tell = |record: NotTaken| eprintln!("{}", not_taken(&record));
    let mut line = Line::new(&mut opened.ledger, &opened.config, &now).with_report(&mut tell);
    let (mut wrong, mut resolved_before) = (Wrong::default(), 0_u64);
    read_lines(&mut input, &mut |number, mended| {
        let Ok(Mended { rejection, payload }) = mended else { return Ok(()) };
        let Some(known) = known.get(&rejection) else { return Ok(()) };
        let topic = known.topic.as_deref();
        if known.is_resolved {
            resolved_before += 1;
        } else if is_another(&payload, line.rules(topic), &known.readable) {
            wrong.tell(
                number,
                &format!(
                    "not sent: rejection {rejection} names another order and another rider; put the record beside its own \
                     number"
                ),
            );
        } else {
            line.send(rejection, topic, &payload)?;
        }
        Ok(())
    })?;
    let redriven = line.finish()?;
    let (dispositions, rejected) = counts_json(&redriven.sent);
    let result = json!({
        "records": redriven.sent.records,
        "dispositions": dispositions,
        "rejected": rejected,
        "resolved": redriven.resolved,
        "resolved_before": resolved_before,
        "not_sent": wrong.count(),
    });
    writeln!(out, "{result}")?;
    Ok(if wrong.count() == 0 { Ending::Holds } else { Ending::DoesNotHold })
}

/// Every line must be one of such a file, its number one of a kept record, and each number occur once: several records for
/// one rejection would resolve it with the first that is taken in.
fn check(input: &mut Input, opened: &Opened) -> anyhow::Result<BTreeMap<u64, Known>> {
    let mut wrong = Wrong::default();
    let mut lines: BTreeMap<u64, u64> = BTreeMap::new();
    read_lines(input, &mut |number, mended| {
        match mended {
            Err(error) => wrong.tell(number, &error),
            Ok(Mended { rejection, .. }) => match lines.insert(rejection, number) {
                None => {}
                Some(first) => wrong.tell(
                    number,
                    &format!(
                        "rejection {rejection} is on line {first} already: one record can be sent for each; have the \
                         platform send the others, or ingest them"
                    ),
                ),
            },
        }
        Ok(())
    })?;
    let ids: BTreeSet<u64> = lines.keys().copied().collect();
    let state = opened.snapshot();
    let mut known = BTreeMap::new();
    state.rejected().visit_these(state.store(), &ids, |record| {
        let rejection = record.rejection;
        let (topic, is_resolved) = (topic_of(&rejection).map(str::to_owned), rejection.resolution.is_some());
        known.insert(rejection.id, Known { topic, readable: rejection.readable, is_resolved });
    })?;
    for (rejection, number) in lines.iter().filter(|(rejection, _)| !known.contains_key(rejection)) {
        wrong.tell(*number, &format!("there is no rejection {rejection} in this ledger"));
    }
    if wrong.count() > 0 {
        bail!(
            "Failed to send the records: {} lines of the file are wrong; nothing was sent, correct them and run again",
            wrong.count()
        );
    }
    Ok(known)
}

/// Whether a record names another order and another rider than the rejection: it was put beside the wrong number.
fn is_another(payload: &[u8], rules: &EventRules, readable: &Readable) -> bool {
    let Ok(Event::Order(order)) = decode(payload, rules) else { return false };
    let differs = |was: &Option<String>, is: &str| was.as_deref().is_some_and(|was| was != is);
    differs(&readable.order_id, &order.order_id) && differs(&readable.rider_id, &order.rider_id)
}

fn not_taken(record: &NotTaken) -> String {
    let rejection = record.rejection;
    let detail = record.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    match record.disposition {
        Disposition::Rejected(reason) => {
            format!("rejection {rejection} stays: the record is refused again, {reason}{detail}")
        }
        _ => format!(
            "rejection {rejection} stays: the record has the revision of a stored version, but other content; raise its \
             revision if it corrects that version"
        ),
    }
}
