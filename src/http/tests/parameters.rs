//! Parameters that a resource does not have, by name.

use super::world::*;
use axum::body::Body;
use axum::http::Request;

#[tokio::test]
async fn a_batch_takes_no_parameters() {
    let state = state();
    for query in ["platform=eleme", "utter=nonsense", "rider_id=a&at=b"] {
        let line = "{\"rider_id\":\"a\",\"at\":\"2026-11-20T12:07:31Z\"}\n";
        let request = Request::post(format!("/v1/coverage/batch?{query}"));
        let reply = send(&state, request.body(Body::from(line)).unwrap()).await;
        reply.is_problem(400, "unknown-parameter");
        let problem = reply.json();
        assert_eq!(problem["parameter"], query.split('=').next().unwrap());
        assert!(
            problem["detail"].as_str().unwrap().contains("this resource takes no parameters"),
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
        ("/v1/orders/dada/7?x=1", "x", "this resource takes no parameters"),
        ("/v1/statements?month=2026-11&plat=x", "plat", "the parameters of this resource are: month"),
        ("/v1/rejections?%E5%B9%B3=1", "平", "the parameters of this resource are: id"),
        ("/v1/progress?x=1", "x", "this resource takes no parameters"),
    ] {
        let reply = get(&state, target).await;
        reply.is_problem(400, "unknown-parameter");
        let problem = reply.json();
        assert_eq!(problem["parameter"], name, "{target}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{name}`")) && detail.contains(rest), "{target}: {detail}");
    }
}
