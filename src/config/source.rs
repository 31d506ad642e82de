//! A configuration file's text: places in it, and what of it may be kept.

use std::ops::Range;
use std::path::PathBuf;

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As problems name it.
    pub(super) name: String,
    /// As the kept text names it: the same wherever the files lie.
    pub(super) kept_name: String,
    /// What paths inside it are relative to.
    pub(super) folder: PathBuf,
    pub(super) text: String,
    /// Where each line ends.
    line_ends: Vec<usize>,
}

/// The placeholder for a secret in the kept text.
const REDACTED: &str = "\"<secret>\"";
/// Words in the name of an option that holds a secret.
const SECRET_WORDS: [&str; 8] =
    ["password", "secret", "passphrase", "key.pem", "private.key", "token", "oauthbearer.config", "jaas"];

/// Whether an option of that name holds a secret.
pub(super) fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| option.contains(word))
}

impl Source {
    pub(super) fn new(name: String, kept_name: String, folder: PathBuf, text: String) -> Self {
        let line_ends = text.match_indices('\n').map(|(offset, _)| offset).collect();
        Self { name, kept_name, folder, text, line_ends }
    }

    /// `file:line` of a byte offset.
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.name, 1 + self.line_ends.partition_point(|&end| end < offset))
    }

    /// The text without secrets: the given values, and comments that seem to contain one.
    pub(super) fn kept(&self, secrets: &[Range<usize>]) -> String {
        let mut secrets = secrets.to_vec();
        secrets.sort_by_key(|range| range.start);
        let mut kept = format!("# ==== {}\n", self.kept_name);
        let mut text = String::new();
        let mut at = 0;
        for secret in secrets {
            text.push_str(self.text.get(at..secret.start).unwrap_or_default());
            text.push_str(REDACTED);
            at = secret.end;
        }
        text.push_str(self.text.get(at..).unwrap_or_default());
        for line in text.lines() {
            match line.split_once('#') {
                Some((code, comment)) if is_secret(comment) && comment.contains('=') => {
                    kept.push_str(code);
                    kept.push_str("# <a comment that may contain a secret>");
                }
                _ => kept.push_str(line),
            }
            kept.push('\n');
        }
        kept
    }

    /// The lines that say something: comments of the embedded defaults may change without a new configuration.
    pub(super) fn kept_without_comments(&self) -> String {
        let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let lines: Vec<&str> = self.text.lines().filter(says).collect();
        format!("# ==== {}\n{}\n", self.kept_name, lines.join("\n"))
    }
}
