//! Values that must not be seen: a password in a log is a leak.

use super::problem::Report;
use super::reader::{Found, as_layer};
use std::fmt;
use std::io;
use std::path::Path;

/// A value that shows itself only when asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the code that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What lies outside the configuration's own text.
#[derive(Clone, Copy)]
pub(super) struct Outside<'o> {
    /// Reads a file.
    pub(super) read: &'o dyn Fn(&Path) -> io::Result<String>,
    /// Reads an environment variable.
    pub(super) env: &'o dyn Fn(&str) -> Option<String>,
}

impl Outside<'_> {
    /// The value that `{ file = "..." }` or `{ env = "..." }` refers to; `None` when it is no such table.
    pub(super) fn referred(
        self,
        found: Found<'_>,
        option: &str,
        report: &mut Report,
    ) -> Option<Option<Secret>> {
        let layer = as_layer(found)?;
        let mut entries = layer.table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
        let target = value.get_ref().as_str()?;
        let value = match key.get_ref().as_ref() {
            "file" => (self.read)(&found.source.folder.join(target))
                // Editors end the last line; no password ends in a line feed.
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("`{option}`: Failed to read the file `{target}`: {error}")),
            "env" => (self.env)(target)
                .ok_or_else(|| format!("`{option}`: the environment variable `{target}` is not set")),
            _ => return None,
        };
        match value {
            Ok(value) if !value.is_empty() => Some(Some(Secret(value))),
            Ok(_) => {
                report.problem(found.place(), format!("`{option}`: `{target}` is empty"));
                Some(None)
            }
            Err(text) => {
                report.problem(found.place(), text);
                Some(None)
            }
        }
    }
}
