//! One line of a batch: a question as a JSON object, or a plain message that says what to write instead.

use super::query::shortened;
use crate::coverage::question::QuestionLine;
use serde_json::Value;

/// Members with a text or a list of texts.
const LISTS: &[&str] = &["rider_id", "platform"];
/// Members with a text.
const TEXTS: &[&str] = &["at", "from", "to", "reference"];
const QUESTION: &str = "a JSON object with rider_id and at, or from and to";

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Result<QuestionLine, String> {
    // An array of texts in the order of the members would also be read as a question.
    let question = line.trim_ascii().starts_with(b"{").then(|| serde_json::from_slice(line).ok());
    question.flatten().ok_or_else(|| mistake(line))
}

/// What is wrong with a line that is no question.
fn mistake(line: &[u8]) -> String {
    let members = match serde_json::from_slice(line) {
        Ok(Value::Object(members)) => members,
        Ok(Value::Array(_)) => {
            return format!("the line is a JSON array: write each question as {QUESTION} on its own line");
        }
        Ok(_) => return format!("the line is not {QUESTION}"),
        Err(error) => return no_json(line, &error),
    };
    let wrong = members.iter().find_map(|(name, value)| {
        let is_text = |value: &Value| value.is_string();
        let is_list = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(is_text));
        let name = name.as_str();
        match (LISTS.contains(&name), TEXTS.contains(&name)) {
            (true, _) if !value.is_null() && !is_text(value) && !is_list(value) => {
                Some(format!("{name} must be a text or a list of texts"))
            }
            (_, true) if !value.is_null() && !is_text(value) => Some(format!("{name} must be a text")),
            (false, false) => {
                let known = [LISTS, TEXTS].concat().join(", ");
                Some(format!("there is no member `{}`; the members are: {known}", shortened(name)))
            }
            _ => None,
        }
    });
    wrong.unwrap_or_else(|| "a member of the object is given more than once".to_owned())
}

fn no_json(line: &[u8], error: &serde_json::Error) -> String {
    match line.trim_ascii() {
        [b'[', ..] => {
            format!("the line begins a JSON array: write each question as {QUESTION} on its own line")
        }
        [b'{'] => format!("the line begins a pretty-printed object: write {QUESTION} whole on one line"),
        [b'}' | b']', ..] | [b'"', ..] => {
            format!("the line is a part of a pretty-printed JSON text: write {QUESTION} whole on one line")
        }
        [b'{', ..] if error.is_eof() => {
            format!("the object does not end on this line: write {QUESTION} whole on one line")
        }
        _ => format!("the line is not {QUESTION}: it cannot be read at byte {}", error.column()),
    }
}
