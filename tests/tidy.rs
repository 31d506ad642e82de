//! What the tree must look like: rules that no compiler checks.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a source file may have; a file that needs more holds two nouns.
const LINES_MAX: usize = 400;

/// Folders of the tree that are not the project's: build results, data, version control.
const SKIPPED: [&str; 3] = ["target", "data", ".git"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir`, as a path from the root.
fn files_below(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(dir)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let inside = path.strip_prefix(root()).unwrap().to_path_buf();
            if path.is_dir() {
                let skipped = inside.components().count() == 1 && SKIPPED.contains(&name.as_str());
                if !skipped {
                    folders.push(path);
                }
            } else {
                found.push(inside);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing below {dir}");
    found
}

fn rust_below(dir: &str) -> Vec<PathBuf> {
    let files = files_below(dir).into_iter();
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// The text of a file; `None` for one that is not text.
fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).unwrap()).ok()
}

/// Lines without their comments: naming something in prose is not using it.
fn code(path: &Path) -> Vec<String> {
    let text = text(path).unwrap();
    let uncommented = text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned());
    uncommented.collect()
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` holds `word` as a whole.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word_part) && !after.is_some_and(is_word_part)
    })
}

fn offences(files: &[PathBuf], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        for (number, line) in (1..).zip(code(path)) {
            for word in words.iter().filter(|word| names(&line, word)) {
                found.push(format!("{}:{number} names {word}", path.display()));
            }
        }
    }
    found
}

#[test]
fn the_domain_has_no_clock_no_io_and_no_framework() {
    let words = [
        "tokio",
        "rdkafka",
        "sled",
        "axum",
        "serde",
        "serde_json",
        "toml",
        "tracing",
        "prometheus",
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::net",
        "std::io",
        "std::env",
        "std::thread",
    ];
    // Tests may ask other libraries as oracles.
    let is_test = |path: &PathBuf| {
        path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
    };
    let files: Vec<PathBuf> = rust_below("src/domain").into_iter().filter(|path| !is_test(path)).collect();
    assert_eq!(offences(&files, &words), Vec::<String>::new());
}

#[test]
fn sled_is_named_in_one_file_at_most() {
    let naming: Vec<PathBuf> = rust_below("src")
        .into_iter()
        .filter(|path| code(path).iter().any(|line| names(line, "sled")))
        .collect();
    assert!(naming.len() <= 1, "{naming:?}");
}

#[test]
fn only_the_storage_knows_how_a_directory_is_laid_out() {
    let outside: Vec<PathBuf> =
        rust_below("src").into_iter().filter(|path| !path.starts_with("src/storage")).collect();
    let outside_of = |allowed: &[&str]| -> Vec<PathBuf> {
        let is_in = |path: &&PathBuf| allowed.iter().any(|module| path.starts_with(module));
        outside.iter().filter(|path| !is_in(path)).cloned().collect()
    };
    let words =
        ["DirLock", "ValueWriter", "SegmentWriter", "hard_link", "\"segments\"", "\"store\"", "\"LOCK\""];
    let mut found = offences(&outside, &words);
    // HTTP has a method of that name.
    found.extend(offences(&outside_of(&["src/http"]), &["HEAD"]));
    // The configuration says which directory, the wiring passes it on, and `doctor` names the key.
    let wiring =
        ["src/config", "src/app", "src/cli", "src/doctor", "src/ingest/file", "src/ledger/options.rs"];
    found.extend(offences(&outside_of(&wiring), &["data_dir"]));
    found.extend(offences(
        &outside_of(&["src/app", "src/cli"]),
        &["storage::head", "storage::lock", "storage::data_dir"],
    ));
    let is_test = |path: &&PathBuf| {
        path.ends_with("testing.rs") || path.ends_with("tests.rs") || path.ends_with("install.rs")
    };
    let ledger = |path: &&PathBuf| path.starts_with("src/ledger") || path.starts_with("src/coverage");
    let without_files: Vec<PathBuf> =
        outside.iter().filter(ledger).filter(|path| !is_test(path)).cloned().collect();
    found.extend(offences(&without_files, &["std::fs", "fs2", "rustix", "PathBuf", "storage::local"]));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn unsafe_code_is_in_one_file_only() {
    let allowed = [Path::new("src/ingest/kafka/broker_ids.rs")];
    // Put together here, so that this file does not offend.
    let word = ["un", "safe"].concat();
    let naming: Vec<PathBuf> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(rust_below)
        .filter(|path| code(path).iter().any(|line| names(line, &word)))
        .collect();
    assert_eq!(naming, allowed);
    // And one place states it for the compiler: no other module may expect it.
    let lint = [word.as_str(), "_code"].concat();
    let mut lifted = Vec::new();
    for path in ["src", "tests", "benches"].into_iter().flat_map(rust_below) {
        lifted.extend(code(&path).iter().filter(|line| names(line, &lint)).map(|_| path.clone()));
    }
    assert_eq!(lifted, [Path::new("src/ingest/kafka/mod.rs")]);
    assert!(text(Path::new("Cargo.toml")).unwrap().contains(&format!("{lint} = \"deny\"")));
}

#[test]
fn kafka_is_named_in_its_module_only() {
    let outside: Vec<PathBuf> = rust_below("src")
        .into_iter()
        .filter(|path| !path.starts_with("src/ingest/kafka"))
        .filter(|path| path != Path::new("src/app/demo.rs"))
        .collect();
    assert_eq!(offences(&outside, &["rdkafka"]), Vec::<String>::new());
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = rust_below("src")
        .into_iter()
        .chain(rust_below("tests"))
        .map(|path| (text(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_test_is_ignored() {
    // Put together here, so that this file does not offend.
    let mark = ["#[ig", "nore"].concat();
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_below);
    let marked: Vec<PathBuf> =
        files.filter(|path| code(path).iter().any(|line| line.contains(&mark))).collect();
    assert_eq!(marked, Vec::<PathBuf>::new());
}

/// Each word with the only files that may use it.
const ONE_PLACE: [(&str, &[&str]); 8] = [
    (
        "sleep",
        &["src/http/connection.rs", "src/storage/object/pause.rs", "src/wait.rs", "tests/testkit/wait.rs"],
    ),
    ("park_timeout", &[]),
    ("sleep_until", &[]),
    // On channels whose messages count.
    ("recv_timeout", &["src/app/threads.rs", "src/app/writer.rs"]),
    ("wait_timeout", &[]),
    ("wait_timeout_while", &["src/wait.rs"]),
    // A place where the program gives way on purpose.
    ("yield_now", &["src/ledger/yield_points.rs"]),
    // Unit tests cannot share the testkit.
    (
        "fastrand",
        &[
            "src/coverage/resolve/finality/dice.rs",
            "src/http/tests/fuzz.rs",
            "src/storage/object/tests/history.rs",
            "src/storage/object/tests/unkind.rs",
            "tests/testkit/random.rs",
        ],
    ),
];

#[test]
fn waiting_and_random_numbers_have_one_place_each() {
    let files: Vec<PathBuf> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(rust_below)
        .filter(|path| path != Path::new("tests/tidy.rs"))
        .collect();
    for (word, places) in ONE_PLACE {
        let using: Vec<&PathBuf> =
            files.iter().filter(|path| code(path).iter().any(|line| names(line, word))).collect();
        let places: Vec<&Path> = places.iter().map(Path::new).collect();
        assert_eq!(using, places, "left: the files that use `{word}`; right: those that may");
    }
    // What every generator written by hand does. The program's own are part of what it computes.
    let by_hand = |path: &&PathBuf| !path.starts_with("src");
    let generators: Vec<PathBuf> = files.iter().filter(by_hand).cloned().collect();
    assert_eq!(offences(&generators, &["wrapping_mul", "rotate_left"]), Vec::<String>::new());
}

/// The files that the `mod` declarations of a file lead to.
fn declared(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().unwrap();
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let is_root = path.components().count() == 2 && !path.starts_with("src");
    // `mod.rs` and the roots of crates have their modules beside them, other files in a folder of their name.
    let beside = is_root || ["mod", "lib", "main"].contains(&stem);
    let inside = if beside { folder.to_path_buf() } else { folder.join(stem) };
    let (mut found, mut named) = (Vec::new(), None);
    for line in code(path) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            named = rest.split('"').next().map(|path| normal(&folder.join(path)));
        }
        let declaration = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        let Some((before, name)) = declaration else { continue };
        let is_declaration = before.is_empty() || before.starts_with("pub");
        if !is_declaration || !name.chars().all(is_word_part) {
            continue;
        }
        let places = match named.take() {
            Some(place) => vec![place],
            None => vec![inside.join(format!("{name}.rs")), inside.join(name).join("mod.rs")],
        };
        let there: Vec<PathBuf> = places.into_iter().filter(|place| root().join(place).is_file()).collect();
        assert_eq!(there.len(), 1, "mod {name} of {}", path.display());
        found.extend(there);
    }
    found
}

/// A path from the root without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => assert!(parts.pop(), "{}", path.display()),
            part => parts.push(part),
        }
    }
    parts
}

#[test]
fn every_file_belongs_to_a_crate() {
    let all: Vec<PathBuf> = ["src", "tests", "benches"].into_iter().flat_map(rust_below).collect();
    let is_root = |path: &&PathBuf| {
        let beside = path.components().count() == 2;
        beside && (!path.starts_with("src") || path.ends_with("lib.rs") || path.ends_with("main.rs"))
    };
    let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
    let mut open: Vec<PathBuf> = all.iter().filter(is_root).cloned().collect();
    while let Some(path) = open.pop() {
        if reached.insert(path.clone()) {
            open.extend(declared(&path));
        }
    }
    let dead: Vec<&PathBuf> = all.iter().filter(|path| !reached.contains(*path)).collect();
    assert_eq!(dead, Vec::<&PathBuf>::new(), "no `mod` declaration leads to them");
}

#[test]
fn the_tree_refers_to_nothing_outside() {
    let outside = ["../sha", "red"].concat();
    let hosts = [
        ["crates", ".io/"].concat(),
        ["static.crates", ".io"].concat(),
        ["repo.maven", ".apache.org"].concat(),
        ["repo1", ".maven.org"].concat(),
        ["deb.deb", "ian.org"].concat(),
        ["registry.npm", "js.org"].concat(),
        ["pypi", ".org"].concat(),
        ["proxy.gol", "ang.org"].concat(),
    ];
    let mut found = Vec::new();
    for path in files_below(".") {
        // Cargo writes its registry into the lock file itself.
        if path == Path::new("Cargo.lock") {
            continue;
        }
        let Some(text) = text(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            let leaves = line.contains(&outside) && !path.starts_with(".ci");
            if leaves || hosts.iter().any(|host| line.contains(host)) {
                found.push(format!("{}:{number} {}", path.display(), line.trim()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn words_are_found_whole() {
    assert!(names("use sled::Db;", "sled"));
    assert!(!names("let jostled = sledge(x);", "sled"));
    assert!(names("std::fs::read(path)", "std::fs"));
    assert!(!names("std::fsync", "std::fs"));
}
