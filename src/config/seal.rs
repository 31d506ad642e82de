//! `[seal]`: whether settled days are sealed, and where the secrets for that are.

use super::problem::Report;
use super::reader::Section;
use super::value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// `[seal]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealSettings {
    /// The file with the sealing secret and the signing keys. Relative paths in a file are relative to its folder.
    pub secrets: PathBuf,
    /// The name of the log. With it, the first start makes the file of secrets.
    pub name: Option<String>,
    /// The Kafka topic to which each checkpoint of the log goes.
    pub checkpoint_topic: Option<String>,
}

impl SealSettings {
    /// `None` unless the section is written. `kafka_topics` are those that platforms speak on, if there is a `[kafka]`.
    pub(super) fn read(
        mut section: Section<'_>,
        folder: &Path,
        kafka_topics: Option<&BTreeSet<&str>>,
        report: &mut Report,
    ) -> Option<Self> {
        let is_written = section.is_written();
        let secrets = match is_written {
            true => section.need("secrets", report, value::text),
            false => section.read("secrets", report, value::text),
        };
        let name = section.read("name", report, value::text);
        let checkpoint_topic = section.read("checkpoint_topic", report, value::text);
        if let Some(topic) = &checkpoint_topic {
            let problem = match kafka_topics {
                None => Some("`checkpoint_topic` needs [kafka]: add it, or leave the topic out"),
                Some(topics) if topics.contains(topic.as_str()) => {
                    Some("`checkpoint_topic` is the topic of a platform: name another one")
                }
                Some(_) => None,
            };
            problem.into_iter().for_each(|text| report.problem(section.place(), text));
        }
        section.finish(report);
        let secrets = folder.join(secrets.unwrap_or_default());
        is_written.then_some(Self { secrets, name, checkpoint_topic })
    }
}
