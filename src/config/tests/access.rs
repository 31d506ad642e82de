//! `[access]`, `[http.tls]`, `behind_proxy`, and where the service may listen.

use super::*;

#[test]
fn beyond_loopback_a_service_needs_access_and_encryption() {
    let access = "[access]\n";
    let tls = "[http.tls]\ncertificate = \"a.crt\"\nkey = \"a.key\"\n";
    let listen = |more: &str| format!("[http]\nlisten = \"0.0.0.0:8443\"\n{more}\n");
    let proxy = "behind_proxy = [\"10.0.0.0/24\"]";
    for (text, missing) in [
        (listen(""), "[access] and TLS are missing"),
        (listen(proxy), "[access] is missing"),
        (format!("{}{tls}", listen("")), "[access] is missing"),
        (format!("{}{access}", listen("")), "TLS is missing"),
    ] {
        let found = problems(&text);
        expect(&found, &[("c.toml:1", missing)]);
        assert!(found[0].contains("or listen on 127.0.0.1"), "{found:?}");
    }
    for text in [
        format!("{}{tls}{access}", listen("")),
        format!("{}{access}", listen(proxy)),
        "[http]\nlisten = \"[::1]:1\"\n".to_owned(),
        "[http]\nlisten = \"127.0.0.1:1\"\n".to_owned(),
    ] {
        assert!(with_files(&[("c.toml", &text)]).is_ok(), "{text}");
    }
}

#[test]
fn access_has_defaults_and_bounds() {
    assert_eq!(with_files(&[("c.toml", "")]).unwrap().access, None);
    let access = with_files(&[("c.toml", "[access]\nsession_idle = \"5m\"\n")]).unwrap().access.unwrap();
    assert_eq!((access.session_idle_ms, access.session_max_ms), (5 * 60_000, 12 * HOUR_MS));
    assert_eq!((access.lockout_failures, access.lockout_ms), (10, 15 * 60_000));
    assert_eq!((access.requests_per_second.get(), access.requests_burst.get()), (50, 200));
    assert_eq!(access.reason_required, ["claims"]);
    let wrong =
        "[access]\nsession_idle = \"1s\"\nrequests_burst = 0\nreason_required = [\"boss\"]\nopen = true\n";
    expect(
        &problems(wrong),
        &[
            ("c.toml:2", "session_idle"),
            ("c.toml:3", "requests_burst"),
            ("c.toml:4", "`boss` is no role"),
            ("c.toml:5", "unknown key `open`"),
        ],
    );
}

#[test]
fn proxies_are_addresses_or_networks_and_tls_names_both_files() {
    let config = with_files(&[("c.toml", "[http]\nbehind_proxy = [\"10.0.0.5\", \"fd00::/8\"]\n")]).unwrap();
    let proxies = config.http.behind_proxy.unwrap();
    let holds = |text: &str| proxies.contains(text.parse().unwrap());
    assert!(holds("10.0.0.5") && holds("::ffff:10.0.0.5") && holds("fd12::1"));
    assert!(!holds("10.0.0.6") && !holds("::1"));
    for wrong in ["[]", "[\"proxy\"]", "[\"0.0.0.0/0\"]", "\"10.0.0.5\""] {
        assert_eq!(problems(&format!("[http]\nbehind_proxy = {wrong}\n")).len(), 1, "{wrong}");
    }
    expect(&problems("[http.tls]\nkey = \"a\"\n"), &[("c.toml:1", "no `certificate`")]);
    let tls = with_files(&[("c.toml", "[http.tls]\ncertificate = \"a\"\nkey = \"b\"\n")]).unwrap().http.tls;
    assert_eq!(tls.unwrap().key, PathBuf::from("b"));
}
