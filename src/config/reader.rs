//! Reads tables key by key, so that every problem is found: wrong values, and unknown keys.

use super::problem::Report;
use super::source::Source;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a DeTable<'a>,
    /// Where the table begins.
    pub(super) offset: usize,
}

/// A value and its place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) source: &'a Source,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl Found<'_> {
    pub(super) fn place(&self) -> String {
        self.source.place(self.value.span().start)
    }
}

/// A table as it is in force: what the file says, else what the layers below say.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// As problems name it, e.g. `[ledger]`.
    title: String,
    /// As the documentation names it, e.g. `platform.NAME`.
    path: String,
    own: Option<Layer<'a>>,
    below: Vec<Layer<'a>>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &str, own: Option<Layer<'a>>, below: Vec<Layer<'a>>) -> Self {
        let title = if path.is_empty() { "the top level".to_owned() } else { format!("[{path}]") };
        Self { title, path: path.to_owned(), own, below, asked: Vec::new() }
    }

    /// Names the section in problems by something else than its path.
    pub(super) fn titled(mut self, title: String) -> Self {
        self.title = title;
        self
    }

    /// Where the section begins in the user's file; the file of the layer below when it is not there.
    pub(super) fn place(&self) -> String {
        let layer = self.own.or_else(|| self.below.first().copied());
        layer.map_or_else(String::new, |layer| layer.source.place(layer.offset))
    }

    /// Whether the user's file has the section.
    pub(super) const fn is_written(&self) -> bool {
        self.own.is_some()
    }

    /// Its own layer, for a section below which it is to lie.
    pub(super) const fn own(&self) -> Option<Layer<'a>> {
        self.own
    }

    /// The layers below the user's file.
    pub(super) fn below(&self) -> &[Layer<'a>] {
        &self.below
    }

    fn in_layer(layer: &Layer<'a>, key: &str) -> Option<Found<'a>> {
        layer.table.get(key).map(|value| Found { source: layer.source, value })
    }

    /// The value in force.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.get_own(key).or_else(|| self.below.iter().find_map(|layer| Self::in_layer(layer, key)))
    }

    /// The value of the user's file.
    pub(super) fn get_own(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.asked.push(key);
        self.own.as_ref().and_then(|layer| Self::in_layer(layer, key))
    }

    fn parse<T>(
        &self,
        found: Option<Found<'a>>,
        key: &str,
        report: &mut Report,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let found = found?;
        match parse(found.value.get_ref()) {
            Ok(value) => Some(value),
            Err(why) => {
                report.problem(found.place(), format!("`{key}` in {}: {why}", self.title));
                None
            }
        }
    }

    /// The value in force, read; `None` when it is absent or wrong (then it is reported).
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        report: &mut Report,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.get(key);
        self.parse(found, key, report, parse)
    }

    /// The value of the user's file, read.
    pub(super) fn read_own<T>(
        &mut self,
        key: &'static str,
        report: &mut Report,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.get_own(key);
        self.parse(found, key, report, parse)
    }

    /// A key that must be there.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        report: &mut Report,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.get(key);
        if found.is_none() {
            report.problem(self.place(), format!("{} has no `{key}`: add it", self.title));
        }
        self.parse(found, key, report, parse)
    }

    /// The table of that name, laid over those of the layers below.
    pub(super) fn sub(&mut self, key: &'static str, report: &mut Report) -> Self {
        self.asked.push(key);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let mut table = |layer: &Layer<'a>| {
            let found = Self::in_layer(layer, key)?;
            let layer = as_layer(found);
            if layer.is_none() {
                report.problem(found.place(), format!("`{key}` must be a table: write it as [{path}]"));
            }
            layer
        };
        let own = self.own.as_ref().and_then(&mut table);
        let below = self.below.iter().filter_map(table).collect();
        Self::new(&path, own, below)
    }

    /// The tables of an array of tables, in the user's file.
    pub(super) fn tables(&mut self, key: &'static str, report: &mut Report) -> Vec<Self> {
        let Some(found) = self.get_own(key) else { return Vec::new() };
        let Some(array) = found.value.get_ref().as_array() else {
            report.problem(
                found.place(),
                format!("`{key}` must be an array of tables: write each as [[{key}]]"),
            );
            return Vec::new();
        };
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let mut sections = Vec::new();
        for value in array.iter() {
            let found = Found { source: found.source, value };
            match as_layer(found) {
                Some(layer) => {
                    let section = Self::new(&path, Some(layer), Vec::new());
                    sections.push(section.titled(format!("[[{path}]]")));
                }
                None => report.problem(found.place(), format!("each `{key}` must be a table")),
            }
        }
        sections
    }

    /// Names and values of the user's table, whatever they are called.
    pub(super) fn entries(&self) -> Vec<(&'a str, usize, Found<'a>)> {
        let entries = self.own.iter().flat_map(|layer| {
            let source = layer.source;
            layer.table.iter().map(move |(key, value)| {
                let name: &'a str = key.get_ref().as_ref();
                (name, key.span().start, Found { source, value })
            })
        });
        entries.collect()
    }

    /// Reports every unknown key of the user's file.
    pub(super) fn finish(self, report: &mut Report) {
        let mut known = self.asked.clone();
        known.sort_unstable();
        known.dedup();
        report.keys.extend(known.iter().map(|&key| (self.path.clone(), key)));
        for (name, offset, found) in self.entries() {
            if !known.contains(&name) {
                let text =
                    format!("unknown key `{name}` in {}: the keys here are {}", self.title, known.join(", "));
                report.problem(found.source.place(offset), text);
            }
        }
    }
}

/// A value that is a table.
pub(super) fn as_layer(found: Found<'_>) -> Option<Layer<'_>> {
    let table = found.value.get_ref().as_table()?;
    Some(Layer { source: found.source, table, offset: found.value.span().start })
}
