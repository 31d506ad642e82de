//! The answer log: every answer that the service gave, durable before it was sent, and every change of what answers rest on.
//!
//! ```text
//! handler -> Draft -> AnswerLog::append -> (group commit: one thread, one fsync) -> Entry with number and digest -> header -> client
//! ```
//!
//! A log is a folder of append-only files with one entry a line: the SHA-256 of the entry, a space, the entry as a JSON object.
//! Each entry has the digest of the one before, so that a changed byte breaks the chain ([`chain`]). A log belongs to one
//! process and has its name; [`all`] lists the logs that lie beside a ledger, [`place`] says where. `docs/answers.md` describes the files,
//! `docs/decisions/0024-answer-log.md` says why they are like this.
//!
//! Where a ledger lies in a bucket, the log of each process is [`shipped`] there, and the others have copies of it ([`followed`]).
//!
//! [`index`] has in memory where entries lie and which answers have changed. [`watch`] says which logged questions a change of the
//! ledger may concern; `app` asks those again and appends an entry where a verdict differs.

pub mod all;
pub mod asked;
pub mod chain;
pub mod entry;
mod error;
pub mod followed;
pub mod index;
mod lock;
mod log;
pub mod place;
mod segment;
pub mod shipped;
mod start;
#[cfg(test)]
mod tests;
pub mod watch;
mod worker;

pub use all::{ANSWERS_FOLDER, LogReport, bring_logs, copy_logs, logs_of, verify_log, verify_logs};
pub use asked::{Asked, CoverageAsked, OpenOrder};
pub use entry::{Content, Digest, Draft, Entry, Event, PrincipalLine};
pub use error::{AnswerLogError, AnswerLogResult};
pub use followed::OtherLogs;
pub use index::{Filter, Listed};
pub use log::{AnswerLog, LogTerms, Logged};
pub use place::LogPlace;
pub use worker::{Observe, Preparer, Worker};
