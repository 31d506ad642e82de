//! Tells the program the commit that it is built from. Without git, or outside of a repository, it is `unknown`.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=COVERLEDGER_COMMIT");
    // A package is built from an archive: who makes it knows the commit.
    let commit = env::var("COVERLEDGER_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(|| {
        // HEAD names a branch, or is the commit; its log changes with every commit, checkout and reset.
        for part in ["HEAD", "logs/HEAD"] {
            // What is not there would be taken as changed, every time.
            let path = git(&["rev-parse", "--git-path", part]);
            if let Some(path) = path.filter(|path| Path::new(path).exists()) {
                println!("cargo:rerun-if-changed={path}");
            }
        }
        git(&["rev-parse", "--short=12", "HEAD"])
    });
    println!("cargo:rustc-env=COVERLEDGER_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    for name in ["TARGET", "PROFILE"] {
        println!("cargo:rustc-env=COVERLEDGER_{name}={}", env::var(name).unwrap_or_default());
    }
}

/// What git says, in one line.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
