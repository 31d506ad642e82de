//! A reader that cannot say that its state is the newest.

use super::world::*;
use crate::domain::behind::Behind;
use crate::domain::time::{MINUTE_MS, UtcMillis};
use crate::http::{ChainFacts, NotReady, ServiceRole};
use serde_json::{Value, json};

const QUESTION: &str = "/v1/coverage?rider_id=3f9c-rider-7e21&at=2026-11-20T12:07:31%2B08:00";

fn world_behind() -> World {
    let at = |minutes: i64| UtcMillis::new(NOON + minutes * MINUTE_MS);
    World {
        readiness: Err(NotReady::Behind),
        role: ServiceRole::Reader,
        behind: Some(Behind { since: at(90), ask_again_at: at(92) }),
        chain: Some(ChainFacts { epoch: 3, slot: 4_711, confirmed_ms_ago: 12_345 }),
        ..world()
    }
}

fn warns(document: &Value) {
    let expected = json!({"code": "reader_behind", "since": "2026-11-20T13:30:00.000+08:00", "commit": 2});
    let found = document["warnings"].as_array().unwrap();
    let warning = found.iter().find(|warning| warning["code"] == "reader_behind").unwrap();
    for name in ["code", "since", "commit"] {
        assert_eq!(warning[name], expected[name], "{document}");
    }
    assert!(warning["text"].as_str().unwrap().contains("known_at=2"), "{warning}");
}

#[tokio::test]
async fn it_says_nothing_final_of_the_present_and_everything_of_the_state_that_it_has() {
    let (well, behind) = (state(), state_with(world_behind(), settings()));
    let answer = get(&behind, &format!("{QUESTION}&explain=true")).await.json();
    assert_eq!((&answer["verdict"], &answer["settled"]), (&json!("undetermined"), &json!(false)));
    for name in ["windows", "superseded", "disputed"] {
        assert_eq!(answer[name], json!([]), "{name}");
    }
    assert!(answer["rider_seen"].is_null() && answer["nearest_before"].is_null());
    for platform in answer["platforms"].as_array().unwrap() {
        let told = (&platform["settled"], &platform["reason"], &platform["ask_again_at"]);
        let again = json!("2026-11-20T13:32:00.000+08:00");
        assert_eq!(told, (&json!(false), &json!("reader_behind"), &again), "{platform}");
    }
    warns(&answer);
    crate::coverage::explained::check(&answer);
    // An earlier state stays what it is, also the newest one that the reader has.
    for known_at in [1, 2] {
        let uri = format!("{QUESTION}&known_at={known_at}");
        assert_eq!(get(&behind, &uri).await.json(), get(&well, &uri).await.json());
    }
    let lines = "{\"rider_id\":\"3f9c-rider-7e21\",\"at\":\"2026-11-20T12:07:31+08:00\"}\n";
    let batch = post(&behind, "application/x-ndjson", lines).await.json();
    assert_eq!(batch["verdict"], "undetermined");
    warns(&batch);
    let receipt = get(&behind, "/v1/coverage?rider_id=R&at=2026-11-18T12:00:00%2B08:00&receipt=true").await;
    receipt.is_problem(409, "not-sealed");
    assert!(receipt.body.contains("reader_behind"), "{}", receipt.body);
}

#[tokio::test]
async fn lists_carry_the_warning_and_the_service_is_not_ready() {
    let (well, behind) = (state(), state_with(world_behind(), settings()));
    for uri in [
        "/v1/riders/3f9c-rider-7e21/timeline?from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00",
        "/v1/statements?month=2026-11",
        "/v1/orders/dada/OPEN-1",
        "/v1/rejections",
        "/v1/progress",
    ] {
        warns(&get(&behind, uri).await.json());
        assert!(get(&well, uri).await.json()["warnings"].is_null(), "{uri}");
    }
    let then = get(&behind, "/v1/statements?month=2026-11&known_at=2").await.json();
    assert!(then["warnings"].is_null(), "{then}");
    let unknown = get(&behind, "/v1/orders/dada/none").await;
    unknown.is_problem(404, "order-unknown");
    assert!(unknown.body.contains("reader_behind"), "{}", unknown.body);
    let table = axum::http::Request::get("/v1/statements?month=2026-11").header("accept", "text/csv");
    let table = send(&behind, table.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(table.header("coverledger-warnings"), "reader_behind");
    let unready = get(&behind, "/readyz").await;
    unready.is_problem(503, "not-ready");
    assert!(unready.body.contains("reader_behind"), "{}", unready.body);
    let progress = get(&behind, "/v1/progress").await.json();
    assert_eq!((&progress["role"], &progress["read_only"]), (&json!("reader"), &json!(true)));
    assert_eq!(progress["chain"], json!({"epoch": 3, "slot": 4_711, "confirmed_ms_ago": 12_345}));
}

#[tokio::test]
async fn pages_say_so_in_both_languages() {
    let behind = state_with(world_behind(), settings());
    let question = "rider_id=3f9c-rider-7e21&at=2026-11-20+12%3A07%3A31";
    for (lang, heading, reason) in [
        ("zh", "暂不能确定", "无法确认其状态为最新"),
        ("en", "Undetermined", "cannot confirm that its state is the newest"),
    ] {
        let case = get(&behind, &format!("/?{question}&lang={lang}")).await.body;
        assert!(case.contains(reason) && case.contains(heading), "{case}");
        assert!(!case.contains("查无此人") && !case.contains("No record of this identifier"), "{case}");
        let rider =
            get(&behind, &format!("/rider?rider_id=3f9c-rider-7e21&day=2026-11-20&lang={lang}")).await.body;
        assert!(rider.contains(reason), "{rider}");
    }
    let operations = get(&behind, "/operations?lang=en").await.body;
    for part in ["Reader: it answers only", "<dd>4711</dd>", "<dd>12.3 s</dd>", "<dd>3</dd>"] {
        assert!(operations.contains(part), "{part}: {operations}");
    }
    let standby = World { role: ServiceRole::Standby, ..world() };
    let standby = get(&state_with(standby, settings()), "/operations?lang=en").await.body;
    assert!(standby.contains("Standby: it follows the writer"), "{standby}");
}

#[tokio::test]
async fn an_answer_that_took_too_long_is_none_of_the_present() {
    let outdated = world_behind().behind;
    let (well, slow) = (state(), state_with(World { outdated, ..world() }, settings()));
    let answer = get(&slow, QUESTION).await.json();
    assert_eq!(answer["verdict"], "undetermined", "{answer}");
    warns(&answer);
    let known = format!("{QUESTION}&known_at=2");
    assert_eq!(get(&slow, &known).await.json(), get(&well, &known).await.json());
}
