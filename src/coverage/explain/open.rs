//! What keeps a time open on a platform: each reason with what is missing and whose it is.

use super::complete::complete_after;
use super::{
    CompleteRule, Findings, GapCode, GapLine, KeptLine, LISTED_MAX, Missing, Open, OpenOrderLine,
    PendingRecordsLine,
};
use crate::coverage::rejection::origin;
use crate::coverage::resolve::{Line, added_by};
use crate::domain::completeness::PlatformFacts;
use crate::domain::finality::{Gap, GapCause, UnsettledReason, gaps};
use crate::domain::pending::{RecordTimes, Scope};
use crate::domain::rejection::{Kept, Rejection};
use crate::domain::time::UtcMillis;
use crate::domain::view::LedgerView;
use crate::domain::window::{Window, union};
use std::collections::BTreeMap;

impl<V: LedgerView> Findings<'_, V> {
    /// Everything that keeps some of `bare` open, each reason once.
    pub(super) fn open(&self, of: &Line<'_>, bare: &[Window]) -> Result<Vec<Open>, V::Error> {
        let (_, line) = of;
        let recorded_at = self.formatter.view.as_of().recorded_at;
        let claims = bare.iter().flat_map(|&part| line.claims_within(part, recorded_at));
        let mut by_reason: BTreeMap<UnsettledReason, Vec<(Window, Option<UtcMillis>)>> = BTreeMap::new();
        for claim in claims {
            if let Some(unsettled) = claim.unsettled {
                let of_reason = by_reason.entry(unsettled.reason).or_default();
                of_reason.push((claim.window, unsettled.ask_again_at));
            }
        }
        let open = by_reason.into_iter().map(|(reason, claims)| {
            let parts = union(claims.iter().map(|(window, _)| *window).collect());
            let helps = claims.iter().all(|(_, ask_again_at)| ask_again_at.is_some());
            let latest = claims.iter().filter_map(|(_, ask_again_at)| *ask_again_at).max();
            Ok(Open {
                missing: self.missing(reason, of, &parts)?,
                parts: self.spans(&parts),
                ask_again_at: self.optional(latest.filter(|_| helps)),
            })
        });
        open.collect()
    }

    fn missing(&self, reason: UnsettledReason, of: &Line<'_>, parts: &[Window]) -> Result<Missing, V::Error> {
        let (_, line) = of;
        Ok(match reason {
            UnsettledReason::BeforeRecords => Missing::BeforeRecords {
                dropped_until: self.optional(self.formatter.view.completeness().dropped_until),
                until: self.optional(line.before_records_until()),
            },
            UnsettledReason::Gap => Missing::Gap { gaps: self.gaps(of, parts) },
            UnsettledReason::Incomplete => {
                let after = complete_after(line, parts);
                Missing::Incomplete {
                    complete_after: self.optional(after.map(|(after, _)| after)),
                    complete_rule: after.map_or(CompleteRule::EndedOrders, |(_, rule)| rule),
                    waits_for: self.waits_for(of),
                }
            }
            UnsettledReason::OrderOpen => self.open_orders(of, parts)?,
            UnsettledReason::RejectedRecord => Missing::RejectedRecord(self.rejected(of, parts)?),
            UnsettledReason::UnreadableRecord => Missing::UnreadableRecord(self.unreadable(of, parts)?),
            UnsettledReason::ConflictingRecord => Missing::ConflictingRecord(self.conflicting(of, parts)?),
        })
    }

    fn gaps(&self, (name, line): &Line<'_>, parts: &[Window]) -> Vec<GapLine> {
        let completeness = self.formatter.view.completeness();
        let none = PlatformFacts::default();
        let facts = completeness.platforms.get(*name).unwrap_or(&none);
        let gaps = gaps(facts, line.promise(), completeness);
        let gap = |gap: Gap<'_>| GapLine {
            cause: match gap.cause {
                GapCause::LateStart => GapCode::LateStart,
                GapCause::Skip => GapCode::Skip,
            },
            topic: gap.topic.to_owned(),
            partition: gap.partition,
            from: self.optional(Some(gap.lost.from)),
            arrived_by: self.optional(Some(gap.lost.until)),
            until: self.optional(Some(line.gap_window(&gap).until)),
        };
        gaps.filter(|gap| touches(line.gap_window(gap), parts)).map(gap).collect()
    }

    fn open_orders(&self, (name, line): &Line<'_>, parts: &[Window]) -> Result<Missing, V::Error> {
        let of_platform = self.fetched.open.iter().filter(|open| open.posting.platform == **name);
        let may_cover =
            of_platform.map(|open| (open, line.open_window(&open.posting, open.ended_elsewhere_at)));
        let near: Vec<_> = may_cover.filter(|(_, window)| touches(*window, parts)).collect();
        let orders = near.iter().take(LISTED_MAX).map(|(open, window)| {
            Ok(OpenOrderLine {
                order: self.order(&open.posting)?,
                ended_by_another_rider_at: self.optional(open.ended_elsewhere_at),
                end_rejected: open.end_refused,
                may_cover: self.span(*window),
            })
        });
        Ok(Missing::OrderOpen { orders: orders.collect::<Result<_, _>>()?, count: count(near.len()) })
    }

    fn rejected(&self, (name, line): &Line<'_>, parts: &[Window]) -> Result<PendingRecordsLine, V::Error> {
        let is_known = |named: &str| {
            self.known.iter().any(|known| known == named)
                || self.lines.iter().any(|(wanted, _)| *wanted == named)
        };
        let concerns = |record: &&Rejection| Scope::of(record, is_known).contains(name, self.terms.platforms);
        let of_rider = self.fetched.rejected.iter().filter(concerns);
        let near = of_rider.map(|record| (record, line.rejected_window(record)));
        self.kept(near.filter(|(_, window)| touches(*window, parts)).collect())
    }

    fn conflicting(&self, (name, line): &Line<'_>, parts: &[Window]) -> Result<PendingRecordsLine, V::Error> {
        let conflicts = self.fetched.conflicts.iter();
        let adding =
            conflicts.filter_map(|conflict| Some((&conflict.record, added_by(conflict, name, line)?)));
        self.kept(adding.filter(|(_, window)| touches(*window, parts)).collect())
    }

    fn unreadable(&self, (name, line): &Line<'_>, parts: &[Window]) -> Result<PendingRecordsLine, V::Error> {
        let from = parts.first().map_or(UtcMillis::MAX, |part| part.from);
        let until = parts.last().map_or(UtcMillis::MIN, |part| part.until);
        let near = line.unreadable_near(Window::new(from, until));
        let (records, count) =
            self.formatter.view.unreadable_records(name, self.terms.platforms, near, LISTED_MAX)?;
        let concerned = |record| (record, line.with_cover(RecordTimes::of(record).window(line.promise())));
        let listed = self.kept(records.iter().map(concerned).collect())?;
        Ok(PendingRecordsLine { count, ..listed })
    }

    /// The first of some kept records by number, each with the time that it may concern.
    fn kept(&self, mut records: Vec<(&Rejection, Window)>) -> Result<PendingRecordsLine, V::Error> {
        records.sort_by_key(|(record, _)| record.id);
        let listed = records.iter().take(LISTED_MAX).map(|(record, window)| {
            Ok(KeptLine {
                rejection: record.id,
                reason: match record.kept {
                    Kept::Rejected(reason) => reason.as_str().to_owned(),
                    Kept::Conflict => "conflict".to_owned(),
                },
                platform: record.readable.platform.clone(),
                order_id: record.readable.order_id.clone(),
                may_concern: self.reach(*window),
                origin: origin(record.origin.clone(), self.terms.zone),
                commit: record.commit,
                recorded_at: self.time(self.formatter.view.commit_instant(record.commit)?),
            })
        });
        Ok(PendingRecordsLine { records: listed.collect::<Result<_, _>>()?, count: count(records.len()) })
    }
}

fn touches(window: Window, parts: &[Window]) -> bool {
    parts.iter().any(|part| window.overlaps(*part))
}

fn count(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(u64::MAX)
}
