//! Questions as known at an earlier commit or instant, through the real binary: commands and the service.

#![cfg(test)]

#[path = "known_at/cases.rs"]
mod cases;
mod testkit;

use serde_json::Value;
use std::fs;
use testkit::cases::Bench;
use testkit::http;
use testkit::program::Program;

const AT: &str = "2013-03-01T10:20:00Z";
const THROUGH: [&str; 2] = ["--complete-through", "2014-01-01T00:00:00Z"];

fn order(rider: &str, revision: u32, ended: &str) -> String {
    format!(
        r#"{{"platform":"aa","order_id":"o-{rider}","rider_id":"{rider}","category":"ride_hailing","region":"310000","revision":{revision},"accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T{ended}:00Z"}}"#
    )
}

struct Ledger(Bench);

impl Ledger {
    fn new() -> Self {
        let bench = Bench::flights();
        let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
        let config = config.replacen("[ledger]", "[http]\nlisten = \"127.0.0.1:0\"\n[ledger]", 1);
        fs::write(bench.path("flights.toml"), config).unwrap();
        Self(bench)
    }

    fn takes(&self, line: &str, args: &[&str]) {
        fs::write(self.0.path("in.jsonl"), line).unwrap();
        self.0.run("ingest", &[args, &["in.jsonl"]].concat());
    }

    fn lookup(&self, rider: &str, more: &[&str]) -> String {
        self.0.ok("lookup", &[&["--rider", rider, "--at", AT, "--json"], more].concat())
    }

    /// Two orders, then a time that is complete.
    fn begin() -> Self {
        let ledger = Self::new();
        ledger.takes(&format!("{}\n{}\n", order("R1", 0, "10:40"), order("R2", 0, "10:10")), &THROUGH);
        ledger
    }

    /// R1's order ends earlier, R2's later; a record of R3 cannot be taken in; R4 is late; another platform appears.
    fn change(&self) {
        let refused = order("R3", 0, "10:40").replace("\"310000\"", "\"31000\"");
        let other = order("R5", 0, "10:40").replace("\"aa\"", "\"zz\"");
        let lines =
            [order("R1", 1, "10:05"), order("R2", 1, "10:50"), refused, order("R4", 0, "10:40"), other];
        self.takes(&format!("{}\n", lines.join("\n")), &[]);
    }
}

fn as_of(answer: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let as_of = &answer["as_of"];
    (as_of["commit"].to_string(), as_of["recorded_at"].as_str().unwrap().to_owned())
}

#[test]
fn what_was_answered_is_answered_again_byte_for_byte() {
    let ledger = Ledger::begin();
    let riders = ["R1", "R2", "R3", "R4"];
    let before = riders.map(|rider| ledger.lookup(rider, &[]));
    let statement = ledger.0.ok("statement", &[]);
    let verdicts = |answers: &[String; 4]| {
        answers.each_ref().map(|answer| {
            let answer: Value = serde_json::from_str(answer).unwrap();
            answer["verdict"].as_str().unwrap().to_owned()
        })
    };
    assert_eq!(verdicts(&before), ["covered", "not_covered", "not_covered", "not_covered"]);
    let (commit, recorded_at) = as_of(&before[0]);
    ledger.change();
    let after = riders.map(|rider| ledger.lookup(rider, &[]));
    // Nothing of the new platform is complete: it leaves every absence open now, and none then.
    assert_eq!(verdicts(&after), ["undetermined", "covered", "undetermined", "covered"]);
    assert_ne!(ledger.0.ok("statement", &[]), statement);
    for known_at in [&commit, &recorded_at] {
        let again = riders.map(|rider| ledger.lookup(rider, &["--known-at", known_at]));
        assert_eq!(again, before, "as known at {known_at}");
        assert_eq!(ledger.0.ok("statement", &["--known-at", known_at]), statement);
    }
    // The same through a file of questions.
    let questions = riders.map(|rider| format!("{rider},{AT}\n")).concat();
    fs::write(ledger.0.path("questions.csv"), format!("rider_id,at\n{questions}")).unwrap();
    let batch = ["--batch", "questions.csv", "--out", "answers.ndjson", "--known-at", &commit];
    ledger.0.ok("lookup", &batch);
    assert_eq!(fs::read_to_string(ledger.0.path("answers.ndjson")).unwrap(), before.concat());
}

#[test]
fn the_service_answers_as_known_then_and_says_what_it_cannot_show() {
    let ledger = Ledger::begin();
    let rider = ledger.lookup("R1", &[]);
    let (commit, recorded_at) = as_of(&rider);
    let resources = [
        format!("/v1/coverage?rider_id=R1&at={AT}"),
        "/v1/riders/R1/timeline?from=2013-03-01T00:00:00Z&to=2013-03-02T00:00:00Z".to_owned(),
        "/v1/orders/aa/o-R1".to_owned(),
        "/v1/statements?month=2013-03".to_owned(),
    ];
    let ask = |service: &mut Program, path: &str| service.text(path, "application/json");
    let mut service = Program::serve(&ledger.0.path("flights.toml"), &["--read-only"]);
    let before = resources.each_ref().map(|path| ask(&mut service, path));
    assert_eq!(service.terminate(), Some(0));
    ledger.change();
    let mut service = Program::serve(&ledger.0.path("flights.toml"), &["--read-only"]);
    for (path, before) in resources.iter().zip(&before) {
        let joined = if path.contains('?') { '&' } else { '?' };
        assert_ne!(&ask(&mut service, path), before, "{path}");
        for known_at in [&commit, &recorded_at.replace('+', "%2B")] {
            assert_eq!(&ask(&mut service, &format!("{path}{joined}known_at={known_at}")), before, "{path}");
        }
    }
    let progress = service.get(&format!("/v1/progress?known_at={commit}"));
    assert_eq!(
        (progress["as_of"]["commit"].to_string(), &progress["now"]),
        (commit, &Value::from(recorded_at))
    );
    assert_eq!(progress["platforms"][0]["late"], 0);
    assert_eq!(service.get("/v1/progress")["platforms"][0]["late"], 2, "R2 longer, R4 new");
    for (known_at, status, problem, detail) in [
        ("999999", 404, "state-unknown", "the newest commit is"),
        ("99999999999999999999", 404, "state-unknown", "the newest commit is"),
        ("0", 404, "state-unknown", "the newest commit is"),
        ("2099-01-01T00:00:00Z", 404, "state-unknown", "can still grow"),
        ("1999-01-01T00:00:00Z", 404, "state-unknown", "before the first commit"),
        ("2013-03-01T10:20Z", 400, "bad-parameter", "the seconds are missing"),
        ("yesterday", 400, "bad-parameter", "the number of a commit"),
    ] {
        let path = format!("{}&known_at={known_at}", resources[0]);
        let reply = http::get(&service.address(), &path, "").unwrap();
        assert_eq!(reply.status, status, "{known_at}: {}", reply.body);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(body["type"], format!("urn:coverledger:problem:{problem}"));
        assert_eq!(body["parameter"], "known_at");
        assert!(body["detail"].as_str().unwrap().contains(detail), "{body}");
    }
    assert_eq!(service.terminate(), Some(0));
}
