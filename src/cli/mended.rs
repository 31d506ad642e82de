//! Rejected records as lines that a person edits and sends again: each with its number and the record itself.

use super::input::Input;
use crate::coverage::foreign_text::{ForeignText, foreign_text};
use crate::coverage::rejection::OriginLine;
use anyhow::{Context, bail};
use data_encoding::BASE64;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, Write};

/// Wrong lines that are reported before the rest is only counted.
const TOLD_MAX: usize = 20;

/// A line of the file, as it is exported.
#[derive(Serialize)]
pub(super) struct PlainLine<'a> {
    pub(super) rejection: u64,
    /// For the person who edits it: the reason, or `conflict`.
    pub(super) reason: &'a str,
    pub(super) detail: &'a str,
    pub(super) origin: &'a OriginLine,
}

impl PlainLine<'_> {
    /// Writes the line with the record: as JSON where it is an object, else as text, else in base64.
    pub(super) fn write(&self, raw: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
        #[derive(Serialize)]
        struct With<'a, T> {
            #[serde(flatten)]
            line: &'a PlainLine<'a>,
            #[serde(flatten)]
            content: T,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case")]
        enum Packed<'a> {
            Text(&'a str),
            Base64(String),
        }
        let line = match std::str::from_utf8(raw) {
            Err(_) => {
                let content = Packed::Base64(BASE64.encode(raw));
                serde_json::to_string(&With { line: self, content })?
            }
            Ok(text) => match object(text) {
                // Put in by hand: flattened, it would be read and written again, not copied.
                Some(record) => {
                    let head = serde_json::to_string(self)?;
                    format!("{},\"record\":{record}}}", head.strip_suffix('}').unwrap_or(&head))
                }
                None => visible(&serde_json::to_string(&With { line: self, content: Packed::Text(text) })?),
            },
        };
        writeln!(out, "{line}")
    }
}

/// The text of a JSON object on one line.
fn object(text: &str) -> Option<Cow<'_, str>> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let is_object = raw.get().starts_with('{');
    // A line end in JSON lies between its parts, never in a string.
    is_object.then(|| match raw.get().contains(['\n', '\r']) {
        true => Cow::Owned(raw.get().replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(raw.get()),
    })
}

/// JSON in which characters that cannot be seen are escaped.
fn visible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        let is_hidden = matches!(letter, '\u{7f}'..='\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}');
        if is_hidden {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

/// A record as it comes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mended {
    pub(super) rejection: u64,
    pub(super) payload: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    rejection: u64,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    text: Option<String>,
    base64: Option<String>,
    // Written for the editor of the line; the program ignores their values.
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
    #[serde(rename = "detail")]
    _detail: Option<IgnoredAny>,
    #[serde(rename = "origin")]
    _origin: Option<IgnoredAny>,
}

impl Mended {
    fn read(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "not UTF-8: save the file in UTF-8".to_owned())?;
        let read: ReadLine<'_> = match serde_json::from_str(text) {
            Ok(read) if text.trim_start().starts_with('{') => read,
            Ok(_) => return Err(not_a_line("it is no JSON object")),
            Err(_) if !text.trim_start().starts_with('{') => return Err(not_a_line("it is no JSON object")),
            Err(error) => return Err(not_a_line(&plain(&error))),
        };
        let payload = match (read.record, read.text, read.base64) {
            (Some(record), None, None) => record.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.into_bytes(),
            (None, None, Some(base64)) => BASE64.decode(base64.as_bytes()).map_err(|error| {
                format!("base64 is damaged: {error}; write the record as \"record\" or \"text\"")
            })?,
            _ => return Err("write the record once, as \"record\", \"text\" or \"base64\"".to_owned()),
        };
        Ok(Self { rejection: read.rejection, payload })
    }
}

fn not_a_line(what: &str) -> String {
    format!(
        "not a line of such a file: {what}; write a JSON object with a number under \"rejection\" and the record under \
         \"record\", \"text\" or \"base64\", as --export-plain does"
    )
}

/// What is wrong, without the words of the program: names of fields stay.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Data if text.starts_with("invalid") => {
            "\"rejection\" must be a number, \"text\" and \"base64\" must be in quotes".to_owned()
        }
        // `unknown field NAME, expected one of ...`, `missing field NAME at line ...`
        Category::Data => {
            let end = text.find(", expected").or_else(|| text.find(" at line")).unwrap_or(text.len());
            text.get(..end).unwrap_or(&text).to_owned()
        }
        Category::Io | Category::Syntax | Category::Eof => format!("it is no JSON ({text})"),
    }
}

/// Calls `each` with every line that is not blank and its number.
pub(super) fn read_lines(
    input: &mut Input,
    each: &mut dyn FnMut(u64, Result<Mended, String>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    input.rewind().context("Failed to read the mended records")?;
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).context("Failed to read the mended records")? == 0 {
            break;
        }
        if number == 1
            && let Some(ForeignText { what, remedy }) = foreign_text(&line)
        {
            bail!(
                "Failed to read the mended records: the file is {what}, not text in UTF-8; nothing was sent: {remedy}"
            );
        }
        let text = if number == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line) } else { &line };
        if !text.trim_ascii().is_empty() {
            each(number, Mended::read(text))?;
        }
    }
    Ok(())
}

/// What is wrong with lines of the file: the first ones are reported, all are counted.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    count: usize,
}

impl Wrong {
    /// Tells of a line.
    pub(super) fn tell(&mut self, line: u64, what: &str) {
        self.count += 1;
        if self.count <= TOLD_MAX {
            eprintln!("line {line}: {what}");
        }
    }

    /// Lines that are wrong.
    pub(super) const fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(raw: &[u8]) -> String {
        let origin = OriginLine::Redrive { of: 1 };
        let line = PlainLine { rejection: 7, reason: "bad_time", detail: "d", origin: &origin };
        let mut out = Vec::new();
        line.write(raw, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_stands_in_its_line_as_it_can_be_edited() {
        let head = r#"{"rejection":7,"reason":"bad_time","detail":"d","origin":{"source":"redrive","of":1},"#;
        for (raw, content) in [
            (&b"{\"a\":1.10,\"a\":\"\\ud83d\"}"[..], r#""record":{"a":1.10,"a":"\ud83d"}}"#),
            (b" {\r\n \"a\": 1}\n", r#""record":{   "a": 1}}"#),
            (b"[1]", r#""text":"[1]"}"#),
            (b"\xEF\xBB\xBF{}", r#""text":"\ufeff{}"}"#),
            (b"{\"d\":NaN}", r#""text":"{\"d\":NaN}"}"#),
            (b"", r#""text":""}"#),
            (b"\x1F\x8B\x08", r#""base64":"H4sI"}"#),
        ] {
            assert_eq!(written(raw), format!("{head}{content}\n"));
        }
    }

    #[test]
    fn lines_that_say_nothing_certain_are_refused() {
        for (line, what) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("[7,{},null,null,null,null,null]", "no JSON object"),
            ("null", "no JSON object"),
            ("{", "no JSON"),
            (r#"{"rejection":7}"#, "write the record once"),
            (r#"{"rejection":7,"record":{},"text":""}"#, "write the record once"),
            (r#"{"rejection":7,"recrod":{}}"#, "recrod"),
            (r#"{"record":{}}"#, "rejection"),
            (r#"{"rejection":"7","record":{}}"#, "must be a number"),
            (r#"{"rejection":-7,"record":{}}"#, "must be a number"),
            (r#"{"rejection":7,"text":{}}"#, "must be in quotes"),
            (r#"{"rejection":7,"rejection":7,"text":""}"#, "duplicate field `rejection`"),
            (r#"{"rejection":7,"base64":"?"}"#, "base64 is damaged"),
            (r#"{"rejection":7,"record":{}} {}"#, "trailing"),
        ] {
            let error = Mended::read(line.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{line}: {error}");
            for internal in ["struct", "u64", "ReadLine", "expected", "invalid type"] {
                assert!(!error.contains(internal) || error.contains("no JSON ("), "{line}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(raw in prop::collection::vec(any::<u8>(), 0..40)) {
            let read = Mended::read(written(&raw).as_bytes()).unwrap();
            prop_assert_eq!(read.rejection, 7);
            if object(std::str::from_utf8(&raw).unwrap_or_default()).is_none() {
                prop_assert_eq!(read.payload, raw);
            }
        }
    }
}
