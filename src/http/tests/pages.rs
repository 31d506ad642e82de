use super::world::*;
use serde_json::{Value, json};

const STRETCH: &str = "from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00";

#[tokio::test]
async fn the_pages_of_a_timeline_add_up_to_the_whole() {
    let state = state();
    let path = format!("/v1/riders/3f9c-rider-7e21/timeline?{STRETCH}");
    let whole = get(&state, &path).await.json();
    assert_eq!(whole["orders"].as_array().unwrap().len(), 8);
    assert_eq!(whole["next_page_token"], Value::Null);
    for limit in 1..9 {
        let mut orders: Vec<Value> = Vec::new();
        let mut cover: Vec<Value> = Vec::new();
        let mut token = String::new();
        let mut until = whole["from"].clone();
        loop {
            let page = get(&state, &format!("{path}&limit={limit}{token}")).await.json();
            assert_eq!(page["page"]["from"], until);
            until = page["page"]["to"].clone();
            assert!(page["orders"].as_array().unwrap().len() <= limit);
            orders.extend(page["orders"].as_array().unwrap().clone());
            for line in page["cover"].as_array().unwrap() {
                match cover.last_mut() {
                    // Cover that a page's end cut is one stretch.
                    Some(last) if last["to"] == line["from"] => last["to"] = line["to"].clone(),
                    _ => cover.push(line.clone()),
                }
            }
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => break,
            }
        }
        assert_eq!(until, whole["to"]);
        assert_eq!(json!(orders), whole["orders"], "limit {limit}");
        assert_eq!(json!(cover), whole["cover"], "limit {limit}");
    }
}

#[tokio::test]
async fn an_open_order_is_told_apart() {
    let page = get(&state(), &format!("/v1/riders/rider-open/timeline?{STRETCH}")).await.json();
    assert_eq!((page["orders"].as_array().unwrap().len(), page["open"].as_array().unwrap().len()), (0, 1));
    assert_eq!(page["open"][0]["ends_at"], Value::Null);
}

#[tokio::test]
async fn a_timeline_refuses_what_it_cannot_mean() {
    let state = state();
    for (query, name) in [
        (String::new(), "missing-parameter"),
        ("from=2026-11-20T00:00:00Z".to_owned(), "missing-parameter"),
        ("from=2026-11-20&to=2026-11-21".to_owned(), "bad-time"),
        (format!("{STRETCH}&limit=0"), "bad-parameter"),
        (format!("{STRETCH}&limit=1001"), "bad-parameter"),
        (format!("{STRETCH}&page_token=zz"), "bad-page-token"),
        (format!("{STRETCH}&page_token=3020302061206f"), "bad-page-token"),
        ("from=1990-01-01T00:00:00Z&to=2026-01-01T00:00:00Z".to_owned(), "interval-too-long"),
    ] {
        get(&state, &format!("/v1/riders/R/timeline?{query}")).await.is_problem(400, name);
    }
    get(&state, &format!("/v1/riders/%01/timeline?{STRETCH}")).await.is_problem(400, "bad-parameter");
}

#[tokio::test]
async fn rejections_are_filtered_and_paged() {
    let state = state();
    let ids = |page: &Value| -> Vec<u64> {
        page["rejections"].as_array().unwrap().iter().map(|r| r["id"].as_u64().unwrap()).collect()
    };
    let all = get(&state, "/v1/rejections").await.json();
    assert_eq!(ids(&all), [1, 2, 3]);
    let second = &all["rejections"][1];
    assert_eq!((&second["disposition"], &second["reason"]), (&json!("rejected"), &json!("bad_time")));
    assert_eq!(
        second["origin"],
        json!({"source": "kafka", "topic": "orders.dada", "partition": 3, "offset": 11,
               "timestamp": "2026-11-20T12:00:00.000+08:00"})
    );
    assert_eq!(second["raw_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        all["rejections"][2]["resolution"],
        json!({"by": "operator", "commit": 2, "reason": "test data"})
    );
    let first = get(&state, "/v1/rejections?limit=2").await.json();
    assert_eq!((ids(&first), &first["next_page_token"]), (vec![1, 2], &json!("2")));
    assert_eq!(ids(&get(&state, "/v1/rejections?limit=2&page_token=2").await.json()), [3]);
    for (query, expected) in [
        ("reason=conflict", vec![1]),
        ("reason=bad_time", vec![2]),
        ("platform=dada", vec![1, 2]),
        ("unresolved=true", vec![1, 2]),
        ("from=2026-11-20T12:59:00+08:00", vec![1, 2, 3]),
        ("to=2026-11-20T12:59:00+08:00", vec![]),
        ("id=2", vec![2]),
        ("id=1&id=3-9", vec![1, 3]),
        ("id=4-9", vec![]),
        ("topic=orders.dada&partition=3&offset=11", vec![1, 2, 3]),
        ("topic=orders.dada&partition=2", vec![]),
        ("topic=orders.meituan", vec![]),
        ("offset=0-10&offset=12", vec![]),
        ("line=1", vec![]),
        ("content=00112233445566778899aabbccddeeff", vec![]),
        ("detail=nothing+of+this", vec![]),
        ("unreadable=true", vec![3]),
        ("rider_id=nobody", vec![]),
    ] {
        assert_eq!(ids(&get(&state, &format!("/v1/rejections?{query}")).await.json()), expected, "{query}");
    }
    get(&state, "/v1/rejections?reason=weather").await.is_problem(400, "bad-parameter");
    get(&state, "/v1/rejections?unresolved=maybe").await.is_problem(400, "bad-parameter");
    get(&state, "/v1/rejections?page_token=x").await.is_problem(400, "bad-page-token");
    get(&state, "/v1/rejections?from=x").await.is_problem(400, "bad-time");
    for query in
        ["id=x", "id=3-1", "offset=-1", "partition=x", "content=1", "detail=", "line=", "unreadable=1"]
    {
        get(&state, &format!("/v1/rejections?{query}")).await.is_problem(400, "bad-parameter");
    }
    get(&state, "/v1/rejections?ids=1").await.is_problem(400, "unknown-parameter");
    let reply = get(&state, "/v1/rejections?platform=dadaa").await;
    assert!(reply.json()["detail"].as_str().unwrap().ends_with("known: dada, meituan"));
    reply.is_problem(404, "platform-unknown");
    get(&state, "/v1/statements?month=2026-11&platform=dadaa").await.is_problem(404, "platform-unknown");
    let answer = get(&state, "/v1/coverage?rider_id=R&at=2026-11-20T12:07Z&platform=dadaa").await.json();
    assert!(answer["warnings"].to_string().contains("dadaa"), "{answer}");
}
