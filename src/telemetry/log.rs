//! The log: to standard error, as text for people or as JSON for machines.
//!
//! No rider identifier is ever logged: the readers of a log have no business with a person's working day.

use std::io::{self, ErrorKind, IsTerminal, Write};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why no log can be written.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("the log filter `{filter}` is invalid: use for example info or coverledger=debug,info")]
    Filter {
        /// What was given.
        filter: String,
    },
    /// The process has a log already.
    #[error("Failed to set up the log: it was set up before")]
    Twice,
}

/// A writer whose failures count for nothing: a log that has lost its reader must not end the service.
#[derive(Debug)]
struct Unfailing<W>(W);

impl<W: Write> Write for Unfailing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

/// Sets up the log of this process. `filter` is a level, or levels by module: `coverledger=debug,info`.
///
/// # Errors
/// When the filter cannot be read, or the log was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let levels = parse(filter)?;
    let to_terminal = std::io::stderr().is_terminal();
    let plain =
        fmt().with_env_filter(levels).with_writer(|| Unfailing(std::io::stderr())).with_ansi(to_terminal);
    let done = match format {
        LogFormat::Text => plain.with_target(false).try_init(),
        LogFormat::Json => plain.json().flatten_event(true).try_init(),
    };
    done.map_err(|_| LogError::Twice)
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|_| LogError::Filter { filter: filter.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(parse("info").is_ok() && parse("coverledger=debug,info").is_ok());
        assert_eq!(
            parse("coverledger=loud").unwrap_err().to_string(),
            "the log filter `coverledger=loud` is invalid: use for example info or coverledger=debug,info"
        );
    }
}
