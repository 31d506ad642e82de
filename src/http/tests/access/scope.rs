//! What a limited asker sees: nothing of others, not even that it exists.

use super::*;
use crate::telemetry::metrics::PartitionFacts;
use axum::http::header::CONTENT_LENGTH;
use serde_json::Value;

const DAY: &str = "from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00";

#[tokio::test]
async fn a_platform_sees_nothing_of_another() {
    let guarded = Guarded::new();
    let dada = guarded.token("dada", "platform:dada");
    for uri in [
        format!("/v1/coverage?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00"),
        format!("/v1/coverage?rider_id={RIDER}&{DAY}"),
        format!("/v1/riders/{RIDER}/timeline?{DAY}"),
        "/v1/orders/dada/DD-20261120-0093".to_owned(),
        "/v1/statements?month=2026-11".to_owned(),
        "/v1/rejections".to_owned(),
        "/v1/progress".to_owned(),
        format!("/?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00"),
        format!("/?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00&zoom=7d&view=print"),
        format!("/rider?rider_id={RIDER}&day=2026-11-20&span=week"),
        "/order?platform=dada&order_id=DD-20261120-0093".to_owned(),
    ] {
        let reply = guarded.get(&dada, &uri).await;
        assert_eq!(reply.status, 200, "{uri}: {}", reply.body);
        for foreign in ["meituan", "88300211", "moved"] {
            assert!(!reply.body.contains(foreign), "{uri} tells of {foreign}: {}", reply.body);
        }
        assert!(reply.body.contains("dada"), "{uri}: {}", reply.body);
    }
    let answer = guarded.get(&dada, &sample("/v1/coverage")).await.json();
    assert_eq!((&answer["verdict"], &answer["windows"].as_array().unwrap().len()), (&"covered".into(), &1));
    assert_eq!(answer["rider_seen"]["platforms"], serde_json::json!(["dada"]));
    let warnings = answer["warnings"].as_array().unwrap();
    assert!(
        warnings.iter().any(|warning| warning["code"] == "limited_view" && warning["platform"] == "dada")
    );
    let timeline = guarded.get(&dada, &format!("/v1/riders/{RIDER}/timeline?{DAY}")).await.json();
    assert_eq!(timeline["orders"].as_array().unwrap().len(), 3);
}

/// A receipt shows a rider's whole day: cover on every platform and in every region.
#[tokio::test]
async fn a_limited_view_gets_no_receipt() {
    let guarded = Guarded::new();
    for (role, is_allowed) in
        [("platform:dada", false), ("claims@31", false), ("claims", true), ("auditor", true), ("admin", true)]
    {
        let token = guarded.token(&role.replace([':', '@'], "-"), role);
        let uri = format!("{}&receipt=true", sample("/v1/coverage"));
        let reply = guarded.get(&token, &uri).await;
        if is_allowed {
            assert_eq!(reply.status, 200, "{role}: {}", reply.body);
        } else {
            reply.is_problem(403, "forbidden");
            assert!(!reply.body.contains("receipt\":"), "{role}: {}", reply.body);
        }
        let file = guarded.get(&token, &sample("/receipt")).await;
        assert_eq!(file.status.as_u16(), if is_allowed { 200 } else { 403 }, "{role}: {}", file.body);
        assert_eq!(file.body.contains("\"of\""), is_allowed, "{role}: {}", file.body);
        // A settled time of the sealed day.
        let case = "/?rider_id=3f9c-rider-7e21&at=2026-11-18+15:00:00&reference=case-7&lang=en";
        let page = guarded.get(&token, case).await.body;
        assert_eq!(page.contains("/receipt?"), is_allowed, "{role}: {page}");
        let print = guarded.get(&token, &format!("{case}&view=print")).await.body;
        assert_eq!(print.contains("Digest of the receipt"), is_allowed, "{role}: {print}");
        assert_eq!(print.contains("of which you may see a part only"), !is_allowed, "{role}: {print}");
    }
}

/// A platform's metrics are those that carry its name or the name of a topic of its own.
#[tokio::test]
async fn a_platform_gets_its_own_metrics_only() {
    let guarded = Guarded::new();
    let metrics = guarded.state.metrics();
    for (name, late) in [("dada", 3), ("meituan", 5), ("other", 7)] {
        metrics.late(name, late);
        metrics.pending(name, "rejected_record", late, None);
        let topic = format!("orders.{name}");
        metrics.partition(&PartitionFacts { topic: &topic, partition: 0, position: 1, end: Some(9) });
    }
    let lines = async |role: &str| -> BTreeSet<String> {
        let token = guarded.token(&role.replace(':', "-"), role);
        let reply = guarded.get(&token, "/metrics").await;
        assert_eq!(reply.status, 200, "{role}: {}", reply.body);
        reply.body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let own = [
        "coverledger_late_events{platform=\"dada\"} 3",
        "coverledger_partition_end_offset{partition=\"0\",topic=\"orders.dada\"} 9",
        "coverledger_partition_lag{partition=\"0\",topic=\"orders.dada\"} 8",
        "coverledger_partition_position{partition=\"0\",topic=\"orders.dada\"} 1",
        "coverledger_pending_records{platform=\"dada\",reason=\"rejected_record\"} 3",
    ];
    assert_eq!(lines("platform:dada").await, BTreeSet::from(own.map(str::to_owned)));
    // The label of all platforms beyond the bound is the name of none of them.
    assert_eq!(lines("platform:other").await, BTreeSet::new());
    let all = lines("ops").await;
    assert!(own.iter().all(|line| all.contains(*line)) && all.len() > 100, "{all:?}");
}

#[tokio::test]
async fn another_platform_looks_like_one_that_does_not_exist() {
    let guarded = Guarded::new();
    let dada = guarded.token("dada", "platform:dada");
    let at = "at=2026-11-20T12:07:31%2B08:00";
    for uri in [
        format!("/v1/coverage?rider_id={RIDER}&{at}&platform=NAME"),
        "/v1/orders/NAME/8830021175020".to_owned(),
        "/v1/statements?month=2026-11&platform=NAME".to_owned(),
        "/v1/rejections?platform=NAME".to_owned(),
        format!("/?rider_id={RIDER}&{at}&platform=NAME"),
        "/order?platform=NAME&order_id=8830021175020".to_owned(),
    ] {
        // The digest of an answer, and the size of its QR code, depend on the name that was asked for.
        let is_page = uri.starts_with("/?");
        let mut replies = Vec::new();
        // Of the same length: nothing but the name may differ.
        for name in ["meituan", "unheard"] {
            let reply = guarded.get(&dada, &uri.replace("NAME", name)).await;
            let headers: Vec<(String, Vec<u8>)> = reply
                .headers
                .iter()
                // Each answer has an entry of its own.
                .filter(|(name, _)| *name != "coverledger-answer")
                .filter(|(name, _)| **name != CONTENT_LENGTH || !is_page)
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect();
            let body = match reply.body.split_once("<div class=\"copy\">") {
                Some((before, copy)) => format!("{before}{}", copy.split_once("</section>").unwrap().1),
                None => reply.body,
            };
            replies.push((reply.status, headers, body.replace(name, "NAME")));
        }
        assert_eq!(replies[0], replies[1], "{uri}");
        assert!(!replies[0].2.contains("8830021174"), "{uri}");
    }
    // A rider whom only another platform knows is unknown.
    let mut other = order("meituan", "only-there", "rider-of-meituan", 0, Some(30));
    other.category = "instant_delivery".to_owned();
    let mut ledger = ledger();
    ledger.apply(other);
    let world = World { ledger: Arc::new(ledger), ..world() };
    let settings = Config::from_text("[access]\n").unwrap().access.unwrap();
    let state = state_with(world, crate::http::tests::world::settings());
    let state = state.with_access(Arc::clone(&guarded.access), guarded.clock, &settings);
    let asked = async |token: &str, rider: &str| {
        let uri = format!("/v1/coverage?rider_id={rider}&{at}&reference=c");
        let request = Request::get(uri).header("authorization", format!("Bearer {token}"));
        send(&state, request.body(Body::empty()).unwrap()).await.body.replace(rider, "RIDER")
    };
    let auditor = guarded.token("auditor", "auditor");
    assert!(asked(&auditor, "rider-of-meituan").await.contains("only-there"));
    assert_eq!(asked(&dada, "rider-of-meituan").await, asked(&dada, "rider-of-nothing").await);
}

#[tokio::test]
async fn a_region_limits_orders_and_says_so() {
    let guarded = Guarded::new();
    let whole = guarded.token("whole", "claims");
    let mut verdicts = Vec::new();
    for (name, role) in [("own", "claims@31"), ("county", "claims@310115"), ("other", "claims@44")] {
        let token = guarded.token(name, role);
        let answer = guarded.get(&token, &sample("/v1/coverage")).await.json();
        let warning =
            answer["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "limited_view").cloned();
        assert_eq!(warning.unwrap()["regions"][0], role.split_once('@').unwrap().1);
        verdicts.push((answer["verdict"].clone(), answer["windows"].as_array().unwrap().len()));
        let order = guarded.get(&token, &sample("/v1/orders/{platform}/{order_id}")).await;
        assert_eq!(order.status.as_u16(), if name == "other" { 404 } else { 200 });
        let page = guarded.get(&token, &sample("/")).await.body;
        assert!(page.contains("切勿据此拒赔"), "{page}");
    }
    let answer = guarded.get(&whole, &sample("/v1/coverage")).await.json();
    assert!(answer["warnings"].as_array().unwrap().iter().all(|warning| warning["code"] != "limited_view"));
    let covered = (answer["verdict"].clone(), 2);
    assert_eq!(verdicts[..2], [covered.clone(), covered]);
    assert!(verdicts[2].0 != "covered" && verdicts[2].1 == 0, "{verdicts:?}");
}

#[tokio::test]
async fn operators_see_rejected_records_without_their_riders() {
    let guarded = Guarded::new();
    let (ops, auditor) = (guarded.token("ops", "ops"), guarded.token("auditor", "auditor"));
    let riders = async |token: &str| -> Vec<Value> {
        let page = guarded.get(token, "/v1/rejections").await.json();
        page["rejections"].as_array().unwrap().iter().map(|line| line["rider_id"].clone()).collect()
    };
    assert_eq!(riders(&ops).await, [Value::Null, Value::Null, Value::Null]);
    assert_eq!(riders(&auditor).await, [RIDER.into(), "rider-refused".into(), Value::Null]);
    guarded.get(&ops, &format!("/v1/rejections?rider_id={RIDER}")).await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn a_platform_sees_its_own_rejected_records_and_those_of_its_topics() {
    let guarded = Guarded::new();
    let numbers = async |role: &str| -> Vec<u64> {
        let token = guarded.token(&role.replace(':', "-"), role);
        let page = guarded.get(&token, "/v1/rejections").await.json();
        page["rejections"].as_array().unwrap().iter().map(|line| line["id"].as_u64().unwrap()).collect()
    };
    // The third names no platform and came in dada's topic.
    assert_eq!(numbers("platform:dada").await, [1, 2, 3]);
    assert_eq!(numbers("platform:meituan").await, [0; 0]);
    let token = guarded.token("d", "platform:dada");
    let progress = guarded.get(&token, "/v1/progress").await.json();
    assert_eq!(progress["partitions"], serde_json::json!([]), "those of meituan's topic");
}

#[tokio::test]
async fn everyone_sees_their_own_answers_and_auditors_see_all() {
    let guarded = Guarded::new();
    let (li, wang) = (guarded.token("li", "claims"), guarded.token("wang", "claims"));
    let (dada, auditor) = (guarded.token("dada", "platform:dada"), guarded.token("auditor", "auditor"));
    let mut numbers = Vec::new();
    for token in [&li, &wang, &dada, &li] {
        let reply = guarded.get(token, &sample("/v1/coverage")).await;
        numbers.push(reply.header("coverledger-answer").strip_prefix("main/").unwrap().to_owned());
    }
    let listed = async |token: &str, parameters: &str| -> Vec<String> {
        let page = guarded.get(token, &format!("/v1/answers?{parameters}")).await.json();
        page["entries"].as_array().unwrap().iter().map(|entry| entry["number"].to_string()).collect()
    };
    assert_eq!(listed(&li, "").await, [numbers[0].clone(), numbers[3].clone()]);
    assert_eq!(listed(&li, "principal=wang").await, [] as [String; 0]);
    assert_eq!(listed(&wang, "reason=case-7").await, [numbers[1].clone()]);
    assert_eq!(listed(&dada, "").await, [numbers[2].clone()]);
    assert_eq!(listed(&auditor, "").await, numbers);
    assert_eq!(listed(&auditor, "principal=li").await.len(), 2);
    let show =
        async |token: &str, at: usize| guarded.get(token, &format!("/v1/answers/{}", numbers[at])).await;
    show(&li, 1).await.is_problem(404, "answer-unknown");
    show(&dada, 0).await.is_problem(404, "answer-unknown");
    assert_eq!(show(&li, 0).await.json()["is_same_verdict"], true);
    // An auditor asks again what the platform saw, not more.
    let document = show(&auditor, 2).await.json();
    assert_eq!(document["entry"]["principal"]["platform"], "dada");
    assert_eq!(document["is_same_verdict"], true);
    assert!(!document["now"].to_string().contains("meituan"), "{document}");
    assert_eq!(show(&dada, 2).await.json()["is_same_verdict"], true);
}
