//! People: the sign-in page, its cookies, its protection, and the way out.

use super::*;

/// What a browser keeps of the service.
#[derive(Clone, Debug, Default)]
pub(in crate::http::tests) struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub(in crate::http::tests) fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub(in crate::http::tests) fn take(&mut self, reply: &Reply) {
        for line in reply.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(line.contains("; Path=/; HttpOnly; SameSite=Strict"), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if !line.contains("Max-Age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(in crate::http::tests) fn proof(page: &Reply) -> String {
    let (_, after) =
        page.body.split_once("name=\"proof\" value=\"").unwrap_or_else(|| panic!("{}", page.body));
    after.split('"').next().unwrap().to_owned()
}

impl Guarded {
    pub(super) async fn open(&self, cookies: &mut Cookies, uri: &str) -> Reply {
        let reply = self.ask(&Method::GET, uri, &[("cookie", &cookies.header())]).await;
        cookies.take(&reply);
        reply
    }

    pub(super) async fn post(
        &self,
        cookies: &mut Cookies,
        uri: &str,
        form: &str,
        more: &[(&str, &str)],
    ) -> Reply {
        let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("cookie", cookies.header());
        let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let reply = send(&self.state, request.body(form.to_owned().into()).unwrap()).await;
        cookies.take(&reply);
        reply
    }

    pub(super) async fn sign_in(
        &self,
        cookies: &mut Cookies,
        name: &str,
        password: &str,
        next: &str,
    ) -> Reply {
        let proof = proof(&self.open(cookies, "/sign-in").await);
        let form = format!("name={name}&password={}&proof={proof}&next={next}", password.replace(' ', "+"));
        self.post(cookies, "/sign-in", &form, &[]).await
    }
}

#[tokio::test]
async fn a_person_is_led_to_sign_in_and_back_and_out() {
    let guarded = Guarded::new();
    guarded.account("li.wei", Role::Claims);
    let mut cookies = Cookies::default();
    let asked = sample("/");
    let led = guarded.open(&mut cookies, &asked).await;
    assert_eq!(led.status, 303);
    let to = led.header("location").to_owned();
    assert!(to.starts_with("/sign-in?next=%2F%3Frider_id%3D"), "{to}");
    let page = guarded.open(&mut cookies, &to).await;
    assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-store"));
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    let proof_ = proof(&page);
    let next = to.split_once("next=").unwrap().1;
    let form = format!("name=li.wei&password={}&proof={proof_}&next={next}", PASSWORD.replace(' ', "+"));
    let back = guarded.post(&mut cookies, "/sign-in", &form, &[("origin", "http://localhost")]).await;
    // In the language of the page.
    let asked = format!("{asked}&lang=zh");
    assert_eq!((back.status.as_u16(), back.header("location")), (303, asked.as_str()), "{}", back.body);
    let answer = guarded.open(&mut cookies, &asked).await;
    assert!(
        answer.body.contains("data-verdict=\"covered\"") && answer.body.contains("li.wei · 理赔"),
        "{}",
        answer.body
    );
    assert_eq!(guarded.open(&mut cookies, &sample("/v1/coverage")).await.status, 200);
    guarded.open(&mut cookies, "/v1/statements?month=2026-11").await.is_problem(403, "forbidden");
    // Out, and the old cookie is worth nothing.
    let stolen = cookies.clone();
    let form = format!("proof={}&lang=en", proof(&answer));
    let out = guarded.post(&mut cookies, "/sign-out", &form, &[]).await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/sign-in?lang=en"));
    assert_eq!(cookies.value("coverledger"), None);
    for mut cookies in [cookies, stolen] {
        assert_eq!(guarded.open(&mut cookies, &asked).await.status, 303);
        guarded.open(&mut cookies, "/v1/progress").await.is_problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn every_sign_in_gives_a_new_cookie_whatever_the_browser_brought() {
    let guarded = Guarded::new();
    guarded.account("li.wei", Role::Claims);
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut cookies = Cookies(vec![("coverledger".to_owned(), planted.to_owned())]);
    let mut seen = BTreeSet::from([planted.to_owned()]);
    for _ in 0..3 {
        let before = cookies.clone();
        assert_eq!(guarded.sign_in(&mut cookies, "li.wei", PASSWORD, "/").await.status, 303);
        assert!(seen.insert(cookies.value("coverledger").unwrap().to_owned()), "an old cookie came again");
        let reply = guarded.ask(&Method::GET, "/v1/progress", &[("cookie", &before.header())]).await;
        assert_eq!(reply.status, 401, "the session before lives on");
    }
}

#[tokio::test]
async fn what_is_wrong_is_never_told_apart() {
    let guarded = Guarded::new();
    guarded.account("li.wei", Role::Claims);
    guarded.account("gone", Role::Claims);
    guarded.access.store().set_disabled("gone", true, "test", guarded.clock.now()).unwrap();
    guarded.access.refresh(guarded.clock.now()).unwrap();
    let mut bodies = BTreeSet::new();
    for (name, password) in [
        ("li.wei", "wrong password"),
        ("un.known", PASSWORD),
        ("gone", PASSWORD),
        ("", ""),
        ("%27+OR+1%3D1--", "x"),
    ] {
        let mut cookies = Cookies::default();
        let reply = guarded.sign_in(&mut cookies, name, password, "/").await;
        assert_eq!(
            (reply.status.as_u16(), cookies.value("coverledger")),
            (401, None),
            "{name}: {}",
            reply.body
        );
        let (start, _) = reply.body.split_once("<form class=\"card ask").unwrap();
        bodies.insert(start.split_once("<main").unwrap().1.to_owned());
        assert!(!reply.body.contains("wrong password"), "the password came back");
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn failures_lock_the_name_for_everyone_and_the_right_password_does_not_help() {
    let guarded = Guarded::with("[access]\nlockout_failures = 3\nlockout = \"1h\"\n");
    guarded.account("li.wei", Role::Claims);
    for _ in 0..3 {
        let reply = guarded.sign_in(&mut Cookies::default(), "li.wei", "wrong password", "/").await;
        assert_eq!(reply.status, 401, "{}", reply.body);
    }
    let locked = guarded.sign_in(&mut Cookies::default(), "li.wei", PASSWORD, "/").await;
    assert_eq!(locked.status, 429);
    assert!(locked.header("retry-after").parse::<u64>().unwrap() > 3_000, "{locked:?}");
    guarded.account("wang.fang", Role::Auditor);
    assert_eq!(guarded.sign_in(&mut Cookies::default(), "wang.fang", PASSWORD, "/").await.status, 303);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let guarded = Guarded::new();
    guarded.account("li.wei", Role::Claims);
    let mut cookies = Cookies::default();
    let page_proof = proof(&guarded.open(&mut cookies, "/sign-in").await);
    let form = |proof: &str| format!("name=li.wei&password={}&proof={proof}", PASSWORD.replace(' ', "+"));
    let other_proof = proof(&guarded.open(&mut Cookies::default(), "/sign-in").await);
    for wrong in ["", "AAAA", other_proof.as_str()] {
        let reply = guarded.post(&mut cookies.clone(), "/sign-in", &form(wrong), &[]).await;
        assert_eq!(reply.status, 403, "{wrong}");
    }
    assert_eq!(guarded.post(&mut Cookies::default(), "/sign-in", &form(&page_proof), &[]).await.status, 403);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:81"),
        ("origin", "http://localhost.evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let more = [(name, value), ("sec-fetch-mode", "navigate")];
        let reply = guarded.post(&mut cookies.clone(), "/sign-in", &form(&page_proof), &more).await;
        reply.is_problem(403, "cross-site");
    }
    assert_eq!(guarded.post(&mut cookies, "/sign-in", &form(&page_proof), &[]).await.status, 303);
    // Signed in, and asked to sign out by another page.
    for form in ["", "proof=AAAA", &format!("proof={page_proof}")] {
        guarded.post(&mut cookies.clone(), "/sign-out", form, &[]).await.is_problem(403, "cross-site");
    }
    assert_eq!(guarded.open(&mut cookies, "/v1/progress").await.status, 200);
}

#[tokio::test]
async fn signing_in_leads_to_no_other_site_and_takes_no_large_form() {
    let guarded = Guarded::new();
    guarded.account("li.wei", Role::Claims);
    for next in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%0d%0aX:1",
        "/v1/progress",
    ] {
        let reply = guarded.sign_in(&mut Cookies::default(), "li.wei", PASSWORD, next).await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "/?lang=zh"), "{next}");
    }
    let large = format!("name={}", "x".repeat(20_000));
    guarded.post(&mut Cookies::default(), "/sign-in", &large, &[]).await.is_problem(413, "body-too-large");
    let twice = guarded.post(&mut Cookies::default(), "/sign-in", "evil=1", &[]).await;
    twice.is_problem(400, "unknown-parameter");
    let page = guarded.open(&mut Cookies::default(), "/sign-in?next=%22%3E%3Cscript%3E&lang=en").await;
    assert!(!page.body.contains("<script") && page.body.contains("Sign in"), "{}", page.body);
}

#[tokio::test]
async fn a_role_without_pages_is_told_so_on_a_page() {
    let guarded = Guarded::new();
    guarded.account("ops", Role::Ops);
    let mut cookies = Cookies::default();
    guarded.sign_in(&mut cookies, "ops", PASSWORD, "/").await;
    let page = guarded.open(&mut cookies, "/").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("您的角色没有可用的页面"), "{}", page.body);
    assert_eq!(guarded.open(&mut cookies, "/metrics").await.status, 200);
}

#[tokio::test]
async fn behind_tls_cookies_are_secure_and_of_the_host() {
    let guarded = Guarded::with("[http]\nbehind_proxy = [\"10.0.0.1\"]\n[access]\n");
    // In process there is no connection, so no proxy either.
    guarded.ask(&Method::GET, "/sign-in", &[]).await.is_problem(403, "forbidden");
    assert_eq!(guarded.ask(&Method::GET, "/livez", &[]).await.status, 200);
}
