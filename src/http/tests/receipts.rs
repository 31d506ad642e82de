//! `receipt=` of `/v1/coverage`, and `/tlog`: what HTTP makes of what it is given.

use super::world::*;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::note::PublicKey;

const AT: &str = "at=2026-11-20T12:07:31%2B08:00";

#[tokio::test]
async fn an_answer_carries_its_receipt_as_the_text_of_the_file() {
    let state = state();
    let plain = get(&state, &format!("/v1/coverage?rider_id=R1&{AT}")).await;
    let same = get(&state, &format!("/v1/coverage?rider_id=R1&{AT}&receipt=false")).await;
    assert_eq!((plain.status.as_u16(), &plain.body), (200, &same.body));
    for (value, whole) in [("true", false), ("whole", true)] {
        let reply = get(&state, &format!("/v1/coverage?rider_id=R1&{AT}&receipt={value}")).await;
        let receipt = format!("{{\"of\":\"R1\",\"whole\":{whole}}}");
        assert_eq!(reply.json()["receipt"], receipt.as_str(), "{}", reply.body);
        let rest = reply.body.split(",\"receipt\":").next().unwrap();
        assert_eq!(format!("{rest}}}"), plain.body);
    }
}

#[tokio::test]
async fn why_there_is_no_receipt_is_a_problem_of_its_own() {
    let state = state();
    for (rider, status, name) in [
        ("off", 404, "sealing-off"),
        ("not-sealed", 409, "not-sealed"),
        ("two-days", 400, "bad-parameter"),
        ("damaged", 500, "storage"),
    ] {
        let reply = get(&state, &format!("/v1/coverage?rider_id={rider}&{AT}&receipt=true")).await;
        reply.is_problem(status, name);
        assert!(!reply.body.contains("entry 7") && !reply.body.contains("verdict"), "{}", reply.body);
        assert_eq!(get(&state, &format!("/v1/coverage?rider_id={rider}&{AT}")).await.status, 200);
    }
    for wrong in [
        "&receipt=yes",
        "&receipt=true&receipt=true",
        "&receipt=true&rider_id=R2",
        "&receipt=true&platform=dada",
        "&receipt=whole&known_at=1",
    ] {
        let reply = get(&state, &format!("/v1/coverage?rider_id=R1&{AT}{wrong}")).await;
        reply.is_problem(400, "bad-parameter");
        assert_eq!(reply.json()["parameter"], "receipt", "{wrong}");
    }
}

#[tokio::test]
async fn the_log_is_static_files_that_caches_may_keep() {
    let state = state();
    let keys = get(&state, "/tlog/keys").await;
    let known = [PublicKey::parse(keys.body.trim_end()).unwrap()];
    let checkpoint = get(&state, "/tlog/checkpoint").await;
    assert_eq!(Checkpoint::verify(&checkpoint.body, &known).unwrap().checkpoint.size, 1);
    for reply in [&keys, &checkpoint] {
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.header("cache-control"), "no-cache");
    }
    let entries = get(&state, "/tlog/tile/entries/000.p/1").await;
    assert!(entries.body.contains("coverledger/day/1\n"), "{}", entries.body);
    assert_eq!(entries.header("content-type"), "application/octet-stream");
    assert_eq!(entries.header("cache-control"), "public, max-age=31536000, immutable");
    for missing in [
        "/tlog/tile/entries/000",
        "/tlog/tile/entries/000.p/2",
        "/tlog/tile/0/001.p/1",
        "/tlog/tile/0/x000/000",
        "/tlog/tile/entries/000.p/1/",
        "/tlog/tile/../checkpoint",
        "/tlog/tile/%2e%2e/checkpoint",
        "/tlog/",
    ] {
        let reply = get(&state, missing).await;
        reply.is_problem(404, "not-found");
        assert_eq!(reply.header("cache-control"), "no-store", "{missing}");
    }
}
