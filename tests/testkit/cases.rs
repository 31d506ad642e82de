//! Cases with an oracle's answers: their files, and the real binary run on them.

use super::program::binary;
use coverledger::coverage::csv::Reader;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The environment variable that names the folder of the large case.
pub(crate) const H1_FOLDER: &str = "COVERLEDGER_CASES_H1";

/// A folder of files with expected answers, plain or `.zst`.
pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
}

impl Case {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, folder }
    }

    /// The path of a file under its name or with `.zst`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let plain = self.folder.join(name);
        if plain.exists() { plain } else { self.folder.join(format!("{name}.zst")) }
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut bytes = Vec::new();
        let mut reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "zst") {
            Box::new(zstd::Decoder::new(file).unwrap())
        } else {
            Box::new(file)
        };
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The rows of a CSV file by column. There must be some: what is compared with none is compared with nothing.
    pub(crate) fn rows(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let rows = table(&self.bytes(name));
        assert!(!rows.is_empty(), "{name} of {} holds no rows", self.name);
        rows
    }
}

/// The rows of a CSV text by column.
pub(crate) fn table(text: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = Reader::new(text);
    let header = reader.next_record().unwrap().unwrap().fields.unwrap();
    let mut rows = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let fields = record.fields.unwrap();
        assert_eq!(fields.len(), header.len(), "line {}", record.line);
        rows.push(header.iter().cloned().zip(fields).collect());
    }
    rows
}

/// A folder with a configuration and a data directory of its own.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
}

impl Bench {
    /// With the configuration of the flights.
    pub(crate) fn flights() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(root.join("tests/cases/flights.toml"), folder.path().join("flights.toml")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `coverledger COMMAND --config flights.toml ARGS...`
    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut built = binary();
        built.current_dir(self.folder.path()).args([command, "--config", "flights.toml"]).args(args);
        built
    }

    pub(crate) fn run(&self, command: &str, args: &[&str]) -> Output {
        self.command(command, args).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub(crate) fn ok(&self, command: &str, args: &[&str]) -> String {
        let output = self.run(command, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command} {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, command: &str, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(command, args)).unwrap()
    }

    /// The lines of JSON in a file.
    pub(crate) fn json_lines(&self, name: &str) -> Vec<Value> {
        let lines = BufReader::new(File::open(self.path(name)).unwrap()).lines();
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }
}
