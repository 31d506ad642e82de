//! What was found, for people and for scripts.

use serde::Serialize;
use std::io::{self, Write};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The service runs, and something may go wrong later.
    Warning,
    /// The service does not run as it should, or loses what it promises.
    Problem,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The configuration.
    Configuration,
    /// The disk of the data directory.
    Disk,
    /// The object store of the ledger.
    ObjectStore,
    /// The ledger and its backups.
    Ledger,
    /// Certificates and keys.
    Certificates,
    /// Brokers and topics.
    Kafka,
    /// The clock of this machine.
    Clock,
}

impl Area {
    /// In the order of the report.
    const ALL: [Self; 7] = [
        Self::Configuration,
        Self::Disk,
        Self::ObjectStore,
        Self::Ledger,
        Self::Certificates,
        Self::Kafka,
        Self::Clock,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Disk => "disk",
            Self::ObjectStore => "object store",
            Self::Ledger => "ledger and backups",
            Self::Certificates => "certificates",
            Self::Kafka => "Kafka",
            Self::Clock => "clock",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub level: Level,
    /// A stable name for scripts, such as `free_space`.
    pub check: &'static str,
    /// What was found.
    pub found: String,
    /// What to do; `None` where nothing is to be done.
    pub todo: Option<String>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Notes what is as it should be.
    pub fn ok(&mut self, area: Area, check: &'static str, found: impl Into<String>) {
        self.findings.push(Finding { area, level: Level::Ok, check, found: found.into(), todo: None });
    }

    /// Notes what may go wrong later.
    pub fn warning(
        &mut self,
        area: Area,
        check: &'static str,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) {
        let (level, found, todo) = (Level::Warning, found.into(), Some(todo.into()));
        self.findings.push(Finding { area, level, check, found, todo });
    }

    /// Notes what is wrong.
    pub fn problem(
        &mut self,
        area: Area,
        check: &'static str,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) {
        let (level, found, todo) = (Level::Problem, found.into(), Some(todo.into()));
        self.findings.push(Finding { area, level, check, found, todo });
    }

    /// How many findings there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Writes it for people: by area, the worst is easy to see, and each says what to do.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for area in Area::ALL {
            let mut findings = self.findings.iter().filter(|finding| finding.area == area).peekable();
            if findings.peek().is_some() {
                writeln!(out, "{}", area.name())?;
            }
            for finding in findings {
                let mark = match finding.level {
                    Level::Ok => "ok     ",
                    Level::Warning => "WARNING",
                    Level::Problem => "PROBLEM",
                };
                writeln!(out, "  {mark}  {}", finding.found)?;
                if let Some(todo) = &finding.todo {
                    writeln!(out, "           -> {todo}")?;
                }
            }
        }
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        writeln!(out, "{problems} problems, {warnings} warnings, {} checks", self.findings.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_sorted_by_area_and_counted() {
        let mut report = Report::default();
        report.problem(Area::Kafka, "topic", "no such topic: orders", "create it");
        report.ok(Area::Disk, "free_space", "9 GiB free");
        report.warning(Area::Kafka, "replicas", "one copy", "have three");
        let mut text = Vec::new();
        report.write(&mut text).unwrap();
        let expected = "disk\n  ok       9 GiB free\nKafka\n  PROBLEM  no such topic: orders\n           -> create it\n  \
                        WARNING  one copy\n           -> have three\n1 problems, 1 warnings, 3 checks\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
