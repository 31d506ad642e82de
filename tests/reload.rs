//! SIGHUP: a running service takes over what it safely can of its configuration, and says what waits for a restart.

#![cfg(test)]

mod testkit;

use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::http;
use testkit::program::Program;
use testkit::wait::poll_until;

struct Place {
    _folder: TempDir,
    config: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let this = Self { config: folder.path().join("coverledger.toml"), _folder: folder };
        this.write("page_rows_max = 10", "", "0.25");
        this
    }

    fn write(&self, http: &str, more: &str, rate: &str) {
        let text = format!(
            "{more}\n[http]\nlisten = \"127.0.0.1:0\"\n{http}\n[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"{rate}\"\n\
             [platform.meituan]\nrecords_from = 2025-07-01\n"
        );
        fs::write(&self.config, text).unwrap();
    }
}

fn status(program: &mut Program, path: &str) -> u16 {
    http::get(&program.address(), path, "").unwrap().status
}

/// The lines that it logged since a length of its log.
fn said_since(program: &Program, length: usize) -> String {
    program.said()[length..].to_owned()
}

fn hang_up(program: &Program, answer: &str) -> String {
    let before = program.said().len();
    program.signal("-HUP");
    poll_until(answer, || Some(said_since(program, before)).filter(|said| said.contains(answer)))
}

#[test]
fn limits_count_at_once_and_a_tariff_waits_for_a_restart() {
    let place = Place::new();
    let mut program = Program::serve(&place.config, &[]);
    program.ready();
    let (many, few) = ("/v1/rejections?limit=500", "/v1/rejections?limit=5");
    assert_eq!((status(&mut program, many), status(&mut program, few)), (400, 200));
    let configuration = program.get("/v1/progress")["as_of"]["config"].clone();

    place.write("page_rows_max = 1000\ntimeout = \"9s\"", "", "0.30");
    let said = hang_up(&program, "need a restart");
    assert!(said.contains("in_force=\"[http]\"") && said.contains("waiting=\"tariff, [http]\""), "{said}");
    assert_eq!(status(&mut program, many), 200);
    // The configuration that decides is the one of the start.
    assert_eq!(program.get("/v1/progress")["as_of"]["config"], configuration);

    // A file with errors changes nothing, and all of them are told.
    place.write("page_rows_max = 10\nunknown = 1", "nonsense = 2", "0.30");
    let said = hang_up(&program, "stays in force");
    assert!(
        said.contains("unknown") && said.contains("nonsense") && said.contains("it has 2 errors"),
        "{said}"
    );
    assert_eq!(status(&mut program, many), 200);

    place.write("page_rows_max = 10", "", "0.25");
    let said = hang_up(&program, "was read again");
    assert!(said.contains("in_force=\"[http]\""), "{said}");
    assert_eq!(status(&mut program, many), 400);
    let said = hang_up(&program, "was read again");
    assert!(said.contains("in_force=\"nothing\"") && !said.contains("restart"), "{said}");
    assert_eq!(program.terminate(), Some(0));
}
