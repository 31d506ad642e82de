//! The real service at its edges: raw requests, signals, data directories that cannot be used, its metrics, its version.

#[cfg(test)]
mod testkit;

#[cfg(test)]
mod tests {
    use crate::testkit::http::{self, Reply, exchange};
    use crate::testkit::power::{Fault, tell_free};
    use crate::testkit::program::{Program, binary};
    use crate::testkit::wait::poll_until;
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use tempfile::TempDir;

    /// A service without Kafka, which answers from files; `ledger` and `http` are more lines of these tables.
    fn config(folder: &TempDir, ledger: &str, http: &str) -> PathBuf {
        let text = format!(
            "[ledger]\n{ledger}\n[http]\n{http}\n[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.25\"\n\
             [platform.dada]\nrecords_from = 2025-07-01\n"
        );
        let path = folder.path().join("coverledger.toml");
        fs::write(&path, text).unwrap();
        path
    }

    const LISTEN: &str = "listen = \"127.0.0.1:0\"";

    #[track_caller]
    fn is_problem(reply: &Reply, status: u16, name: &str) {
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.head.contains("content-type: application/problem+json"), "{reply:?}");
        assert!(reply.body.contains(&format!("\"type\":\"urn:coverledger:problem:{name}\"")), "{reply:?}");
    }

    fn batch(address: &str, headers: &str, body: &[u8]) -> Reply {
        http::post(address, "/v1/coverage/batch", headers, body).unwrap()
    }

    const LINE: &str = "{\"rider_id\":\"R1\",\"at\":\"2026-11-20T12:07:31Z\"}\n";

    #[test]
    fn what_was_seen_in_the_field_is_refused_by_name() {
        let folder = TempDir::new().unwrap();
        let mut program = Program::serve(&config(&folder, "", LISTEN), &[]);
        let address = program.address();
        let ndjson = "Content-Type: application/x-ndjson\r\n";
        is_problem(
            &batch(&address, &format!("{ndjson}Content-Encoding: gzip\r\n"), LINE.as_bytes()),
            415,
            "unsupported-encoding",
        );
        let gbk = "Content-Type: application/x-ndjson; charset=gbk\r\n";
        is_problem(&batch(&address, gbk, LINE.as_bytes()), 415, "unsupported-encoding");
        let marked = batch(&address, ndjson, format!("\u{feff}{LINE}").as_bytes()).body;
        assert!(marked.contains("\"verdict\":\"undetermined\"") && !marked.contains("\"line\""), "{marked}");
        let get = |target: &str, host: &str| {
            let request = format!("GET {target} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
            Reply::parse(&exchange(&address, request.as_bytes()).unwrap()).unwrap()
        };
        let here = format!("Host: {address}\r\n");
        is_problem(&get("/v1/coverage?rider_id=R1&at=9999-12-31T23:59:59Z", &here), 400, "bad-time");
        is_problem(
            &get(&format!("/v1/coverage?rider_id={}", "r".repeat(70_000)), &here),
            414,
            "uri-too-long",
        );
        let question = "/v1/coverage?rider_id=R1&at=2026-11-20T12:07:31Z";
        is_problem(&get(question, "Host: evil.example\r\n"), 421, "misdirected");
        is_problem(&get(question, ""), 400, "bad-request");
        is_problem(&get(question, &format!("{here}{here}")), 400, "bad-request");
        assert!(get(question, &here).body.contains("\"verdict\""));
        let metrics = program.text("/metrics", "*/*");
        let counted = "coverledger_http_requests_total{method=\"other\",route=\"unread\",status=\"414\"} 1\n";
        assert!(metrics.contains(counted), "{metrics}");
        assert_eq!(program.terminate(), Some(0));
    }

    #[test]
    fn a_year_of_five_digits_is_refused_by_every_command() {
        let folder = TempDir::new().unwrap();
        let config = config(&folder, "", LISTEN);
        let program = {
            let mut program = Program::serve(&config, &[]);
            program.address();
            program
        };
        assert_eq!(program.terminate(), Some(0));
        let (late, early) = ("9999-12-31T23:59:59Z", "2026-11-20T00:00:00Z");
        for args in [
            &["lookup", "--rider", "R1", "--at", late][..],
            &["lookup", "--rider", "R1", "--from", early, "--to", late],
            &["timeline", "--rider", "R1", "--from", early, "--to", late],
            &["rejections", "--to", late],
        ] {
            let output = binary().args(args).arg("--config").arg(&config).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(said.contains("four digits"), "{args:?}: {said}");
        }
        let (questions, answers) = (folder.path().join("q.csv"), folder.path().join("a.ndjson"));
        fs::write(&questions, format!("rider_id,at\nR1,{late}\nR1,{early}\n")).unwrap();
        let output = binary()
            .args(["lookup", "--config"])
            .arg(&config)
            .arg("--batch")
            .arg(&questions)
            .arg("--out")
            .arg(&answers)
            .output();
        assert_eq!(output.unwrap().status.code(), Some(0));
        let answers = fs::read_to_string(answers).unwrap();
        let lines: Vec<&str> = answers.lines().collect();
        assert!(
            lines[0].starts_with("{\"line\":2,\"error\":") && lines[0].contains("four digits"),
            "{answers}"
        );
        assert!(lines[1].starts_with("{\"verdict\":"), "{answers}");
    }

    #[test]
    fn hangup_and_user_signals_are_not_death() {
        let folder = TempDir::new().unwrap();
        let mut program = Program::serve(&config(&folder, "", LISTEN), &[]);
        program.ready();
        for (name, sent) in [("SIGHUP", "-HUP"), ("SIGUSR1", "-USR1"), ("SIGUSR2", "-USR2")] {
            program.signal(sent);
            poll_until("the signal is logged", || {
                assert!(!program.has_ended(), "it ended of {name}: {}", program.said());
                program
                    .said()
                    .lines()
                    .any(|line| match name {
                        "SIGHUP" => line.contains("was read again"),
                        name => line.contains("signal ignored") && line.contains(name),
                    })
                    .then_some(())
            });
            assert!(program.get("/v1/progress").is_object());
        }
        assert_eq!(program.terminate(), Some(0));
    }

    /// What a command says, and its exit code.
    fn refused(mut command: Command) -> (Option<i32>, String) {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn command(args: &[&str], config: &Path) -> Command {
        let mut command = binary();
        command.args(args).arg("--config").arg(config);
        command
    }

    #[test]
    fn a_data_directory_that_cannot_be_used_is_named_with_its_key() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        for (dir, words) in [
            ("file", "is not a directory"),
            ("file/below/it", "is not a directory"),
            ("/proc/coverledger/data", "Failed to create /proc/coverledger/data"),
        ] {
            let config = config(&folder, &format!("data_dir = \"{dir}\""), LISTEN);
            let (code, said) = refused(command(&["serve"], &config));
            assert_eq!(code, Some(73), "{dir}: {said}");
            assert!(said.contains("`data_dir` under [ledger]") && said.contains(words), "{dir}: {said}");
        }
        let config = config(&folder, "data_dir = \"file\"", LISTEN);
        for args in
            [&["lookup", "--rider", "R1", "--at", "2026-11-20T00:00:00Z"][..], &["verify"], &["statement"]]
        {
            let (code, said) = refused(command(args, &config));
            assert_eq!(code, Some(73), "{args:?}: {said}");
            assert!(said.contains("`data_dir` under [ledger]"), "{args:?}: {said}");
        }
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_not_called_missing() {
        let folder = TempDir::new().unwrap();
        std::os::unix::fs::symlink("round", folder.path().join("round")).unwrap();
        let config = config(&folder, "data_dir = \"round\"", LISTEN);
        let target = folder.path().join("copy").display().to_string();
        for args in [
            &["lookup", "--rider", "R1", "--at", "2026-11-20T00:00:00Z"][..],
            &["verify"],
            &["statement"],
            &["rejections"],
            &["serve", "--read-only"],
            &["backup", target.as_str()],
        ] {
            let (code, said) = refused(command(args, &config));
            assert_eq!(code, Some(73), "{args:?}: {said}");
            assert!(
                said.contains("`data_dir` under [ledger]") && said.contains("os error"),
                "{args:?}: {said}"
            );
            assert!(!said.contains("is missing"), "{args:?}: {said}");
        }
    }

    #[test]
    fn a_service_whose_log_has_lost_its_reader_ends_well() {
        let folder = TempDir::new().unwrap();
        let mut command = command(&["serve"], &config(&folder, "", LISTEN));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the service ended early");
        }
        drop(log);
        let signals = ["-HUP", "-TERM"].map(|signal| {
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success()
        });
        assert_eq!((signals, child.wait().unwrap().code()), ([true, true], Some(0)));
    }

    #[test]
    fn records_that_are_passed_over_keep_nothing_open_anywhere() {
        let folder = TempDir::new().unwrap();
        let records = folder.path().join("records.jsonl");
        fs::write(&records, "garbage, all of it\n").unwrap();
        for (treatment, kept, kept_by, counted) in [
            ("warn", serde_json::Value::Null, "none", 0),
            ("hold", "unreadable_record".into(), "every_rider", 1),
        ] {
            let path = config(&folder, &format!("data_dir = \"{treatment}\""), LISTEN);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}unreadable_records = \"{treatment}\"\n")).unwrap();
            let ingested = binary().args(["ingest", "--config"]).arg(&path).arg(&records).output().unwrap();
            let mut program = Program::serve(&path, &[]);
            program.ready();
            let rejections = program.get("/v1/rejections");
            let rejection = &rejections["rejections"][0];
            assert_eq!(rejection["reason"], "malformed_json", "{rejections} {ingested:?}");
            assert_eq!(rejection["keeps_open"], kept, "{treatment}");
            let progress = program.get("/v1/progress");
            assert_eq!(progress["platforms"][0]["pending"][0]["keeps_open"], kept_by, "{progress}");
            let metrics = program.text("/metrics", "*/*");
            let line = "coverledger_pending_records{platform=\"dada\",reason=\"unreadable_record\"}";
            assert!(metrics.contains(&format!("{line} {counted}\n")), "{treatment}: {metrics}");
            assert_eq!(program.terminate(), Some(0));
        }
    }

    #[test]
    fn a_packed_file_of_questions_is_refused_in_one_sentence() {
        let folder = TempDir::new().unwrap();
        let packed = folder.path().join("q.csv.gz");
        fs::write(&packed, b"\x1f\x8b\x08\0\0\0\0\0\0\x03\"packed\"\xff\n").unwrap();
        let config = config(&folder, "", LISTEN);
        let program = {
            let mut program = Program::serve(&config, &[]);
            program.ready();
            program
        };
        assert_eq!(program.terminate(), Some(0));
        let packed = packed.display().to_string();
        let (code, said) = refused(command(&["lookup", "--batch", packed.as_str(), "--out", "-"], &config));
        assert_eq!(code, Some(1), "{said}");
        let parts: Vec<&str> = said.trim().split(": ").collect();
        let once: std::collections::BTreeSet<&&str> = parts.iter().collect();
        assert_eq!(once.len(), parts.len(), "{said}");
    }

    #[test]
    fn a_full_disk_at_the_start_is_named_with_its_key() {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("disk");
        fs::create_dir(&root).unwrap();
        let free = folder.path().join("free");
        fs::write(&free, "0").unwrap();
        let mut command = command(&["serve"], &config(&folder, "data_dir = \"disk/data\"", LISTEN));
        Fault::Full(0).enter(&root, &mut command);
        tell_free(&free, &mut command);
        let (code, said) = refused(command);
        assert_eq!(code, Some(73), "{said}");
        assert!(said.contains("`data_dir` under [ledger]") && said.contains("its disk is full"), "{said}");
    }

    #[test]
    fn promtool_finds_nothing_wrong_with_the_metrics() {
        let folder = TempDir::new().unwrap();
        let mut program = Program::serve(&config(&folder, "", LISTEN), &[]);
        program.ready();
        program.get("/v1/coverage?rider_id=R1&at=2026-11-20T12:07:31Z");
        let metrics = program.text("/metrics", "*/*");
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
        ] {
            assert!(metrics.contains(&format!("\n{name} ")), "{name}: {metrics}");
        }
        assert!(!metrics.contains("coverledger_store_"), "the ledger lies in no bucket: {metrics}");
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is needed (Debian package `prometheus`): scripts/setup installs it");
        promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.trim().is_empty(), "{said}");
        assert_eq!(program.terminate(), Some(0));
    }

    #[test]
    fn the_version_tells_commit_and_features() {
        let told = |arg: &str| String::from_utf8(binary().arg(arg).output().unwrap().stdout).unwrap();
        let long = told("--version");
        assert!(long.starts_with(&format!("coverledger {}\n", env!("CARGO_PKG_VERSION"))), "{long}");
        for label in ["\ncommit: ", "\nfeatures: ", "\nKafka client: librdkafka "] {
            assert!(long.contains(label), "{label}: {long}");
        }
        let commit = long.lines().find_map(|line| line.strip_prefix("commit: ")).unwrap();
        let is_hash = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hash || commit == "unknown", "{commit}");
        assert_eq!(told("-V"), format!("coverledger {} ({commit})\n", env!("CARGO_PKG_VERSION")));
    }
}
