//! `[platform.NAME]` and `[platform_defaults]`.

use super::problem::Report;
use super::reader::{Section, as_layer};
use super::value;
use crate::domain::order::PLATFORM_BYTES_MAX;
use crate::domain::platform::{DisplayName, Platforms, Promise, UnreadableRecords};
use crate::domain::time::Zone;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Whether a platform may be called that.
pub(super) fn is_platform_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=PLATFORM_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// What a platform's name must be like.
pub(super) const PLATFORM_NAME_RULE: &str = "a platform's name has 1 to 32 characters of a-z, 0-9, _ and -";

/// Longest display name, in characters.
const DISPLAY_NAME_CHARACTERS_MAX: usize = 32;

/// Names of platforms as people read them, by the platforms' own names.
pub(super) type DisplayNames = BTreeMap<String, DisplayName>;

/// Reads every platform, and how people call it.
pub(super) fn read(root: &mut Section<'_>, zone: &Zone, report: &mut Report) -> (Platforms, DisplayNames) {
    let mut defaults_section = root.sub("platform_defaults", report);
    let user_defaults = defaults_section.own();
    let base = defaults_section.below().to_vec();
    let own_names = root.sub("platform", report);
    let mut registered = BTreeMap::new();
    let mut display_names = BTreeMap::new();
    for (name, offset, found) in own_names.entries() {
        if !is_platform_name(name) {
            report.problem(found.source.place(offset), format!("platform `{name}`: {PLATFORM_NAME_RULE}"));
        }
        let Some(layer) = as_layer(found) else {
            report.problem(found.place(), format!("`{name}` must be a table: write it as [platform.{name}]"));
            continue;
        };
        let below = user_defaults.into_iter().chain(base.iter().copied()).collect();
        let title = format!("[platform.{name}]");
        let mut section = Section::new("platform.NAME", Some(layer), below).titled(title);
        if let Some(display_name) = section.read_own("display_name", report, display_name) {
            display_names.insert(name.to_owned(), display_name);
        }
        registered.insert(name.to_owned(), registered_promise(name, section, zone, report));
    }
    if !registered.is_empty() && defaults_section.get_own("topics").is_some() {
        let text = "`topics` in [platform_defaults] is for a configuration without registered platforms: with them, \
                    name topics in each [platform.NAME]";
        report.problem(defaults_section.place(), text);
    }
    let defaults = promise(&mut defaults_section, zone, report);
    if defaults.complete_start && defaults.records_from.is_none() {
        report
            .problem(defaults_section.place(), "[platform_defaults]: `complete_start` needs `records_from`");
    }
    defaults_section.finish(report);
    (Platforms::new(registered, defaults), display_names)
}

fn registered_promise(name: &str, mut section: Section<'_>, zone: &Zone, report: &mut Report) -> Promise {
    let place = section.place();
    let own_records = section.get_own("records_from").is_some();
    let own_complete = section.get_own("complete_start").is_some();
    let mut promise = promise(&mut section, zone, report);
    if section.get("records_from").is_none() {
        let text = format!(
            "[platform.{name}] has no `records_from`: add the date from which its orders are recorded; nothing can be \
             said about earlier instants"
        );
        report.problem(&place, text);
    }
    if own_records && !own_complete && promise.complete_start {
        // The defaults vouch for their own date: another date has to be vouched for itself.
        promise.complete_start = false;
        let text = format!(
            "[platform.{name}] has its own `records_from`, so `complete_start` of [platform_defaults] does not count \
             for it: write it there too if nothing before is missing"
        );
        report.warning(&place, text);
    }
    section.finish(report);
    promise
}

fn promise(section: &mut Section<'_>, zone: &Zone, report: &mut Report) -> Promise {
    let from = value::date_or_instant(zone);
    Promise {
        topics: topics(section, report),
        records_from: section.read("records_from", report, &from),
        complete_start: section.read("complete_start", report, value::boolean).unwrap_or_default(),
        delivery_delay_ms: section
            .read("delivery_delay", report, value::duration("0s", "366d"))
            .unwrap_or_default(),
        streams_open_orders_from: section.read("streams_open_orders_from", report, &from),
        max_order_duration_ms: section
            .read("max_order_duration", report, value::duration("1s", "366d"))
            .unwrap_or_default(),
        unreadable_records: section
            .read("unreadable_records", report, unreadable_records)
            .unwrap_or_default(),
    }
}

/// One text for both languages, or `{ zh = "...", en = "..." }`.
fn display_name(value: &DeValue<'_>) -> Result<DisplayName, String> {
    let short = |value: &DeValue<'_>| {
        let text = value::text(value)?;
        match text.chars().count() {
            0..=DISPLAY_NAME_CHARACTERS_MAX => Ok(text),
            _ => Err(format!("a display name has at most {DISPLAY_NAME_CHARACTERS_MAX} characters")),
        }
    };
    let Some(table) = value.as_table() else {
        let text = short(value)?;
        return Ok(DisplayName { zh: text.clone(), en: text });
    };
    if let Some((key, _)) = table.iter().find(|(key, _)| !matches!(key.get_ref().as_ref(), "zh" | "en")) {
        return Err(format!("it has no key `{}`: write {{ zh = \"...\", en = \"...\" }}", key.get_ref()));
    }
    let of = |key: &str| {
        let value = table.get(key).ok_or_else(|| format!("it has no `{key}`: add it"))?;
        short(value.get_ref())
    };
    Ok(DisplayName { zh: of("zh")?, en: of("en")? })
}

fn unreadable_records(value: &DeValue<'_>) -> Result<UnreadableRecords, String> {
    match value::text(value)?.as_str() {
        "hold" => Ok(UnreadableRecords::Hold),
        "warn" => Ok(UnreadableRecords::Warn),
        other => Err(format!("`{other}` is unknown: write \"hold\" or \"warn\"")),
    }
}

/// Topics are never inherited: a platform without any is one whose events come from files.
fn topics(section: &mut Section<'_>, report: &mut Report) -> Vec<String> {
    let place = section.get_own("topics").map(|found| found.place()).unwrap_or_default();
    let topics = section.read_own("topics", report, value::texts).unwrap_or_default();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    for (index, topic) in topics.iter().enumerate() {
        if topic.len() > 249 || !topic.bytes().all(legal) {
            report.problem(
                &place,
                format!("`{topic}` is no topic: 1 to 249 characters of a-z, A-Z, 0-9, ., _ and -"),
            );
        }
        if topics.iter().take(index).any(|earlier| earlier == topic) {
            report.problem(&place, format!("topic `{topic}` is named twice: keep one"));
        }
    }
    topics
}
