//! What is installed: the Debian package, the unit of systemd, the files for containers. No container engine runs here, so
//! those are checked for their form and for what they refer to.

#![cfg(test)]

mod testkit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::program::binary;
use testkit::skipped::skipped;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The program's place is taken by a small one: its content is not what is looked at.
#[test]
fn the_debian_package_has_program_unit_documents_and_rules() {
    let folder = TempDir::new().unwrap();
    let package = |program: &Path| {
        let script = root().join("scripts/package");
        Command::new(script).arg(program).env("CARGO_TARGET_DIR", folder.path()).output().unwrap()
    };
    let missing = package(&folder.path().join("nothing"));
    assert!(!missing.status.success() && text(&missing).contains("run scripts/release first"), "{missing:?}");
    let made = package(Path::new("/bin/true"));
    let listed = text(&made);
    assert!(made.status.success(), "{listed}");
    for line in [
        "Package: coverledger",
        concat!("Version: ", env!("CARGO_PKG_VERSION")),
        "postinst             #!/bin/sh",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    let has = |mode: &str, path: &str| {
        let is_it = |line: &str| {
            line.starts_with(&format!("{mode} root/root ")) && line.ends_with(&format!(" {path}"))
        };
        assert!(listed.lines().any(is_it), "{mode} {path}: {listed}");
    };
    has("drwxr-xr-x", "./");
    has("-rwxr-xr-x", "./usr/bin/coverledger");
    has("-rw-r--r--", "./lib/systemd/system/coverledger.service");
    has("drwxr-xr-x", "./etc/coverledger/");
    for file in
        ["default.toml", "tariffs/china-2025-07.toml", "prometheus/alerts.yml", "grafana/coverledger.json"]
    {
        has("-rw-r--r--", &format!("./usr/share/coverledger/{file}"));
    }
    for file in ["runbooks.md", "operations.md", "copyright", "CHANGELOG.md"] {
        has("-rw-r--r--", &format!("./usr/share/doc/coverledger/{file}"));
    }
    // No configuration that a start would take.
    assert!(!listed.contains("coverledger.toml"), "{listed}");
}

#[test]
fn the_unit_is_right_and_leaves_little_exposed() {
    let unit = root().join("ops/systemd/coverledger.service");
    let Ok(rated) = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output()
    else {
        return skipped("the unit of systemd", "install systemd: systemd-analyze rates it");
    };
    let rated = text(&rated);
    let level =
        rated.lines().find_map(|line| line.split("Overall exposure level for coverledger.service: ").nth(1));
    let level: f64 = level.unwrap_or_else(|| panic!("{rated}")).split(' ').next().unwrap().parse().unwrap();
    println!("exposure {level}");
    assert!(level <= 1.5, "{rated}");
    // Whatever it complains of but the program, which is not installed where tests run.
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = text(&verified);
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("coverledger") && !line.contains("is not executable"))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());
    // Codes after which a restart changes nothing, as the program names them.
    let unit = fs::read_to_string(&unit).unwrap();
    assert!(unit.contains("RestartPreventExitStatus=2 73 75 78\n"));
}

#[test]
fn the_files_for_containers_refer_to_what_is_there() {
    let containerfile = fs::read_to_string(root().join("ops/Containerfile")).unwrap();
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let image = containerfile.lines().find_map(|line| line.strip_prefix("FROM rust:")).unwrap();
    let version = image.split('-').next().unwrap();
    assert!(toolchain.contains(&format!("channel = \"{version}")), "{image}: {toolchain}");
    let copied = containerfile.lines().filter_map(|line| line.strip_prefix("COPY config"));
    for path in
        copied.flat_map(|line| format!("config{line}").split(' ').map(str::to_owned).collect::<Vec<_>>())
    {
        assert!(path.starts_with('/') || root().join(&path).exists(), "{path}");
    }
    let compose = root().join("ops/compose");
    let text = fs::read_to_string(compose.join("compose.yml")).unwrap();
    for service in ["kafka", "topics", "seaweedfs", "bucket", "prometheus", "coverledger-1", "coverledger-2"]
    {
        assert!(text.contains(&format!("\n  {service}:\n")), "{service}");
    }
    let mounted =
        text.split(['"', ' ', '\n']).filter(|word| word.starts_with("./") || word.starts_with("../"));
    let files: Vec<&str> = mounted.map(|word| word.split(':').next().unwrap()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert!(compose.join(file).exists(), "{file}");
    }
    for number in [1, 2] {
        let config = compose.join(format!("coverledger-{number}.toml"));
        let checked = binary().arg("check-config").arg(&config).output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
    let checked = Command::new("promtool")
        .args(["check", "config", "--syntax-only"])
        .arg(compose.join("prometheus.yml"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Python is there for Schemathesis, and a reader of YAML with it.
#[test]
fn every_yaml_file_can_be_read() {
    let python = root().join("target/python/bin/python");
    if !python.exists() {
        return skipped("YAML files in ops", "run scripts/setup");
    }
    let code = "import sys, yaml\nfor name in sys.argv[1:]:\n    assert isinstance(yaml.safe_load(open(name, encoding='utf-8')), dict), name";
    let files = [
        "compose/compose.yml",
        "compose/prometheus.yml",
        "prometheus/alerts.yml",
        "prometheus/prometheus.yml",
    ];
    let read = Command::new(python)
        .args(["-c", code])
        .args(files.map(|file| root().join("ops").join(file)))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", text(&read));
}
