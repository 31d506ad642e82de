//! The main line: one record on its way into the ledger, and one batch on its way into a commit.
//!
//! ```text
//! Arrival -> OrderEvent -> OrderEntry -> Decided -> Run (sorted blocks) -> CommitReport -> Snapshot
//!  receive    decode        stage         decide     price, write runs      advance         publish
//! ```
//!
//! [`receive`] is the first half, run where records arrive; [`crate::ledger::Ledger::commit`] is the second, run by the one
//! writer. Between them is a [`Batch`]: bounded, owned, sent from one to the other.

use crate::config::{Config, Limits};
use crate::domain::event::{Event, EventRules, decode_noting_unknown};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ledger::{Arrival, Batch};

/// Decodes one record into the batch: an order, a completeness record, or a counted refusal. Returns whether it is an
/// order with fields that the contract does not know.
#[inline]
pub fn receive(batch: &mut Batch, arrival: &Arrival<'_>, rules: &EventRules, zone: &Zone) -> bool {
    let (event, has_unknown) = decode_noting_unknown(arrival.payload, rules);
    match event {
        Ok(Event::Order(order)) => {
            batch.push_order(&order, arrival, zone);
            return has_unknown;
        }
        Ok(Event::Complete(record)) => batch.push_control(&record, arrival),
        Err(refusal) => batch.push_refused(refusal, arrival),
    }
    false
}

/// Refuses what lies further ahead of `now` than records of Kafka may: a producer's clock is wrong there.
pub fn limit_ahead(rules: &mut EventRules, limits: &Limits, now: UtcMillis) {
    let until = now.plus(limits.ahead_max_ms);
    rules.is_until_ahead = until < limits.horizon_until;
    rules.horizon.1 = until.min(limits.horizon_until);
}

/// What the events of a source may say: of a topic those platforms that it speaks for, of files and re-driven records every
/// registered platform.
pub fn rules_for(config: &Config, topic: Option<&str>, retention_line: Option<LocalDay>) -> EventRules {
    let platforms = &config.platforms;
    let speaks = |name: &str| topic.is_none_or(|topic| platforms.of_topic(topic).contains(&name));
    EventRules {
        categories: config.tariff.categories().into_iter().map(str::to_owned).collect(),
        platforms: platforms
            .registered()
            .filter(|(name, _)| speaks(name))
            .map(|(name, promise)| (name.to_owned(), promise.max_order_duration_ms))
            .collect(),
        unlisted_duration_ms_max: (!platforms.is_any_registered())
            .then_some(platforms.defaults().max_order_duration_ms),
        horizon: (config.limits.horizon_from, config.limits.horizon_until),
        is_until_ahead: false,
        retention: retention_line.map(|line| (line, config.zone.clone())),
    }
}
