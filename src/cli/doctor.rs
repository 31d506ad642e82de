//! `coverledger doctor`: what around the ledger is not as it should be; exit code 0 only if nothing is wrong.

use super::Ending;
use super::output::Inputs;
use crate::app::check_answer_log_place;
use crate::config::Config;
use crate::doctor::ledger::{Place, Positions};
use crate::doctor::{Area, Level, Report, certificates, clock, disk, kafka, ledger, object_store};
use crate::ledger::LedgerOptions;
use crate::storage::Storage;
use crate::telemetry::clock::Clock;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Example: coverledger doctor --config coverledger.toml --backup /backups/2026-11-22

Looks at the configuration, the disks (space, file system, speed of writes), the object store if the ledger lies in one, the ledger
and its backups, certificates, Kafka (brokers, rights, settings of topics, retention against the age of backups) and the clock, and
says what to do. It changes
nothing, and may run beside a service. Exit code 0: no problem (warnings do not count), 1: a problem.")]
pub struct DoctorArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// A backup that would be restored; may be repeated.
    #[arg(long, value_name = "DIR")]
    backup: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Examines, and prints what was found.
///
/// # Errors
/// Standard output cannot be written, or is a file of the configuration or its data directory.
pub fn run(args: &DoctorArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let mut report = Report::default();
    match Config::load(&args.config, &|name| std::env::var(name).ok()) {
        Ok(config) => {
            Inputs::of_config(&config).refuse_standard_output()?;
            examine(args, &config, &mut report);
        }
        Err(errors) => {
            Inputs::of_errors(&errors).with(&args.config).refuse_standard_output()?;
            for problem in &errors.problems {
                let todo = "correct the file; the other checks need a configuration and did not run";
                report.problem(Area::Configuration, "configuration", problem.to_string(), todo);
            }
        }
    }
    let problems = report.count(Level::Problem);
    if args.json {
        let whole = json!({"problems": problems, "warnings": report.count(Level::Warning), "findings": report.findings});
        writeln!(out, "{whole}")?;
    } else {
        report.write(out)?;
    }
    Ok(if problems == 0 { Ending::Holds } else { Ending::DoesNotHold })
}

fn examine(args: &DoctorArgs, config: &Config, report: &mut Report) {
    let now = Clock::start().now();
    configuration(args, config, report);
    disk::examine(&config.ledger.data_dir, config.ledger.min_free_bytes, report);
    if let Some(answers) = &config.answers.dir {
        disk::examine_answers(answers, &config.ledger.data_dir, report);
    }
    if let Err(error) = check_answer_log_place(config) {
        let todo = "docs/answers.md, A folder of its own";
        report.problem(Area::Disk, "answers_place", error.to_string(), todo);
    }
    if let Some(settings) = &config.storage {
        object_store::examine(&LedgerOptions::new(config).storage, &settings.url(), report);
    }
    let positions = ledgers(args, config, (now, report));
    certificates::examine(config, now, report);
    let mut told = kafka::examine(config, &positions, now, report);
    told.extend(positions.iter().map(Positions::told));
    clock::examine(&told, Clock::start().now(), &config.zone, report);
}

fn configuration(args: &DoctorArgs, config: &Config, report: &mut Report) {
    for warning in &config.warnings {
        report.warning(
            Area::Configuration,
            "configuration",
            warning.clone(),
            "correct it if it is not meant",
        );
    }
    let (platforms, file) = (config.platforms.registered().count(), args.config.display());
    report.ok(
        Area::Configuration,
        "configuration",
        format!("{file} is usable; {platforms} platforms, tariff {}", config.tariff.version()),
    );
}

/// The ledger of the configuration and the backups that were named.
fn ledgers(
    args: &DoctorArgs,
    config: &Config,
    (now, report): (crate::domain::time::UtcMillis, &mut Report),
) -> Vec<Positions> {
    let at = (now, &config.zone);
    let place = config
        .storage
        .as_ref()
        .map_or_else(|| config.ledger.data_dir.display().to_string(), |bucket| bucket.url());
    let what = format!("the ledger in {place}");
    let own = Place { what, is_backup: false, options: LedgerOptions::new(config) };
    let mut found: Vec<Positions> = ledger::examine(own, at, report).into_iter().collect();
    for folder in &args.backup {
        let mut options = LedgerOptions::new(config);
        options.storage = Storage::local(folder);
        let what = format!("the backup in {}", folder.display());
        found.extend(ledger::examine(Place { what, is_backup: true, options }, at, report));
    }
    if args.backup.is_empty() {
        report.warning(
            Area::Ledger,
            "backup",
            "no backup was named, so none was looked at",
            "name the newest with --backup DIR: its age is compared with what Kafka keeps",
        );
    }
    found
}
