//! The accidents that the demo asks about: found among what the riders really did, in one committed state.

use super::scenes::{Order, Seen};
use crate::config::Config;
use crate::coverage::Terms;
use crate::coverage::answer::Answer;
use crate::coverage::question::{Question, When};
use crate::coverage::resolve::resolve;
use crate::domain::time::{MINUTE_MS, SECOND_MS, UtcMillis};
use crate::domain::verdict::Verdict;
use crate::ledger::{LedgerError, Snapshot};
use serde_json::json;

/// Orders that are looked at before the guide looks around again.
const TRIES: usize = 40;
/// Before an order was accepted, its rider was mostly on none.
const BEFORE_MS: i64 = 7 * MINUTE_MS;
/// How long before and after an accident the orders last that the demo adds.
const AROUND_MS: i64 = 3 * MINUTE_MS;
/// The platform that speaks of them, and its topic.
const PLATFORM: (&str, &str) = ("dada", "orders.dada");

/// A rider and the instant of an accident, on a whole second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accident {
    /// The rider's identifier.
    pub rider_id: String,
    /// When.
    pub at: UtcMillis,
}

/// Accidents of four riders.
#[derive(Clone, Debug)]
pub struct Accidents {
    /// While an order lasted.
    pub covered: Accident,
    /// On no order, final.
    pub not_covered: Accident,
    /// On no order, final until [`Accident::refused_record`] arrives.
    pub undetermined: Accident,
    /// On no order, final until [`Accident::late_order`] arrives.
    pub changed: Accident,
}

/// A record that a platform sends for the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where to.
    pub topic: &'static str,
    /// The value.
    pub payload: Vec<u8>,
}

impl Accident {
    /// The verdict of a state, and whether it is final.
    pub(super) fn answer(&self, state: &Snapshot, config: &Config) -> Result<Answer, LedgerError> {
        let rider_ids = vec![self.rider_id.clone()];
        let question = Question { rider_ids, when: When::Instant(self.at), platforms: None, reference: None };
        resolve(state, Terms { platforms: &config.platforms, zone: &config.zone }, &question)
    }

    /// Whether a state gives a verdict that does not change any more, by one ended order if it covers.
    fn has(&self, verdict: Verdict, state: &Snapshot, config: &Config) -> Result<bool, LedgerError> {
        let answer = self.answer(state, config)?;
        let is_plain = match answer.windows.as_slice() {
            [] => true,
            [window] => window.phase == "ended",
            _ => false,
        };
        Ok(is_plain && answer.settled && answer.verdict == verdict)
    }

    /// An order that covers the accident. Its platform sends it after it vouched for that time.
    pub fn late_order(&self, config: &Config) -> Record {
        self.record("DEMO-LATE-1", "instant_delivery", config)
    }

    /// The same with a category that no tariff knows: it is refused, and nothing is final until it comes again, mended.
    pub fn refused_record(&self, config: &Config) -> Record {
        self.record("DEMO-REFUSED-1", "instant_delivry", config)
    }

    fn record(&self, order_id: &str, category: &str, config: &Config) -> Record {
        let at = |at: UtcMillis| config.zone.rfc3339(at);
        let event = json!({
            "platform": PLATFORM.0, "order_id": order_id, "rider_id": self.rider_id, "category": category,
            "region": "310115", "accepted_at": at(self.at.minus(AROUND_MS)), "ended_at": at(self.at.plus(AROUND_MS)),
        });
        Record { topic: PLATFORM.1, payload: event.to_string().into_bytes() }
    }
}

impl Accidents {
    /// Finds them; `None` while the riders' history does not have them all yet.
    pub(super) fn find(seen: &Seen, state: &Snapshot, config: &Config) -> Result<Option<Self>, LedgerError> {
        let Some(covered) = first(during(seen), Verdict::Covered, &[], state, config)? else {
            return Ok(None);
        };
        let mut found = vec![covered];
        for _ in 0..3 {
            match first(before(seen), Verdict::NotCovered, &found, state, config)? {
                Some(accident) => found.push(accident),
                None => return Ok(None),
            }
        }
        let four: Result<[Accident; 4], _> = found.try_into();
        Ok(four.ok().map(|[covered, not_covered, undetermined, changed]| Self {
            covered,
            not_covered,
            undetermined,
            changed,
        }))
    }
}

/// Ended orders, an accident in the middle of each.
fn during(seen: &Seen) -> impl Iterator<Item = Accident> {
    seen.ended
        .iter()
        .rev()
        .map(|order| accident(order, order.accepted_at.plus(order.ended_at.since(order.accepted_at) / 2)))
}

/// Ended orders, an accident some time before each.
fn before(seen: &Seen) -> impl Iterator<Item = Accident> {
    seen.ended.iter().rev().map(|order| accident(order, order.accepted_at.minus(BEFORE_MS)))
}

fn accident(order: &Order, at: UtcMillis) -> Accident {
    let at = UtcMillis::new(at.millis().div_euclid(SECOND_MS) * SECOND_MS);
    Accident { rider_id: order.rider_id.clone(), at }
}

/// The first accident with a verdict, of a rider who has none of `others`.
fn first(
    accidents: impl Iterator<Item = Accident>,
    verdict: Verdict,
    others: &[Accident],
    state: &Snapshot,
    config: &Config,
) -> Result<Option<Accident>, LedgerError> {
    let is_new = |accident: &Accident| others.iter().all(|other| other.rider_id != accident.rider_id);
    for accident in accidents.filter(is_new).take(TRIES) {
        if accident.has(verdict, state, config)? {
            return Ok(Some(accident));
        }
    }
    Ok(None)
}
