//! Which module may use which: the tables in `src/lib.rs` and `src/ledger/mod.rs`, held against the imports.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each module the modules that it uses.
type Matrix = BTreeMap<String, BTreeSet<String>>;

/// The table of a module's documentation: lines `//! | module | may use |` below the heading `# Dependencies`.
fn stated(module: &Path) -> Matrix {
    let text = fs::read_to_string(module).unwrap();
    let table = text.lines().skip_while(|line| *line != "//! # Dependencies");
    let rows = table.filter_map(|line| line.strip_prefix("//! | `"));
    let mut matrix = Matrix::new();
    for row in rows {
        let (name, used) = row.split_once("` |").unwrap();
        let used = used.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(
            matrix.insert(name.to_owned(), used).is_none(),
            "{name} occurs twice in {}",
            module.display()
        );
    }
    assert!(matrix.len() > 5, "{} states no dependencies", module.display());
    matrix
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(rust_files(&path)),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// Code without comments and without tests, which may use everything; a single line.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code: Vec<&str> = text
        .lines()
        .take_while(|line| *line != "mod tests {")
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    code.join(" ")
}

/// Files that only tests compile: `tests.rs`, `tests/`, and `testing.rs`, the helpers of unit tests.
fn is_of_tests(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testing.rs")
}

/// What follows each `prefix` in the code: a name, or the names of a group in braces.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let name = |text: &str| -> String {
            text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if !rest.starts_with('{') {
            names.insert(name(rest));
            continue;
        }
        let mut depth = 0;
        let mut item = String::new();
        for c in rest.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            match c {
                '{' if depth == 1 => {}
                ',' if depth == 1 => names.extend([name(&std::mem::take(&mut item))]),
                _ if depth == 0 => break,
                _ => item.push(c),
            }
        }
        names.insert(name(&item));
    }
    names.remove("");
    names
}

/// The modules of a folder and what each names after `prefix`.
fn used(folder: &str, prefix: &str) -> Matrix {
    let mut matrix = Matrix::new();
    for path in rust_files(Path::new(folder)) {
        let inside = path.strip_prefix(folder).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main", "mod"].contains(&module.as_str()) || is_of_tests(inside) {
            continue;
        }
        let names = named_after(&code(&path), prefix).into_iter().filter(|name| *name != module);
        let names: BTreeSet<String> = names.collect();
        matrix.entry(module).or_default().extend(names);
    }
    assert!(matrix.len() > 5, "nothing below {folder}");
    matrix
}

/// A module that leads back to itself, with the way.
fn circle(matrix: &Matrix) -> Option<Vec<String>> {
    fn follow(matrix: &Matrix, way: &mut Vec<String>) -> bool {
        let Some(used) = way.last().and_then(|module| matrix.get(module)) else { return false };
        for next in used {
            let is_known = way.contains(next);
            way.push(next.clone());
            if is_known || follow(matrix, way) {
                return true;
            }
            way.pop();
        }
        false
    }
    matrix.keys().find_map(|module| {
        let mut way = vec![module.clone()];
        follow(matrix, &mut way).then_some(way)
    })
}

fn check(folder: &str, module: &str, prefix: &str) {
    let (stated, used) = (stated(Path::new(module)), used(folder, prefix));
    assert_eq!(used, stated, "left: what the imports of {folder} say; right: what {module} states");
    assert_eq!(circle(&used), None, "a circle in {folder}");
}

#[test]
fn modules_use_what_lib_rs_states() {
    check("src", "src/lib.rs", "crate::");
}

#[test]
fn modules_of_the_ledger_use_what_its_mod_rs_states() {
    check("src/ledger", "src/ledger/mod.rs", "crate::ledger::");
}

#[test]
fn outside_the_ledger_only_its_facade_is_named() {
    let facade = named_after(&code(Path::new("src/ledger/mod.rs")), "pub mod ");
    assert!(facade.len() > 5, "{facade:?}");
    for path in rust_files(Path::new("src")) {
        if !path.starts_with("src/ledger") && !is_of_tests(&path) {
            let named = named_after(&code(&path), "crate::ledger::");
            let modules: Vec<_> = named.intersection(&facade).collect();
            assert!(modules.is_empty(), "{} reaches behind the facade: {modules:?}", path.display());
        }
    }
}

#[test]
fn a_circle_is_found_and_names_are_read() {
    let matrix = |rows: &[(&str, &str)]| -> Matrix {
        let row = |used: &str| used.split_whitespace().map(str::to_owned).collect();
        rows.iter().map(|(module, used)| ((*module).to_owned(), row(used))).collect()
    };
    assert_eq!(circle(&matrix(&[("a", "b c"), ("b", "c"), ("c", "")])), None);
    assert!(circle(&matrix(&[("a", "b"), ("b", "c"), ("c", "a")])).is_some());
    let code = "use crate::a::X; use crate::{b::{Y, z::Z}, c, d::W}; fn f(x: crate::e::V) {} mycrate::g::T";
    let names: Vec<String> = named_after(code, "crate::").into_iter().collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}
