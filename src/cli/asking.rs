//! One question of a command, put to a ledger or to a running service.

use super::WrongUsage;
use super::load_config;
use super::reading::{Opened, known_at, unknown_platform};
use super::remote::{Remote, Target};
use super::typed;
use crate::config::Config;
use crate::coverage::answer::Answer;
use crate::coverage::instant::parse_at;
use crate::coverage::question::{Question, QuestionError, When};
use crate::coverage::resolve::{explain, resolve};
use crate::domain::time::Zone;
use crate::domain::view::KnownAt;
use crate::ledger::Snapshot;
use std::path::Path;

/// What to do while a service holds the ledger.
pub(super) const ASK_THE_SERVICE: &str = "a running service answers too: ask it with --url http://HOST:PORT";

/// A question as its arguments say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) config: Option<&'a Path>,
    pub(super) rider: &'a [String],
    pub(super) at: Option<&'a str>,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) platform: &'a [String],
    pub(super) known_at: Option<&'a str>,
    /// Whether the answer says why.
    pub(super) is_explained: bool,
}

impl Asking<'_> {
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        load_config(self.config.unwrap_or_else(|| "".as_ref()))
    }

    pub(super) fn open(&self, config: Config) -> anyhow::Result<Opened> {
        let opened = Opened::read(config, ASK_THE_SERVICE)?;
        opened.check_platforms(self.platform)?;
        Ok(opened)
    }

    pub(super) fn known_at(&self) -> Result<Option<KnownAt>, WrongUsage> {
        self.known_at.map(known_at).transpose().map_err(WrongUsage)
    }

    /// The answer of the ledger.
    ///
    /// # Errors
    /// A question that is none, a ledger that cannot be read.
    pub(super) fn ask_ledger(&self) -> anyhow::Result<Answer> {
        let config = self.config()?;
        let question = self.question(&config.zone)?;
        let years = question.when.check_years(&config.zone);
        years.map_err(|error| WrongUsage(error.to_string()))?;
        let opened = self.open(config)?;
        let state = opened.state(self.known_at()?)?;
        let answer = if self.is_explained { explain::<Snapshot> } else { resolve };
        Ok(answer(&state, opened.terms(&state), &question)?)
    }

    /// The answer of a service, one line of JSON.
    ///
    /// # Errors
    /// A question that is none, a service that refuses it or cannot be reached.
    pub(super) fn ask_service(&self, remote: &Remote) -> anyhow::Result<Vec<u8>> {
        // Times without an offset are local times of the service's zone; it knows which platforms there are, too.
        let times = [("at", self.at), ("from", self.from), ("to", self.to)];
        let are_exact = times.iter().filter_map(|(_, text)| *text).all(|text| parse_at(text).is_ok());
        let zone = if are_exact && self.platform.is_empty() {
            Zone::utc()
        } else {
            let terms = remote.terms()?;
            unknown_platform(self.platform, &terms.platforms)?;
            terms.zone
        };
        let question = self.question(&zone)?;
        let mut target = Target::new("/v1/coverage");
        question.rider_ids.iter().for_each(|rider| target.put("rider_id", rider));
        if are_exact {
            for (name, text) in times {
                text.iter().for_each(|text| target.put(name, text));
            }
        } else {
            put_time(question.when, &zone, &mut target);
        }
        question.platforms.iter().flatten().for_each(|platform| target.put("platform", platform));
        self.known_at.iter().for_each(|known_at| target.put("known_at", known_at));
        if self.is_explained {
            target.put("explain", "true");
        }
        remote.get(&target.finish())
    }

    fn question(&self, zone: &Zone) -> Result<Question, WrongUsage> {
        let when = match (self.at, self.from, self.to) {
            (Some(at), ..) => typed::at(at, zone)?,
            (None, Some(from), Some(to)) => When::Interval(typed::interval(from, to, zone)?),
            _ => return Err(WrongUsage(QuestionError::When.to_string())),
        };
        let question = Question::about(self.rider.to_vec(), when);
        question
            .and_then(|question| question.with_platforms(self.platform.to_vec()))
            .map_err(|error| WrongUsage(error.to_string()))
    }
}

/// Checks `--known-at`, which a service reads itself.
pub(super) fn known_at_text(text: &str) -> Result<String, String> {
    known_at(text).map(|_| text.to_owned())
}

/// The time of a question as the service reads it.
fn put_time(when: When, zone: &Zone, target: &mut Target) {
    match when {
        When::Instant(at) => target.put("at", &zone.rfc3339(at)),
        // Without its seconds it is the whole minute.
        When::Minute(minute) => target.put("at", &zone.rfc3339(minute.from).replace(":00.000", "")),
        When::Interval(window) => {
            target.put("from", &zone.rfc3339(window.from));
            target.put("to", &zone.rfc3339(window.until));
        }
    }
}
