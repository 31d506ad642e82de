//! The pages of what is stored: a rider by day and week, an order with its legs and revisions.

use super::named_world::named;
use super::world::*;
use crate::domain::order::Outcome;
use crate::domain::posting::Posting;

const RIDER: &str = "rider_id=3f9c-rider-7e21";

#[tokio::test]
async fn a_day_of_a_rider_lists_orders_and_cover() {
    let state = named();
    let body = get(&state, &format!("/rider?{RIDER}&day=2026-11-20&lang=zh")).await.body;
    for text in [
        "3f9c-rider-7e21",
        "<dt>订单</dt><dd>8 笔</dd>",
        // 09:08-09:41, 09:29-10:02, 10:56-11:29, 11:50-11:58, 12:01-12:52, 13:35-14:01.
        "<dt>保障时长</dt><dd>2 小时 52 分</dd>",
        "达达 <span class=\"code\">dada</span>",
        "/order?platform=dada&#38;order_id=DD-20261120-0093&#38;lang=zh&#38;reference=",
        "day=2026-11-19&#38;span=day",
        "day=2026-11-21&#38;span=day",
        "/?rider_id=3f9c-rider-7e21&#38;from=2026-11-20&#38;to=2026-11-20&#38;lang=zh",
    ] {
        assert!(body.contains(text), "`{text}` is not in {body}");
    }
    let empty = get(&state, &format!("/rider?{RIDER}&day=2026-11-19&lang=en")).await.body;
    assert!(
        empty.contains("No order is recorded in this time") && empty.contains("<dd>0 orders</dd>"),
        "{empty}"
    );
    // No sign of a verdict: that is for the case page to say.
    assert!(!empty.contains("Not covered") && empty.contains("is for the case page to say"), "{empty}");
}

#[tokio::test]
async fn a_week_of_a_rider_has_seven_days_that_lead_to_each() {
    let body =
        get(&named(), &format!("/rider?{RIDER}&day=2026-11-20&span=week&reference=c&lang=en")).await.body;
    let week = body.split_once("<ol class=\"week\">").unwrap().1.split_once("</ol>").unwrap().0;
    assert_eq!(week.matches("<li>").count(), 7);
    assert!(week.contains("<b>Mon</b> 2026-11-16") && week.contains("<b>Sun</b> 2026-11-22"), "{week}");
    let friday = "day=2026-11-20&#38;span=day&#38;reference=c\"><b>Fri</b> 2026-11-20</a>";
    assert!(week.contains(friday), "`{friday}` is not in {week}");
    // One on Wednesday, the others on Friday.
    assert!(
        week.contains("1 orders · Cover 40 min") && week.contains("8 orders · Cover 2 h 52 min"),
        "{week}"
    );
    assert!(body.contains("<dd>9 orders</dd>") && body.contains("day=2026-11-09&#38;span=week"), "{body}");
}

#[tokio::test]
async fn the_page_of_a_rider_says_what_is_missing() {
    let state = named();
    let start = get(&state, "/rider?lang=en").await;
    assert!(start.status == 200 && !start.body.contains("aria-invalid"), "{}", start.body);
    for (query, says) in [
        ("rider_id=&day=2026-11-20", "A rider identifier is needed"),
        ("rider_id=a%01&day=2026-11-20", "A rider identifier has 1 to 256 bytes"),
        ("rider_id=a&day=", "Give a date"),
        ("rider_id=a&day=soon", "Give a date"),
        ("rider_id=a&day=9999-12-31", "Give a date"),
        ("rider_id=a&day=2026-11-20&span=year", "The span is one day or one week"),
        ("rider_id=a&rider_id=b&day=2026-11-20", "a parameter more than once: rider_id"),
        ("rider_id=a&week=1", "a parameter that this page does not have: week"),
    ] {
        let reply = get(&state, &format!("/rider?lang=en&{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains(says), "{query}: {}", reply.body);
    }
}

#[tokio::test]
async fn an_order_shows_every_leg_and_revision() {
    let state = named();
    let body = get(&state, "/order?platform=meituan&order_id=moved&lang=en").await.body;
    for text in [
        "<h2>Leg 0</h2>",
        "replaced by revision 3",
        "Current version",
        "interrupted",
        "/rider?rider_id=3f9c-rider-7e21&#38;day=2026-11-20&#38;lang=en",
        "<option value=\"meituan\" selected>Meituan (meituan)</option>",
    ] {
        assert!(body.contains(text), "`{text}` is not in {body}");
    }
    assert_eq!(body.matches("<tr class=\"old\">").count(), 1, "{body}");
    // Handed on: the second leg is another rider's.
    let mut ledger = ledger();
    ledger.apply(Posting {
        outcome: Some(Outcome::Transferred),
        ..order("dada", "split", "rider-a", 0, Some(9))
    });
    ledger.apply(Posting { leg: 1, ..order("dada", "split", "rider-b", 10, Some(30)) });
    let state = state_with(World { ledger: ledger.into(), ..world() }, settings());
    let body = get(&state, "/order?platform=dada&order_id=split&lang=zh").await.body;
    let (first, second) = (body.find("<h2>第 0 段</h2>").unwrap(), body.find("<h2>第 1 段</h2>").unwrap());
    assert!(first < body.find("rider-a").unwrap() && second < body.find("rider-b").unwrap(), "{body}");
    assert!(body.contains("已转单"), "{body}");
}

#[tokio::test]
async fn an_order_that_nothing_is_stored_of_is_told() {
    let state = named();
    let unknown = get(&state, "/order?platform=dada&order_id=none&lang=en").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("Nothing is stored of this order"), "{}", unknown.body);
    for (query, says) in [
        ("platform=dada&order_id=", "An order identifier is needed"),
        ("platform=&order_id=1", "Choose a platform"),
        ("platform=dada&order_id=a%01", "An order identifier has 1 to 256 bytes"),
        ("platform=dada&order_id=1&leg=2", "a parameter that this page does not have: leg"),
    ] {
        let reply = get(&state, &format!("/order?lang=en&{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains(says), "{query}: {}", reply.body);
    }
}
