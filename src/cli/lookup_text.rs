//! An answer as a claim handler reads it.

use crate::coverage::answer::{Answer, AnswerWhen, PlatformStatus, WindowLine};
use crate::domain::verdict::Verdict;
use std::io::{self, Write};

/// Writes the answer as short, clear text.
pub(super) fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let rider = answer.rider_id.join(", ");
    let when = match &answer.when {
        AnswerWhen::Instant { at } => format!("at {at}"),
        AnswerWhen::Interval { from, to, .. } => format!("from {from} to {to}"),
    };
    let only = answer.platform.as_ref().map(|names| format!(" on {}", names.join(", "))).unwrap_or_default();
    let when = format!("{when}{only}");
    if answer.is_rider_unknown() {
        no_record(answer.verdict, &rider, &when, out)?;
    } else {
        headline(answer.verdict, &rider, &when, out)?;
    }
    if let AnswerWhen::Interval { parts, .. } = &answer.when
        && parts.len() > 1
    {
        for part in parts {
            writeln!(out, "  {} to {}: {}", part.from, part.to, words(part.verdict))?;
        }
    }
    list(out, "Orders that cover it:", &answer.windows, window)?;
    let unsettled: Vec<&PlatformStatus> = answer.platforms.iter().filter(|p| !p.settled).collect();
    if answer.verdict != Verdict::Covered {
        list(out, "What is still open:", &unsettled, |platform| status(platform))?;
    }
    if let Some(near) = &answer.nearest_before {
        let seconds = near.distance_s;
        let (platform, order) = (&near.platform, &near.order_id);
        writeln!(
            out,
            "Nearest cover before: {platform} order {order}, until {} ({seconds} s earlier).",
            near.ends_at
        )?;
    }
    if let Some(near) = &answer.nearest_after {
        let seconds = near.distance_s;
        let (platform, order) = (&near.platform, &near.order_id);
        writeln!(
            out,
            "Nearest cover after: {platform} order {order}, from {} ({seconds} s later).",
            near.starts_at
        )?;
    }
    list(out, "Corrected since; it once covered this time:", &answer.superseded, |line| {
        let by = &line.superseded_by;
        format!("{}; replaced by revision {} on {}", window(&line.window), by.revision, by.recorded_at)
    })?;
    list(
        out,
        "Disputed: a contradicting record of the same revision claims this time:",
        &answer.disputed,
        |line| {
            let name = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
            format!(
                "{} order {}, {} to {}; rejection {}",
                name(&line.platform),
                name(&line.order_id),
                name(&line.accepted_at),
                name(&line.ended_at),
                line.rejection
            )
        },
    )?;
    if let Some(seen) = &answer.rider_seen {
        writeln!(out, "Rider known from {} to {} on {}.", seen.first, seen.last, seen.platforms.join(", "))?;
    }
    answer.warnings.iter().try_for_each(|warning| writeln!(out, "Warning: {warning}."))?;
    let as_of = &answer.as_of;
    writeln!(out, "As of commit {} ({}), configuration {}.", as_of.commit, as_of.recorded_at, as_of.config)
}

/// A mistyped identifier must not read like an uncovered rider.
fn no_record(verdict: Verdict, rider: &str, when: &str, out: &mut dyn Write) -> io::Result<()> {
    let verdict = words(verdict);
    writeln!(out, "NO RECORD: nothing is stored of {rider}, so this says nothing about a person.")?;
    writeln!(out, "Check the identifier before you use the answer {when}, which is: {verdict}.")
}

fn headline(verdict: Verdict, rider: &str, when: &str, out: &mut dyn Write) -> io::Result<()> {
    match verdict {
        Verdict::Covered => writeln!(out, "COVERED: {rider} was covered {when}."),
        Verdict::NotCovered => writeln!(
            out,
            "NOT COVERED: {rider} was not covered {when}. This is final: nothing that may still arrive changes it."
        ),
        Verdict::PartlyCovered => writeln!(out, "PARTLY COVERED: {rider} was covered for a part {when}."),
        Verdict::Undetermined => writeln!(
            out,
            "UNDETERMINED: it cannot be said yet whether {rider} was covered {when}. Do not refuse a claim on this."
        ),
    }
}

fn list<T>(out: &mut dyn Write, title: &str, lines: &[T], text: impl Fn(&T) -> String) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {}", text(line)))
}

const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Covered => "covered",
        Verdict::NotCovered => "not covered",
        Verdict::Undetermined => "undetermined",
        Verdict::PartlyCovered => "partly covered",
    }
}

/// An order in one line.
pub(super) fn window(line: &WindowLine) -> String {
    let leg = if line.leg == 0 { String::new() } else { format!(" leg {}", line.leg) };
    let until = line.ends_at.as_deref().unwrap_or("open");
    let premium =
        line.premium.as_ref().map_or_else(String::new, |premium| format!(", premium {premium} yuan"));
    format!(
        "{} order {}{leg}: {} to {until}, {} in {}, {}{premium}; recorded {}",
        line.platform,
        line.order_id,
        line.starts_at,
        line.category,
        line.region,
        line.outcome.unwrap_or("not ended"),
        line.recorded_at
    )
}

fn status(platform: &PlatformStatus) -> String {
    let why = match platform.reason {
        Some("reader_behind") => {
            "the reader cannot confirm that its state is the newest; ask again, or ask the writer"
        }
        Some("before_records") => "the time is before its records begin (or before what retention kept)",
        Some("gap") => "its records have a gap around the time",
        Some("incomplete") => "not all of its records about the time have arrived",
        Some("order_open") => "the rider has an order there that is still open",
        Some("rejected_record") => "a rejected record of the rider may concern the time",
        Some("unreadable_record") => "a rejected record in which no rider can be read may concern the rider",
        Some("conflicting_record") => "a conflicting record would cover the time for the rider",
        Some(other) => other,
        None => "settled",
    };
    let through = match &platform.complete_through {
        Some(at) => format!("; complete through {at}"),
        None => String::new(),
    };
    let again = match &platform.ask_again_at {
        Some(at) => format!("; ask again at {at}"),
        None => "; waiting alone will not settle it".to_owned(),
    };
    format!("{}: {why}{through}{again}", platform.platform)
}
