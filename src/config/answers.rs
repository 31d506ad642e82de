//! `[answers]`: the log of answers; and the settings of a configuration as lines that can be compared.

use super::Config;
use super::problem::Report;
use super::reader::Section;
use super::value;
use crate::domain::time::DAY_MS;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use toml::de::DeValue;
use toml::{Table, Value};

/// Longest name of a log, in bytes.
const NAME_BYTES_MAX: usize = 32;
/// Begins the heading of each file in the text of a configuration.
const HEADING: &str = "# ==== ";

/// `[answers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Whether answers are logged.
    pub keeps_log: bool,
    /// The name of the process.
    pub name: String,
    /// The folder of logs; `None` = `answers` in the data directory. Relative paths in a file are relative to its folder.
    pub dir: Option<PathBuf>,
    /// Entries older than this are dropped, in milliseconds; `None` = none.
    pub retention_ms: Option<i64>,
}

impl AnswerSettings {
    pub(super) fn read(
        mut section: Section<'_>,
        (folder, data_dir): (&Path, &Path),
        report: &mut Report,
    ) -> Self {
        let retention_days: Option<i64> = section.read("retention", report, value::days(1, 36_500));
        let dir: Option<String> = section.read("dir", report, value::text);
        let dir = dir.map(|dir| folder.join(dir));
        if let Some(dir) = &dir
            && overlap(dir, data_dir)
        {
            let text = format!(
                "`dir` is in the data directory ({}) or around it: name a folder that has the answer logs of this ledger alone, or leave \
                 it out for the folder `answers` there",
                data_dir.display()
            );
            report.problem(section.place(), text);
        }
        let settings = Self {
            keeps_log: section.read("log", report, value::boolean).unwrap_or(true),
            name: section.read("name", report, name).unwrap_or_default(),
            dir,
            retention_ms: retention_days.map(|days| days.saturating_mul(DAY_MS)),
        };
        section.finish(report);
        settings
    }
}

/// Whether one of two folders is the other or lies in it, by their names alone.
fn overlap(one: &Path, other: &Path) -> bool {
    let (one, other) = (plain(one), plain(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// The whole path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if name.len() <= NAME_BYTES_MAX && name.bytes().all(is_allowed) {
        return Ok(name);
    }
    Err(format!("`{name}` is no name of a log: it has 1 to {NAME_BYTES_MAX} of a-z, 0-9, _ and -"))
}

impl Config {
    /// Every setting in force and every rule of all files as one line each, such as `ingest.batch_ms = 200` and `[[rate]] category =
    /// "ride_hailing", per_order = "0.04"`; without secrets.
    pub fn settings(&self) -> BTreeSet<String> {
        let (mut values, mut rules) = (BTreeMap::new(), BTreeSet::new());
        // The defaults come last in the text, and lie below the others.
        for file in self.text.rsplit(HEADING) {
            // What follows is the name of the file, on the rest of its line.
            let text = file.split_once('\n').map_or("", |(_, text)| text);
            let table: Table = text.parse().unwrap_or_default();
            table.iter().for_each(|(key, value)| add(&mut values, &mut rules, key, value));
        }
        rules.extend(values.into_iter().map(|(key, value)| format!("{key} = {value}")));
        rules
    }
}

fn add(values: &mut BTreeMap<String, String>, rules: &mut BTreeSet<String>, key: &str, value: &Value) {
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| add(values, rules, &format!("{key}.{name}"), value));
        }
        Value::Array(tables) if tables.iter().all(Value::is_table) && !tables.is_empty() => {
            for table in tables.iter().filter_map(Value::as_table) {
                let members: Vec<String> =
                    table.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                rules.insert(format!("[[{key}]] {}", members.join(", ")));
            }
        }
        value => drop(values.insert(key.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_and_the_files_own_values_lie_above_the_defaults() {
        let text = "[ingest]\nbatch_ms = 300\n[[rate]]\ncategory = \"ride_hailing\"\nper_order = \"0.04\"\n";
        let settings = Config::from_text(text).unwrap().settings();
        for line in [
            "ingest.batch_ms = 300",
            "[[rate]] category = \"ride_hailing\", per_order = \"0.04\"",
            "ingest.batch_records = 200000",
            "answers.name = \"main\"",
        ] {
            assert!(settings.contains(line), "{line}: {settings:#?}");
        }
        assert_eq!(settings.iter().filter(|line| line.starts_with("ingest.batch_ms ")).count(), 1);
        let before = Config::from_text("").unwrap().settings();
        let added: Vec<&String> = settings.difference(&before).collect();
        assert_eq!(added.len(), 2, "{added:?}");
    }

    #[test]
    fn the_folder_is_one_of_its_own() {
        let settings = |text: &str| Config::from_text(text).map(|config| config.answers.dir);
        assert_eq!(settings("").unwrap(), None);
        let set = settings("[answers]\ndir = \"/fast/answers\"\n").unwrap();
        assert_eq!(set.as_deref(), Some(Path::new("/fast/answers")));
        assert!(settings("[answers]\ndir = \"data-2\"\n").is_ok());
        for dir in ["data", "data/answers", "./data/x/../answers", ".", "..", "/"] {
            let errors = settings(&format!("[answers]\ndir = \"{dir}\"\n")).unwrap_err().to_string();
            assert!(errors.contains("`dir` is in the data directory"), "{dir}: {errors}");
        }
        assert!(settings("[answers]\ndir = 1\n").is_err());
    }

    #[test]
    fn a_name_and_a_retention_are_checked() {
        let answers =
            Config::from_text("[answers]\nname = \"east-1\"\nretention = \"30d\"\n").unwrap().answers;
        assert_eq!((answers.name.as_str(), answers.retention_ms), ("east-1", Some(30 * DAY_MS)));
        assert!(answers.keeps_log);
        for text in [
            "name = \"\"",
            "name = \"a/b\"",
            "name = \"..\"",
            "name = \"A\"",
            "retention = \"0d\"",
            "log = 1",
        ] {
            let errors = Config::from_text(&format!("[answers]\n{text}\n")).unwrap_err().to_string();
            assert!(errors.contains("answers"), "{text}: {errors}");
        }
        let long = format!("[answers]\nname = \"{}\"\n", "a".repeat(33));
        assert!(Config::from_text(&long).is_err());
    }
}
