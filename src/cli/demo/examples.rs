//! Questions that can be pasted into a terminal, each with its answer.

use super::ask::Service;
use crate::app::demo::Accident;
use crate::config::Secret;
use crate::domain::time::Zone;
use serde_json::Value;
use std::io::Write;

/// The fields of an answer that a first look needs, in order.
const FIELDS: [&str; 8] =
    ["verdict", "at", "windows", "nearest_before", "nearest_after", "settled", "platforms", "entries"];
/// The fields below them that a first look needs, in order.
const PARTS: [&str; 14] = [
    "id",
    "verdict",
    "changed",
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
    pub(super) about: &'static str,
    pub(super) target: String,
    pub(super) answer: Value,
}

/// The question about an accident.
pub(super) fn target(accident: &Accident, zone: &Zone) -> String {
    // A plus sign in a query is a space: offsets need %2B.
    let at = zone.rfc3339(accident.at).replace(".000", "").replace('+', "%2B");
    format!("/v1/coverage?rider_id={}&at={at}", accident.rider_id)
}

/// Prints the questions so that they can be pasted, each with its answer.
pub(super) fn write(
    examples: &[Example],
    service: &Service,
    token: &Secret,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "\nWas the rider covered? To paste into another terminal (answers shortened):\n")?;
    writeln!(out, "   TOKEN={}", token.expose())?;
    for (number, example) in (1..).zip(examples) {
        writeln!(out, "\n{number}. {}", example.about)?;
        writeln!(
            out,
            "   curl -s -H \"Authorization: Bearer $TOKEN\" '{}{}'",
            service.url(),
            example.target
        )?;
        for line in shortened(&example.answer) {
            writeln!(out, "   {line}")?;
        }
    }
    writeln!(
        out,
        "\nThe same in a browser: sign in as li.wei (above). The first page has these cases as links, and `My cases`\n\
         has the answer that changed."
    )?;
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
