//! A second process follows the ledger in a bucket, commit by commit or several at once, is compared with a ledger that is opened
//! anew, and at times takes the writer's place.

use super::check;
use super::drive::Drive;
use super::world::RIDERS;
use crate::testkit::random::Random;
use coverledger::coverage::Terms;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::explain;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::view::{KnownAt, LedgerView};
use coverledger::domain::window::Window;
use coverledger::ledger::{Ledger, LedgerOptions};
use coverledger::storage::Storage;

/// The other process, and its own way to the bucket.
pub(crate) struct Beside {
    pub(crate) storage: Storage,
    ledger: Option<Ledger>,
    /// The number of the tariff of its configuration.
    tariff: usize,
    /// Its own, so that a history is the same on every engine.
    random: Random,
}

impl Beside {
    pub(crate) fn new(storage: Storage, seed: u64) -> Self {
        Self { storage, ledger: None, tariff: 0, random: Random::new(seed ^ 0xF0110) }
    }
}

impl Drive {
    fn options_beside(&self, storage: &Storage) -> LedgerOptions {
        let mut setup = LedgerOptions::new(&self.config);
        setup.storage = storage.clone();
        setup.filter_bytes = 200_000;
        setup
    }

    /// The other process looks for newer commits, mostly.
    pub(crate) fn follow(&mut self) {
        let Some(mut beside) = self.beside.take() else { return };
        let setup = self.options_beside(&beside.storage);
        let (starts_anew, looks) = (beside.random.percent(5), beside.random.percent(70));
        if starts_anew || beside.ledger.is_none() {
            beside.ledger = Some(Ledger::open_read_only(setup.clone()).unwrap());
            beside.tariff = self.model.tariff;
        } else if let Some(ledger) = beside.ledger.as_mut().filter(|_| looks) {
            let before = ledger.published().current();
            let newest = self.ledger.as_ref().unwrap().published().current().root().commit;
            assert_eq!(ledger.follow().unwrap(), before.root().commit < newest);
            ledger.read_filters(std::time::Duration::from_secs(60)).unwrap();
            self.shown.count("commits followed", newest - before.root().commit);
        }
        let ledger = beside.ledger.as_ref().unwrap();
        let newest = self.ledger.as_ref().unwrap().published().current();
        if ledger.published().current().root() == newest.root() {
            // A third process, which opens everything.
            let fresh = Ledger::open_read_only(setup).unwrap();
            same(&self.told(&fresh), &self.told(ledger));
            self.shown.count("states followed", 1);
        }
        self.beside = Some(beside);
    }

    /// The other process takes the writer's place, while that lives or after its end.
    pub(crate) fn taken_over(&mut self, tariff: usize) -> Option<Ledger> {
        let beside = self.beside.as_mut()?;
        if beside.tariff != tariff || beside.ledger.is_none() || beside.random.percent(50) {
            return None;
        }
        let mut ledger = beside.ledger.take()?;
        if beside.random.percent(50) {
            self.close();
        }
        let beside = self.beside.as_mut()?;
        ledger.take_over(None).unwrap();
        std::mem::swap(&mut self.storage, &mut beside.storage);
        // What the former writer still held is of no use.
        self.close();
        self.shown.count("taken over", 1);
        Some(ledger)
    }

    /// Everything that a ledger says, one thing a line.
    fn told(&self, ledger: &Ledger) -> Vec<String> {
        let state = ledger.published().current();
        let mut told = vec![format!("{:?}", state.root())];
        let runs = state.runs().values().flatten();
        told.extend(runs.map(|run| format!("run {} {:?} {:?}", run.id, run.entry, run.totals().unwrap())));
        told.push(format!("{:?}", state.completeness()));
        told.push(format!("{:?} {:?}", state.stats(), state.sources()));
        told.extend(state.configurations().all().map(|(no, entry)| format!("{no:?} {:?}", entry.hash)));
        told.push(format!("{:?} {:?}", state.booking_periods().unwrap(), state.seals().unwrap()));
        let days = state.days_of_totals().unwrap_or((LocalDay(0), LocalDay(0)));
        told.push(format!("{:?}", state.totals_by_period(days.0, days.1.plus_days(1)).unwrap()));
        let rejected = state.rejected();
        rejected
            .visit(state.store(), 0, |record| {
                let origin = ledger.rejection_of(&record.rejection.origin);
                let raw = rejected.raw(state.store(), &record).unwrap();
                told.push(format!("{record:?} {origin:?} {raw:?}"));
                Ok(true)
            })
            .unwrap();
        let platforms = &self.config.platforms;
        for name in self.model.terms.promises.iter().map(|promise| promise.name) {
            let unreadable = state.unreadable_time(name, platforms, Window::ALWAYS);
            told.push(format!("{name} {:?} {unreadable:?}", state.pending_counts(name, platforms)));
        }
        self.answers(&*state, &mut told);
        let earlier = KnownAt::Commit(state.root().commit.div_ceil(2));
        self.answers(&state.known_at(earlier).unwrap(), &mut told);
        told
    }

    fn answers(&self, state: &impl LedgerView, told: &mut Vec<String>) {
        let times = check::times(&self.model).unwrap_or_default();
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        for (nth, rider) in RIDERS.iter().enumerate() {
            for at in times.iter().skip(nth).step_by(7) {
                let question = Question {
                    rider_ids: vec![(*rider).to_owned()],
                    when: When::Instant(UtcMillis::new(*at)),
                    platforms: None,
                    reference: None,
                };
                let answer = explain(state, terms, &question).map_err(|error| error.to_string());
                told.push(
                    answer.map_or_else(|error| error, |answer| serde_json::to_string(&answer).unwrap()),
                );
            }
        }
    }
}

fn same(expected: &[String], found: &[String]) {
    for (expected, found) in expected.iter().zip(found) {
        assert_eq!(expected, found, "a ledger that was opened anew, and one that followed");
    }
    assert_eq!(expected.len(), found.len());
}
