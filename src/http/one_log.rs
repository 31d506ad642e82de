//! One of the logs of answers: that of this process, or the copy of another's.

use super::backend::Source;
use super::problem::{Kind, Problem};
use super::state::{HttpState, KeptAnswers};
use crate::answers::index::ChangedAnswer;
use crate::answers::{AnswerLog, AnswerLogResult, Digest, Entry, Filter, Listed, OtherLogs};

/// A log that is asked.
#[derive(Clone, Debug)]
pub(super) enum OneLog {
    Own(AnswerLog),
    Other(OtherLogs, String),
}

impl OneLog {
    /// The log of a name; without one that of this process.
    pub(super) fn of<S: Source>(state: &HttpState<S>, name: Option<&str>) -> Result<Self, Problem> {
        let KeptAnswers { log, others, .. } = state.answer_log().cloned().ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                "this service logs no answers: [answers] in its configuration says so, or --read-only",
            )
        })?;
        match name {
            Some(name) if name != log.name() => {
                let names = others.names();
                if names.iter().any(|known| known == name) {
                    return Ok(Self::Other(others, name.to_owned()));
                }
                let known = [vec![log.name().to_owned()], names].concat().join(", ");
                Err(Problem::of(
                    Kind::BadParameter,
                    "log",
                    format!("there is no such log; there are: {known}"),
                ))
            }
            _ => Ok(Self::Own(log)),
        }
    }

    /// The names of all logs, that of this process first.
    pub(super) fn names<S: Source>(state: &HttpState<S>) -> Vec<String> {
        let kept = state.answer_log().into_iter();
        kept.flat_map(|kept| [vec![kept.log.name().to_owned()], kept.others.names()].concat()).collect()
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Own(log) => log.name(),
            Self::Other(_, name) => name,
        }
    }

    /// Its name, if it is that of another process.
    pub(super) fn other_name(&self) -> Option<String> {
        match self {
            Self::Own(_) => None,
            Self::Other(_, name) => Some(name.clone()),
        }
    }

    pub(super) fn list(&self, filter: &Filter) -> Listed {
        match self {
            Self::Own(log) => log.list(filter),
            Self::Other(logs, name) => logs.list(name, filter).unwrap_or_default(),
        }
    }

    pub(super) fn entry(&self, number: u64) -> AnswerLogResult<Option<Entry>> {
        self.entry_and_digest(number).map(|found| found.map(|(entry, _)| entry))
    }

    pub(super) fn entry_and_digest(&self, number: u64) -> AnswerLogResult<Option<(Entry, Digest)>> {
        match self {
            Self::Own(log) => log.entry_and_digest(number),
            Self::Other(logs, name) => logs.entry_and_digest(name, number),
        }
    }

    pub(super) fn changed(&self, number: u64) -> Option<ChangedAnswer> {
        match self {
            Self::Own(log) => log.changed(number),
            Self::Other(logs, name) => logs.changed(name, number),
        }
    }

    pub(super) fn length(&self, number: u64) -> usize {
        match self {
            Self::Own(log) => log.length(number),
            Self::Other(logs, name) => logs.length(name, number),
        }
    }
}
