//! The commands, one file each: arguments in, results on standard output, an exit code back.

mod access;
pub mod account;
mod answer_logs;
pub mod answers;
mod asking;
pub mod backup;
pub mod check_config;
pub mod compare;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod failover;
pub mod generate;
pub mod ingest;
mod input;
pub mod lookup;
mod lookup_batch;
mod lookup_text;
mod mended;
pub mod migrate;
pub mod output;
pub mod produce;
mod reading;
pub mod receipt;
mod rejection_export;
mod rejection_send;
pub mod rejections;
mod remote;
pub mod restore;
pub mod seal;
pub mod serve;
pub mod statement;
pub mod timeline;
pub mod token;
mod typed;
pub mod verify;
pub mod verify_receipt;
mod version;

use crate::config::{Config, ConfigErrors};
use crate::ledger::LedgerError;
use clap::{Parser, Subcommand};
use output::Inputs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The order-level occupational-injury coverage ledger for gig platforms.
#[derive(Debug, Parser)]
#[command(name = "coverledger", version = version::SHORT, long_version = version::long(), about, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, or a check failed; 2 wrong usage; 73 the data directory cannot be \
                          used; 75 it is in use; 78 the configuration has errors; 141 the reader of standard output went away.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: the whole service on an embedded broker with invented riders, and nothing else on the machine.
    Demo(demo::DemoArgs),
    /// Run the service: take in events from Kafka, answer over HTTP.
    Serve(serve::ServeArgs),
    /// Take in files of JSON lines through the same pipeline as Kafka's records.
    Ingest(ingest::IngestArgs),
    /// Make a copy of the newest committed state, beside a running service or without one.
    Backup(backup::BackupArgs),
    /// Restore a backup into the empty place that the configuration names.
    Restore(restore::RestoreArgs),
    /// Move the whole ledger into a bucket, or from one into a folder.
    Migrate(migrate::MigrateArgs),
    /// Change the writer of a ledger in a bucket: let it end, and the standby take over.
    Failover(failover::FailoverArgs),
    /// Make, list or revoke tokens of systems that ask the service.
    Token(token::TokenArgs),
    /// Make, list or change accounts of people who sign in to the service.
    Account(account::AccountArgs),
    /// List, show and check the logged answers.
    Answers(answers::AnswersArgs),
    /// Read everything in the ledger again and prove that it agrees.
    Verify(verify::VerifyArgs),
    /// Seal the days that are settled, so that receipts can be made.
    Seal(seal::SealArgs),
    /// Answer about settled time with proofs that anyone can check.
    Receipt(receipt::ReceiptArgs),
    /// Compare the sealed days of two ledgers.
    Compare(compare::CompareArgs),
    /// Check a receipt with a public key, without a ledger.
    VerifyReceipt(verify_receipt::VerifyReceiptArgs),
    /// Say whether a rider was covered.
    Lookup(lookup::LookupArgs),
    /// Say why a rider was covered or not, in words.
    Explain(explain::ExplainArgs),
    /// List a rider's orders and merged cover.
    Timeline(timeline::TimelineArgs),
    /// Print the monthly statement.
    Statement(statement::StatementArgs),
    /// List, export, mend, send again or resolve rejected records.
    Rejections(rejections::RejectionsArgs),
    /// Check a configuration and print every problem at once.
    #[command(after_help = "Example: coverledger check-config coverledger.toml")]
    CheckConfig {
        /// The configuration file.
        file: PathBuf,
    },
    /// Say what around the ledger is not as it should be: disk, clock, Kafka, certificates, backups.
    Doctor(doctor::DoctorArgs),
    /// Print the description of the HTTP interface (OpenAPI 3.1).
    #[command(after_help = "Example: coverledger openapi >openapi.json")]
    Openapi,
    /// Write deterministic synthetic events.
    Generate(generate::GenerateArgs),
}

/// How a command ends when it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, and what was asked holds.
    Holds,
    /// A check failed.
    DoesNotHold,
    /// The configuration has errors.
    BadConfig,
}

impl Ending {
    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::DoesNotHold => 1,
            Self::BadConfig => 78,
        }
    }
}

/// The configuration has errors: all of them.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BadConfig(pub ConfigErrors);

/// The arguments make no sense together.
#[derive(Debug, Error)]
#[error("{0}; see --help")]
pub struct WrongUsage(pub String);

/// The exit code of a failure.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<WrongUsage>()) {
        return 2;
    }
    if error.chain().any(|cause| cause.is::<BadConfig>()) {
        return 78;
    }
    let in_use = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<LedgerError>().is_some_and(LedgerError::is_in_use)
    };
    if error.chain().any(in_use) {
        return 75;
    }
    let unusable = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<LedgerError>().is_some_and(LedgerError::is_of_data_dir)
    };
    if error.chain().any(unusable) { 73 } else { 1 }
}

/// Loads a configuration; its warnings go to standard error. No command may print into its files or its data directory, so
/// this is checked here for all of them.
///
/// # Errors
/// [`BadConfig`] with every problem; [`WrongUsage`] when standard output is one of these files.
pub fn load_config(path: &Path) -> anyhow::Result<Config> {
    let config = Config::load(path, &|name| std::env::var(name).ok()).map_err(BadConfig)?;
    Inputs::of_config(&config).refuse_standard_output()?;
    config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    for warning in &config.warnings {
        // Nothing ends because standard error has no reader.
        let _unread = writeln!(std::io::stderr(), "warning: {warning}");
    }
    Ok(config)
}
