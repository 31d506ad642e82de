//! The pages and who may see them: lists belong to one principal, questions need a reason, the log is for auditors.

use super::super::page_bulk::multipart;
use super::sign_in::{Cookies, proof};
use super::*;
use crate::wait::poll_until;
use std::time::Duration;

const LIST: &str =
    "rider_id,at,reference\n3f9c-rider-7e21,2026-11-20 12:07:31,c-1\n3f9c-rider-7e21,2026-11-20 12:07:31,\n";

impl Guarded {
    /// A person who signed in.
    async fn person(&self, name: &str, role: Role) -> Cookies {
        self.account(name, role);
        let mut cookies = Cookies::default();
        assert_eq!(self.sign_in(&mut cookies, name, PASSWORD, "/").await.status, 303);
        cookies
    }

    async fn send_list(&self, cookies: &mut Cookies, proof: &str, more: &[(&str, &str)]) -> Reply {
        let fields = [&[("proof", proof), ("lang", "en"), ("list", LIST)], more].concat();
        let (media_type, body) = multipart(&fields);
        let request =
            Request::post("/bulk").header("content-type", media_type).header("cookie", cookies.header());
        send(&self.state, request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_list_and_its_results_are_for_its_sender_only() {
    let guarded = Guarded::new();
    let mut li = guarded.person("li", Role::Claims).await;
    let mut wu = guarded.person("wu", Role::Claims).await;
    let (li_proof, wu_proof) =
        (proof(&guarded.open(&mut li, "/bulk").await), proof(&guarded.open(&mut wu, "/bulk").await));
    // The proof of another person's form is none.
    assert_eq!(guarded.send_list(&mut li, &wu_proof, &[]).await.status, 403);
    let taken = guarded.send_list(&mut li, &li_proof, &[]).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let ended = || guarded.state.jobs().all_ended().then_some(());
    assert_eq!(poll_until(6_000, Duration::from_millis(10), ended), Some(()));
    let path = taken.header("location").split('?').next().unwrap().to_owned();
    let token = guarded.token("li", "claims");
    for part in ["", "/answers.csv", "/answers.xlsx"] {
        let uri = format!("{path}{part}?lang=en");
        assert_eq!(guarded.ask(&Method::HEAD, &uri, &[("cookie", &li.header())]).await.status, 200, "{uri}");
        assert_eq!(guarded.ask(&Method::HEAD, &uri, &[("cookie", &wu.header())]).await.status, 404, "{uri}");
        // A token of the same name is another principal.
        let bearer = format!("Bearer {token}");
        assert_eq!(
            guarded.ask(&Method::HEAD, &uri, &[("authorization", &bearer)]).await.status,
            404,
            "{uri}"
        );
    }
    assert!(!guarded.open(&mut wu, "/bulk?lang=en").await.body.contains(&path));
    let remove = format!("proof={wu_proof}&lang=en");
    assert_eq!(guarded.post(&mut wu, &format!("{path}/remove"), &remove, &[]).await.status, 404);
    let page = guarded.open(&mut li, &format!("{path}?lang=en")).await;
    assert!(page.body.contains("2 of 2 lines are answered"), "{}", page.body);
    // A line without a reason has no answer; that of the whole list serves for it.
    assert!(page.body.contains("State a case reference or a reason"), "{}", page.body);
    let taken = guarded.send_list(&mut li, &li_proof, &[("reference", "case-9")]).await;
    assert_eq!(
        poll_until(6_000, Duration::from_millis(10), || guarded.state.jobs().all_ended().then_some(())),
        Some(())
    );
    let page = guarded.open(&mut li, taken.header("location")).await;
    assert!(!page.body.contains("State a case") && page.body.contains("case-9"), "{}", page.body);
}

#[tokio::test]
async fn a_claim_handler_states_a_reason_on_every_page_about_a_rider_or_an_order() {
    let guarded = Guarded::new();
    let mut li = guarded.person("li", Role::Claims).await;
    for uri in [
        "/rider?lang=en&rider_id=3f9c-rider-7e21&day=2026-11-20",
        "/order?lang=en&platform=dada&order_id=DD-20261120-0093",
    ] {
        let refused = guarded.open(&mut li, uri).await;
        assert_eq!(refused.status, 400, "{uri}");
        assert!(refused.body.contains("State a case reference or a reason"), "{}", refused.body);
        assert!(
            !refused.body.contains("8830021") && !refused.body.contains("2026-11-20 12:06"),
            "{}",
            refused.body
        );
        let answered = guarded.open(&mut li, &format!("{uri}&reference=c-1")).await;
        assert!(answered.status == 200 && answered.body.contains("2026-11-20 12:06"), "{}", answered.body);
        // Ways to other pages keep it.
        assert!(answered.body.contains("&#38;reference=c-1"), "{}", answered.body);
    }
}

#[tokio::test]
async fn pages_offer_what_the_role_allows() {
    let guarded = Guarded::new();
    let ways = async |role: Role| {
        let mut cookies = guarded.person(&format!("p-{role}"), role).await;
        let page = guarded.open(&mut cookies, "/?lang=en").await;
        let nav = page.body.split_once("<nav").unwrap().1.split_once("</nav>").unwrap().0.to_owned();
        (nav.contains("/bulk?"), nav.contains("/rider?"), nav.contains("/access-log?"))
    };
    assert_eq!(ways(Role::Claims).await, (true, true, false));
    assert_eq!(ways(Role::Auditor).await, (true, true, true));
    assert_eq!(ways(Role::Admin).await, (true, true, true));
}

#[tokio::test]
async fn the_access_log_shows_every_change_newest_first() {
    let guarded = Guarded::new();
    let mut auditor = guarded.person("au", Role::Auditor).await;
    for number in 0..60 {
        guarded.token(&format!("t{number}"), "ops");
    }
    guarded.access.store().revoke_token("t7", "root", guarded.clock.now()).unwrap();
    let first = guarded.open(&mut auditor, "/access-log?lang=en").await.body;
    let number = |body: &str, at: usize| -> u64 {
        let row = body.split("<tr><td>").nth(at + 1).unwrap_or_else(|| panic!("{body}"));
        row.split('<').next().unwrap().parse().unwrap()
    };
    assert_eq!((number(&first, 0), number(&first, 49)), (62, 13));
    assert!(first.contains("token revoked") && first.contains("<td>root</td>"), "{first}");
    let older = guarded.open(&mut auditor, "/access-log?lang=en&before=13").await.body;
    assert_eq!((number(&older, 0), number(&older, 11), older.matches("<tr><td>").count()), (12, 1, 12));
    assert!(older.contains("account created") && !older.contains("Older changes"), "{older}");
    assert!(first.contains("href=\"/access-log?lang=en&#38;before=13\""), "{first}");
    assert_eq!(guarded.open(&mut auditor, "/access-log?before=x").await.status, 400);
    let open = super::super::world::state();
    assert!(
        get(&open, "/access-log?lang=en")
            .await
            .body
            .contains("No sign-in is configured, so there are no changes")
    );
}

#[tokio::test]
async fn earlier_answers_are_shown_to_their_own_principal_only() {
    let guarded = Guarded::new();
    let mut li = guarded.person("li", Role::Claims).await;
    let mut admin = guarded.person("an", Role::Admin).await;
    let case = format!("/?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00&reference=case-7&lang=en");
    let list = "Earlier answers in this case";
    assert_eq!(guarded.open(&mut li, &case).await.status, 200);
    assert!(guarded.open(&mut li, &case).await.body.contains(list));
    assert!(!guarded.open(&mut admin, &case).await.body.contains(list));
}
