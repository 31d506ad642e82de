//! `[kafka]`: where the brokers are, and any librdkafka option that leaves exactly-once alone.

use super::problem::Report;
use super::reader::{Found, Section, as_layer};
use super::refused_options::refused_option;
use super::secret::{Outside, Secret};
use super::source::is_secret;
use super::value;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The consumer group under which progress is shown in Kafka. Positions are the ledger's own.
    pub group_id: String,
    /// Options for librdkafka. None of those that the ledger sets itself.
    pub options: BTreeMap<String, KafkaOption>,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaOption {
    /// May be seen.
    Plain(String),
    /// Must not be seen.
    Secret(Secret),
}

impl KafkaOption {
    /// The value, for librdkafka.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(value) => value,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl KafkaSettings {
    /// `None` when the file has no `[kafka]`.
    pub(super) fn read(mut section: Section<'_>, outside: Outside<'_>, report: &mut Report) -> Option<Self> {
        let brokers = if section.is_written() {
            section.need("brokers", report, value::text).unwrap_or_default()
        } else {
            // Asked for all the same, so that the key is known.
            section.get("brokers").map(|_| String::new()).unwrap_or_default()
        };
        let group_written = section.get_own("group_id").is_some();
        let group_id = section.read("group_id", report, value::text).unwrap_or_default();
        let options_section = section.sub("options", report);
        let mut options = Options { outside, report: &mut *report, values: BTreeMap::new() };
        options.collect_options("", &options_section);
        let mut options = options.values;
        let group_option = options.remove("group.id");
        if group_option.is_some() && group_written {
            report.problem(
                options_section.place(),
                "`group_id` and the option `group.id` say the same: keep one",
            );
        }
        let group_id = group_option.map_or(group_id, |option| option.expose().to_owned());
        let written = section.is_written();
        section.finish(report);
        report.keys.insert(("kafka".to_owned(), "options"));
        written.then_some(Self { brokers, group_id, options })
    }
}

/// Collects options, whether their names are quoted or written as nested tables.
struct Options<'r, 'o> {
    outside: Outside<'o>,
    report: &'r mut Report,
    values: BTreeMap<String, KafkaOption>,
}

impl Options<'_, '_> {
    fn collect_options(&mut self, prefix: &str, section: &Section<'_>) {
        for (name, offset, found) in section.entries() {
            let option = format!("{prefix}{name}");
            if let Some(reference) = self.outside.referred(found, &option, self.report) {
                if self.is_allowed(&option, None, found, offset)
                    && let Some(secret) = reference
                {
                    self.values.insert(option, KafkaOption::Secret(secret));
                }
            } else if let Some(layer) = as_layer(found) {
                let nested = Section::new("kafka.options", Some(layer), Vec::new());
                self.collect_options(&format!("{option}."), &nested);
            } else {
                self.add(option, found, offset);
            }
        }
    }

    fn add(&mut self, option: String, found: Found<'_>, offset: usize) {
        let secret = is_secret(&option);
        if secret {
            self.report.secrets.push(found.value.span());
        }
        let value = match found.value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            other => {
                let text =
                    format!("option `{option}`: write its value as a string, not as {}", other.type_str());
                self.report.problem(found.place(), text);
                return;
            }
        };
        if !self.is_allowed(&option, Some(&value), found, offset) {
            return;
        }
        let value = if secret { KafkaOption::Secret(Secret::new(value)) } else { KafkaOption::Plain(value) };
        if self.values.insert(option.clone(), value).is_some() {
            self.report.problem(found.place(), format!("option `{option}` is written twice: keep one"));
        }
    }

    /// Refuses what would break the ledger's promises.
    fn is_allowed(&mut self, option: &str, value: Option<&str>, found: Found<'_>, offset: usize) -> bool {
        // Another way to write `group_id`; taken out again by the caller.
        let why = if option == "group.id" { None } else { refused_option(option, value) };
        let Some(why) = why else { return true };
        self.report.problem(found.source.place(offset), format!("option `{option}` is refused: {why}"));
        false
    }
}
