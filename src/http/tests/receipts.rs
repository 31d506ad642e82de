//! `receipt=` of `/v1/coverage`, and `/tlog`: what HTTP makes of what it is given.

use super::world::*;
use crate::domain::check_numbers::check_numbers;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::note::PublicKey;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

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

/// A settled time of the sealed day, and its page.
const SEALED: &str = "/?rider_id=3f9c-rider-7e21&at=2026-11-18+15:00:00&lang=en";

#[tokio::test]
async fn the_page_of_a_sealed_time_leads_to_the_receipt_and_its_print_has_the_digest() {
    let state = state();
    let page = get(&state, SEALED).await.body;
    let address = "/receipt?rider_id=3f9c-rider-7e21&at=2026-11-18T15%3A00%3A00.000%2B08%3A00";
    assert!(page.contains(&format!("href=\"{}&#38;lang=en\"", address.replace('&', "&#38;"))), "{page}");
    let key = get(&state, "/tlog/keys").await.body;
    let command = format!("coverledger verify-receipt receipt-2026-11-18.json --key {}", key.trim_end());
    assert!(page.contains(&command) && !page.contains("Digest of the receipt"), "{page}");
    let file = get(&state, &format!("{address}&reference=c-1&lang=en")).await;
    assert_eq!((file.status.as_u16(), file.header("content-type")), (200, "application/json"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"receipt-2026-11-18.json\"");
    assert_eq!(file.body, "{\"of\":\"3f9c-rider-7e21\",\"whole\":false}");
    let print = get(&state, &format!("{SEALED}&view=print")).await.body;
    let digest: [u8; 32] = Sha256::digest(&file.body).into();
    for text in [HEXLOWER.encode(&digest), check_numbers(&digest), "Digest of the receipt".to_owned()] {
        assert!(print.contains(&text), "`{text}` is not in {print}");
    }
    // The code is the receipt's, too: that of the answer has other modules.
    let modules =
        |page: &str| page.split_once("class=\"qr\"").unwrap().1.split("</svg>").next().unwrap().to_owned();
    assert_ne!(modules(&print), modules(&page));
}

#[tokio::test]
async fn the_page_says_why_there_is_no_receipt() {
    let off = state_with(World { sealing: None, ..world() }, settings());
    let on = state();
    let rider = "/?rider_id=3f9c-rider-7e21&lang=en";
    for (state, asked, text) in [
        (&off, "&at=2026-11-18+15:00:00", "does not seal days"),
        (&on, "&at=2026-11-20+12:07:31", "the time is not settled on every platform yet"),
        (&on, "&at=2026-11-20+14:10:00", "the time is not settled on every platform yet"),
        (&on, "&at=2026-11-17+15:00:00", "the day is not sealed yet"),
        (&on, "&from=2026-11-17+15:00:00&to=2026-11-18+15:00:00", "about time within one day"),
        (&on, "&at=2026-11-18+15:00:00&rider_id=R2", "about one identifier"),
        (&on, "&at=2026-11-18+15:00:00&platform=dada", "about all platforms"),
        (&on, "&at=2026-11-18+15:00:00&known_at=2", "about the newest state"),
    ] {
        for view in ["", "&view=print"] {
            let page = get(state, &format!("{rider}{asked}{view}")).await.body;
            assert!(page.contains(text) && page.contains("No receipt"), "{asked}: {page}");
            assert!(!page.contains("/receipt?") && !page.contains("verify-receipt"), "{asked}: {page}");
        }
    }
    for (rider, status, text) in [
        ("off", 404, "does not seal days"),
        ("not-sealed", 409, "the day is not sealed yet"),
        ("two-days", 400, "address cannot be read"),
        ("damaged", 500, "cannot be made at the moment"),
    ] {
        let reply = get(&on, &format!("/receipt?rider_id={rider}&{AT}&lang=en")).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
        assert!(
            reply.body.contains(text) && reply.header("content-type").starts_with("text/html"),
            "{}",
            reply.body
        );
    }
}
