//! What is wrong with a configuration: everything at once, each with its place and what to do.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One thing that is wrong, or that is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `file:line`, or the file alone.
    pub place: String,
    /// What it is and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Every problem, in the order of the files and lines.
    pub problems: Vec<Problem>,
    /// What would have been warned of.
    pub warnings: Vec<String>,
    /// The files that were read, or looked for.
    pub files: Vec<PathBuf>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects the problems that are found while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Where the main file writes secrets.
    pub(super) secrets: Vec<Range<usize>>,
    /// Every key that was asked for, as `section.key`.
    pub(super) keys: BTreeSet<(String, &'static str)>,
}

impl Report {
    pub(super) fn problem(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), text: text.into() });
    }

    pub(super) fn warning(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.warnings.push(Problem { place: place.into(), text: text.into() });
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.iter().map(Problem::to_string).collect()
    }

    pub(super) fn into_errors(mut self) -> ConfigErrors {
        // Found section by section; told line by line, in the order of the files.
        let order = |problem: &Problem| {
            let (file, line) = problem.place.rsplit_once(':').unwrap_or((problem.place.as_str(), "0"));
            (file.to_owned(), line.parse::<usize>().unwrap_or(0))
        };
        self.problems.sort_by_key(order);
        self.problems.dedup();
        ConfigErrors { warnings: self.warnings(), problems: self.problems, files: Vec::new() }
    }
}
