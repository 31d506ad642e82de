//! What an address of the page may contain, and what the page says of times in its own language.

use super::world::*;

const QUESTION: &str = "rider_id=3f9c-rider-7e21&at=2026-11-20+12:07:31";

#[tokio::test]
async fn the_page_names_a_parameter_that_it_does_not_have() {
    let state = state();
    for (lang, words) in
        [("en", "a parameter that this page does not have: "), ("zh", "网址中有本页没有的参数：")]
    {
        for (typed, shown) in
            [("platfrom=eleme", "platfrom"), ("Rider_id=x", "Rider_id"), ("utm%E2%80%8B=1", "utm⟨U+200B⟩")]
        {
            let reply = get(&state, &format!("/?{QUESTION}&{typed}&lang={lang}")).await;
            assert_eq!(reply.status, 400, "{typed}");
            assert!(reply.body.contains(&format!("{words}{shown}<")), "{typed}: {}", reply.body);
            assert!(!reply.body.contains("data-verdict"), "{typed}: {}", reply.body);
        }
    }
    let long = get(&state, &format!("/?{}=1", "x".repeat(60_000))).await;
    assert_eq!(long.status, 400);
    assert!(long.body.len() < 20_000, "{}", long.body.len());
}

#[tokio::test]
async fn the_page_names_a_parameter_that_is_given_twice() {
    let state = state();
    for (typed, name) in [
        ("at=2026-11-18", "at"),
        ("at=", "at"),
        ("from=2026-11-18&from=2026-11-18", "from"),
        ("to=2026-11-18&to=2026-11-19", "to"),
        ("reference=a&reference=b", "reference"),
        ("lang=zh", "lang"),
    ] {
        let reply = get(&state, &format!("/?lang=en&{QUESTION}&{typed}")).await;
        assert_eq!(reply.status, 400, "{typed}");
        assert!(reply.body.contains(&format!("a parameter more than once: {name}<")), "{}", reply.body);
        assert!(!reply.body.contains("data-verdict"), "{typed}: {}", reply.body);
    }
    let several = format!("/?lang=en&{QUESTION}&rider_id=rider-open&platform=dada&platform=meituan");
    let body = get(&state, &several).await.body;
    assert!(body.contains("data-verdict=\"covered\"") && body.contains("rider_id=rider-open"), "{body}");
}

#[tokio::test]
async fn time_errors_are_whole_in_each_language() {
    let state = state();
    for typed in ["yesterday", "11/20/2026", "12:07"] {
        let zh = get(&state, &format!("/?rider_id=a&at={typed}&lang=zh")).await.body;
        assert!(zh.contains("整分钟") && zh.contains("整天") && !zh.contains("the whole"), "{zh}");
        let en = get(&state, &format!("/?rider_id=a&at={typed}&lang=en")).await.body;
        assert!(en.contains("the whole minute") && en.contains("the whole day"), "{en}");
    }
    for (lang, year, none) in [
        ("en", "The year must have four digits", "There is no such date"),
        ("zh", "年份须为四位数字", "没有这个日期或时间"),
    ] {
        let body = get(&state, &format!("/?rider_id=a&at=9999-12-31&lang={lang}")).await.body;
        assert!(body.contains(year) && !body.contains(none), "{body}");
        let body = get(&state, &format!("/?rider_id=a&at=2026-02-30&lang={lang}")).await.body;
        assert!(body.contains(none) && !body.contains(year), "{body}");
    }
}
