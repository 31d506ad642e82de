//! Parameters that a resource does not have, by name.

use super::world::*;
use axum::body::Body;
use axum::http::Request;

#[tokio::test]
async fn a_batch_takes_no_question_in_its_address() {
    let state = state();
    for query in ["platform=eleme", "utter=nonsense", "rider_id=a&at=b"] {
        let line = "{\"rider_id\":\"a\",\"at\":\"2026-11-20T12:07:31Z\"}\n";
        let request = Request::post(format!("/v1/coverage/batch?{query}"));
        let reply = send(&state, request.body(Body::from(line)).unwrap()).await;
        reply.is_problem(400, "unknown-parameter");
        let problem = reply.json();
        assert_eq!(problem["parameter"], query.split('=').next().unwrap());
        assert!(
            problem["detail"].as_str().unwrap().contains("the parameters of this resource are: reference"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_named() {
    let state = state();
    for (target, name, rest) in [
        ("/v1/coverage?rider_id=a&att=b", "att", "the parameters of this resource are: rider_id, at"),
        ("/v1/riders/a/timeline?form=b", "form", "the parameters of this resource are: from"),
        ("/v1/orders/dada/7?x=1", "x", "the parameters of this resource are: reference"),
        ("/v1/statements?month=2026-11&plat=x", "plat", "the parameters of this resource are: month"),
        ("/v1/rejections?%E5%B9%B3=1", "平", "the parameters of this resource are: id"),
        ("/v1/progress?x=1", "x", "the parameters of this resource are: known_at"),
    ] {
        let reply = get(&state, target).await;
        reply.is_problem(400, "unknown-parameter");
        let problem = reply.json();
        assert_eq!(problem["parameter"], name, "{target}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{name}`")) && detail.contains(rest), "{target}: {detail}");
    }
}

#[tokio::test]
async fn rejections_refuse_an_empty_interval_and_a_negative_partition() {
    let state = state();
    let (early, late) = ("2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z");
    for (from, to) in [(late, early), (early, early)] {
        let reply = get(&state, &format!("/v1/rejections?from={from}&to={to}")).await;
        reply.is_problem(400, "empty-interval");
    }
    assert_eq!(get(&state, &format!("/v1/rejections?from={early}&to={late}")).await.status, 200);
    for partition in ["-1", "x", "", "99999999999"] {
        let reply = get(&state, &format!("/v1/rejections?partition={partition}")).await;
        reply.is_problem(400, "bad-parameter");
        assert_eq!(reply.json()["parameter"], "partition");
    }
    assert_eq!(get(&state, "/v1/rejections?partition=0").await.status, 200);
}
