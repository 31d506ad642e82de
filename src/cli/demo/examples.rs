//! Three questions with one verdict each, found among what the riders really did.

use super::ask::Service;
use crate::app::demo::{Order, Scenes, Seen};
use crate::domain::time::{MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use serde_json::Value;
use std::io::Write;

/// Orders that are asked about before the guide looks around again.
const TRIES: usize = 40;
/// Before an order was accepted, its rider was mostly on none.
const BEFORE_MS: i64 = 7 * MINUTE_MS;
/// The longest line of an answer.
const WIDTH: usize = 150;
/// The fields of an answer that a first look needs, in order.
const FIELDS: [&str; 8] =
    ["verdict", "rider_id", "at", "windows", "nearest_before", "nearest_after", "settled", "platforms"];
/// Fields of an order that the first look can do without.
const LEFT_OUT: [&str; 8] =
    ["leg", "rider_id", "region", "outcome", "revision", "tariff", "recorded_at", "commit"];

/// A question with its answer.
#[derive(Clone, Debug)]
pub(super) struct Example {
    about: &'static str,
    after: &'static str,
    target: String,
    answer: Value,
}

/// The three examples, once there is one of each.
pub(super) fn find(scenes: &Scenes, zone: &Zone, service: &Service) -> anyhow::Result<Option<[Example; 3]>> {
    let seen = scenes.seen();
    let Some(covered) = first(zone, service, "covered", during(&seen))? else { return Ok(None) };
    let Some(uncovered) = first(zone, service, "not_covered", before(&seen))? else { return Ok(None) };
    let Some(open) = first(zone, service, "undetermined", now(&seen))? else { return Ok(None) };
    Ok(Some([
        Example { about: "While an order lasted:", after: "", ..covered },
        Example {
            about: "Minutes before an order was accepted. All platforms have vouched for that instant: this is final.",
            after: "",
            ..uncovered
        },
        Example {
            about: "This very moment, for a rider who is under way. The end of the order may be on its way, too:",
            after: "   Ask again in some seconds: by then the platforms have vouched for that instant.\n",
            ..open
        },
    ]))
}

/// Ended orders, at an instant in the middle of each.
fn during(seen: &Seen) -> Vec<(&Order, UtcMillis)> {
    let middle = |order: &Order| order.accepted_at.plus(order.ended_at.since(order.accepted_at) / 2);
    seen.ended.iter().rev().map(|order| (order, middle(order))).collect()
}

/// Ended orders, some time before each.
fn before(seen: &Seen) -> Vec<(&Order, UtcMillis)> {
    seen.ended.iter().rev().map(|order| (order, order.accepted_at.minus(BEFORE_MS))).collect()
}

/// Running orders, now.
fn now(seen: &Seen) -> Vec<(&Order, UtcMillis)> {
    let Some(through) = seen.through else { return Vec::new() };
    // A second that is not vouched for yet.
    let now = through.plus(3 * SECOND_MS);
    seen.accepted.iter().rev().filter(|order| order.ended_at > now).map(|order| (order, now)).collect()
}

/// The first of the questions with this verdict.
fn first(
    zone: &Zone,
    service: &Service,
    verdict: &str,
    questions: Vec<(&Order, UtcMillis)>,
) -> anyhow::Result<Option<Example>> {
    for (order, at) in questions.into_iter().take(TRIES) {
        let second = UtcMillis::new(at.millis().div_euclid(SECOND_MS) * SECOND_MS);
        // A plus sign in a query is a space: offsets need %2B.
        let at = zone.rfc3339(second).replace(".000", "").replace('+', "%2B");
        let target = format!("/v1/coverage?rider_id={}&at={at}", order.rider_id);
        let answer = service.get(&target)?;
        if answer.get("verdict").and_then(Value::as_str) == Some(verdict) {
            return Ok(Some(Example { about: "", after: "", target, answer }));
        }
    }
    Ok(None)
}

/// Prints the questions so that they can be pasted, each with its answer.
pub(super) fn write(examples: &[Example], service: &Service, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "\nWas the rider covered? Three questions to paste into another terminal (answers shortened):")?;
    for (number, example) in (1..).zip(examples) {
        writeln!(out, "\n{number}. {}", example.about)?;
        writeln!(out, "   curl -s '{}{}'", service.url(), example.target)?;
        for line in shortened(&example.answer) {
            writeln!(out, "   {line}")?;
        }
        write!(out, "{}", example.after)?;
    }
    let page = examples.first().map(|example| example.target.replacen("/v1/coverage", "/", 1));
    writeln!(out, "\nThe same in a browser: {}{}", service.url(), page.unwrap_or_default())?;
    Ok(())
}

/// The fields of a first look, one a line.
fn shortened(answer: &Value) -> Vec<String> {
    let mut lines = vec!["{".to_owned()];
    for name in FIELDS {
        let Some(value) = answer.get(name).filter(|value| !value.is_null()) else { continue };
        match value.as_array() {
            Some(items) if name == "windows" => items.iter().take(2).for_each(|window| {
                lines.push(format!("  \"windows\": [{}, ...],", without(window)));
            }),
            Some(items) if name == "platforms" => {
                if let Some(open) = items.iter().find(|item| item.get("reason").is_some_and(Value::is_string)) {
                    lines.push(format!("  \"platforms\": [{open}, ...],"));
                }
            }
            _ => lines.push(format!("  \"{name}\": {value},")),
        }
    }
    lines.push("  ...".to_owned());
    lines.push("}".to_owned());
    lines
}

fn without(window: &Value) -> String {
    let mut window = window.clone();
    if let Some(fields) = window.as_object_mut() {
        fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    }
    window.to_string()
}
