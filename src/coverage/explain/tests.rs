//! Every code, from a ledger to words.

mod scenes;

use super::*;
use crate::coverage::behind::undetermined;
use crate::coverage::explained;
use crate::coverage::resolve::{explain, resolve};
use scenes::{Scene, scenes};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Every code that `docs/explain.md` lists, by the field in which it stands.
const CODES: [(&str, &[&str]); 6] = [
    ("verdict", &["covered", "not_covered", "undetermined", "partly_covered"]),
    ("windows.code", &["ended_order", "open_order", "not_ended"]),
    ("final.since.by", &["completeness_record", "delivery_delay", "stated_completeness"]),
    ("complete_rule", &["ended_orders", "announced_orders"]),
    (
        "open.code",
        &[
            "reader_behind",
            "before_records",
            "gap",
            "incomplete",
            "order_open",
            "rejected_record",
            "unreadable_record",
            "conflicting_record",
        ],
    ),
    (
        "open.waits_for.kind",
        &["partition", "listing", "completeness_record", "newest_event", "statement", "now", "paused"],
    ),
];

impl Scene {
    fn answer(&self) -> Value {
        let terms = Terms { platforms: &self.ledger.promises, zone: &self.ledger.zone };
        let mut answer = match self.behind {
            Some(behind) => undetermined(&self.ledger, terms, (&self.question, true), behind),
            None => explain(&self.ledger, terms, &self.question).unwrap(),
        };
        if let Some(why) = &mut answer.why {
            why.limited_to = self.limited_to.clone();
        }
        serde_json::to_value(&answer).unwrap()
    }

    fn why(&self) -> Why {
        serde_json::from_value(self.answer()["why"].clone()).unwrap()
    }
}

/// The texts under a name, anywhere below a value.
fn texts(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    found.extend(value.as_str().map(str::to_owned));
                }
                texts(value, name, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, name, found)),
        _ => {}
    }
}

#[test]
fn every_code_is_explained_and_its_verdict_follows_from_the_explanation() {
    let mut used: BTreeSet<String> = BTreeSet::new();
    for scene in scenes() {
        let answer = scene.answer();
        explained::check(&answer);
        for name in ["verdict", "code", "by", "complete_rule", "kind", "cause"] {
            texts(&answer["why"], name, &mut used);
        }
        let plain = match scene.behind {
            Some(behind) => undetermined(&scene.ledger, scene.terms(), (&scene.question, false), behind),
            None => resolve(&scene.ledger, scene.terms(), &scene.question).unwrap(),
        };
        let mut without = answer.clone();
        without.as_object_mut().unwrap().remove("why");
        assert_eq!(serde_json::to_value(&plain).unwrap(), without, "{}", scene.name);
    }
    let listed: BTreeSet<String> =
        CODES.iter().flat_map(|(_, codes)| *codes).map(|code| (*code).to_owned()).collect();
    let causes = ["late_start", "skip"].map(str::to_owned);
    assert_eq!(used, listed.into_iter().chain(causes).collect());
}

#[test]
fn the_page_of_explanations_lists_every_code() {
    let page = include_str!("../../../docs/explain.md");
    for code in
        CODES.iter().flat_map(|(_, codes)| *codes).chain(&["late_start", "skip", "kafka", "files", "redrive"])
    {
        assert!(page.contains(&format!("`{code}`")), "docs/explain.md does not name {code}");
    }
}

#[test]
fn the_words_of_every_code_are_these() {
    let mut text = String::new();
    for scene in scenes() {
        for (language, name) in [(Language::English, "en"), (Language::Chinese, "zh")] {
            writeln!(text, "== {} ({name})\n{}", scene.name, words(&scene.why(), language)).unwrap();
        }
    }
    let expected = include_str!("tests/words.txt");
    for (number, (line, expected)) in (1..).zip(text.lines().zip(expected.lines())) {
        assert_eq!(
            line, expected,
            "line {number} of src/coverage/explain/tests/words.txt; the whole text is\n{text}"
        );
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "the whole text is\n{text}");
}

#[test]
fn an_explanation_lists_the_first_records_and_counts_all() {
    let scene = scenes::rejected(LISTED_MAX + 5);
    let Missing::RejectedRecord(pending) = &scene.why().platforms[0].open[0].missing else {
        panic!("no rejected records")
    };
    let numbers: Vec<u64> = pending.records.iter().map(|record| record.rejection).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    assert_eq!(pending.count, 25);
    for language in [Language::English, Language::Chinese] {
        let words = words(&scene.why(), language).to_string();
        assert!(words.contains("There are 5 more.") || words.contains("另有 5 条。"), "{words}");
    }
}

#[test]
fn a_limited_view_names_only_its_own_topics_and_platform() {
    use crate::coverage::scoped_view::ScopedView;
    use crate::domain::data_scope::DataScope;
    use std::sync::Arc;
    let scene = scenes::on_two_topics();
    let all = scene.answer();
    assert_eq!(all["why"]["windows"][0]["source"]["records"].as_array().unwrap().len(), 1);
    assert_eq!(all["why"]["windows"].as_array().unwrap().len(), 2);
    let scope = DataScope::Platform("p".to_owned());
    let view = ScopedView::new(Arc::new(scene.ledger.clone()), &scope, &scene.ledger.promises);
    let own = scene.ledger.promises.only("p");
    let terms = Terms { platforms: &own, zone: &scene.ledger.zone };
    for question in [&scene.question, &scenes::later(&scene.question)] {
        let answer = explain(&view, terms, question).unwrap();
        let text = serde_json::to_string(&answer.why).unwrap();
        assert!(text.contains("\"p\"") && text.contains("orders.p"), "{text}");
        assert!(!text.contains("\"q\"") && !text.contains("orders.q"), "{text}");
    }
    // Where the topic of a platform cannot be told, a limited view still names no other.
    let intakes = view.intakes(1).unwrap();
    assert_eq!(intakes.len(), 1, "{intakes:?}");
}
