//! Who may ask the demo: a person in each of three roles, whose passwords are shown, and a token for programs. The demo listens
//! on loopback only, and its riders are invented.

use crate::access::{AccessStore, NewAccount, NewToken, Role, check_scope, role_text};
use crate::app::access_store;
use crate::config::{Config, Secret};
use crate::domain::data_scope::DataScope;
use crate::domain::time::{DAY_MS, UtcMillis};
use anyhow::Context;
use data_encoding::BASE32_NOPAD;
use std::fs;

/// Who made the accounts, in the access log.
const ACTOR: &str = "demo";
/// The name of the token.
const TOKEN: &str = "demo-programs";
/// Random bytes of a password: 16 characters.
const PASSWORD_BYTES: usize = 10;
/// Characters between two dashes of a password.
const PASSWORD_GROUP: usize = 4;
/// Name, role and first page of each person. The first is the claim handler whose answer changes.
const PEOPLE: [(&str, Role, Option<&str>, &str); 3] = [
    ("li.wei", Role::Claims, None, "/"),
    ("dada.desk", Role::Platform, Some("dada"), "/"),
    ("wang.fang", Role::Auditor, None, "/access-log"),
];

/// A person with an account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account.
    pub name: &'static str,
    /// The role as commands write it.
    pub role: String,
    /// The password.
    pub password: Secret,
    /// The page to go to after signing in.
    pub first_page: &'static str,
}

/// Everyone who may ask the demo.
#[derive(Clone, Debug)]
pub struct People {
    /// The persons; the claim handler first.
    pub persons: Vec<Person>,
    /// A token of the role auditor.
    pub token: Secret,
}

impl People {
    /// Makes the accounts and the token in the access store of a configuration, before its service starts.
    pub(super) fn make(config: &Config, now: UtcMillis) -> anyhow::Result<Self> {
        let path = access_store(config);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .with_context(|| format!("Failed to make the folder of {}", path.display()))?;
        let store = AccessStore::open(&path)?;
        let person = |(name, role, platform, first_page): (&'static str, Role, Option<&str>, _)| {
            let (scope, password) = (check_scope(role, platform, &[])?, password()?);
            let text = role_text(role, &scope);
            store.create_account(
                &NewAccount { name: name.to_owned(), role, scope },
                &password,
                ACTOR,
                now,
            )?;
            anyhow::Ok(Person { name, role: text, password: Secret::new(password), first_page })
        };
        let persons = PEOPLE.into_iter().map(person).collect::<anyhow::Result<_>>()?;
        let (name, expires) = (TOKEN.to_owned(), now.plus(DAY_MS));
        let new = NewToken { name, role: Role::Auditor, scope: DataScope::All, expires };
        let token = Secret::new(store.create_token(&new, ACTOR, now)?);
        Ok(Self { persons, token })
    }
}

/// A random password that can be typed: four groups of small letters and digits.
fn password() -> anyhow::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| {
        anyhow::anyhow!("Failed to make a password: the system gives no random numbers; start the demo again")
    })?;
    let characters: Vec<char> = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase().chars().collect();
    let groups = characters.chunks(PASSWORD_GROUP).map(|group| group.iter().collect::<String>());
    Ok(groups.collect::<Vec<_>>().join("-"))
}
