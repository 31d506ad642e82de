//! One commit in the program and in the model, and what both say of each record.

use super::check;
use super::drive::Drive;
use super::event::Record;
use super::naive::Origin;
use coverledger::domain::posting::Disposition;
use coverledger::domain::time::UtcMillis;
use coverledger::ledger::CommitExtras;
use std::collections::BTreeMap;

impl Drive {
    pub(crate) fn commit(&mut self, records: Vec<(Origin, Record)>, stated: Option<i64>) {
        let batch = self.batch(&records);
        let resolves = self.random.percent(25);
        let settled = if resolves { self.model.resolvable() } else { Vec::new() };
        self.shown.count("resolved by an operator", u64::try_from(settled.len()).unwrap());
        let numbers = check::numbers_of(&self.ledger().published().current(), &settled);
        let extras = CommitExtras {
            resolved: numbers.into_iter().map(|id| (id, "garbage".to_owned())).collect(),
            stated: stated.map(|at| (Some("filed".to_owned()), UtcMillis::new(at))).into_iter().collect(),
            ..CommitExtras::default()
        };
        let now = UtcMillis::new(self.now);
        let witness = self.witness();
        let report = self.ledger().commit(&batch, &extras, now).unwrap();
        // Records take effect in the order of topic, partition, offset; files after that.
        let mut order: Vec<usize> = (0..records.len()).collect();
        order.sort_by_key(|&at| match &records[at].0 {
            Origin::Kafka(place, _) => (false, *place),
            Origin::File(..) => (true, ("", 0)),
        });
        let in_effect: Vec<_> = order.iter().map(|&at| records[at].clone()).collect();
        let late_before = self.model.facts.late.clone();
        let expected = self.model.commit(&in_effect, report.commit, self.now, stated);
        self.model.resolve_by_operator(&settled);
        let late_now = &self.model.facts.late;
        for platform in late_now.keys().chain(report.late.keys()) {
            let count = |late: &BTreeMap<String, u64>| late.get(platform).copied().unwrap_or(0);
            let more = count(late_now) - count(&late_before);
            let told = report.late.get(platform).copied().unwrap_or(0);
            let raws: Vec<&str> = in_effect.iter().map(|(_, record)| record.raw.as_str()).collect();
            let through = view_through(self, platform);
            assert_eq!(told, more, "late events of {platform}, complete through {through:?}, in {raws:#?}");
        }
        let mut expected: Vec<(usize, String)> = order.into_iter().zip(expected).collect();
        expected.sort();
        let told = report.dispositions(&batch);
        assert_eq!(told.len(), records.len());
        for ((at, expected), told) in expected.into_iter().zip(told) {
            let told = match told {
                Disposition::Rejected(reason) => format!("rejected:{reason}"),
                other => other.as_str().to_owned(),
            };
            assert_eq!(told, expected, "the disposition of {:?}: {}", records[at].0, records[at].1.raw);
            self.shown.count(&expected, 1);
            self.shown.note(format!("{:?}: {}", records[at].0, records[at].1.raw));
        }
        self.shown.count("records", report.records);
        self.shown.count("commits", 1);
        self.note_state();
        self.committed = self.model.clone();
        self.note_facts();
        self.answers_follow();
        if self.random.percent(8) {
            self.crash_before_witness(witness.as_deref());
        }
    }
}

fn view_through(drive: &Drive, platform: &str) -> Option<String> {
    let through = drive.committed.facts.through(platform)?;
    Some(drive.config.zone.rfc3339(UtcMillis::new(through)))
}
