//! `[access.oidc]`: the provider, its secret, and what its roles mean.

use super::*;

pub(super) const OIDC: &str = "[access.oidc]\nissuer = \"https://login.example.org/realms/claims\"\nclient_id = \"coverledger\"\n\
                    client_secret = { file = \"oidc.secret\" }\n";
pub(super) const GRANT: &str =
    "[[access.oidc.grant]]\nvalue = \"handlers\"\nrole = \"claims\"\nregions = [\"4403\", \"31\", \"31\"]\n";

#[test]
fn a_provider_has_a_secret_from_elsewhere_and_grants() {
    assert_eq!(with_files(&[("c.toml", "[access]\n")]).unwrap().access.unwrap().oidc, None);
    let platform = "[[access.oidc.grant]]\nvalue = \"dada\"\nrole = \"platform:dada\"\n";
    let text = format!("{OIDC}{GRANT}{platform}");
    let config = with_files(&[("c.toml", &text), ("oidc.secret", "s3cret\n")]).unwrap();
    assert!(!format!("{config:?}").contains("s3cret") && !config.text.contains("s3cret"));
    let oidc = config.access.unwrap().oidc.unwrap();
    assert_eq!(oidc.client_secret.expose(), "s3cret");
    assert_eq!(
        (oidc.role_claim.as_str(), oidc.display_name.as_str()),
        ("coverledger_roles", "OpenID Connect")
    );
    assert_eq!(oidc.scopes, ["openid", "profile"]);
    assert_eq!(oidc.grants.len(), 2);
    assert_eq!((oidc.grants[0].value.as_str(), oidc.grants[0].role), ("handlers", "claims"));
    let regions: Vec<String> = oidc.grants[0].scope.regions().iter().map(ToString::to_string).collect();
    assert_eq!(regions, ["31", "4403"]);
    assert_eq!((oidc.grants[1].role, oidc.grants[1].scope.platform()), ("platform", Some("dada")));
}

#[test]
fn what_is_missing_or_unsafe_is_told_with_its_line() {
    let found = |text: &str| {
        let built = with_files(&[("c.toml", text), ("oidc.secret", "s3cret\n")]);
        built.unwrap_err().problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    let empty = found("[access.oidc]\n");
    for part in ["no `issuer`", "no `client_id`", "no `client_secret`", "no [[access.oidc.grant]]"] {
        assert!(empty.iter().any(|problem| problem.contains(part)), "{part}: {empty:#?}");
    }
    let written = format!("{OIDC}{GRANT}").replace("{ file = \"oidc.secret\" }", "\"hunter2\"");
    let problems = found(&written);
    expect(&problems, &[("c.toml:4", "must not be written here")]);
    assert!(!problems[0].contains("hunter2"));
    for issuer in [
        "http://login.example.org/realms/claims",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org",
        "http://user@127.0.0.1/",
        "https://user:word@login.example.org",
        "https://",
        "https://login.example.org/?a=b",
        "https://login.example.org/ a",
        "ftp://login.example.org",
        "login.example.org",
    ] {
        let text = format!("{OIDC}{GRANT}").replace("https://login.example.org/realms/claims", issuer);
        expect(&found(&text), &[("c.toml:2", "is no issuer")]);
    }
    for issuer in ["http://127.0.0.1:8080/realms/claims", "http://localhost/x", "http://[::1]:80"] {
        let text = format!("{OIDC}{GRANT}").replace("https://login.example.org/realms/claims", issuer);
        assert!(with_files(&[("c.toml", &text), ("oidc.secret", "s")]).is_ok(), "{issuer}");
    }
    let grant = |role: &str, more: &str| {
        found(&format!("{OIDC}[[access.oidc.grant]]\nvalue = \"v\"\nrole = \"{role}\"\n{more}"))
    };
    for role in ["boss", "platform", "platform:Dada", "claims:dada", ""] {
        assert_eq!(grant(role, "").len(), 1, "{role}: {:?}", grant(role, ""));
    }
    expect(&grant("auditor", "regions = [\"31\"]\n"), &[("c.toml:5", "limit the role claims only")]);
    expect(&grant("claims", "regions = [\"3\"]\n"), &[("c.toml:8", "`3` is no region")]);
    expect(&grant("claims", "areas = []\n"), &[("c.toml:8", "unknown key `areas` in [[access.oidc.grant]]")]);
    expect(
        &found(&format!("{OIDC}scopes = [\"profile\"]\n{GRANT}")),
        &[("c.toml:5", "`openid` must be among them")],
    );
}
