//! The orders behind an answer: how each window came about, and which records brought it.

use super::{
    CommitSource, CoverRule, CoveringOrder, Findings, OpenTerms, Records, SupersededOrder, Superseding,
    WindowCode,
};
use crate::coverage::fetch::window_of;
use crate::domain::intake::{Intake, Source};
use crate::domain::order::Phase;
use crate::domain::posting::{Posting, RuleKind};
use crate::domain::view::LedgerView;

impl<V: LedgerView> Findings<'_, V> {
    /// An order with its window: that of an ended one, or what an open one covers for certain.
    pub(super) fn order(&self, posting: &Posting) -> Result<CoveringOrder, V::Error> {
        let line = self.lines.iter().find(|(name, _)| *name == posting.platform).map(|(_, line)| line);
        let open = line.filter(|_| posting.phase == Phase::Open);
        let covers = match open {
            Some(line) => line.open_cover(posting),
            None => window_of(posting).into_iter().collect(),
        };
        let open = open.map(|line| OpenTerms {
            complete_through: self.optional(line.complete_through()),
            max_order_duration_ms: line.promise().max_order_duration_ms,
        });
        let code = match (posting.phase, covers.is_empty()) {
            (Phase::Ended, _) => WindowCode::EndedOrder,
            (Phase::Open, false) => WindowCode::OpenOrder,
            (Phase::Open, true) => WindowCode::NotEnded,
        };
        Ok(CoveringOrder {
            code,
            platform: posting.platform.clone(),
            order_id: posting.order_id.clone(),
            leg: posting.leg,
            revision: posting.revision,
            rider_id: posting.rider_id.clone(),
            outcome: posting.outcome.map(|outcome| outcome.as_str().to_owned()),
            accepted_at: self.time(posting.accepted_at),
            ended_at: posting.ended_at.map(|at| self.time(at)),
            covers: self.spans(&covers),
            rule: self.rule(posting),
            open,
            source: self.source(posting.commit, &posting.platform)?,
        })
    }

    fn rule(&self, posting: &Posting) -> CoverRule {
        let (view, cover) = (self.formatter.view, posting.cover);
        CoverRule {
            rule: cover.rule.map(|rule| view.rule_label(cover.config, RuleKind::Cover, rule)),
            tariff: view.tariff_version(cover.config),
            lead_ms: cover.lead_ms,
            tail_ms: cover.tail_ms,
        }
    }

    /// A commit, and the records of it that may have told something of a platform's orders.
    pub(super) fn source(&self, commit: u64, platform: &str) -> Result<CommitSource, V::Error> {
        let view = self.formatter.view;
        let mut intakes = view.intakes(commit)?;
        intakes.retain(|intake| intake.booked > 0);
        let facts = view.completeness().platforms.get(platform);
        let promise = self.terms.platforms.get(platform);
        let may_speak = |intake: &&Intake| match &intake.source {
            Source::Kafka { topic, .. } => {
                promise.topics.contains(topic) || facts.is_some_and(|facts| facts.topics.contains(topic))
            }
            Source::Files | Source::Redrive => true,
        };
        // A platform that was never bound to a topic may speak on any.
        let is_any = !intakes.iter().any(|intake| may_speak(&intake));
        let records = intakes.iter().filter(|intake| is_any || may_speak(intake)).map(records);
        Ok(CommitSource {
            commit,
            recorded_at: self.time(view.commit_instant(commit)?),
            records: records.collect(),
        })
    }

    /// Versions that once covered some of the time, each with what replaced it.
    pub(super) fn superseded(&self) -> Result<Vec<SupersededOrder>, V::Error> {
        let superseded = self.fetched.superseded.iter().map(|(posting, by)| {
            let source = self.source(by.commit, &posting.platform)?;
            let superseded_by = Superseding { revision: by.revision, source };
            Ok(SupersededOrder { order: self.order(posting)?, superseded_by })
        });
        superseded.collect()
    }
}

fn records(intake: &Intake) -> Records {
    let (first, last) = intake.positions;
    match &intake.source {
        Source::Kafka { topic, partition } => Records::Kafka {
            topic: topic.clone(),
            partition: *partition,
            first_offset: first,
            last_offset: last,
        },
        Source::Files => Records::Files { first_line: first, last_line: last },
        Source::Redrive => Records::Redrive { first_rejection: first, last_rejection: last },
    }
}
