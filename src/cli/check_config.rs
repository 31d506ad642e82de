//! `coverledger check-config FILE`: all problems and warnings at once.

use super::output::Inputs;
use crate::config::Config;
use std::io::{self, Write};
use std::path::Path;

/// What the check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The configuration can be used; there may be warnings.
    Usable,
    /// It cannot.
    Unusable,
}

impl CheckOutcome {
    /// 0, or 78 (configuration).
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usable => 0,
            Self::Unusable => 78,
        }
    }
}

/// Checks the file and writes what it finds.
///
/// # Errors
/// `out` cannot be written, or is a file of the configuration or its data directory.
pub fn run(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
) -> anyhow::Result<CheckOutcome> {
    match Config::load(path, env) {
        Ok(config) => {
            Inputs::of_config(&config).refuse_standard_output()?;
            write_warnings(&config.warnings, out)?;
            let book = config.tariff.book();
            writeln!(
                out,
                "{}: usable; {} rates, {} factors, {} cover rules (tariff {}), {} platforms, zone {}, configuration {}",
                path.display(),
                book.rates.len(),
                book.factors.len(),
                book.covers.len(),
                config.tariff.version(),
                config.platforms.registered().count(),
                config.zone.name(),
                config.hash_hex()
            )?;
            Ok(CheckOutcome::Usable)
        }
        Err(errors) => {
            Inputs::of_errors(&errors).with(path).refuse_standard_output()?;
            write_warnings(&errors.warnings, out)?;
            for problem in &errors.problems {
                writeln!(out, "error: {problem}")?;
            }
            writeln!(out, "{}: {} errors", path.display(), errors.problems.len())?;
            Ok(CheckOutcome::Unusable)
        }
    }
}

fn write_warnings(warnings: &[String], out: &mut dyn Write) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (u8, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let code = run(&path, &|_| None, &mut out).unwrap().exit_code();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn errors_and_warnings_come_together() {
        let rate = "[[rate]]\ncategory = \"c\"\nper_order = \"1\"\n";
        let (code, out) = check(rate);
        assert_eq!((code, out.lines().count()), (0, 1), "{out}");
        let gap = "[[rate]]\ncategory=\"c\"\nper_order=\"1\"\nuntil=2020-01-01\n[[rate]]\ncategory=\"c\"\nper_order=\"1\"\nfrom=2021-01-01\n";
        let (code, out) = check(&format!("x = 1\n[y]\n{gap}"));
        assert_eq!(code, 78);
        assert_eq!(out.matches("error: ").count(), 2, "{out}");
        assert_eq!(out.matches("warning: ").count(), 1, "{out}");
        assert_eq!(check("= =").0, 78);
        let missing = run(Path::new("/nowhere/x.toml"), &|_| None, &mut Vec::new()).unwrap();
        assert_eq!(missing, CheckOutcome::Unusable);
    }
}
