//! The answer logs that commands read: those of this machine and, where the ledger lies in a bucket, those that the other
//! processes have shipped there.

use crate::answers::shipped::LogId;
use crate::answers::{LogReport, logs_of, verify_log};
use crate::app::beside::answers::bring_all;
use crate::app::beside::side_files;
use crate::app::{answers_folder, check_answer_log_place};
use crate::config::Config;
use anyhow::Context;
use std::path::PathBuf;
use tempfile::TempDir;

/// All logs of a ledger.
pub(super) struct AnswerLogs {
    /// Name and folder of each.
    pub(super) logs: Vec<(String, PathBuf)>,
    /// Where those of other processes are; removed in the end.
    _scratch: Option<TempDir>,
}

impl AnswerLogs {
    /// Finds them; those beside the chain are brought to this machine.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        // A log that is looked for where it is not would be no log that fails.
        check_answer_log_place(config)?;
        let answers = answers_folder(config);
        let mut logs = logs_of(&answers)?;
        let Some(files) = side_files(config)? else { return Ok(Self { logs, _scratch: None }) };
        let scratch = tempfile::tempdir()
            .context("Failed to make a folder for the answer logs of other processes (TMPDIR)")?;
        let shipped =
            bring_all(&files, scratch.path()).context("Failed to read the answer logs in the bucket")?;
        let is_here = |log: &LogId| {
            let is_known = logs.iter().any(|(name, _)| *name == log.name);
            is_known && LogId::of(&answers, &log.name).is_ok_and(|own| own == *log)
        };
        let others: Vec<_> = shipped.into_iter().filter(|(log, _, _)| !is_here(log)).collect();
        for (log, shown, folder) in others {
            // A name that a log of this machine has is that one's.
            let is_taken = logs.iter().any(|(name, _)| *name == shown);
            logs.push((if is_taken { format!("{shown}~{}", log.identity) } else { shown }, folder));
        }
        Ok(Self { logs, _scratch: Some(scratch) })
    }

    /// Checks the chain of each.
    pub(super) fn verify(&self) -> anyhow::Result<Vec<LogReport>> {
        let checked = self.logs.iter().map(|(name, folder)| Ok(verify_log(name, folder)?));
        checked.collect()
    }
}
