//! Who may ask what: every route and method, with every role, without, and with what is over; and what each role sees.

mod pages;
mod scope;
pub(super) mod sign_in;

use super::answers::open_log;
use super::world::*;
use crate::access::{Access, AccessStore, NewAccount, NewToken, Role, STORE_FILE, check_scope};
use crate::access::{LockoutTerms, RateTerms, Terms};
use crate::config::Config;
use crate::domain::time::DAY_MS;
use crate::http::HttpState;
use crate::http::routes::{RULES, all};
use crate::telemetry::clock::Clock;
use axum::body::Body;
use axum::http::{Method, Request};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use tempfile::TempDir;

const RIDER: &str = "3f9c-rider-7e21";
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// A service with `[access]`.
pub(super) struct Guarded {
    _answers: TempDir,
    folder: TempDir,
    pub(super) state: HttpState<World>,
    access: Arc<Access>,
    clock: Clock,
}

impl Guarded {
    pub(super) fn new() -> Self {
        Self::with("[access]\nrequests_burst = 100000\n")
    }

    fn with(config: &str) -> Self {
        let config = Config::from_text(config).unwrap();
        let settings = config.access.unwrap();
        let (folder, clock) = (TempDir::new().unwrap(), Clock::start());
        let store = AccessStore::open(&folder.path().join(STORE_FILE)).unwrap();
        let terms = Terms {
            session_idle_ms: settings.session_idle_ms,
            session_max_ms: settings.session_max_ms,
            lockout: LockoutTerms { failures: settings.lockout_failures, lock_ms: settings.lockout_ms },
            rate: RateTerms { per_second: NonZeroU32::MIN, burst: settings.requests_burst },
        };
        let access = Arc::new(Access::new(store, terms, clock.now()).unwrap());
        let state = state_with(world(), config.http);
        let state = state.with_access(Arc::clone(&access), clock, &settings);
        let answers = TempDir::new().unwrap();
        let state = state.with_answer_log(open_log(&answers), clock);
        Self { _answers: answers, folder, state, access, clock }
    }

    pub(super) fn token(&self, name: &str, role: &str) -> String {
        let (role, platform) = role.split_once(':').map_or((role, None), |(role, name)| (role, Some(name)));
        let (role, regions) = role.split_once('@').map_or((role, vec![]), |(r, p)| (r, vec![p.to_owned()]));
        let role = Role::parse(role).unwrap();
        let scope = check_scope(role, platform, &regions).unwrap();
        let now = self.clock.now();
        let new = NewToken { name: name.to_owned(), role, scope, expires: now.plus(DAY_MS) };
        // As a command does: over a connection of its own.
        let store = AccessStore::open(&self.folder.path().join(STORE_FILE)).unwrap();
        let token = store.create_token(&new, "test", now).unwrap();
        self.access.refresh(now).unwrap();
        token
    }

    pub(super) fn account(&self, name: &str, role: Role) {
        let scope = check_scope(role, None, &[]).unwrap();
        let new = NewAccount { name: name.to_owned(), role, scope };
        let store = AccessStore::open(&self.folder.path().join(STORE_FILE)).unwrap();
        store.create_account(&new, PASSWORD, "test", self.clock.now()).unwrap();
        self.access.refresh(self.clock.now()).unwrap();
    }

    async fn ask(&self, method: &Method, uri: &str, headers: &[(&str, &str)]) -> Reply {
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(&self.state, request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, token: &str, uri: &str) -> Reply {
        self.ask(&Method::GET, uri, &[("authorization", &format!("Bearer {token}"))]).await
    }
}

/// A request to a route that its handler answers well. A route that is missing here fails the test.
fn sample(path: &str) -> String {
    let asked = "at=2026-11-20T12:07:31%2B08:00&reference=case-7";
    let day = "from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00&reference=case-7";
    match path {
        "/" => format!("/?rider_id={RIDER}&{asked}"),
        "/bulk" => "/bulk?lang=zh".to_owned(),
        "/bulk/{job}" => "/bulk/none".to_owned(),
        "/bulk/{job}/remove" => "/bulk/none/remove".to_owned(),
        "/bulk/{job}/answers.csv" => "/bulk/none/answers.csv".to_owned(),
        "/bulk/{job}/answers.xlsx" => "/bulk/none/answers.xlsx".to_owned(),
        "/rider" => format!("/rider?rider_id={RIDER}&day=2026-11-20&reference=case-7"),
        "/order" => "/order?platform=dada&order_id=DD-20261120-0093&reference=case-7".to_owned(),
        "/answer" => "/answer?number=1".to_owned(),
        "/receipt" => format!("/receipt?rider_id={RIDER}&{asked}"),
        "/access-log" => "/access-log?lang=en".to_owned(),
        "/operations" => "/operations?lang=en".to_owned(),
        "/v1/coverage" => format!("/v1/coverage?rider_id={RIDER}&{asked}"),
        "/v1/coverage/batch" => "/v1/coverage/batch?reference=case-7".to_owned(),
        "/v1/riders/{rider_id}/timeline" => format!("/v1/riders/{RIDER}/timeline?{day}"),
        "/v1/orders/{platform}/{order_id}" => "/v1/orders/dada/DD-20261120-0093?reference=case-7".to_owned(),
        "/v1/statements" => "/v1/statements?month=2026-11".to_owned(),
        "/tlog/tile/{*path}" => "/tlog/tile/entries/000.p/1".to_owned(),
        "/v1/answers/{number}" => "/v1/answers/1".to_owned(),
        "/v1/answers"
        | "/v1/openapi.json"
        | "/docs"
        | "/tlog/checkpoint"
        | "/tlog/keys"
        | "/v1/rejections"
        | "/v1/progress"
        | "/sign-in"
        | "/sign-in/oidc"
        | "/sign-in/oidc/callback"
        | "/sign-out"
        | "/livez"
        | "/readyz"
        | "/metrics"
        | "/assets/page.css"
        | "/assets/icon.svg" => path.to_owned(),
        other => panic!("{other} has no sample: say in this test who may use it"),
    }
}

const ROLES: [&str; 6] = ["claims", "claims@31", "platform:dada", "auditor", "ops", "admin"];

/// Who may use a route, written down a second time.
fn allowed(method: &str, path: &str) -> &'static [&'static str] {
    match (method, path) {
        (
            "GET",
            "/"
            | "/bulk"
            | "/bulk/{job}"
            | "/bulk/{job}/answers.csv"
            | "/bulk/{job}/answers.xlsx"
            | "/rider"
            | "/order"
            | "/answer"
            | "/v1/coverage"
            | "/v1/riders/{rider_id}/timeline"
            | "/v1/orders/{platform}/{order_id}"
            | "/v1/answers"
            | "/v1/answers/{number}",
        )
        | ("POST", "/v1/coverage/batch" | "/bulk" | "/bulk/{job}/remove") => {
            &["claims", "claims@31", "platform:dada", "auditor", "admin"]
        }
        ("GET", "/receipt") => &["claims", "auditor", "admin"],
        ("GET", "/access-log") => &["auditor", "admin"],
        ("GET", "/v1/statements") => &["platform:dada", "auditor", "admin"],
        ("GET", "/v1/rejections") => &["platform:dada", "auditor", "ops", "admin"],
        ("GET", "/metrics") => &["platform:dada", "auditor", "ops", "admin"],
        ("GET", "/operations") => &["auditor", "ops", "admin"],
        ("GET", "/v1/progress") | ("POST", "/sign-out") => &ROLES,
        (
            "GET",
            "/sign-in"
            | "/sign-in/oidc"
            | "/sign-in/oidc/callback"
            | "/docs"
            | "/v1/openapi.json"
            | "/livez"
            | "/readyz"
            | "/assets/page.css"
            | "/assets/icon.svg"
            | "/tlog/checkpoint"
            | "/tlog/keys"
            | "/tlog/tile/{*path}",
        )
        | ("POST", "/sign-in") => &["anyone"],
        other => panic!("{other:?} has no entry: say in this test who may use it"),
    }
}

#[test]
fn every_rule_has_one_handler() {
    let named: BTreeSet<(&str, &str)> = RULES.iter().map(|rule| (rule.method, rule.path)).collect();
    assert_eq!(named.len(), RULES.len(), "a route is in the table twice");
    assert_eq!(all::<World>().len(), RULES.len(), "a rule has no handler");
}

/// Checks that a route admitted its asker, or refused it.
#[track_caller]
fn check(reply: &Reply, is_allowed: bool, what: &str) {
    let status = reply.status.as_u16();
    if is_allowed {
        // The entry of another principal is not found.
        if reply.body.contains("answer-unknown") || reply.body.contains("没有这条答复") {
            return;
        }
        assert!(!matches!(status, 401 | 403 | 404 | 405), "{what}: {status} {}", reply.body);
        return;
    }
    assert_eq!(status, 403, "{what}: {}", reply.body);
    assert!(!reply.body.contains(RIDER) && !reply.body.contains("DD-2026"), "{what}: {}", reply.body);
}

#[tokio::test]
async fn every_route_and_method_is_for_its_roles_only() {
    let guarded = Guarded::new();
    let tokens = ROLES.map(|role| (role, guarded.token(&role.replace([':', '@'], "-"), role)));
    for rule in &RULES {
        let (uri, method) = (sample(rule.path), Method::from_bytes(rule.method.as_bytes()).unwrap());
        let roles = allowed(rule.method, rule.path);
        let is_open = roles == ["anyone"];
        for (role, token) in &tokens {
            let bearer = format!("Bearer {token}");
            let what = format!("{method} {} as {role}", rule.path);
            let reply = guarded.ask(&method, &uri, &[("authorization", &bearer)]).await;
            // A form of a token's bearer, or of one without a proof, is refused by its handler.
            if rule.path == "/sign-out" {
                reply.is_problem(400, "bad-request");
            } else if rule.path == "/sign-in" && method == Method::POST {
                assert_eq!(reply.status, 403, "{what}");
            } else if rule.path.starts_with("/bulk/") && roles.contains(role) {
                // Its handler, which knows no such list of this asker.
                assert!(reply.status == 404 && reply.body.contains("没有这份名单"), "{what}: {}", reply.body);
            } else {
                check(&reply, is_open || roles.contains(role), &what);
            }
            if method == Method::GET {
                let head = guarded.ask(&Method::HEAD, &uri, &[("authorization", &bearer)]).await;
                assert_eq!(head.status, reply.status, "HEAD: {what}");
            }
        }
    }
}

#[tokio::test]
async fn only_a_valid_token_or_session_is_accepted() {
    let guarded = Guarded::new();
    let valid = guarded.token("valid", "admin");
    let revoked = guarded.token("revoked", "admin");
    guarded.access.store().revoke_token("revoked", "test", guarded.clock.now()).unwrap();
    let past = guarded.clock.now().minus(2 * DAY_MS);
    let scope = check_scope(Role::Admin, None, &[]).unwrap();
    let new = NewToken { name: "old".to_owned(), role: Role::Admin, scope, expires: past.plus(1) };
    let store = AccessStore::open(&guarded.folder.path().join(STORE_FILE)).unwrap();
    let expired = store.create_token(&new, "test", past).unwrap();
    store.revoke_token("revoked", "test", guarded.clock.now()).unwrap();
    guarded.access.refresh(guarded.clock.now()).unwrap();
    let bearer = |token: &str| format!("Bearer {token}");
    let cases: Vec<Vec<(&str, String)>> = vec![
        vec![],
        vec![("authorization", bearer(&revoked))],
        vec![("authorization", bearer(&expired))],
        vec![("authorization", bearer("coverledger_AAAA"))],
        vec![("authorization", bearer(""))],
        vec![("authorization", valid.clone())],
        vec![("authorization", format!("Basic {valid}"))],
        vec![("authorization", bearer(&valid)), ("authorization", bearer(&valid))],
        vec![("cookie", format!("coverledger={valid}"))],
        vec![("cookie", "coverledger=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned())],
        vec![("x-forwarded-user", "admin".to_owned())],
    ];
    for rule in &RULES {
        let method = Method::from_bytes(rule.method.as_bytes()).unwrap();
        if allowed(rule.method, rule.path) == ["anyone"] {
            continue;
        }
        for headers in &cases {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let reply = guarded.ask(&method, &sample(rule.path), &headers).await;
            let what = format!("{method} {} with {headers:?}", rule.path);
            // A token that is not accepted is never made up for by signing in.
            let is_page = headers.iter().all(|(name, _)| *name != "authorization");
            let reply_is_page = is_page && rule.is_page;
            assert_eq!(
                reply.status.as_u16(),
                if reply_is_page { 303 } else { 401 },
                "{what}: {}",
                reply.body
            );
            assert!(!reply.body.contains("DD-2026"), "{what}");
        }
    }
    assert_eq!(guarded.get(&valid, &sample("/v1/coverage")).await.status, 200);
}

#[tokio::test]
async fn methods_without_a_rule_reach_nothing() {
    let guarded = Guarded::new();
    let admin = guarded.token("admin", "admin");
    let bearer = format!("Bearer {admin}");
    for rule in &RULES {
        for name in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            if RULES.iter().any(|known| known.path == rule.path && known.method == name) {
                continue;
            }
            for headers in [&[][..], &[("authorization", bearer.as_str())]] {
                let reply = guarded.ask(&method, &sample(rule.path), headers).await;
                assert!(matches!(reply.status.as_u16(), 400 | 405), "{name} {}: {}", rule.path, reply.status);
                assert!(!reply.body.contains("premium"), "{name} {}: {}", rule.path, reply.body);
            }
        }
    }
    for path in
        ["/v1/nothing", "/v1/coverage/", "//v1/coverage", "/V1/coverage", "/v1/../v1/coverage", "/%2e%2e/"]
    {
        guarded.get(&admin, path).await.is_problem(404, "not-found");
        assert_eq!(guarded.ask(&Method::GET, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_claim_handler_says_why_with_every_question() {
    let guarded = Guarded::new();
    let (claims, auditor) = (guarded.token("claims", "claims"), guarded.token("auditor", "auditor"));
    for rule in RULES.iter().filter(|rule| rule.asks_reason && rule.method == "GET" && !rule.is_page) {
        let uri = sample(rule.path).replace("&reference=case-7", "").replace("?reference=case-7", "");
        guarded.get(&claims, &uri).await.is_problem(400, "reason-missing");
        assert_eq!(guarded.get(&auditor, &uri).await.status, 200, "{uri}");
        let bearer = format!("Bearer {claims}");
        let with = |reason: &'static str| {
            [("authorization", bearer.clone()), ("coverledger-reason", reason.to_owned())]
        };
        for (reason, status) in [("案件 7", 200), ("   ", 400), ("a\tb", 400)] {
            let headers = with(reason);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(guarded.ask(&Method::GET, &uri, &headers).await.status, status, "{uri} {reason}");
        }
        let blank =
            if uri.contains('?') { format!("{uri}&reference=%20") } else { format!("{uri}?reference=%20") };
        guarded.get(&claims, &blank).await.is_problem(400, "reason-missing");
    }
    let page = sample("/").replace("&reference=case-7", "");
    let refused = guarded.get(&claims, &page).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.contains("请填写案件编号") && !refused.body.contains("data-verdict"),
        "{}",
        refused.body
    );
    let batch = async |line: &str, uri: &str| {
        let request = Request::post(uri).header("authorization", format!("Bearer {claims}"));
        let request = request.header("content-type", "application/x-ndjson").body(line.to_owned().into());
        send(&guarded.state, request.unwrap()).await.body
    };
    let line =
        |more: &str| format!("{{\"rider_id\":\"{RIDER}\",\"at\":\"2026-11-20T12:07:31+08:00\"{more}}}\n");
    let mixed =
        batch(&format!("{}{}", line(""), line(",\"reference\":\"case-7\"")), "/v1/coverage/batch").await;
    let lines: Vec<serde_json::Value> =
        mixed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["error"].as_str().unwrap().contains("case number"), "{mixed}");
    assert_eq!(lines[1]["verdict"], "covered", "{mixed}");
    assert!(batch(&line(""), "/v1/coverage/batch?reference=case-7").await.contains("\"covered\""));
}

#[tokio::test]
async fn one_asker_who_asks_too_often_waits_and_the_others_do_not() {
    let guarded = Guarded::with("[access]\nrequests_burst = 3\n");
    let (hasty, calm) = (guarded.token("hasty", "admin"), guarded.token("calm", "admin"));
    for _ in 0..3 {
        assert_eq!(guarded.get(&hasty, "/v1/progress").await.status, 200);
    }
    let refused = guarded.get(&hasty, "/v1/progress").await;
    refused.is_problem(429, "too-many-requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(guarded.get(&calm, "/v1/progress").await.status, 200);
    assert_eq!(guarded.get(&hasty, "/livez").await.status, 200);
}

#[tokio::test]
async fn without_access_all_is_open_and_the_page_says_so() {
    let state = state();
    let page = get(&state, "/").await;
    assert!(page.body.contains("未配置登录") && !page.body.contains("/sign-out"), "{}", page.body);
    assert_eq!(get(&state, "/v1/rejections").await.status, 200);
    let sign_in = get(&state, "/sign-in").await;
    assert_eq!((sign_in.status.as_u16(), sign_in.header("location")), (303, "/?lang=zh"));
    let guarded = Guarded::new();
    let admin = guarded.token("admin", "admin");
    assert!(!guarded.get(&admin, "/").await.body.contains("未配置登录"));
}
