//! Accounts and sessions of people who come from the provider.

use super::ISSUER;
use crate::access::oidc::{Arrival, OidcError};
use crate::access::{
    Access, AccessStore, LockoutTerms, NewAccount, Person, RateTerms, Role, STORE_FILE, SignInError, Terms,
};
use crate::domain::data_scope::DataScope;
use crate::domain::time::{HOUR_MS, MINUTE_MS, UtcMillis};
use std::num::NonZeroU32;
use tempfile::TempDir;

const START: UtcMillis = UtcMillis::new(1_795_147_200_000);

fn access(folder: &TempDir) -> Access {
    let number = |n| NonZeroU32::new(n).unwrap();
    let terms = Terms {
        session_idle_ms: 30 * MINUTE_MS,
        session_max_ms: 12 * HOUR_MS,
        lockout: LockoutTerms { failures: 4, lock_ms: 15 * MINUTE_MS },
        rate: RateTerms { per_second: number(1), burst: number(3) },
    };
    Access::new(AccessStore::open(&folder.path().join(STORE_FILE)).unwrap(), terms, START).unwrap()
}

fn arrival(subject: &str, shown: &str, granted: Option<Role>) -> Arrival {
    Arrival {
        person: Person { issuer: ISSUER.to_owned(), subject: subject.to_owned(), shown: shown.to_owned() },
        granted: granted.map(|role| (role, DataScope::All)),
        lang: "zh".to_owned(),
        next: "/".to_owned(),
    }
}

#[test]
fn a_person_keeps_one_account_whatever_the_provider_calls_them_by_then() {
    let folder = TempDir::new().unwrap();
    let access = access(&folder);
    let claims = Some(Role::Claims);
    let first = access.sign_in_person(&arrival("8f2e", "Li.Wei", claims), None, START).unwrap();
    let name = first.principal.name.clone();
    assert!(name.starts_with("li.wei@oidc-") && name.len() == "li.wei@oidc-".len() + 12, "{name}");
    assert_eq!(access.session(&first.cookie, START).unwrap(), first.principal);
    let renamed = access.sign_in_person(&arrival("8f2e", "li.wei.2", claims), None, START).unwrap();
    assert_eq!(renamed.principal.name, name);
    // Another person who is called the same now, and one of another provider.
    let namesake = access.sign_in_person(&arrival("9a00", "li.wei", claims), None, START).unwrap();
    assert_ne!(namesake.principal.name, name);
    let mut foreign = arrival("8f2e", "li.wei", claims);
    foreign.person.issuer.push('x');
    assert_ne!(access.sign_in_person(&foreign, None, START).unwrap().principal.name, name);
    // The browser's session before ends.
    let next = access.sign_in_person(&arrival("8f2e", "Li.Wei", claims), Some(&first.cookie), START).unwrap();
    assert!(access.session(&first.cookie, START).is_err() && access.session(&next.cookie, START).is_ok());
    for (shown, begin) in
        [("", "person@"), ("李伟", "person@"), ("-Ünal K.", "nal-k.@"), ("A@b.org", "a@b.org@")]
    {
        let name = access.sign_in_person(&arrival(shown, shown, claims), None, START).unwrap().principal.name;
        assert!(name.starts_with(begin), "{shown}: {name}");
    }
    let long = access.sign_in_person(&arrival("long", &"x".repeat(500), claims), None, START).unwrap();
    assert_eq!(long.principal.name.len(), 40 + "@oidc-".len() + 12);
}

#[test]
fn another_role_and_no_role_end_the_sessions_that_began_before() {
    let folder = TempDir::new().unwrap();
    let access = access(&folder);
    let sign_in = |role| access.sign_in_person(&arrival("8f2e", "li.wei", role), None, START);
    let (first, second) = (sign_in(Some(Role::Claims)).unwrap(), sign_in(Some(Role::Claims)).unwrap());
    assert!(access.session(&first.cookie, START).is_ok() && access.session(&second.cookie, START).is_ok());
    let auditor = sign_in(Some(Role::Auditor)).unwrap();
    assert_eq!(auditor.principal.role, Role::Auditor);
    assert!(access.session(&first.cookie, START).is_err() && access.session(&second.cookie, START).is_err());
    let none = sign_in(None);
    assert!(matches!(none, Err(OidcError::NoRole)), "{none:?}");
    assert!(access.session(&auditor.cookie, START).is_err(), "a session outlives the role");
    let changes = access.refresh(START).unwrap();
    let told: Vec<&str> = changes.iter().map(|change| change.action.as_str()).collect();
    assert_eq!(told, ["account_created", "role_changed", "sessions_ended"]);
    assert!(changes.iter().all(|change| change.actor == "oidc"));
    // Who never had a role leaves nothing behind.
    assert!(access.sign_in_person(&arrival("cook", "cook", None), None, START).is_err());
    assert_eq!(access.store().accounts().unwrap().len(), 1);
}

#[test]
fn a_disabled_person_stays_out_and_no_password_opens_the_account() {
    let folder = TempDir::new().unwrap();
    let access = access(&folder);
    let person = arrival("8f2e", "li.wei", Some(Role::Claims));
    let signed_in = access.sign_in_person(&person, None, START).unwrap();
    let name = signed_in.principal.name.as_str();
    for password in ["", "correct horse battery staple"] {
        let wrong = access.sign_in((name, password), None, None, START);
        assert!(matches!(wrong, Err(SignInError::Wrong)), "{wrong:?}");
    }
    let store = access.store();
    let decided = |refused: Result<(), crate::access::AccessError>| {
        assert!(refused.unwrap_err().to_string().contains("signs in at the provider"));
    };
    decided(store.set_password(name, "correct horse battery staple", "test", START));
    decided(store.set_role(name, (Role::Admin, &DataScope::All), "test", START));
    store.set_disabled(name, true, "test", START).unwrap();
    access.refresh(START).unwrap();
    assert!(access.session(&signed_in.cookie, START).is_err());
    let refused = access.sign_in_person(&person, None, START);
    assert!(matches!(refused, Err(OidcError::Disabled)), "{refused:?}");
    store.set_disabled(name, false, "test", START).unwrap();
    assert!(access.sign_in_person(&person, None, START).is_ok());
}

#[test]
fn an_account_of_the_service_is_never_taken_for_that_of_a_person_from_the_provider() {
    let folder = TempDir::new().unwrap();
    let access = access(&folder);
    let person = arrival("8f2e", "li.wei", Some(Role::Claims));
    let name = person.person.account_name();
    let new = NewAccount { name: name.clone(), role: Role::Admin, scope: DataScope::All };
    access.store().create_account(&new, "correct horse battery staple", "test", START).unwrap();
    let refused = access.sign_in_person(&person, None, START);
    assert!(matches!(refused, Err(OidcError::Failed(_))), "{refused:?}");
    assert_eq!(access.store().accounts().unwrap()[0].role, Role::Admin);
}

#[test]
fn a_store_from_before_people_signed_in_at_a_provider_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(STORE_FILE);
    let new = NewAccount { name: "wang.fang".to_owned(), role: Role::Claims, scope: DataScope::All };
    let store = AccessStore::open(&path).unwrap();
    store.create_account(&new, "correct horse battery staple", "test", START).unwrap();
    drop(store);
    let older = rusqlite::Connection::open(&path).unwrap();
    older.execute_batch("DROP TABLE people; PRAGMA user_version = 1;").unwrap();
    drop(older);
    let access = access(&folder);
    assert!(access.sign_in(("wang.fang", "correct horse battery staple"), None, None, START).is_ok());
    assert!(access.sign_in_person(&arrival("8f2e", "li.wei", Some(Role::Claims)), None, START).is_ok());
}
