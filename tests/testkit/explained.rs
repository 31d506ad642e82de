//! Works out verdicts again from explanations alone, as `docs/explain.md` says how, and checks that what they cite implies what
//! they claim. It shares no code with the program.

use serde_json::Value;
use std::collections::BTreeSet;

/// A stretch of time in milliseconds, the end excluded.
type Span = (i64, i64);

/// Before and after everything.
const BOUNDS: Span = (i64::MIN / 4, i64::MAX / 4);

/// A piece of the time asked about, and its verdict.
pub(crate) type Part = (Span, &'static str);

fn ms(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let at = text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}"));
    Some(at.as_millisecond())
}

fn at(value: &Value, name: &str) -> i64 {
    ms(&value[name]).unwrap_or_else(|| panic!("{name} is missing: {value}"))
}

fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_else(|| panic!("{name} is missing: {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is missing: {value}"))
}

fn spans(value: &Value, name: &str) -> Vec<Span> {
    list(value, name).iter().map(|span| (at(span, "from"), at(span, "to"))).collect()
}

/// A stretch that may have no bounds.
fn reach(value: &Value) -> Span {
    (ms(&value["from"]).unwrap_or(BOUNDS.0), ms(&value["to"]).unwrap_or(BOUNDS.1))
}

fn holds(spans: &[Span], at: i64) -> bool {
    spans.iter().any(|(from, to)| *from <= at && at < *to)
}

/// The time asked about.
fn asked(why: &Value) -> Span {
    match ms(&why["time"]["at"]) {
        Some(at) => (at, at + 1),
        None => (at(&why["time"], "from"), at(&why["time"], "to")),
    }
}

/// What an order covers, worked out from its events, its rule and its platform's completeness.
fn cover_of(order: &Value) -> Vec<Span> {
    let rule = &order["rule"];
    let from = at(order, "accepted_at") - number(rule, "lead_ms");
    let covers = spans(order, "covers");
    match order["code"].as_str().unwrap() {
        "ended_order" => {
            assert_ne!(order["outcome"], "void", "a void order covers nothing: {order}");
            assert_eq!(covers, [(from, at(order, "ended_at") + number(rule, "tail_ms"))], "{order}");
        }
        "open_order" => {
            let (open, through) = (&order["open"], at(&order["open"], "complete_through"));
            let longest = at(order, "accepted_at") + number(open, "max_order_duration_ms");
            assert!(through <= longest, "an open order covers nothing once the longest has passed: {order}");
            assert!(covers.iter().all(|(begin, end)| from <= *begin && *end <= through), "{order}");
            assert!(!covers.is_empty() && order["ended_at"].is_null(), "{order}");
        }
        other => panic!("{other} covers nothing: {order}"),
    }
    covers
}

/// What the rules of the contract need of one platform.
struct Rules<'a> {
    platform: &'a Value,
    lead: i64,
    tail: i64,
    max: i64,
}

impl Rules<'_> {
    /// Since when an order is announced when it is accepted.
    fn announced_from(&self) -> i64 {
        let streams = ms(&self.platform["promise"]["streams_open_orders_from"]);
        streams.map_or(BOUNDS.1, |from| from + self.max + self.tail)
    }

    /// What `complete_through` must be later than, so that an instant is complete.
    fn needed(&self, t: i64) -> i64 {
        t + self.lead + if t >= self.announced_from() { 0 } else { self.max }
    }

    /// The largest of these of a stretch.
    fn needed_of(&self, (from, to): Span) -> i64 {
        let announced_from = self.announced_from();
        let split = [from, to - 1, announced_from - 1, announced_from];
        split.into_iter().filter(|t| from <= *t && *t < to).map(|t| self.needed(t)).max().unwrap()
    }

    fn complete_through(&self) -> i64 {
        ms(&self.platform["complete_through"]).unwrap_or(BOUNDS.0)
    }

    /// The time that the facts cited for a reason keep open; `None` where not all of them are listed.
    fn open_by(&self, open: &Value) -> Option<Vec<Span>> {
        let all_listed = |name: &str| {
            let listed = list(open, name).len();
            assert!(listed > 0, "nothing is cited: {open}");
            usize::try_from(number(open, "count")).unwrap() == listed
        };
        match open["code"].as_str().unwrap() {
            // A reader that is behind knows nothing final of the present, whatever the time.
            "reader_behind" => {
                at(open, "since");
                assert!(number(open, "commit") > 0 && self.platform["final"].is_null(), "{open}");
                Some(vec![BOUNDS])
            }
            "before_records" => Some(vec![(BOUNDS.0, self.recorded_from(open))]),
            "gap" => {
                let gap = |gap: &Value| {
                    let until = ms(&gap["arrived_by"]).map_or(BOUNDS.1, |by| by + self.max + self.tail);
                    assert_eq!(ms(&gap["until"]).unwrap_or(BOUNDS.1), until, "{gap}");
                    (ms(&gap["from"]).unwrap_or(BOUNDS.0), until)
                };
                Some(list(open, "gaps").iter().map(gap).collect())
            }
            "incomplete" => {
                let parts = spans(open, "parts");
                let needed = parts.iter().map(|part| self.needed_of(*part)).max().unwrap();
                assert_eq!(at(open, "complete_after"), needed, "{open}");
                let through = self.complete_through();
                // Incomplete is what complete_through does not pass.
                let announced = (self.announced_from().max(through - self.lead), BOUNDS.1);
                Some(vec![(through - self.lead - self.max, self.announced_from()), announced])
            }
            "order_open" => {
                let order = |order: &Value| {
                    let accepted = at(order, "accepted_at");
                    let ended = ms(&order["ended_by_another_rider_at"]).filter(|ended| *ended >= accepted);
                    let longest = accepted + self.max;
                    let until = ended.map_or(longest, |ended| ended.min(longest)) + self.tail;
                    let told = (at(&order["may_cover"], "from"), at(&order["may_cover"], "to"));
                    assert_eq!(told, (accepted - self.lead, until), "{order}");
                    told
                };
                all_listed("orders").then(|| list(open, "orders").iter().map(order).collect())
            }
            "rejected_record" | "unreadable_record" | "conflicting_record" => {
                let records = || list(open, "records").iter().map(|record| reach(&record["may_concern"]));
                all_listed("records").then(|| records().collect())
            }
            other => panic!("no such reason: {other}"),
        }
    }

    /// Before it the platform's records do not reach.
    fn recorded_from(&self, open: &Value) -> i64 {
        let promise = &self.platform["promise"];
        let Some(from) = ms(&promise["records_from"]) else {
            assert!(open["until"].is_null(), "{open}");
            return BOUNDS.1;
        };
        let is_complete = promise["complete_start"].as_bool().unwrap();
        let begins = from + if is_complete { 0 } else { self.max + self.tail };
        let dropped = ms(&open["dropped_until"]).map_or(begins, |until| until + self.max + self.tail);
        assert_eq!(at(open, "until"), begins.max(dropped), "{open}");
        begins.max(dropped)
    }

    /// What is open, after a look at what is cited for it.
    fn open(&self, bare: &[Span]) -> Vec<Span> {
        let mut all = Vec::new();
        for open in list(self.platform, "open") {
            let parts = spans(open, "parts");
            assert!(!parts.is_empty(), "a reason without time: {open}");
            if let Some(facts) = self.open_by(open) {
                for t in points(&[&parts, &facts, bare]) {
                    if holds(bare, t) {
                        assert_eq!(holds(&parts, t), holds(&facts, t), "{t} in {open}");
                    }
                }
            }
            all.extend(parts);
        }
        all
    }

    /// What is settled, after a look at what is cited for it.
    fn settled(&self) -> Vec<Span> {
        let settled = &self.platform["final"];
        if settled.is_null() {
            return Vec::new();
        }
        let parts = spans(settled, "parts");
        let needed = parts.iter().map(|part| self.needed_of(*part)).max().unwrap();
        assert_eq!(at(settled, "complete_after"), needed, "{settled}");
        assert!(self.complete_through() > needed, "{settled} of {}", self.platform);
        let since = at(&settled["since"], "complete_through");
        assert!(needed < since && since <= self.complete_through(), "{settled}");
        parts
    }
}

/// Where anything begins or ends.
fn points(sets: &[&[Span]]) -> BTreeSet<i64> {
    sets.iter().flat_map(|spans| spans.iter()).flat_map(|(from, to)| [*from, *to]).collect()
}

/// The time asked about in pieces of one verdict each, worked out from an explanation.
pub(crate) fn parts_of(why: &Value) -> Vec<Part> {
    let asked = asked(why);
    let cover: Vec<Span> = list(why, "windows").iter().flat_map(cover_of).collect();
    let overlaps = |(from, to): &Span| *from < asked.1 && asked.0 < *to;
    let of = |order: &Value| cover_of(order).iter().any(overlaps);
    assert!(list(why, "windows").iter().all(of), "an order that covers none of the time: {why}");
    let bare = without(asked, &cover);
    let (lead, tail) = (number(&why["margins"], "lead_ms"), number(&why["margins"], "tail_ms"));
    let platforms = list(why, "platforms");
    assert!(!bare.is_empty() || platforms.is_empty(), "no platform matters where all is covered: {why}");
    let mut open: Vec<Span> = if platforms.is_empty() { bare.clone() } else { Vec::new() };
    for platform in platforms {
        let max = number(&platform["promise"], "max_order_duration_ms");
        let rules = Rules { platform, lead, tail, max };
        let (unsettled, settled) = (rules.open(&bare), rules.settled());
        for t in points(&[&bare, &unsettled, &settled]).into_iter().filter(|t| holds(&bare, *t)) {
            assert_ne!(holds(&unsettled, t), holds(&settled, t), "{t} is open or settled: {platform}");
        }
        open.extend(unsettled);
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut cuts = points(&[&cover, &open, &[asked]]);
    cuts.retain(|t| asked.0 <= *t && *t <= asked.1);
    let cuts: Vec<i64> = cuts.into_iter().collect();
    for pair in cuts.windows(2) {
        let verdict = match (holds(&cover, pair[0]), holds(&open, pair[0])) {
            (true, _) => "covered",
            (false, true) => "undetermined",
            (false, false) => "not_covered",
        };
        match parts.last_mut() {
            Some(((_, until), same)) if *same == verdict => *until = pair[1],
            _ => parts.push(((pair[0], pair[1]), verdict)),
        }
    }
    parts
}

fn without(asked: Span, cover: &[Span]) -> Vec<Span> {
    let mut cuts = points(&[cover, &[asked]]);
    cuts.retain(|t| asked.0 <= *t && *t <= asked.1);
    let cuts: Vec<i64> = cuts.into_iter().collect();
    let pieces = cuts.windows(2).map(|pair| (pair[0], pair[1]));
    pieces.filter(|(from, _)| !holds(cover, *from)).collect()
}

/// The verdict over pieces.
fn overall(parts: &[Part]) -> &'static str {
    let verdicts: BTreeSet<&str> = parts.iter().map(|(_, verdict)| *verdict).collect();
    match (verdicts.len(), parts.first()) {
        (1, Some((_, verdict))) => verdict,
        _ if verdicts.contains("undetermined") => "undetermined",
        _ => "partly_covered",
    }
}

/// The orders of an answer are those of its explanation, each with its window and with the commit that recorded it.
fn orders_agree(answer: &Value, why: &Value) {
    for (lines, orders) in [("windows", "windows"), ("superseded", "superseded")] {
        let (lines, orders) = (list(answer, lines), list(why, orders));
        assert_eq!(lines.len(), orders.len(), "not every order is explained: {answer:#}");
        lines.iter().zip(orders).for_each(|(line, order)| order_agrees(line, order));
    }
    for nearest in ["nearest_before", "nearest_after"] {
        let (line, order) = (&answer[nearest], &why[nearest]);
        assert_eq!(line.is_null(), order.is_null(), "{nearest}: {answer:#}");
        let named = ["platform", "order_id", "leg"].into_iter();
        named.for_each(|name| assert_eq!(line[name], order[name], "{nearest}: {answer:#}"));
    }
}

fn order_agrees(line: &Value, order: &Value) {
    for name in ["platform", "order_id", "leg", "revision", "rider_id", "outcome"] {
        assert_eq!(line[name], order[name], "{line:#} {order:#}");
    }
    assert_eq!(line["commit"], order["source"]["commit"], "{line:#} {order:#}");
    assert_eq!(line["recorded_at"], order["source"]["recorded_at"], "{line:#} {order:#}");
    let covers = spans(order, "covers");
    match ms(&line["ends_at"]) {
        Some(ends) => assert_eq!(covers, [(at(line, "starts_at"), ends)], "{line:#} {order:#}"),
        // An open one covers nothing before its start; how far it covers, its platform's completeness says.
        None => {
            let begins = at(order, "accepted_at") - number(&order["rule"], "lead_ms");
            assert_eq!(at(line, "starts_at"), begins, "{line:#} {order:#}");
        }
    }
}

/// Holds an answer against its explanation.
pub(crate) fn check(answer: &Value) {
    let why = &answer["why"];
    let parts = parts_of(why);
    assert_eq!(answer["verdict"], overall(&parts), "{answer:#}");
    assert_eq!(why["verdict"], answer["verdict"]);
    orders_agree(answer, why);
    if let Some(told) = answer["parts"].as_array() {
        let told: Vec<(Span, &str)> = told
            .iter()
            .map(|part| ((at(part, "from"), at(part, "to")), part["verdict"].as_str().unwrap()))
            .collect();
        assert_eq!(told, parts, "{answer:#}");
    }
    // The answer names the first reason of each platform; the explanation names all.
    let (told, explained) = (list(answer, "platforms"), list(why, "platforms"));
    let is_all_covered = parts.iter().all(|(_, verdict)| *verdict == "covered");
    assert!(is_all_covered || told.len() == explained.len(), "not every platform is explained: {answer:#}");
    for (status, platform) in told.iter().zip(explained) {
        assert_eq!(status["complete_through"], platform["complete_through"], "{answer:#}");
        assert_eq!(status["platform"], platform["platform"]);
        if list(why, "windows").is_empty() {
            let first = list(platform, "open").first().map_or(&Value::Null, |open| &open["code"]);
            assert_eq!(&status["reason"], first, "{answer:#}");
        }
    }
}

/// Holds what is cited for the completeness of settled time against what it has to imply. Of real ledgers only: those of unit tests
/// are complete without a cause.
pub(crate) fn check_completeness(why: &Value) {
    for platform in list(why, "platforms") {
        let since = &platform["final"]["since"];
        if since.is_null() {
            continue;
        }
        let through = at(since, "complete_through");
        let delay = match since["by"].as_str().unwrap() {
            "completeness_record" => {
                assert!(at(since, "through") >= through && since["record"]["offset"].is_i64(), "{since}");
                0
            }
            "delivery_delay" => {
                assert!(
                    at(since, "newest_event") >= through && since["record"]["offset"].is_i64(),
                    "{since}"
                );
                number(since, "delivery_delay_ms")
            }
            "stated_completeness" => {
                assert!(at(since, "through") >= through && number(since, "partitions") == 0, "{since}");
                continue;
            }
            other => panic!("no platform vouches by {other}: {since}"),
        };
        assert!(number(since, "partitions") > 0);
        assert!(at(&since["least_read"], "read_to") - delay >= through, "{since}");
        assert!(at(&since["least_listed"], "listed_at") - delay >= through, "{since}");
    }
}
