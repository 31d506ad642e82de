use super::world::*;
use crate::http::NotReady;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

const RIDER: &str = "3f9c-rider-7e21";

#[tokio::test]
async fn coverage_has_the_shape_of_the_contract() {
    let state = state();
    let uri = format!("/v1/coverage?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00&reference=case-7");
    let reply = get(&state, &uri).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    let answer = reply.json();
    assert_eq!(answer["verdict"], "covered");
    assert_eq!(answer["rider_id"], json!([RIDER]));
    assert_eq!(answer["at"], "2026-11-20T12:07:31.000+08:00");
    assert_eq!(answer["reference"], "case-7");
    assert_eq!(answer["windows"].as_array().unwrap().len(), 2);
    assert_eq!(answer["windows"][0]["platform"], "dada");
    assert_eq!(answer["windows"][0]["premium"], "0.25");
    assert_eq!(answer["superseded"][0]["order_id"], "moved");
    assert_eq!(answer["disputed"][0]["rejection"], 1);
    assert_eq!(answer["as_of"]["commit"], 2);
}

#[tokio::test]
async fn an_unescaped_plus_asks_the_same_and_an_unknown_rider_is_no_error() {
    let state = state();
    let escaped = get(&state, "/v1/coverage?rider_id=nobody&at=2026-11-18T15:00:00%2B08:00").await;
    let plain = get(&state, "/v1/coverage?rider_id=nobody&at=2026-11-18T15:00:00+08:00").await;
    assert_eq!(escaped.status, 200);
    assert_eq!(escaped.body, plain.body);
    let answer = plain.json();
    assert_eq!((&answer["verdict"], &answer["rider_seen"]), (&json!("not_covered"), &json!(null)));
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(answer["warnings"][0]["code"], "rider_unknown");
}

#[tokio::test]
async fn platforms_narrow_and_riders_of_one_person_are_joined() {
    let state = state();
    let uri = format!(
        "/v1/coverage?rider_id=x&rider_id={RIDER}&from=2026-11-20T12:00:00Z&to=2026-11-20T13:00:00Z&platform=dada"
    );
    let answer = get(&state, &uri).await.json();
    assert_eq!(answer["platform"], json!(["dada"]));
    assert_eq!(answer["platforms"].as_array().unwrap().len(), 1);
    assert!(answer["parts"].is_array() && answer["at"].is_null());
}

#[tokio::test]
async fn every_mistake_in_a_question_has_its_type() {
    let state = state();
    let many: String = (0..40).map(|n| format!("rider_id=r{n}&")).collect();
    let long = "r".repeat(257);
    for (query, status, name) in [
        ("at=2026-11-20T12:07:31Z".to_owned(), 400, "missing-parameter"),
        ("rider_id=a".to_owned(), 400, "missing-parameter"),
        ("rider_id=a&at=noon".to_owned(), 400, "bad-time"),
        ("rider_id=a&at=2026-11-20T12:07:31".to_owned(), 400, "bad-time"),
        ("rider_id=a&from=2026-11-20T12:07:31Z&to=2026-11-20T12:07:31Z".to_owned(), 400, "empty-interval"),
        ("rider_id=a&from=1990-11-20T12:07:31Z&to=2026-11-20T12:07:31Z".to_owned(), 400, "interval-too-long"),
        ("rider_id=a&at=2026-11-20T12:07:31Z&platform=A".to_owned(), 400, "bad-parameter"),
        ("rider_id=a&at=1&at=2".to_owned(), 400, "bad-parameter"),
        ("rider_id=a&At=2026-11-20T12:07:31Z".to_owned(), 400, "unknown-parameter"),
        ("rider_id=%FF&at=2026-11-20T12:07:31Z".to_owned(), 400, "bad-request"),
        (format!("rider_id={long}&at=2026-11-20T12:07:31Z"), 400, "bad-parameter"),
        (format!("{many}at=2026-11-20T12:07:31Z"), 400, "bad-parameter"),
    ] {
        get(&state, &format!("/v1/coverage?{query}")).await.is_problem(status, name);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let state = state();
    get(&state, "/v1/nothing").await.is_problem(404, "not-found");
    get(&state, "/v1/coverage/batch").await.is_problem(405, "method-not-allowed");
    let delete = Request::delete("/v1/coverage").body(Body::empty()).unwrap();
    let reply = send(&state, delete).await;
    reply.is_problem(405, "method-not-allowed");
    assert!(reply.header("allow").contains("GET"));
}

#[tokio::test]
async fn a_batch_is_answered_line_by_line() {
    let state = state();
    let lines = format!(
        "{{\"rider_id\": \"{RIDER}\", \"at\": \"2026-11-20T12:07:31+08:00\", \"reference\": \"1\"}}\n\
         not json\n\n\
         {{\"rider_id\": \"{RIDER}\"}}\r\n\
         {{\"rider_id\": [\"a\", \"b\"], \"from\": \"2026-11-18T00:00:00Z\", \"to\": \"2026-11-18T01:00:00Z\"}}"
    );
    let reply = post(&state, "application/x-ndjson; charset=utf-8", lines).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/x-ndjson"));
    let answers: Vec<serde_json::Value> =
        reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 4);
    assert_eq!((&answers[0]["verdict"], &answers[0]["reference"]), (&json!("covered"), &json!("1")));
    assert_eq!(answers[1]["line"], 2);
    assert_eq!(answers[2], json!({"line": 4, "error": "give either at, or from and to"}));
    assert_eq!(answers[3]["verdict"], "not_covered");
    let metrics = get(&state, "/metrics").await.body;
    assert!(metrics.contains("coverledger_lookups_total{verdict=\"refused\"} 2"), "{metrics}");
    assert!(metrics.contains("coverledger_lookups_total{verdict=\"covered\"} 1"));
}

#[tokio::test]
async fn a_long_batch_arrives_whole_and_in_order() {
    let state = state();
    let line = |n: usize| {
        format!("{{\"rider_id\":\"{RIDER}\",\"at\":\"2026-11-20T12:07:31Z\",\"reference\":\"{n}\"}}\n")
    };
    let lines: String = (0..500).map(line).collect();
    let reply = post(&state, "application/x-ndjson", lines).await;
    let references: Vec<String> = reply
        .body
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            answer["reference"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(references, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_order_tells_every_version() {
    let state = state();
    let history = get(&state, "/v1/orders/meituan/moved").await.json();
    let revisions: Vec<_> = history["versions"].as_array().unwrap().iter().map(|v| &v["revision"]).collect();
    assert_eq!(revisions, [0, 3]);
    assert_eq!(history["versions"][0]["superseded_by"]["commit"], 2);
    get(&state, "/v1/orders/meituan/none").await.is_problem(404, "order-unknown");
    get(&state, "/v1/orders/meituan/moved?x=1").await.is_problem(400, "unknown-parameter");
    get(&state, "/v1/orders/meituan/%FF").await.is_problem(400, "bad-request");
}

#[tokio::test]
async fn a_statement_is_given_as_json_or_csv() {
    let state = state();
    let statement = get(&state, "/v1/statements?month=2026-11&platform=dada").await.json();
    assert_eq!((&statement["month"], &statement["platform"]), (&json!("2026-11"), &json!("dada")));
    assert_eq!(statement["lines"][0]["orders_charged"], 3);
    assert_eq!(statement["lines"][0]["premium_exact"], "0.750000");
    let request = Request::get("/v1/statements?month=2026-11").header("accept", "text/csv");
    let reply = send(&state, request.body(Body::empty()).unwrap()).await;
    assert!(reply.header("content-type").starts_with("text/csv"));
    let lines: Vec<&str> = reply.body.lines().collect();
    assert!(lines[0].starts_with("platform,region,category,month,orders_charged,premium_exact"));
    assert_eq!(lines[1], "dada,310115,instant_delivery,2026-11,3,0.750000,0.75,0,0,0,0,0");
    assert_eq!(lines.len(), 3);
    let request = Request::get("/v1/statements?month=2026-11").header("accept", "image/png");
    send(&state, request.body(Body::empty()).unwrap()).await.is_problem(406, "not-acceptable");
    get(&state, "/v1/statements").await.is_problem(400, "missing-parameter");
    get(&state, "/v1/statements?month=11-2026").await.is_problem(400, "bad-parameter");
}

#[tokio::test]
async fn progress_says_how_far_and_why_not_further() {
    let progress = get(&state(), "/v1/progress").await.json();
    assert_eq!(progress["now"], "2026-11-20T14:00:00.000+08:00");
    assert_eq!(progress["timezone"], "Asia/Shanghai");
    let dada = &progress["platforms"][0];
    assert_eq!((&dada["platform"], &dada["late"]), (&json!("dada"), &json!(2)));
    assert_eq!(dada["complete_through"], "2026-11-20T12:58:00.000+08:00");
    assert_eq!(
        (&dada["held_by"]["kind"], &dada["held_by"]["topic"]),
        (&json!("partition"), &json!("orders.dada"))
    );
    let partitions = &progress["partitions"];
    assert_eq!(
        partitions[0],
        json!({"topic": "orders.meituan", "partition": 0, "start": 0, "position": 40, "end": 45, "lag": 5})
    );
    assert_eq!(partitions[1]["lag"], json!(null));
    assert_eq!(progress["paused"], json!({"reason": "free_space", "free_bytes": 5, "needed_bytes": 9}));
}

#[tokio::test]
async fn watchers_are_told_how_the_service_is() {
    let state = state();
    assert_eq!(get(&state, "/livez").await.body, "ok\n");
    assert_eq!(get(&state, "/readyz").await.body, "ready\n");
    let reply = get(&state, "/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(reply.body.contains("\ncoverledger_ready 1\n"));
    let poisoned = World { readiness: Err(NotReady::Poisoned), ..world() };
    let state = state_with(poisoned, settings());
    let reply = get(&state, "/readyz").await;
    reply.is_problem(503, "not-ready");
    assert_eq!(get(&state, "/livez").await.status, 200);
    assert!(get(&state, "/metrics").await.body.contains("\ncoverledger_ready 0\n"));
}
