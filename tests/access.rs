//! The real service with `[access]`: tokens and accounts that commands change while it runs, TLS with an exchanged certificate,
//! backup and restore, where it refuses to listen, and hostile requests.

#[cfg(test)]
mod testkit;

#[cfg(test)]
#[path = "access/hostile.rs"]
mod hostile;

#[cfg(test)]
mod tests {
    use crate::testkit::http;
    use crate::testkit::program::{Program, binary};
    use crate::testkit::tls;
    use crate::testkit::wait::poll_until;
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Output, Stdio};
    use tempfile::TempDir;

    const PASSWORD: &str = "correct horse battery staple";

    /// A configuration with `[access]`; `http` is more lines of its table.
    fn config(folder: &Path, name: &str, http: &str) -> PathBuf {
        let text = format!(
            "[ledger]\ndata_dir = \"{name}\"\n[http]\nlisten = \"127.0.0.1:0\"\n{http}\n[access]\n\
             [[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.25\"\n[platform.dada]\nrecords_from = 2025-07-01\n"
        );
        let path = folder.join(format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn run(args: &[&str], config: &Path, input: &str) -> Output {
        let mut command = binary();
        command.args(args).arg("--config").arg(config);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that needs no input may have ended before it is written.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn done(args: &[&str], config: &Path, input: &str) -> String {
        let output = run(args, config, input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn status(address: &str, token: &str) -> u16 {
        let header = format!("Authorization: Bearer {token}\r\n");
        http::get(address, "/v1/progress", &header).unwrap().status
    }

    #[test]
    fn a_running_service_takes_tokens_and_accounts_over_and_tells_of_each_change() {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path(), "data", "");
        let mut program = Program::serve(&config, &[]);
        let address = program.address();
        assert!(program.said().contains("there is no token and no account"), "{}", program.said());
        let token = done(&["token", "create", "audit", "--role", "auditor"], &config, "");
        assert!(token.starts_with("coverledger_"), "{token}");
        poll_until("the token is accepted", || (status(&address, &token) == 200).then_some(()));
        assert_eq!(http::get(&address, "/v1/progress", "").unwrap().status, 401);
        done(&["account", "create", "li.wei", "--role", "claims", "--region", "31"], &config, PASSWORD);
        done(&["token", "revoke", "audit"], &config, "");
        poll_until("the token is refused", || (status(&address, &token) == 401).then_some(()));
        poll_until("the changes are logged", || {
            let said = program.said();
            let is_told =
                |action: &str| said.lines().any(|line| line.contains(action) && line.contains("uid "));
            ["token_created", "account_created", "token_revoked"]
                .iter()
                .all(|action| is_told(action))
                .then_some(())
        });
        let said = program.said();
        assert!(!said.contains(&token) && !said.contains(PASSWORD), "a secret is in the log");
        let listed = done(&["token", "list"], &config, "");
        let line = listed.lines().find(|line| line.starts_with("audit ")).unwrap();
        assert!(line.contains("auditor") && line.contains("revoked"), "{listed}");
        let accounts = done(&["account", "list", "--json"], &config, "");
        let account: serde_json::Value = serde_json::from_str(&accounts).unwrap();
        assert_eq!((&account["name"], &account["regions"][0]), (&"li.wei".into(), &"31".into()));
        assert!(!accounts.contains("argon2"), "{accounts}");
        assert_eq!(program.terminate(), Some(0));
        // The end of the service wrote when the token was last used.
        let listed = done(&["token", "list", "--json"], &config, "");
        let token: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert!(token["last_used"].is_string() && token["revoked"].is_string(), "{listed}");
    }

    #[test]
    fn a_command_asks_a_service_with_a_token_from_its_environment() {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path(), "data", "");
        let token = done(&["token", "create", "audit", "--role", "auditor"], &config, "");
        let mut program = Program::serve(&config, &[]);
        let url = format!("http://{}", program.address());
        let ask = |token: Option<&str>| {
            let mut command = binary();
            command.args([
                "lookup",
                "--url",
                &url,
                "--rider",
                "R1",
                "--at",
                "2026-11-20T12:07:31Z",
                "--json",
            ]);
            token.map(|token| command.env("COVERLEDGER_TOKEN", token));
            command.output().unwrap()
        };
        let answered = ask(Some(&token));
        assert!(String::from_utf8_lossy(&answered.stdout).contains("\"verdict\""), "{answered:?}");
        for wrong in [None, Some("coverledger_wrong")] {
            let refused = ask(wrong);
            assert!(String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
        }
        assert_eq!(program.terminate(), Some(0));
    }

    #[test]
    fn commands_refuse_what_makes_no_sense_and_keep_nothing_of_it() {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path(), "data", "");
        for (args, input, code, words) in [
            (&["token", "create", "A b", "--role", "ops"][..], "", 1, "cannot be used"),
            (&["token", "create", "a", "--role", "boss"], "", 2, "platform:NAME"),
            (&["token", "create", "a", "--role", "platform"], "", 2, "platform:NAME"),
            (&["token", "create", "a", "--role", "ops", "--region", "31"], "", 2, "claims only"),
            (&["token", "create", "a", "--role", "ops", "--expires", "0d"], "", 2, "--expires"),
            (&["token", "create", "a", "--role", "ops", "--expires", "2020-01-01"], "", 1, "expired at once"),
            (&["token", "revoke", "a"], "", 1, "none of this name"),
            (&["account", "create", "a", "--role", "ops"], "short", 1, "too short"),
            (&["account", "create", "a", "--role", "ops"], "", 1, "too short"),
            (&["account", "password", "a"], PASSWORD, 1, "none of this name"),
            (
                &["account", "create", "a", "--role", "ops", "--password", PASSWORD],
                "",
                2,
                "unexpected argument",
            ),
        ] {
            let output = run(args, &config, input);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
            assert!(said.contains(words), "{args:?}: {said}");
            assert!(output.stdout.is_empty(), "{args:?}");
        }
        assert_eq!(done(&["token", "list", "--json"], &config, ""), "");
        assert_eq!(done(&["account", "list", "--json"], &config, ""), "");
    }

    #[test]
    fn a_backup_holds_accounts_and_tokens_and_a_restored_service_knows_them() {
        let folder = TempDir::new().unwrap();
        let live = config(folder.path(), "data", "");
        let mut program = Program::serve(&live, &[]);
        program.ready();
        let token = done(&["token", "create", "audit", "--role", "auditor"], &live, "");
        let beside = folder.path().join("beside");
        done(&["backup", beside.to_str().unwrap()], &live, "");
        assert_eq!(program.terminate(), Some(0));
        let closed = folder.path().join("closed");
        done(&["backup", closed.to_str().unwrap()], &live, "");
        done(&["token", "revoke", "audit"], &live, "");
        for name in ["beside", "closed"] {
            let store = fs::read(folder.path().join(name).join("access.db")).unwrap();
            let restored = config(folder.path(), name, "");
            let mut read_only = Program::serve(&restored, &["--read-only"]);
            assert_eq!(status(&read_only.address(), &token), 200, "{name}");
            assert_eq!(read_only.terminate(), Some(0));
            let after = fs::read(folder.path().join(name).join("access.db")).unwrap();
            assert!(store == after, "{name}: a service that reads only changed the store");
            let mut program = Program::serve(&restored, &[]);
            assert_eq!(status(&program.address(), &token), 200, "{name}");
            assert_eq!(program.terminate(), Some(0));
            done(&["verify"], &restored, "");
        }
    }

    #[test]
    fn beyond_this_machine_it_listens_only_with_access_and_encryption() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("open.toml");
        fs::write(&path, "[http]\nlisten = \"0.0.0.0:0\"\n").unwrap();
        for args in [&["serve"][..], &["token", "list"]] {
            let output = run(args, &path, "");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(78), "{said}");
            assert!(said.contains("[access] and TLS are missing") && said.contains("open.toml:1"), "{said}");
        }
        let demo = binary().args(["demo", "--listen", "0.0.0.0:0"]).output().unwrap();
        let said = String::from_utf8(demo.stderr).unwrap();
        assert!(!demo.status.success() && said.contains("it listens on loopback only"), "{said}");
        tls::write_certificate(folder.path());
        let text = "[http]\nlisten = \"0.0.0.0:0\"\n[http.tls]\ncertificate = \"service.crt\"\nkey = \"service.key\"\n[access]\n";
        fs::write(&path, text).unwrap();
        let mut program = Program::serve(&path, &[]);
        program.ready();
        assert_eq!(program.terminate(), Some(0));
        // A certificate and a key that do not belong together.
        let key = fs::read(folder.path().join("service.key")).unwrap();
        tls::write_certificate(folder.path());
        fs::write(folder.path().join("service.key"), key).unwrap();
        let output = run(&["serve"], &path, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("Failed to use the certificate"), "{said}");
    }

    #[test]
    fn a_certificate_is_exchanged_while_the_service_runs() {
        let folder = TempDir::new().unwrap();
        let first = tls::write_certificate(folder.path());
        let files = "[http.tls]\ncertificate = \"service.crt\"\nkey = \"service.key\"\n";
        let config = config(folder.path(), "data", files);
        let token = done(&["token", "create", "audit", "--role", "auditor"], &config, "");
        let mut program = Program::serve(&config, &[]);
        let address = program.address();
        assert!(program.said().contains(&format!("https://{address}")), "{}", program.said());
        let header = format!("Authorization: Bearer {token}\r\n");
        let asked = |trusted| tls::get(&address, "/v1/progress", &header, trusted);
        let reply = asked(&first).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        let page = tls::get(&address, "/sign-in", "", &first).unwrap();
        assert!(page.head.contains("__Host-coverledger-form=") && page.head.contains("; Secure"), "{page:?}");
        assert!(http::get(&address, "/livez", "").is_none(), "it answers without TLS");
        // Half of an exchange: the pair does not fit, the one before stays in force.
        let certificate = fs::read(folder.path().join("service.crt")).unwrap();
        let second = tls::write_certificate(folder.path());
        let (new, key) =
            (fs::read(folder.path().join("service.crt")).unwrap(), folder.path().join("service.key"));
        fs::write(folder.path().join("service.crt"), &certificate).unwrap();
        let half = program.said().matches("the new certificate is not used").count();
        let new_key = fs::read(&key).unwrap();
        fs::write(&key, "no key").unwrap();
        poll_until("the half is noticed", || {
            (program.said().matches("the new certificate is not used").count() > half).then_some(())
        });
        assert_eq!(asked(&first).unwrap().status, 200);
        fs::write(&key, new_key).unwrap();
        fs::write(folder.path().join("service.crt"), new).unwrap();
        poll_until("the new certificate is in force", || asked(&second).map(|_| ()));
        assert!(asked(&first).is_none(), "the old certificate is still given");
        assert_eq!(program.terminate(), Some(0));
    }
}
