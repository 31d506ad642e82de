use super::super::tests::worlds::worlds;
use super::*;
use crate::coverage::question::{Question, When};
use crate::coverage::resolve::resolve;
use crate::coverage::testing::NaiveLedger;
use crate::domain::platform::Platforms;
use crate::domain::time::UtcMillis;
use crate::seal::receipt::verdict;
use proptest::prelude::*;
use std::cell::Cell;

fn ask(ledger: &NaiveLedger, terms: Terms<'_>, at: UtcMillis) -> &'static str {
    let question = Question {
        rider_ids: vec!["R".to_owned()],
        when: When::Instant(at),
        platforms: None,
        reference: None,
    };
    let Ok(answer) = resolve(ledger, terms, &question);
    answer.verdict.as_str()
}

/// The platforms on which the span is sealed, and what is sealed of rider `R`.
fn sealed(ledger: &NaiveLedger, platforms: &Platforms, span: Window) -> Option<RiderDay> {
    let terms = Terms { platforms, zone: &ledger.zone };
    platforms_to_seal(ledger, terms, span)?;
    let Ok(rider_day) = DayRules::of_span(ledger, terms, (LocalDay(0), span)).rider_day("R");
    Some(rider_day)
}

#[test]
fn what_is_sealed_is_what_is_answered() {
    let (spans, verdicts) = (Cell::new(0_u32), [Cell::new(0_u32), Cell::new(0), Cell::new(0)]);
    let config = ProptestConfig::with_cases(4_000);
    proptest!(config, |((ledger, platforms, unit) in worlds(), first in 0_i64..40, length in 1_i64..30)| {
        let terms = Terms { platforms: &platforms, zone: &ledger.zone };
        let at = |step: i64| UtcMillis::new(step * unit);
        let span = Window::new(at(first), at(first + length));
        let Some(rider_day) = sealed(&ledger, &platforms, span) else { return Ok(()) };
        spans.set(spans.get() + 1);
        for step in first..first + length {
            let answer = verdict::answer(Window::instant(at(step)), &rider_day.cover(), &rider_day.undetermined);
            let answer = answer.unwrap();
            prop_assert_eq!(answer.verdict.as_str(), ask(&ledger, terms, at(step)), "{:?}", at(step));
            let place = ["covered", "not_covered", "undetermined"].iter().position(|v| *v == answer.verdict);
            verdicts[place.unwrap()].set(verdicts[place.unwrap()].get() + 1);
        }
        // Everything that keeps time undetermined is in the leaf, and what is in it once.
        if !rider_day.undetermined.is_empty() {
            prop_assert!(!rider_day.refused.is_empty() || rider_day.orders.iter().any(|order| order.phase == Phase::Open));
        }
        prop_assert_eq!(rider_day.clone().in_order(), rider_day);
    });
    let counts = verdicts.map(Cell::into_inner);
    assert!(spans.get() > 30 && counts.iter().all(|count| *count > 30), "{spans:?} {counts:?}");
}
