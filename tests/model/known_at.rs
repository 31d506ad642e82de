//! Every answer that a history was given is given again at its end, byte for byte, when the same is asked as it was known then:
//! after later events, corrections, resolutions, other tariffs, compactions and restarts.

use super::check::everything_of;
use super::drive::Drive;
use super::world::RIDERS;
use coverledger::coverage::Terms;
use coverledger::coverage::order::order_history;
use coverledger::coverage::question::Question;
use coverledger::coverage::resolve::{explain, resolve};
use coverledger::coverage::statement::statement;
use coverledger::coverage::timeline::timeline;
use coverledger::domain::time::UtcMillis;
use coverledger::domain::view::{KnownAt, LedgerView};
use coverledger::domain::window::Window;
use coverledger::ledger::Snapshot;
use std::collections::BTreeMap;

/// Of so many earlier states, one is asked for by an instant.
const BY_INSTANT: usize = 3;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// Whether a rider was covered.
    Coverage(Question),
    /// The same, and why.
    Explained(Question),
    /// The statement of all months.
    Statement,
    /// A rider's orders.
    Timeline(String),
    /// An order's versions.
    Order(String, String),
    /// Unresolved records of a platform.
    Pending(String),
}

/// An answer as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    asked: Asked,
    answer: String,
}

impl Asked {
    /// The answer, as text.
    fn answer(&self, view: &Snapshot, terms: Terms<'_>) -> String {
        match self {
            Self::Coverage(question) => serde_json::to_string(&resolve(view, terms, question).unwrap()),
            Self::Explained(question) => serde_json::to_string(&explain(view, terms, question).unwrap()),
            Self::Statement => serde_json::to_string(&statement(view, None, None).unwrap()),
            Self::Timeline(rider) => {
                let all = Window::new(UtcMillis::MIN, UtcMillis::MAX);
                serde_json::to_string(&timeline(view, terms, rider, all).unwrap())
            }
            Self::Order(platform, order_id) => {
                serde_json::to_string(&order_history(view, terms, platform, order_id).unwrap())
            }
            Self::Pending(platform) => {
                let counts = view.pending_counts(platform, terms.platforms);
                let counts = counts
                    .into_iter()
                    .map(|(kind, count)| (kind.as_str(), count.records, count.since_commit));
                serde_json::to_string(&counts.collect::<Vec<_>>())
            }
        }
        .unwrap()
    }
}

impl Drive {
    /// Keeps an answer that the newest state gave.
    pub(crate) fn note_given(&mut self, asked: Asked, view: &Snapshot) {
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        let answer = asked.answer(view, terms);
        self.given.entry(view.as_of().commit).or_default().push(Given { asked, answer });
    }

    /// Keeps what the newest state says of all platforms, riders and orders.
    pub(crate) fn note_everything(&mut self) {
        let view = self.ledger().published().current();
        self.note_given(Asked::Statement, &view);
        for rider in RIDERS {
            self.note_given(Asked::Timeline(rider.to_owned()), &view);
        }
        let (platforms, orders) = everything_of(&self.model);
        for platform in platforms {
            self.note_given(Asked::Pending(platform), &view);
        }
        for (platform, order_id) in orders {
            self.note_given(Asked::Order(platform, order_id), &view);
        }
    }

    /// Asks everything again, each as it was known when it was asked.
    pub(crate) fn answers_are_given_again(&mut self) {
        let newest = self.ledger().published().current();
        let given: BTreeMap<u64, Vec<Given>> = std::mem::take(&mut self.given);
        let mut again = 0;
        for (commit, answers) in given {
            let at = match self.random.below(BY_INSTANT) {
                0 => KnownAt::Instant(self.instant_of(&newest, commit)),
                _ => KnownAt::Commit(commit),
            };
            let then = newest.known_at(at).unwrap();
            assert_eq!(then.as_of().commit, commit, "{at:?}");
            let terms = Terms { platforms: then.earlier_promises().unwrap(), zone: &self.config.zone };
            for Given { asked, answer } in answers {
                assert_eq!(asked.answer(&then, terms), answer, "{asked:?} as known at {at:?}");
                again += 1;
            }
        }
        self.shown.count("answers given again", again);
    }

    /// An instant from that of a commit up to right before that of the next.
    fn instant_of(&mut self, newest: &Snapshot, commit: u64) -> UtcMillis {
        let first = newest.commit_instant(commit).unwrap().millis();
        let last = match commit == newest.as_of().commit {
            true => first,
            false => newest.commit_instant(commit + 1).unwrap().millis() - 1,
        };
        UtcMillis::new(self.random.between(first, last + 1))
    }
}
