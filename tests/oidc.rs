//! Sign-in by OpenID Connect: the real service and a real Keycloak, through both of whose pages a browser goes.

#[cfg(test)]
mod testkit;

#[cfg(test)]
mod tests {
    use crate::testkit::browser::{Browser, Page, absolute};
    use crate::testkit::keycloak::Keycloak;
    use crate::testkit::program::{Program, binary};
    use crate::testkit::wait::poll_until;
    use crate::testkit::walk::{SCREENS, Walk};
    use std::fs;
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    const REALM: &str = "claims-office";
    /// As tests/oidc/realm.json says.
    const SECRET: &str = "a-secret-of-the-test-realm";
    const PASSWORD: &str = "correct+horse+battery+staple";
    const SESSION: &str = "coverledger";
    const ATTEMPT: &str = "coverledger-oidc";

    fn config(folder: &Path, issuer: &str) -> PathBuf {
        let text = format!(
            "[ledger]\ndata_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[access.oidc]\nissuer = \"{issuer}\"\n\
             client_id = \"coverledger\"\nclient_secret = {{ file = \"oidc.secret\" }}\ndisplay_name = \"Claims Office\"\n\
             [[access.oidc.grant]]\nvalue = \"coverledger-auditor\"\nrole = \"auditor\"\n\
             [[access.oidc.grant]]\nvalue = \"coverledger-claims-shanghai\"\nrole = \"claims\"\nregions = [\"31\"]\n\
             [[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.25\"\n[platform.dada]\nrecords_from = 2025-07-01\n"
        );
        let path = folder.join("coverledger.toml");
        fs::write(folder.join("oidc.secret"), format!("{SECRET}\n")).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Both sides.
    struct Place {
        base: String,
        config: PathBuf,
        program: Program,
    }

    impl Place {
        /// Opens a page of the service, which leads to the sign-in page, and from there goes to the provider.
        fn to_provider(&self, browser: &mut Browser, wanted: &str) -> Page {
            let sign_in = browser.go(&format!("{}{wanted}", self.base), None);
            assert_eq!(sign_in.status, 200, "{sign_in:?}");
            assert!(sign_in.url.contains("/sign-in?next="), "{}", sign_in.url);
            let link = sign_in.value("class=\"button\" href=\"");
            browser.go(&absolute(&sign_in.url, &link), None)
        }

        /// The provider's form, filled in; the page that comes, without following.
        fn fill(&self, browser: &mut Browser, form: &Page, name: &str, password: &str) -> Page {
            assert!(form.url.contains(REALM), "{form:?}");
            let action = form.value("action=\"");
            browser.hop(&action, Some(&format!("username={name}&password={password}&credentialId=")))
        }

        /// The address of the callback, with which the provider answers a good sign-in.
        fn callback(&self, browser: &mut Browser, wanted: &str, name: &str) -> String {
            let form = self.to_provider(browser, wanted);
            let answer = self.fill(browser, &form, name, PASSWORD);
            let back = answer.leads_to().unwrap_or_else(|| panic!("{answer:?}"));
            assert!(back.starts_with(&format!("{}/sign-in/oidc/callback?", self.base)), "{back}");
            back
        }

        fn status(&self, browser: &Browser, path: &str) -> u16 {
            browser.clone().hop(&format!("{}{path}", self.base), None).status
        }

        fn command(&self, args: &[&str]) -> String {
            let done = binary().args(args).arg("--config").arg(&self.config).output().unwrap();
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap()
        }
    }

    #[test]
    fn people_sign_in_at_a_real_provider() {
        let realm = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc/realm.json");
        let (folder, keycloak) = (TempDir::new().unwrap(), Keycloak::planned(&realm));
        let config = config(folder.path(), &keycloak.issuer(REALM));
        let mut program = Program::serve(&config, &[]);
        let place = Place { base: format!("http://{}", program.address()), config, program };
        the_service_runs_while_the_provider_is_away(&place);
        keycloak.start(REALM);
        let mut browser = a_person_arrives_where_they_wanted_to_go(&place);
        a_person_goes_there_in_chromium(&place);
        a_wrong_password_is_refused(&place);
        an_answer_counts_once_and_in_its_own_browser(&place);
        a_person_without_a_role_is_refused_with_a_clear_page(&place);
        signing_out_ends_the_session(&place, &mut browser);
        a_disabled_person_stays_out(&place);
        let said = place.program.said();
        for secret in [SECRET, "code=", "state=", "correct horse"] {
            assert!(!said.contains(secret), "the log has {secret}: {said}");
        }
        assert_eq!(place.program.terminate(), Some(0));
    }

    fn the_service_runs_while_the_provider_is_away(place: &Place) {
        let page = place.to_provider(&mut Browser::default(), "/?lang=en");
        assert_eq!(page.status, 503, "{page:?}");
        assert!(
            page.body.contains("Signing in with Claims Office does not work at this moment"),
            "{}",
            page.body
        );
        assert!(place.program.said().contains("Failed to ask the provider at"), "{}", place.program.said());
    }

    fn a_person_arrives_where_they_wanted_to_go(place: &Place) -> Browser {
        let mut browser = Browser::default();
        let wanted = "/?lang=en&rider_id=3f9c-rider-7e21&at=2026-11-20T12:07:31%2B08:00&reference=case-7";
        let back = place.callback(&mut browser, wanted, "li.wei");
        assert!(browser.cookie(ATTEMPT).is_some() && !back.contains("rider"), "{back}");
        let landed = browser.hop(&back, None);
        assert_eq!(landed.status, 200, "{landed:?}");
        let set: Vec<&str> =
            landed.head.lines().filter(|line| line.to_lowercase().starts_with("set-cookie")).collect();
        assert_eq!(set.len(), 2, "{set:?}");
        assert!(set.iter().all(|line| line.contains("; HttpOnly; SameSite=")), "{set:?}");
        assert!(
            set.iter().any(|line| line.contains("SameSite=Strict") && line.contains("coverledger=")),
            "{set:?}"
        );
        let page = browser.go(&absolute(&landed.url, &landed.leads_to().unwrap()), None);
        assert_eq!(page.url, format!("{}{wanted}", place.base));
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("li.wei@oidc-") && page.body.contains(" · claims"), "{}", page.body);
        // The mapped role, with its region.
        assert_eq!(
            (place.status(&browser, "/v1/progress"), place.status(&browser, "/v1/rejections")),
            (200, 403)
        );
        let answer = browser.hop(&page.url.replace("/?lang=en&", "/v1/coverage?"), None);
        assert!(answer.status == 200 && answer.body.contains("limited_view"), "{answer:?}");
        assert!(browser.cookie(ATTEMPT).is_none(), "the cookie of the sign-in stays");
        browser
    }

    /// The same through the pages that people see.
    fn a_person_goes_there_in_chromium(place: &Place) {
        let (wanted, address) = (
            "/?lang=zh&rider_id=3f9c-rider-7e21&at=2026-11-20T12:07:31%2B08:00&reference=case-7",
            place.base.strip_prefix("http://").unwrap(),
        );
        for screen in SCREENS {
            let mut walk = Walk::start("oidc", screen);
            walk.open(address, wanted);
            walk.browser.follow("用 Claims Office 登录");
            // The provider's page.
            walk.picture();
            walk.type_into("username", "li.wei");
            walk.type_into("password", "correct horse battery staple");
            walk.browser.leave_for(&format!("{}{wanted}", place.base), |browser| browser.press("Enter"));
            walk.look("the case");
            walk.says(&["li.wei@oidc-", " · 理赔", "查无此人", "case-7"]);
        }
    }

    fn a_wrong_password_is_refused(place: &Place) {
        let mut browser = Browser::default();
        let form = place.to_provider(&mut browser, "/");
        let again = place.fill(&mut browser, &form, "li.wei", "wrong");
        assert!(again.leads_to().is_none() && again.body.contains("kc-form-login"), "{again:?}");
        assert_eq!((browser.cookie(SESSION), place.status(&browser, "/v1/progress")), (None, 401));
        // The same person, at the same form, with the right one.
        let answer = place.fill(&mut browser, &again, "li.wei", PASSWORD);
        let page = browser.go(&answer.leads_to().unwrap(), None);
        assert!(page.status == 200 && page.body.contains("li.wei@oidc-"), "{page:?}");
    }

    fn an_answer_counts_once_and_in_its_own_browser(place: &Place) {
        let (mut browser, mut other) = (Browser::default(), Browser::default());
        let back = place.callback(&mut browser, "/", "li.wei");
        // The address in a browser that began nothing, and in one that began another sign-in.
        let stolen = other.go(&back, None);
        assert_eq!((stolen.status, other.cookie(SESSION)), (400, None), "{stolen:?}");
        place.to_provider(&mut other, "/");
        let stolen = other.go(&back, None);
        assert_eq!((stolen.status, other.cookie(SESSION)), (400, None), "{stolen:?}");
        let before = browser.clone();
        assert_eq!(browser.go(&back, None).status, 200);
        assert!(browser.cookie(SESSION).is_some());
        // Again, with the cookie that a careless browser might have kept.
        let mut careless = before;
        let replayed = careless.go(&back, None);
        assert_eq!((replayed.status, careless.cookie(SESSION)), (400, None), "{replayed:?}");
    }

    fn a_person_without_a_role_is_refused_with_a_clear_page(place: &Place) {
        let mut browser = Browser::default();
        let back = place.callback(&mut browser, "/?lang=en", "cook");
        let page = browser.go(&format!("{back}&lang=en"), None);
        assert_eq!((page.status, browser.cookie(SESSION)), (403, None), "{page:?}");
        assert!(
            page.body.contains("You signed in with Claims Office, but you have no role here"),
            "{}",
            page.body
        );
        assert!(!place.command(&["account", "list"]).contains("cook"));
    }

    fn signing_out_ends_the_session(place: &Place, browser: &mut Browser) {
        let page = browser.go(&format!("{}/", place.base), None);
        let before = browser.clone();
        let out = browser.go(
            &format!("{}/sign-out", place.base),
            Some(&format!("proof={}", page.value("name=\"proof\" value=\""))),
        );
        assert!(out.url.contains("/sign-in?"), "{}", out.url);
        assert_eq!((browser.cookie(SESSION), place.status(&before, "/v1/progress")), (None, 401));
    }

    fn a_disabled_person_stays_out(place: &Place) {
        let mut browser = Browser::default();
        let back = place.callback(&mut browser, "/", "li.wei");
        assert_eq!(browser.go(&back, None).status, 200);
        let list = place.command(&["account", "list"]);
        let name = list.split_whitespace().find(|word| word.starts_with("li.wei@oidc-")).unwrap().to_owned();
        place.command(&["account", "disable", &name]);
        poll_until("the session ends", || (place.status(&browser, "/v1/progress") == 401).then_some(()));
        let mut again = Browser::default();
        let back = place.callback(&mut again, "/", "li.wei");
        let page = again.go(&back, None);
        assert_eq!((page.status, again.cookie(SESSION)), (403, None), "{page:?}");
    }
}
