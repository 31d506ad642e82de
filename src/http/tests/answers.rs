//! The answer log over HTTP: nothing is answered that is not in the log, and everyone sees what is theirs.

use super::world::*;
use crate::answers::{AnswerLog, Asked, Content, Digest, Draft, Entry, Event, LogTerms, chain};
use crate::http::HttpState;
use crate::telemetry::clock::Clock;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use std::fs;
use std::thread::Builder;
use tempfile::TempDir;

const AT: &str = "rider_id=3f9c-rider-7e21&at=2026-11-20T12:07:31%2B08:00";
const DAY: &str = "from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00";

/// A log in a folder of its own, and its threads, which end with it.
pub(super) fn open_log(dir: &TempDir) -> AnswerLog {
    let terms = LogTerms { name: "main".to_owned(), retention_ms: None };
    let (log, worker, preparer) = AnswerLog::open(dir.path(), terms).unwrap();
    drop(Builder::new().spawn(|| worker.run()).unwrap());
    drop(Builder::new().spawn(|| preparer.run()).unwrap());
    log
}

struct Logging {
    dir: TempDir,
    log: AnswerLog,
    state: HttpState<World>,
}

impl Logging {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let log = open_log(&dir);
        let state = state().with_answer_log(log.clone(), Clock::start());
        Self { dir, log, state }
    }

    /// The entry that a response names.
    #[track_caller]
    fn named(&self, reply: &Reply) -> Entry {
        let number = reply.header("coverledger-answer").strip_prefix("main/").expect("the header");
        self.log.entry(number.parse().unwrap()).unwrap().unwrap()
    }
}

#[tokio::test]
async fn every_answer_is_in_the_log_with_the_digest_of_its_body() {
    let logging = Logging::new();
    let (bare, order) = (state(), "/v1/orders/dada/DD-20261120-0093");
    let mut last = 0;
    for (uri, verdict, status) in [
        (format!("/v1/coverage?{AT}&reference=case-7"), Some("covered"), 200),
        (format!("/v1/coverage?{AT}&known_at=1"), Some("covered"), 200),
        (format!("/v1/riders/3f9c-rider-7e21/timeline?{DAY}"), None, 200),
        (order.to_owned(), None, 200),
        // That nothing is stored is an answer.
        ("/v1/orders/dada/no-such-order".to_owned(), None, 404),
        ("/v1/statements?month=2026-11".to_owned(), None, 200),
    ] {
        let reply = get(&logging.state, &uri).await;
        assert_eq!(reply.status.as_u16(), status, "{uri}: {}", reply.body);
        let entry = logging.named(&reply);
        let Content::Answer { principal, reason, question, verdict: logged, commit, body_sha256, .. } =
            entry.content
        else {
            panic!("{uri}: {entry:?}")
        };
        assert_eq!(body_sha256, Some(Digest::of(reply.body.as_bytes())), "{uri}");
        assert_eq!((logged.as_deref(), principal.name.as_str()), (verdict, "loopback"), "{uri}");
        assert!(commit >= 1 && entry.number > last);
        last = entry.number;
        match question {
            Asked::Request { target } => assert_eq!(target, uri),
            Asked::Coverage(asked) => {
                assert_eq!(asked.rider_id, ["3f9c-rider-7e21"]);
                assert_eq!(reason, asked.reference);
            }
            other => panic!("{other:?}"),
        }
        // The log changes no byte of the answer.
        let without = get(&bare, &uri).await;
        assert_eq!(without.header("coverledger-answer"), "", "{uri}");
        assert_eq!(without.body, reply.body, "{uri}");
    }
    let page = get(&logging.state, &format!("/?{AT}")).await;
    let Content::Answer { verdict, body_sha256, .. } = logging.named(&page).content else { panic!() };
    assert_eq!((verdict.as_deref(), body_sha256), (Some("covered"), Some(Digest::of(page.body.as_bytes()))));
    let head = Request::head(format!("/v1/coverage?{AT}")).body(Body::empty()).unwrap();
    logging.named(&send(&logging.state, head).await);
}

#[tokio::test]
async fn what_answers_nothing_is_not_logged() {
    let logging = Logging::new();
    for uri in [
        "/",
        "/v1/coverage?rider_id=R1",
        "/v1/progress",
        "/v1/rejections",
        "/livez",
        "/v1/answers",
        "/nothing",
    ] {
        let reply = get(&logging.state, uri).await;
        assert_eq!(reply.header("coverledger-answer"), "", "{uri}");
    }
    assert_eq!(logging.log.last(), 0);
}

#[tokio::test]
async fn a_batch_has_an_entry_before_its_answers_and_one_before_the_last() {
    let logging = Logging::new();
    let line = r#"{"rider_id":"3f9c-rider-7e21","at":"2026-11-20T12:07:31+08:00"}"#;
    let body = format!(
        "{}\nnonsense\n{{\"rider_id\":\"R\",\"at\":\"2026-11-20T12:07:31+08:00\"}}\n",
        [line; 400].join("\n")
    );
    let reply = post(&logging.state, "application/x-ndjson", body.clone()).await;
    assert_eq!(reply.body.lines().count(), 402);
    let entry = logging.named(&reply);
    let Content::Answer { question: Asked::Batch { lines, sha256, .. }, body_sha256, .. } = &entry.content
    else {
        panic!()
    };
    assert_eq!((*lines, *sha256, *body_sha256), (402, Digest::of(body.as_bytes()), None));
    let end = logging.log.entry(entry.number + 1).unwrap().unwrap();
    let Content::BatchEnd { batch, answers, body_sha256 } = end.content else { panic!("{end:?}") };
    assert_eq!((batch, body_sha256), (entry.number, Digest::of(reply.body.as_bytes())));
    assert_eq!((answers[0], answers.iter().sum::<u64>(), answers[4]), (400, 402, 1));
    assert_eq!(logging.log.last(), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_logged_is_not_sent() {
    let logging = Logging::new();
    // The folder of the log is gone: no file can be made in it.
    fs::rename(logging.dir.path().join("main"), logging.dir.path().join("aside")).unwrap();
    for uri in [
        format!("/v1/coverage?{AT}"),
        format!("/?{AT}"),
        "/v1/orders/dada/DD-20261120-0093".to_owned(),
        "/v1/orders/dada/no-such-order".to_owned(),
    ] {
        let reply = get(&logging.state, &uri).await;
        reply.is_problem(503, "answer-not-logged");
        assert_eq!((reply.header("coverledger-answer"), reply.header("retry-after")), ("", "1"));
        assert!(!reply.body.contains("rider") && !reply.body.contains("covered\""), "{uri}: {}", reply.body);
    }
    let line = r#"{"rider_id":"3f9c-rider-7e21","at":"2026-11-20T12:07:31+08:00"}"#;
    post(&logging.state, "application/x-ndjson", line).await.is_problem(503, "answer-not-logged");
    // What answers nothing about riders and orders goes on.
    assert_eq!(get(&logging.state, "/v1/progress").await.status.as_u16(), 200);
    fs::rename(logging.dir.path().join("aside"), logging.dir.path().join("main")).unwrap();
    logging.named(&get(&logging.state, &format!("/v1/coverage?{AT}")).await);
    assert_eq!(logging.log.last(), 1);
}

#[tokio::test]
async fn entries_are_listed_and_shown_beside_what_the_question_gives_now() {
    let logging = Logging::new();
    get(&logging.state, &format!("/v1/coverage?{AT}&reference=case-7")).await;
    get(&logging.state, &format!("/v1/riders/3f9c-rider-7e21/timeline?{DAY}&reference=case-8")).await;
    let listed = async |parameters: &str| -> Vec<Value> {
        let page = get(&logging.state, &format!("/v1/answers?{parameters}")).await.json();
        page["entries"].as_array().unwrap().iter().map(|entry| entry["id"].clone()).collect()
    };
    assert_eq!(listed("").await, ["main/1", "main/2"]);
    assert_eq!(listed("reason=case-8").await, ["main/2"]);
    assert_eq!(listed("principal=loopback&limit=1").await, ["main/1"]);
    assert_eq!(listed("after=1&kind=answer").await, ["main/2"]);
    assert_eq!(listed("changed=true").await, [] as [Value; 0]);
    assert_eq!(get(&logging.state, "/v1/answers?limit=1").await.json()["next_after"], 1);
    let shown = get(&logging.state, "/v1/answers/1").await;
    let document = shown.json();
    assert_eq!(document["entry"]["question"]["rider_id"][0], "3f9c-rider-7e21");
    assert_eq!(
        (&document["now"]["verdict"], &document["is_same_verdict"]),
        (&"covered".into(), &true.into())
    );
    // To show it is an answer, too.
    let Content::Answer { question, .. } = logging.named(&shown).content else { panic!() };
    assert_eq!(question, Asked::Answer { number: 1, log: None });
    let document = get(&logging.state, "/v1/answers/2").await.json();
    assert_eq!((&document["now"], &document["is_same_verdict"]), (&Value::Null, &Value::Null));
    drop(logging.state);
    drop(logging.log);
    assert!(chain::verify(&logging.dir.path().join("main")).unwrap().holds());
}

#[tokio::test]
async fn strange_numbers_and_parameters_are_refused() {
    let logging = Logging::new();
    get(&logging.state, &format!("/v1/coverage?{AT}")).await;
    for number in [
        "0",
        "01",
        "-1",
        "+1",
        "1.0",
        "1e0",
        "x",
        "%20",
        "%2e%2e",
        "18446744073709551616",
        "%F0%9F%98%80",
        "%00",
    ] {
        get(&logging.state, &format!("/v1/answers/{number}")).await.is_problem(400, "bad-parameter");
    }
    get(&logging.state, "/v1/answers/%FF").await.is_problem(400, "bad-request");
    for number in ["2", "18446744073709551615"] {
        get(&logging.state, &format!("/v1/answers/{number}")).await.is_problem(404, "answer-unknown");
    }
    for parameters in ["changed=yes", "kind=none", "after=-1", "limit=0", "changed=true&changed=true"] {
        get(&logging.state, &format!("/v1/answers?{parameters}")).await.is_problem(400, "bad-parameter");
    }
    get(&logging.state, "/v1/answers?rider_id=R1").await.is_problem(400, "unknown-parameter");
    let nothing = get(&logging.state, "/v1/answers?after=18446744073709551615").await.json();
    assert_eq!(nothing["entries"].as_array().unwrap().len(), 0);
    // Without a log there is none to ask.
    get(&state(), "/v1/answers").await.is_problem(404, "not-found");
    get(&state(), "/v1/answers/1").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn the_page_of_a_case_lists_its_earlier_answers_and_the_first_page_those_that_changed() {
    let logging = Logging::new();
    let ask = |reference: &str| format!("/?{AT}&reference={reference}&lang=en");
    let list = "Earlier answers in this case";
    let first = get(&logging.state, &ask("case-7")).await;
    assert!(!first.body.contains(list), "nothing was answered before: {}", first.body);
    let number = logging.named(&first).number;
    let (id, address) =
        (format!(">main/{number}</a>"), format!("href=\"/answer?number={number}&#38;lang=en\""));
    let second = get(&logging.state, &ask("case-7")).await;
    for text in [list, &id, &address, "the same"] {
        assert!(second.body.contains(text), "{text} is not in {}", second.body);
    }
    assert!(!get(&logging.state, &ask("case-8")).await.body.contains(list));
    let print = get(&logging.state, &format!("{}&view=print", ask("case-7"))).await;
    assert!(!print.body.contains(list), "{}", print.body);
    let mine = "My cases: answers that would now be others";
    assert!(!get(&logging.state, "/?lang=en").await.body.contains(mine));
    let event = Event::Completeness { platforms: vec!["dada".to_owned()], commit: 2 };
    let content = Content::Changed { answer: number, verdict: "not_covered".to_owned(), event };
    logging.log.append(Draft { at: Clock::start().now(), content }).await.unwrap();
    let start = get(&logging.state, "/?lang=en").await.body;
    for text in [mine, &id, "chip covered", "chip not_covered"] {
        assert!(start.contains(text), "{text} is not in {start}");
    }
    let shown = get(&logging.state, &format!("/answer?number={number}&lang=en")).await;
    for text in [
        "loopback · administrator",
        "3f9c-rider-7e21",
        "2026-11-20 12:07:31",
        "case-7",
        "chip covered",
        "The records of dada became complete, or were found missing (commit 2)",
        "reference=case-7",
    ] {
        assert!(shown.body.contains(text), "{text} is not in {}", shown.body);
    }
    let Content::Answer { question, .. } = logging.named(&shown).content else { panic!() };
    assert_eq!(question, Asked::Answer { number, log: None });
    for (unknown, status) in [("999", 404), ("x", 400), ("", 400)] {
        let reply = get(&logging.state, &format!("/answer?number={unknown}&lang=en")).await;
        assert_eq!(reply.status.as_u16(), status, "{unknown}");
        assert!(reply.body.contains("There is no such answer"), "{}", reply.body);
    }
}

/// What a page shows of a rider or an order is an answer.
#[tokio::test]
async fn the_pages_of_riders_and_orders_are_in_the_log() {
    let logging = Logging::new();
    for page in [
        "/rider?rider_id=3f9c-rider-7e21&day=2026-11-20&lang=en",
        "/order?platform=dada&order_id=DD-20261120-0093&lang=en",
    ] {
        let reply = get(&logging.state, page).await;
        assert_eq!(reply.status, 200, "{page}: {}", reply.body);
        let Content::Answer { question, body_sha256, .. } = logging.named(&reply).content else { panic!() };
        assert_eq!(body_sha256, Some(Digest::of(reply.body.as_bytes())));
        assert!(matches!(question, Asked::Request { target } if target == page));
    }
}
