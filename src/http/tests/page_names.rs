//! The page and identifiers: unknown ones, ones that look like others, several.

use super::world::*;
use crate::http::HttpState;

const SETTLED: &str = "at=2026-11-18+15:00:00";
const UNSETTLED: &str = "at=2026-11-20+14:10:00";
const PARTS: &str = "from=2026-11-18+15:00&to=2026-11-20+15:00";
/// With the acute accent as a character of its own.
const NFD: &str = "Rene%CC%81";
const NFC: &str = "Ren%C3%A9";

/// The usual world, and riders whose identifiers are unusual.
fn unusual() -> HttpState<World> {
    let mut ledger = ledger();
    for rider in ["Rene\u{301}", "Ｒ９", "R7", "rider\u{200b}x", " padded ", "T 1, T 2"] {
        ledger.apply(order("meituan", &format!("of-\u{202e}{rider}"), rider, -30, Some(-20)));
    }
    state_with(World { ledger: ledger.into(), ..world() }, settings())
}

async fn page(state: &HttpState<World>, query: &str) -> String {
    let reply = get(state, &format!("/?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    reply.body
}

#[tokio::test]
async fn a_rider_of_whom_nothing_is_stored_is_never_shown_the_sign_of_a_refusal() {
    let state = state();
    let riders = [
        "nobody",
        "%203f9c-rider-7e21",
        "3f9c-rider-7e2l",
        "3f9c-rid%D0%B5r-7e21",
        "a%20b&rider_id=c",
        "rider-refused",
    ];
    let signs =
        ["✕", "无保障", "Not covered", "not_covered\"", "部分时段有保障", "Partly covered", "class=\"part"];
    for rider in riders {
        for time in [SETTLED, UNSETTLED, PARTS, "at=2026-11-18+15:00", "at=2026-11-18"] {
            for (lang, words) in [("zh", "查无此人"), ("en", "No record of this identifier")] {
                let body = page(&state, &format!("rider_id={rider}&{time}&lang={lang}")).await;
                assert!(body.contains("data-verdict=\"no_record\""), "{rider} {time}: {body}");
                assert!(body.contains(&format!("<h1>{words}</h1>")), "{rider} {time}: {body}");
                for sign in signs {
                    assert!(!body.contains(sign), "{rider} {time}: `{sign}` is in {body}");
                }
            }
        }
    }
    // One of whom something is stored still is.
    let body = page(&state, &format!("rider_id=3f9c-rider-7e21&{SETTLED}&lang=zh")).await;
    assert!(body.contains("data-verdict=\"not_covered\"") && body.contains("✕"), "{body}");
}

#[tokio::test]
async fn a_rejected_record_that_names_an_unknown_rider_is_told_of() {
    // Its record of Nov 17 cannot be read; of the time around it, nothing is final.
    let body = page(&state(), "rider_id=rider-refused&at=2026-11-17+18:00:00&lang=en").await;
    assert!(
        body.contains("data-verdict=\"no_record\"")
            && body.contains("but a rejected or conflicting record does")
    );
    assert!(body.contains("A record that names the rider was rejected"), "{body}");
}

#[tokio::test]
async fn what_may_have_been_meant_is_offered_and_never_asked_in_silence() {
    let state = unusual();
    // What is typed, what the page says of it, what it offers, whether that is stored.
    for (typed, says, offer, stored) in [
        ("%20R7%20", "begins or ends with a blank", "R7", true),
        ("%C2%A0R7", "characters that cannot be seen: U+00A0", "R7", true),
        ("R7%E2%80%8B", "characters that cannot be seen: U+200B", "R7", true),
        ("%E2%80%AER7", "characters that cannot be seen: U+202E", "R7", true),
        ("%EF%BC%B2%EF%BC%97", "full-width or other variant forms of characters: ７ Ｒ", "R7", true),
        ("%EF%BC%B27%E3%80%80", "begins or ends with a blank", "R7", true),
        ("R8%20", "begins or ends with a blank", "R8", false),
        ("%D0%A28", "Cyrillic, U+0422) looks like T", "T8", false),
        ("%CE%9F8", "Greek, U+039F) looks like O", "O8", false),
        (NFC, "", NFD, true),
        ("R9", "", "%EF%BC%B2%EF%BC%99", true),
        ("r7", "", "R7", true),
        ("padded", "", "", false),
        ("R7%2C%20R9", "blanks, commas or semicolons inside", "R7&#38;rider_id=R9", false),
    ] {
        let body = page(&state, &format!("rider_id={typed}&{SETTLED}&lang=en")).await;
        assert!(body.contains("data-verdict=\"no_record\"") && body.contains(says), "{typed}: {body}");
        let link = format!("<a href=\"/?lang=en&#38;rider_id={offer}&#38;at=");
        assert!(offer.is_empty() || body.contains(&link), "{typed}: `{link}` is not in {body}");
        assert_eq!(body.contains("a record exists of this form"), stored, "{typed}: {body}");
        // What was typed is what was asked.
        assert!(body.contains(&format!("/v1/coverage?rider_id={typed}&#38;at=")), "{typed}: {body}");
    }
}

#[tokio::test]
async fn other_forms_of_a_known_identifier_are_pointed_out() {
    let state = unusual();
    let body = page(&state, &format!("rider_id={NFD}&{SETTLED}&lang=en")).await;
    assert!(
        body.contains("data-verdict=\"not_covered\"")
            && body.contains("not in Unicode&#39;s normal form NFC")
    );
    assert!(body.contains(&format!("<a href=\"/?lang=en&#38;rider_id={NFC}&#38;at=")), "{body}");
    assert!(!body.contains("a record exists of this form"));
    // Exactly as it is stored, blanks and all.
    let body = page(&state, &format!("rider_id=%20padded%20&{SETTLED}&lang=en")).await;
    assert!(body.contains("data-verdict=\"not_covered\"") && body.contains("begins or ends with a blank"));
    // Of several, the one that nothing is stored of is named.
    let body = page(&state, &format!("rider_id=R7&rider_id=R8&{SETTLED}&lang=en")).await;
    assert!(body.contains("data-verdict=\"not_covered\""));
    assert!(body.contains("<code>R8</code> <span class=\"chip no_record\">no record"), "{body}");
    assert!(!body.contains("<code>R7</code> <span class=\"chip"), "{body}");
    // An identifier with nothing to say about says nothing.
    let body = page(&state, &format!("rider_id=3f9c-rider-7e21&{SETTLED}&lang=en")).await;
    assert!(!body.contains("card check"), "{body}");
}

#[tokio::test]
async fn characters_that_cannot_be_seen_are_marked_wherever_an_identifier_is_shown() {
    let state = unusual();
    let unseen = |name: &str| format!("<span class=\"unseen\">{name}</span>");
    let body =
        page(&state, "rider_id=rider%E2%80%8Bx&at=2026-11-20+11:35:00&lang=en&reference=a%C2%ADb").await;
    assert!(body.contains("data-verdict=\"covered\""));
    assert!(body.contains(&format!("<code>rider{}x</code>", unseen("U+200B"))), "{body}");
    assert!(
        body.contains(&format!("<code>of-{}rider{}x</code>", unseen("U+202E"), unseen("U+200B"))),
        "{body}"
    );
    assert!(body.contains(&format!("<code>a{}b</code>", unseen("U+00AD"))), "{body}");
    // In the picture and among the nearest too.
    assert!(body.contains("meituan of-⟨U+202E⟩rider⟨U+200B⟩x: "), "{body}");
    let body = page(&state, &format!("rider_id=rider%E2%80%8Bx&{SETTLED}&lang=en")).await;
    assert_eq!(body.matches(&unseen("U+202E")).count(), 1, "{body}");
    // A control character is no identifier: what it may have been is offered.
    let reply = get(&state, &format!("/?rider_id=R7%0A&{SETTLED}&lang=en")).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("R7⟨U+000A⟩") && reply.body.contains("rider_id=R7&#38;at="),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn several_identifiers_are_asked_for_in_one_field() {
    let state = unusual();
    for field in [
        "R7+3f9c-rider-7e21",
        "R7%2C3f9c-rider-7e21",
        "R7%0D%0A3f9c-rider-7e21%0D%0A",
        "R7%EF%BC%8C%E3%80%803f9c-rider-7e21",
    ] {
        let body = page(&state, &format!("riders={field}&at=2026-11-20+12:07:31&lang=zh")).await;
        assert!(
            body.contains("/v1/coverage?rider_id=R7&#38;rider_id=3f9c-rider-7e21&#38;at="),
            "{field}: {body}"
        );
        assert!(
            body.contains("data-verdict=\"covered\"") && body.contains(">R7\n3f9c-rider-7e21</textarea>"),
            "{body}"
        );
    }
    // An identifier that the field would cut is asked for by the parameter, and stays whole in the form.
    let body = page(&state, &format!("rider_id=T%201,%20T%202&riders=R7&{SETTLED}&lang=zh")).await;
    assert!(body.contains("/v1/coverage?rider_id=T%201%2C%20T%202&#38;rider_id=R7&#38;at="), "{body}");
    assert!(
        body.contains("<input name=\"rider_id\" value=\"T 1, T 2\"") && body.contains(">R7</textarea>"),
        "{body}"
    );
    assert!(body.contains("data-verdict=\"not_covered\""));
}

#[tokio::test]
async fn times_are_taken_as_people_type_them() {
    let state = state();
    let noon = "at=2026-11-20T12:07:31.000%2B08:00";
    let minute = "from=2026-11-20T09:07:00.000%2B08:00&#38;to=2026-11-20T09:08:00.000%2B08:00";
    let day = "from=2026-11-20T00:00:00.000%2B08:00&#38;to=2026-11-21T00:00:00.000%2B08:00";
    for (typed, asked) in [
        ("at=2026%E5%B9%B411%E6%9C%8820%E6%97%A5+12:07:31", noon),
        ("at=2026%E5%B9%B411%E6%9C%8820%E6%97%A512%E6%97%B607%E5%88%8631%E7%A7%92", noon),
        ("at=%EF%BC%92%EF%BC%90%EF%BC%92%EF%BC%96-11-20+12%EF%BC%9A07%EF%BC%9A31", noon),
        ("at=2026-11-20T12:07:31+08:00", noon),
        ("at=2026.11.20+9:07", minute),
        ("at=2026/11/20", day),
        ("from=2026-11-20&to=2026%E5%B9%B411%E6%9C%8820%E6%97%A5", day),
    ] {
        let body = page(&state, &format!("rider_id=3f9c-rider-7e21&{typed}&lang=en")).await;
        assert!(
            body.contains(&format!("/v1/coverage?rider_id=3f9c-rider-7e21&#38;{asked}\"")),
            "{typed}: {body}"
        );
    }
    for (typed, says) in [
        ("11/20/2026", "Day and month cannot be told apart"),
        ("12:07", "The date is missing"),
        ("yesterday", "This is no time"),
    ] {
        let reply = get(&state, &format!("/?rider_id=a&at={typed}&lang=en")).await;
        assert_eq!(reply.status, 400, "{typed}");
        assert!(reply.body.contains(says) && reply.body.contains("2026年11月20日12时07分"), "{}", reply.body);
        // Machines get no guesses.
        get(&state, &format!("/v1/coverage?rider_id=a&at={typed}")).await.is_problem(400, "bad-time");
    }
    get(&state, "/v1/coverage?rider_id=a&at=2026-11-20").await.is_problem(400, "bad-time");
}
