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
                        assert!(of == name && *through >= ms(&since["through"]), "{since}");
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

/// The codes that an explanation uses.
fn codes(why: &Value) -> Vec<String> {
    let mut codes = vec![why["verdict"].as_str().unwrap().to_owned()];
    let mut add = |value: &Value| codes.extend(value.as_str().map(str::to_owned));
    why["windows"].as_array().unwrap().iter().for_each(|order| add(&order["code"]));
    for platform in why["platforms"].as_array().unwrap() {
        add(&platform["final"]["since"]["by"]);
        for open in platform["open"].as_array().unwrap() {
            add(&open["code"]);
            add(&open["waits_for"]["kind"]);
        }
    }
    codes
}
