//! Every explanation suffices to work out its verdict again, and what it cites is what was sent.

use super::drive::Drive;
use super::event::{Body, HOUR, MINUTE, Record};
use super::known_at::Asked;
use super::naive::Origin;
use crate::testkit::explained;
use coverledger::coverage::Terms;
use coverledger::coverage::explain::{Language, Why, words};
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::{explain, resolve};
use coverledger::domain::time::UtcMillis;
use coverledger::domain::window::Window;
use coverledger::ledger::Snapshot;
use coverledger::ledger::manifest::finality_history::FinalityFacts;
use serde_json::Value;

/// Of so many explained questions, one is about an interval.
const INTERVALS: usize = 3;

impl Drive {
    /// Asks about an instant, or an interval around it, and why.
    pub(crate) fn explained(&mut self, rider: &str, at: i64, view: &Snapshot) {
        let when = match self.random.below(INTERVALS) {
            0 => {
                let from = at - self.random.between(0, 9 * HOUR);
                let until = at + self.random.between(1, 30 * MINUTE);
                When::Interval(Window::new(UtcMillis::new(from), UtcMillis::new(until)))
            }
            _ => When::Instant(UtcMillis::new(at)),
        };
        let question = Question { rider_ids: vec![rider.to_owned()], when, platforms: None, reference: None };
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        let mut answer = explain(view, terms, &question).unwrap();
        let json = serde_json::to_value(&answer).unwrap();
        explained::check(&json);
        explained::check_completeness(&json["why"]);
        let why = answer.why.take().unwrap();
        assert_eq!(answer, resolve(view, terms, &question).unwrap(), "an explanation changes nothing else");
        let again: Why = serde_json::from_value(json["why"].clone()).unwrap();
        assert_eq!(again, *why, "what a client reads is what was written");
        for language in [Language::Chinese, Language::English] {
            assert!(!words(&why, language).headline.is_empty());
        }
        self.origins_are_right(&json["why"]);
        self.facts_are_right(rider, &json["why"]);
        self.shown.count("explanations", 1);
        for code in codes(&json["why"]) {
            self.shown.count(&format!("why {code}"), 1);
        }
        self.note_given(Asked::Explained(question), view);
    }

    /// The record at a place of Kafka.
    fn record_at(&self, topic: &str, partition: i64, offset: i64) -> &Record {
        let (place, (first, _)) = self
            .positions
            .iter()
            .find(|(place, _)| place.0 == topic && i64::from(place.1) == partition)
            .unwrap_or_else(|| panic!("there is no partition {partition} of {topic}"));
        let records = &self.world.partitions[place];
        records.get(usize::try_from(offset - first).unwrap()).unwrap_or_else(|| panic!("nothing at {offset}"))
    }

    /// Whether the promises are those of the configuration, open orders cover what they cover, every platform that counts is
    /// there, and a time was complete since the commit that is named and not before.
    fn facts_are_right(&mut self, rider: &str, why: &Value) {
        for order in why["windows"].as_array().unwrap().iter().filter(|order| order["code"] == "open_order") {
            let open = self.model.open_orders(rider);
            let is_it = |open: &&super::complete::Open<'_>| open.version.event.order_id == order["order_id"];
            let open = open.iter().find(is_it).unwrap_or_else(|| panic!("it is not open: {order}"));
            for span in order["covers"].as_array().unwrap() {
                let (from, to) = (ms(&span["from"]), ms(&span["to"]));
                let covers = [from - 1, from, to - 1, to].map(|at| self.model.open_covers(open, at));
                assert_eq!(covers, [false, true, true, false], "{order:#}");
            }
        }
        for platform in why["platforms"].as_array().unwrap() {
            let name = platform["platform"].as_str().unwrap();
            let (promise, told) = (self.model.terms.promise(name), &platform["promise"]);
            assert_eq!(told["topics"], serde_json::json!(promise.topics), "{platform}");
            assert_eq!(told["complete_start"], promise.complete_start, "{platform}");
            assert_eq!(
                (&told["delivery_delay_ms"], &told["max_order_duration_ms"]),
                (&promise.delay.into(), &promise.max.into())
            );
            assert_eq!(ms(&told["records_from"]), promise.records_from, "{platform}");
            assert_eq!(
                told["streams_open_orders_from"].as_str().map(|_| ms(&told["streams_open_orders_from"])),
                promise.opens_from
            );
            let (last, since) = (&platform["final"]["complete_after"], &platform["final"]["since"]);
            let Some(commit) = since["commit"].as_u64() else { continue };
            let through =
                |facts: &FinalityFacts| facts.completeness.complete_through(name).map(UtcMillis::millis);
            let then = self.facts_then.get(&commit).map(through);
            assert!(
                then.is_none_or(|then| then == Some(ms(&since["complete_through"]))),
                "{since}: {then:?}"
            );
            let before = self.facts_then.range(..commit).next_back().and_then(|(_, facts)| through(facts));
            assert!(
                before.is_none_or(|before| before <= ms(last)),
                "{platform} was final before: {before:?}"
            );
            self.shown.count("final since a known commit", u64::from(then.is_some()));
        }
    }

    /// Whether every place that an explanation cites holds what is said to be there.
    fn origins_are_right(&self, why: &Value) {
        for order in orders(why) {
            let versions = self.model.orders.iter().flatten();
            let mut of_order = versions.filter(|version| {
                let event = &version.event;
                event.platform == order["platform"]
                    && event.order_id == order["order_id"]
                    && event.leg == order["leg"]
                    && event.revision == order["revision"]
                    && event.ended.is_none() == order["ended_at"].is_null()
                    && version.commit == order["source"]["commit"]
            });
            let records = order["source"]["records"].as_array().unwrap();
            assert!(
                of_order.any(|version| records.iter().any(|range| includes(range, &version.origin))),
                "{order:#}"
            );
        }
        for platform in why["platforms"].as_array().unwrap() {
            let (since, name) = (&platform["final"]["since"], &platform["platform"]);
            if let Some(offset) = since["record"]["offset"].as_i64() {
                let partition = since["record"]["partition"].as_i64().unwrap();
                let record = self.record_at(since["record"]["topic"].as_str().unwrap(), partition, offset);
                match (&record.body, since["by"].as_str().unwrap()) {
                    (Body::Complete(of, through), "completeness_record") => {
                        // What lies ahead of the commit is not vouched for yet.
                        let told = (*through).min(ms(&since["record"]["recorded_at"]));
                        assert!(of == name && told == ms(&since["through"]), "{since}");
                    }
                    (Body::Order(event, _), "delivery_delay") => {
                        let told = [Some(event.accepted), event.ended].into_iter().flatten();
                        let newest = told.filter(|at| *at <= record.sent).max();
                        assert!(
                            event.platform == *name && newest >= Some(ms(&since["newest_event"])),
                            "{since}"
                        );
                    }
                    (body, by) => panic!("{body:?} vouches by {by}"),
                }
            }
            for open in platform["open"].as_array().unwrap() {
                for kept in open["records"].as_array().into_iter().flatten() {
                    let origin = &kept["origin"];
                    let is_cited = |record: &super::naive::Kept| match &record.origin {
                        Origin::Kafka(place, offset) => {
                            origin["topic"] == place.0
                                && origin["partition"] == place.1
                                && origin["offset"] == *offset
                        }
                        Origin::File(_, line) => origin["source"] == "file" && origin["line"] == *line,
                    };
                    assert!(
                        self.model.kept.iter().any(|record| !record.resolved && is_cited(record)),
                        "{kept}"
                    );
                }
            }
        }
    }
}

fn ms(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Whether a range of records contains a record.
fn includes(range: &Value, origin: &Origin) -> bool {
    match origin {
        Origin::Kafka(place, offset) => {
            range["topic"] == place.0
                && range["partition"] == place.1
                && (range["first_offset"].as_i64() <= Some(*offset))
                && (Some(*offset) <= range["last_offset"].as_i64())
        }
        Origin::File(..) => range["source"] == "files",
    }
}

/// Every order that an explanation names.
fn orders(why: &Value) -> Vec<&Value> {
    let listed = ["windows", "superseded"].into_iter().flat_map(|name| why[name].as_array().unwrap());
    let nearest = ["nearest_before", "nearest_after"].into_iter().map(|name| &why[name]);
    let open = why["platforms"].as_array().unwrap().iter();
    let open = open.flat_map(|platform| platform["open"].as_array().unwrap());
    let open = open.filter_map(|open| open["orders"].as_array()).flatten();
    listed.chain(nearest.filter(|order| !order.is_null())).chain(open).collect()
}

/// The codes that an explanation uses, each with the field that has it: two fields may have codes of one name.
fn codes(why: &Value) -> Vec<String> {
    let mut codes = vec![format!("verdict {}", why["verdict"].as_str().unwrap())];
    let mut add =
        |field: &str, value: &Value| codes.extend(value.as_str().map(|code| format!("{field} {code}")));
    orders(why).into_iter().for_each(|order| add("window", &order["code"]));
    for platform in why["platforms"].as_array().unwrap() {
        add("by", &platform["final"]["since"]["by"]);
        add("rule", &platform["final"]["complete_rule"]);
        for open in platform["open"].as_array().unwrap() {
            add("open", &open["code"]);
            add("waits_for", &open["waits_for"]["kind"]);
            open["gaps"].as_array().into_iter().flatten().for_each(|gap| add("gap", &gap["cause"]));
        }
    }
    codes
}
