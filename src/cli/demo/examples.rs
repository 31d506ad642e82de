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
/// The fields of an answer that a first look needs, in order.
const FIELDS: [&str; 7] =
    ["verdict", "at", "windows", "nearest_before", "nearest_after", "settled", "platforms"];
/// The fields below them that a first look needs, in order.
const PARTS: [&str; 11] = [
    "platform",
    "order_id",
    "category",
    "phase",
    "starts_at",
    "ends_at",
    "premium",
    "distance_s",
    "reason",
    "complete_through",
    "ask_again_at",
];

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
        Example { about: "While an order lasted.", after: "", ..covered },
        Example {
            about: "Minutes before an order was accepted. All platforms have vouched for that instant: this is final.",
            after: "",
            ..uncovered
        },
        Example {
            about: "Just now, for a rider who is under way: word of an order's end may still be under way, too.",
            after: "   Ask again in some seconds: once the platforms have vouched for that instant, the verdict is covered.\n",
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
        if fits(&answer, verdict) {
            return Ok(Some(Example { about: "", after: "", target, answer }));
        }
    }
    Ok(None)
}

/// The verdict that is looked for; a cover of one order that has ended, final.
fn fits(answer: &Value, verdict: &str) -> bool {
    let windows = answer.get("windows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let windows_fit = match windows {
        [] => true,
        [window] => {
            window.get("phase").is_some_and(|phase| phase == "ended")
                && answer.get("settled") == Some(&Value::Bool(true))
        }
        _ => false,
    };
    windows_fit && answer.get("verdict").and_then(Value::as_str) == Some(verdict)
}

/// Prints the questions so that they can be pasted, each with its answer.
pub(super) fn write(examples: &[Example], service: &Service, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\nWas the rider covered? Three questions to paste into another terminal (answers shortened):"
    )?;
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
        let value = match answer.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => {
                // Of the platforms those that keep the answer open.
                let told = items.iter().filter(|item| item.get("settled") != Some(&Value::Bool(true)));
                let Some(first) = told.clone().next() else { continue };
                let more = if items.len() > 1 { ", ..." } else { "" };
                format!("[{}{more}]", parts(first))
            }
            Some(item @ Value::Object(_)) => parts(item),
            Some(other) => other.to_string(),
        };
        lines.push(format!("  \"{name}\": {value},"));
    }
    lines.push("  ...".to_owned());
    lines.push("}".to_owned());
    lines
}

/// An object with the fields that matter, in their order.
fn parts(object: &Value) -> String {
    let fields = PARTS.iter().filter_map(|name| Some(format!("\"{name}\": {}", object.get(name)?)));
    format!("{{{}, ...}}", fields.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_shortened() {
        let answer = json!({
            "verdict": "covered", "rider_id": ["r"], "at": "T", "nearest_before": null, "settled": false,
            "windows": [{"leg": 0, "ends_at": "E", "platform": "p", "order_id": "o"}, {"platform": "q"}],
            "platforms": [{"platform": "p", "settled": true}, {"reason": "incomplete", "platform": "q", "settled": false}],
        });
        assert_eq!(
            shortened(&answer),
            [
                "{",
                "  \"verdict\": \"covered\",",
                "  \"at\": \"T\",",
                "  \"windows\": [{\"platform\": \"p\", \"order_id\": \"o\", \"ends_at\": \"E\", ...}, ...],",
                "  \"settled\": false,",
                "  \"platforms\": [{\"platform\": \"q\", \"reason\": \"incomplete\", ...}, ...],",
                "  ...",
                "}",
            ]
        );
    }
}
