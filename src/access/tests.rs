//! Tokens, accounts and sessions against a real store.

use super::*;
use crate::domain::data_scope::DataScope;
use crate::domain::time::{HOUR_MS, MINUTE_MS, UtcMillis};
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const START: UtcMillis = UtcMillis::new(1_795_147_200_000);
const PASSWORD: &str = "correct horse battery staple";

fn terms() -> Terms {
    let number = |n| NonZeroU32::new(n).unwrap();
    Terms {
        session_idle_ms: 30 * MINUTE_MS,
        session_max_ms: 12 * HOUR_MS,
        lockout: LockoutTerms { failures: 4, lock_ms: 15 * MINUTE_MS },
        rate: RateTerms { per_second: number(1), burst: number(3) },
    }
}

struct Place {
    folder: TempDir,
    store: AccessStore,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = AccessStore::open(&folder.path().join(STORE_FILE)).unwrap();
        Self { folder, store }
    }

    /// Another connection to the same file, as a service has.
    fn service(&self) -> Access {
        Access::new(AccessStore::open(&self.folder.path().join(STORE_FILE)).unwrap(), terms(), START).unwrap()
    }

    fn token(&self, name: &str, role: Role, scope: DataScope) -> String {
        let expires = START.plus(HOUR_MS);
        let new = NewToken { name: name.to_owned(), role, scope, expires };
        self.store.create_token(&new, "test", START).unwrap()
    }

    fn account(&self, name: &str) {
        let new = NewAccount { name: name.to_owned(), role: Role::Claims, scope: DataScope::All };
        self.store.create_account(&new, PASSWORD, "test", START).unwrap();
    }
}

fn sign_in(access: &Access, password: &str, now: UtcMillis) -> Result<SignedIn, SignInError> {
    access.sign_in(("li.wei", password), None, None, now)
}

#[test]
fn a_token_lets_its_bearer_in_until_it_expires_or_is_revoked() {
    let place = Place::new();
    let dada = DataScope::Platform("dada".to_owned());
    let secret = place.token("dada-claims", Role::Platform, dada.clone());
    let access = place.service();
    let principal = access.token(&secret, START).unwrap();
    assert_eq!(
        (principal.name.as_str(), principal.role, &principal.scope),
        ("dada-claims", Role::Platform, &dada)
    );
    let late = START.plus(HOUR_MS);
    assert_eq!(access.token(&secret, late.minus(1)).map(|p| p.role), Ok(Role::Platform));
    assert_eq!(access.token(&secret, late), Err(Denied::Expired));
    let mut other = secret.clone().into_bytes();
    let last = other.last_mut().unwrap();
    *last = if *last == b'A' { b'E' } else { b'A' };
    let other = String::from_utf8(other).unwrap();
    for wrong in ["", "x", TOKEN_PREFIX, secret.trim_start_matches(TOKEN_PREFIX), other.as_str()] {
        assert_eq!(access.token(wrong, START), Err(Denied::Unknown), "{wrong}");
    }
    place.store.revoke_token("dada-claims", "test", START).unwrap();
    assert!(access.token(&secret, START).is_ok(), "not noticed yet");
    access.refresh(START).unwrap();
    assert_eq!(access.token(&secret, START), Err(Denied::Revoked));
}

#[test]
fn no_file_of_the_store_holds_a_secret() {
    let place = Place::new();
    place.account("li.wei");
    let secret = place.token("t", Role::Admin, DataScope::All);
    let access = place.service();
    let cookie = sign_in(&access, PASSWORD, START).unwrap().cookie;
    for entry in fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} may be read by others", path.display());
        let raw = data_encoding::BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap();
        for secret in [secret.as_bytes(), PASSWORD.as_bytes(), cookie.as_bytes(), &raw] {
            assert!(memchr::memmem::find(&bytes, secret).is_none(), "{}", path.display());
        }
    }
}

#[test]
fn a_running_service_takes_over_what_a_command_changed_and_reports_each_change_once() {
    let place = Place::new();
    let access = place.service();
    assert!(!access.has_any() && access.refresh(START).unwrap().is_empty());
    let secret = place.token("audit", Role::Auditor, DataScope::All);
    assert_eq!(access.token(&secret, START), Err(Denied::Unknown));
    place.account("li.wei");
    let noted = |changes: Vec<Change>| -> Vec<(u64, String, String, String)> {
        changes.into_iter().map(|c| (c.number, c.action, c.subject, c.detail)).collect()
    };
    let text = |number, action: &str, subject: &str, detail: &str| {
        (number, action.to_owned(), subject.to_owned(), detail.to_owned())
    };
    assert_eq!(
        noted(access.refresh(START).unwrap()),
        [text(1, "token_created", "audit", "auditor"), text(2, "account_created", "li.wei", "claims")]
    );
    assert!(access.token(&secret, START).is_ok());
    let shanghai = check_scope(Role::Claims, None, &["31".to_owned(), "4403".to_owned()]).unwrap();
    place.store.set_role("li.wei", (Role::Claims, &shanghai), "test", START).unwrap();
    place.store.set_disabled("li.wei", true, "test", START).unwrap();
    place.store.set_disabled("li.wei", true, "test", START).unwrap();
    assert_eq!(
        noted(access.refresh(START).unwrap()),
        [text(3, "role_changed", "li.wei", "claims in 31 4403"), text(4, "account_disabled", "li.wei", "")]
    );
    assert!(access.refresh(START).unwrap().is_empty());
    assert_eq!(place.store.changes_after(2, 1).unwrap()[0].number, 3);
}

#[test]
fn a_session_ends_when_idle_at_its_latest_time_and_by_signing_out() {
    let place = Place::new();
    place.account("li.wei");
    let access = place.service();
    let signed_in = sign_in(&access, PASSWORD, START).unwrap();
    assert_eq!(signed_in.principal.name, "li.wei");
    let mut now = START;
    // Seen often enough, it lasts to its latest time.
    while now.since(START) < 12 * HOUR_MS {
        assert!(access.session(&signed_in.cookie, now).is_ok(), "{}", now.since(START));
        access.refresh(now).unwrap();
        now = now.plus(29 * MINUTE_MS);
    }
    assert_eq!(access.session(&signed_in.cookie, START.plus(12 * HOUR_MS)), Err(Denied::Expired));
    let idle = sign_in(&access, PASSWORD, now).unwrap().cookie;
    let seen = now.plus(10 * MINUTE_MS);
    assert!(access.session(&idle, seen).is_ok());
    assert!(access.session(&idle, seen.plus(29 * MINUTE_MS)).is_ok());
    assert_eq!(access.session(&idle, seen.plus(59 * MINUTE_MS)), Err(Denied::Expired));
    let out = sign_in(&access, PASSWORD, now).unwrap().cookie;
    access.sign_out(&out, now).unwrap();
    assert_eq!(access.session(&out, now), Err(Denied::Unknown));
}

#[test]
fn signing_in_again_gives_another_cookie_and_ends_the_old_session() {
    let place = Place::new();
    place.account("li.wei");
    let access = place.service();
    let first = sign_in(&access, PASSWORD, START).unwrap().cookie;
    let second = access.sign_in(("li.wei", PASSWORD), None, Some(&first), START).unwrap().cookie;
    assert_ne!(first, second);
    assert_eq!(access.session(&first, START), Err(Denied::Unknown));
    assert!(access.session(&second, START).is_ok());
    // A restart ends no session; a new password ends all.
    let restarted = place.service();
    assert!(restarted.session(&second, START).is_ok());
    place.store.set_password("li.wei", "another long password", "test", START).unwrap();
    restarted.refresh(START).unwrap();
    assert_eq!(restarted.session(&second, START), Err(Denied::Unknown));
    assert!(matches!(sign_in(&restarted, PASSWORD, START), Err(SignInError::Wrong)));
    assert!(sign_in(&restarted, "another long password", START).is_ok());
}

#[test]
fn failures_lock_a_name_whether_or_not_it_has_an_account() {
    let place = Place::new();
    place.account("li.wei");
    let access = place.service();
    for name in ["li.wei", "un.known"] {
        let mut now = START;
        let mut waits = Vec::new();
        for _ in 0..4 {
            let tried = access.sign_in((name, "wrong password"), None, None, now);
            assert!(matches!(tried, Err(SignInError::Wrong)), "{tried:?}");
            let wait = match access.sign_in((name, "wrong password"), None, None, now) {
                Err(SignInError::Wait(wait)) => wait.as_secs(),
                _ => 0,
            };
            waits.push(wait);
            if wait == 0 {
                // That attempt counted, too.
                continue;
            }
            now = now.plus(i64::try_from(wait).unwrap() * 1_000);
        }
        assert_eq!(waits, [0, 1, 900, 0], "{name}");
    }
    // The right password does not help while the name is locked.
    let now = START.plus(HOUR_MS);
    for _ in 0..3 {
        drop(access.sign_in(("li.wei", "wrong password"), None, None, now));
    }
    assert!(matches!(sign_in(&access, PASSWORD, now), Err(SignInError::Wait(_))));
    assert!(sign_in(&access, PASSWORD, now.plus(MINUTE_MS)).is_ok());
}

#[test]
fn each_principal_has_its_own_rate() {
    let place = Place::new();
    let access = place.service();
    let [a, b] = ["a", "b"].map(|name| {
        let secret = place.token(name, Role::Auditor, DataScope::All);
        access.refresh(START).unwrap();
        access.token(&secret, START).unwrap()
    });
    let admitted = |principal| (0..9).filter(|_| access.admit(principal).is_ok()).count();
    assert_eq!((admitted(&a), admitted(&b)), (3, 3));
    assert!(access.admit(&a).is_err() && access.admit(&Principal::loopback()).is_ok());
}

#[test]
fn a_copy_holds_everything_but_sessions_and_opens_as_a_store() {
    let place = Place::new();
    place.account("li.wei");
    let secret = place.token("t", Role::Ops, DataScope::All);
    let access = place.service();
    let cookie = sign_in(&access, PASSWORD, START).unwrap().cookie;
    let pseudonym = access.pseudonyms().of("R1");
    let backup = place.folder.path().join("backup");
    fs::create_dir(&backup).unwrap();
    let copied = backup.join(STORE_FILE);
    access.store().back_up(&copied).unwrap();
    assert!(access.store().back_up(&copied).is_err(), "a copy replaces nothing");
    assert_eq!(fs::read_dir(&backup).unwrap().count(), 1);
    for store in [AccessStore::open_copy(&copied).unwrap(), AccessStore::open(&copied).unwrap()] {
        let restored = Access::new(store, terms(), START).unwrap();
        assert!(restored.token(&secret, START).is_ok());
        assert_eq!(restored.session(&cookie, START), Err(Denied::Unknown));
        assert!(sign_in(&restored, PASSWORD, START).is_ok());
        assert_eq!(restored.pseudonyms().of("R1"), pseudonym);
        assert_eq!(restored.store().newest_change().unwrap(), 2);
    }
    assert_ne!(pseudonym, access.pseudonyms().of("R2"));
    assert_eq!(pseudonym.len(), 16);
}

#[test]
fn a_file_of_another_form_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(STORE_FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE x (y); PRAGMA user_version = 9;").unwrap();
    drop(other);
    let refused = AccessStore::open(&path).unwrap_err();
    assert!(matches!(refused, AccessError::Form { form: 9, .. }), "{refused}");
    fs::write(&path, "no database at all, but long enough to be looked at as one: ".repeat(40)).unwrap();
    let refused = AccessStore::open(&path).unwrap_err();
    assert!(matches!(refused, AccessError::Store { .. }), "{refused}");
    assert!(AccessStore::open_copy(&folder.path().join("absent")).is_err());
}

#[test]
fn the_log_of_changes_cannot_be_changed() {
    let place = Place::new();
    place.account("li.wei");
    let direct = rusqlite::Connection::open(place.folder.path().join(STORE_FILE)).unwrap();
    for text in ["DELETE FROM changes", "UPDATE changes SET actor = 'x'"] {
        let refused = direct.execute_batch(text).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[test]
fn names_passwords_and_scopes_are_checked() {
    let place = Place::new();
    for name in ["", "A", "li wei", "-x", "a/b", "a\n", &"a".repeat(65)] {
        assert!(check_name(name).is_err(), "{name}");
    }
    check_name("li.wei@example-1").unwrap();
    let create = |name: &str, password: &str| {
        let new = NewAccount { name: name.to_owned(), role: Role::Ops, scope: DataScope::All };
        place.store.create_account(&new, password, "test", START)
    };
    for weak in ["short", "li.wei is my name", &"x".repeat(1_025)] {
        assert!(matches!(create("li.wei", weak), Err(AccessError::Refused(_))), "{weak}");
    }
    create("li.wei", "密码密码密码密码密码密码").unwrap();
    assert!(matches!(create("li.wei", PASSWORD), Err(AccessError::Exists { .. })));
    assert!(matches!(place.store.revoke_token("x", "t", START), Err(AccessError::Unknown { .. })));
    let regions = ["31".to_owned()];
    for (role, platform, regions) in [
        (Role::Platform, None, &[][..]),
        (Role::Claims, Some("dada"), &[]),
        (Role::Platform, Some("Dada"), &[]),
        (Role::Auditor, None, &regions),
        (Role::Claims, None, &["3".to_owned()]),
    ] {
        assert!(check_scope(role, platform, regions).is_err(), "{role} {platform:?} {regions:?}");
    }
}

#[test]
fn a_form_proof_belongs_to_one_cookie() {
    let (one, other) = (FormProof::generate().unwrap(), FormProof::generate().unwrap());
    assert!(FormProof::of_cookie(&one.cookie()).unwrap().accepts(&one.field()));
    assert!(!one.accepts(&other.field()) && !one.accepts("") && !one.accepts(&one.cookie()));
    assert!(FormProof::of_cookie("forged").is_none());
}
