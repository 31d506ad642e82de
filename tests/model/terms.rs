//! The configurations of a history, as text for the program and as plain values for the model.

use super::event::{HOUR, MINUTE};
use crate::testkit::random::Random;
use std::fmt::Write;

/// What a platform promises.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    pub(crate) topics: Vec<&'static str>,
    pub(crate) records_from: i64,
    pub(crate) complete_start: bool,
    pub(crate) delay: i64,
    pub(crate) opens_from: Option<i64>,
    pub(crate) max: i64,
}

/// A `[[rate]]`, `[[factor]]` or `[[cover]]`: whom it is for, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    category: Option<&'static str>,
    platform: Option<&'static str>,
    region: Option<&'static str>,
    from: Option<i32>,
    until: Option<i32>,
    /// Millionths of a yuan, or of 1.
    value: i64,
    lead: i64,
    tail: i64,
    charged: Vec<&'static str>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tariff {
    pub(crate) rates: Vec<Rule>,
    pub(crate) factors: Vec<Rule>,
    pub(crate) covers: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    None,
    Uncharged,
    Unrated,
    Charged(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) charge: Charge,
    pub(crate) lead: i64,
    pub(crate) tail: i64,
}

/// Everything that one history is run under.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) zone: &'static str,
    pub(crate) identity_days: i32,
    pub(crate) promises: Vec<Promise>,
    /// In force at first, and later.
    pub(crate) tariffs: [Tariff; 2],
}

/// The date of an instant, as days since 1970-01-01.
pub(crate) fn day(zone: &str, at: i64) -> i32 {
    let date = jiff::Timestamp::from_millisecond(at).unwrap().in_tz(zone).unwrap().date();
    let since = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    i32::try_from(since.div_euclid(86_400)).unwrap()
}

fn date(day: i32) -> String {
    jiff::Timestamp::from_second(i64::from(day) * 86_400).unwrap().strftime("%Y-%m-%d").to_string()
}

/// The first instant of a date.
pub(crate) fn midnight(zone: &str, day: i32) -> i64 {
    let date: jiff::civil::Date = date(day).parse().unwrap();
    date.in_tz(zone).unwrap().timestamp().as_millisecond()
}

impl Terms {
    pub(crate) fn new(begin: i64, switch: i64, zone: &'static str, random: &mut Random) -> Self {
        let today = day(zone, begin);
        let lead = *random.pick(&[0, 0, MINUTE, 7 * MINUTE]);
        let tail = *random.pick(&[0, 0, MINUTE, HOUR]);
        let covers = if random.percent(50) {
            vec![Rule { lead, tail, charged: vec!["completed", "transferred"], ..Rule::default() }]
        } else {
            Vec::new()
        };
        let rates = rates(today + 2);
        let factor = |value, region| Rule { platform: Some("beta"), region, value, ..Rule::default() };
        let mut special = factor(500_000, Some("44"));
        special.category = Some("ride");
        let factors = vec![factor(800_000, Some("44")), special, factor(1_200_000, None)];
        let first = Tariff { rates, factors, covers };
        let mut second = first.clone();
        second.rates.push(Rule { category: Some("freight"), value: 180_000, ..Rule::default() });
        second.rates[0].value = 20_000;
        // Cover that changes begins later than anything that can be settled when the change comes.
        let from = day(zone, switch) + 2;
        for rule in &mut second.covers {
            rule.until = Some(from);
        }
        second.covers.push(Rule {
            from: Some(from),
            lead: 2 * MINUTE,
            tail: 3 * MINUTE,
            charged: vec!["completed", "cancelled"],
            ..Rule::default()
        });
        let records_from = midnight(zone, today - if random.percent(70) { 40 } else { 0 });
        let promise = |name, topics: &[&'static str], opens_from, delay| Promise {
            name,
            topics: topics.to_vec(),
            records_from,
            complete_start: name != "alpha",
            delay,
            opens_from,
            max: 6 * HOUR,
        };
        let opens = midnight(zone, today + 1);
        let promises = vec![
            promise("alpha", &["own"], None, 15 * MINUTE),
            promise("beta", &["shared"], None, 10 * MINUTE),
            promise("filed", &[], None, 15 * MINUTE),
            promise("gamma", &["shared"], Some(opens), 15 * MINUTE),
        ];
        let identity_days = *random.pick(&[1, 2, 7]);
        Self { zone, identity_days, promises, tariffs: [first, second] }
    }

    pub(crate) fn promise(&self, platform: &str) -> &Promise {
        self.promises.iter().find(|promise| promise.name == platform).unwrap()
    }

    pub(crate) fn day(&self, at: i64) -> i32 {
        day(self.zone, at)
    }

    /// The configuration file.
    pub(crate) fn text(&self, tariff: usize) -> String {
        let mut text =
            format!("timezone = \"{}\"\n[ledger]\nidentity_days = {}\n", self.zone, self.identity_days);
        for promise in &self.promises {
            write!(text, "[platform.{}]\ntopics = {:?}\n", promise.name, promise.topics).unwrap();
            let from = jiff::Timestamp::from_millisecond(promise.records_from).unwrap();
            writeln!(text, "records_from = {from}\ncomplete_start = {}", promise.complete_start).unwrap();
            writeln!(text, "delivery_delay = \"{}ms\"\nmax_order_duration = \"6h\"", promise.delay).unwrap();
            if let Some(from) = promise.opens_from {
                let from = jiff::Timestamp::from_millisecond(from).unwrap();
                writeln!(text, "streams_open_orders_from = {from}").unwrap();
            }
        }
        let tariff = &self.tariffs[tariff];
        for (kind, rules) in [("rate", &tariff.rates), ("factor", &tariff.factors), ("cover", &tariff.covers)]
        {
            for rule in rules {
                rule.write(kind, &mut text);
            }
        }
        text
    }
}

fn rates(change: i32) -> Vec<Rule> {
    let rate = |category, value| Rule { category: Some(category), value, ..Rule::default() };
    vec![
        rate("ride", 10_000),
        Rule { until: Some(change), ..rate("delivery", 60_000) },
        Rule { from: Some(change), ..rate("delivery", 70_000) },
        Rule { platform: Some("alpha"), from: Some(change), ..rate("delivery", 250_000) },
        Rule { region: Some("31"), ..rate("delivery", 80_000) },
        Rule { region: Some("3101"), ..rate("delivery", 90_000) },
        Rule { platform: Some("alpha"), region: Some("31"), ..rate("delivery", 260_000) },
        Rule { region: Some("11"), ..rate("freight", 150_000) },
    ]
}

impl Rule {
    fn write(&self, kind: &str, text: &mut String) {
        writeln!(text, "[[{kind}]]").unwrap();
        for (name, value) in
            [("category", self.category), ("platform", self.platform), ("region", self.region)]
        {
            if let Some(value) = value {
                writeln!(text, "{name} = \"{value}\"").unwrap();
            }
        }
        for (name, value) in [("from", self.from), ("until", self.until)] {
            if let Some(value) = value {
                writeln!(text, "{name} = {}", date(value)).unwrap();
            }
        }
        let decimal = format!("{}.{:06}", self.value / 1_000_000, self.value % 1_000_000);
        match kind {
            "rate" => writeln!(text, "per_order = \"{decimal}\""),
            "factor" => writeln!(text, "multiply = \"{decimal}\""),
            _ => writeln!(
                text,
                "lead = \"{}ms\"\ntail = \"{}ms\"\ncharged_outcomes = {:?}",
                self.lead, self.tail, self.charged
            ),
        }
        .unwrap();
    }

    fn applies(&self, platform: &str, category: &str, region: &str, day: i32) -> bool {
        self.platform.is_none_or(|own| own == platform)
            && self.category.is_none_or(|own| own == category)
            && self.region.is_none_or(|own| region.starts_with(own))
            && self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day < until)
    }

    fn rank(&self) -> (bool, bool, usize, bool) {
        let (platform, region) = (self.platform.is_some(), self.region.is_some());
        (platform && region, platform, self.region.map_or(0, str::len), self.category.is_some())
    }
}

impl Tariff {
    /// What an event costs and how far it covers.
    pub(crate) fn price(&self, event: &super::event::Event, day: i32) -> Price {
        let best = |rules: &[Rule]| {
            let applying =
                rules.iter().filter(|r| r.applies(&event.platform, &event.category, &event.region, day));
            applying.max_by_key(|rule| rule.rank()).cloned()
        };
        let cover =
            best(&self.covers).unwrap_or_else(|| Rule { charged: vec!["completed"], ..Rule::default() });
        let charge = match event.outcome {
            None | Some("void") => Charge::None,
            Some(outcome) if !cover.charged.contains(&outcome) => Charge::Uncharged,
            Some(_) => best(&self.rates).map_or(Charge::Unrated, |rate| {
                let factor = best(&self.factors).map_or(1_000_000, |factor| factor.value);
                Charge::Charged(rate.value * factor / 1_000_000)
            }),
        };
        Price { charge, lead: cover.lead, tail: cover.tail }
    }

    /// The largest lead and tail.
    pub(crate) fn widest(&self) -> (i64, i64) {
        let (lead, tail) = (self.covers.iter().map(|r| r.lead), self.covers.iter().map(|r| r.tail));
        (lead.max().unwrap_or(0), tail.max().unwrap_or(0))
    }
}
