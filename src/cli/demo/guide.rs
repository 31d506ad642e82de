//! Brings about what the demo shows, a step at a time: accidents are found, a record is refused, a claim handler gets an answer,
//! an order arrives late, the answer is listed as changed.

use super::ask::Service;
use super::examples::{Example, target};
use crate::app::demo::{Accident, Accidents, Demo};
use crate::domain::verdict::Verdict;
use crate::http::ExampleCase;
use anyhow::Context;
use serde_json::Value;

/// The case numbers of the accidents, in their order.
const CASES: [&str; 4] = ["DEMO-1", "DEMO-2", "DEMO-3", "DEMO-4"];
/// The answers that would now be others.
const CHANGED: &str = "/v1/answers?changed=true";

/// How far it is.
#[derive(Debug, Default)]
pub(super) enum Guide {
    /// The riders' history does not have all accidents yet.
    #[default]
    Looking,
    /// A refused record is on its way.
    Refused(Accidents),
    /// The claim handler has an answer, and the order that changes it is on its way.
    Late(Accidents, Service),
    /// Everything was shown.
    Done,
}

impl Guide {
    /// Takes the next step if it can be taken. Returns the examples once, when all of them are there.
    ///
    /// # Errors
    /// The service does not answer, or the ledger cannot be read.
    pub(super) fn step(&mut self, demo: &Demo, service: &Service) -> anyhow::Result<Option<Vec<Example>>> {
        match std::mem::take(self) {
            Self::Looking => {
                let Some(accidents) = demo.accidents()? else { return Ok(None) };
                demo.scenes().send(accidents.undetermined.refused_record(demo.config()));
                *self = Self::Refused(accidents);
            }
            Self::Refused(accidents) => *self = answer_first(accidents, demo, service)?,
            Self::Late(accidents, handler) => {
                let changed = handler.get(CHANGED)?;
                if changed.pointer("/entries/0").is_some() {
                    demo.example_cases().set(cases(&accidents));
                    *self = Self::Done;
                    return examples(&accidents, changed, demo, service).map(Some);
                }
                *self = Self::Late(accidents, handler);
            }
            Self::Done => *self = Self::Done,
        }
        Ok(None)
    }
}

/// Once the refused record keeps its rider's answer open, the claim handler asks about the last accident; then an order that
/// covers it is sent.
fn answer_first(accidents: Accidents, demo: &Demo, service: &Service) -> anyhow::Result<Guide> {
    if demo.verdict(&accidents.undetermined)? != Verdict::Undetermined {
        return Ok(Guide::Refused(accidents));
    }
    let person = demo.people().persons.first().context("Failed to ask: the demo has no claim handler")?;
    let handler = service.of_session(&demo.sign_in(person)?);
    let [.., case] = CASES;
    handler.get(&format!("{}&reference={case}", target(&accidents.changed, demo.zone())))?;
    demo.scenes().send(accidents.changed.late_order(demo.config()));
    Ok(Guide::Late(accidents, handler))
}

/// What the first page offers.
fn cases(accidents: &Accidents) -> Vec<ExampleCase> {
    let all = [
        (&accidents.covered, Verdict::Covered, false),
        (&accidents.not_covered, Verdict::NotCovered, false),
        (&accidents.undetermined, Verdict::Undetermined, false),
        (&accidents.changed, Verdict::Covered, true),
    ];
    let case =
        |((accident, verdict, is_changed), reference): ((&Accident, Verdict, bool), &str)| ExampleCase {
            verdict,
            is_changed,
            rider_id: accident.rider_id.clone(),
            at: accident.at,
            reference: reference.to_owned(),
        };
    all.into_iter().zip(CASES).map(case).collect()
}

/// What is printed.
fn examples(
    accidents: &Accidents,
    changed: Value,
    demo: &Demo,
    service: &Service,
) -> anyhow::Result<Vec<Example>> {
    let mut examples = Vec::new();
    for (accident, about) in [
        (&accidents.covered, "While an order lasted."),
        (
            &accidents.not_covered,
            "Minutes before an order was accepted. All platforms have vouched for that instant: this is final.",
        ),
        (
            &accidents.undetermined,
            "A record that names the rider was refused: nothing is final until it comes again, mended, or is resolved.",
        ),
    ] {
        let target = target(accident, demo.zone());
        let answer = service.get(&target)?;
        examples.push(Example { about, target, answer });
    }
    let about = "An answer that changed: li.wei was told `not covered`, then an order arrived that was late.";
    examples.push(Example { about, target: CHANGED.to_owned(), answer: changed });
    Ok(examples)
}
