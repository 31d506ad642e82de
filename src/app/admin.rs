//! What the operator's commands ask of a running service: a socket in the data directory that only its owner may open.
//!
//! A request is one line of JSON, answers are lines of JSON, the last one holds the outcome:
//!
//! ```text
//! {"backup":"/backups/2026-11-22"}     or {"backup_to":"s3://..."} or {"copy_ahead":{"to":"s3://...","piece_bytes":33554432}}
//! {"files":[3,41]}
//! {"done":{"commit":991,...}}          or {"error":"..."}
//! ```

use super::answer_keeping::{answers_folder, check_elsewhere};
use super::handover::{HandedOver, Handover, LIMIT_S, TakenOver};
use super::status::Status;
use crate::access::{Access, STORE_FILE};
use crate::answers::{ANSWERS_FOLDER, copy_logs};
use crate::config::Config;
use crate::http::ServiceRole;
use crate::ledger::{BackupReport, Published, backup_beside, copy_ahead, storage_at};
use crate::storage::Storage;
use crate::storage::local::admin_socket;
use crate::wait::Stop;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Longest request.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// Pause between two looks for a request.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a request or an answer may take to pass: both ends are on this machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Request {
    /// Back up to this folder, named by its whole path.
    Backup(PathBuf),
    /// Back up to this bucket and prefix.
    BackupTo(String),
    /// Copy what a migration to this place can begin with.
    CopyAhead {
        /// A bucket and prefix, or a folder.
        to: String,
        /// Bytes of a piece.
        piece_bytes: usize,
    },
    /// To a writer: commit what was read, and end, so that a standby takes over.
    HandOver,
    /// To a standby: take over now, whatever the writer does.
    TakeOver,
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Segment files done, and all of them; of a copy value by value, bytes.
    Files(u64, u64),
    /// The backup is made.
    Done(BackupReport),
    /// What a migration can begin with is there: bytes that were copied, and bytes that were there before.
    Ahead(u64, u64),
    /// The writer has ended, but for its last threads.
    HandedOver(HandedOver),
    /// The standby is the writer.
    TakenOver(TakenOver),
    /// It is not.
    Error(String),
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The listening end.
#[derive(Debug)]
pub struct Admin {
    listener: UnixListener,
    config: Config,
    published: Arc<Published>,
    access: Option<Arc<Access>>,
    status: Arc<Status>,
    handover: Arc<Handover>,
    stop: Stop,
    /// Set when the [`AdminEnd`] is dropped: later than `stop`, which only ends a backup.
    end: Stop,
}

/// Ends the listening when it is dropped.
#[derive(Debug)]
pub struct AdminEnd {
    path: PathBuf,
    /// Device and number of the socket's file.
    file: (u64, u64),
    end: Stop,
}

impl Drop for AdminEnd {
    fn drop(&mut self) {
        self.end.set();
        // Where the directory was replaced, the socket of this name is another process's.
        if file_of(&self.path).is_ok_and(|file| file == self.file) {
            let _removed = std::fs::remove_file(&self.path);
        }
    }
}

fn file_of(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| id_of(&metadata))
}

impl Admin {
    /// Listens. Only the process that holds the lock of the directory may call this.
    ///
    /// # Errors
    /// The socket cannot be made, e.g. since its path is longer than the system takes.
    pub fn listen(
        config: &Config,
        (published, access): (Arc<Published>, Option<Arc<Access>>),
        (status, handover): (Arc<Status>, Arc<Handover>),
        stop: Stop,
    ) -> io::Result<(Self, AdminEnd)> {
        let path = admin_socket(&config.ledger.data_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let end = Stop::default();
        let file = file_of(&path)?;
        let config = config.clone();
        let admin = Self { listener, config, published, access, status, handover, stop, end: end.clone() };
        Ok((admin, AdminEnd { path, file, end }))
    }

    /// Answers one request after the other until its [`AdminEnd`] is dropped.
    pub fn run(self) -> anyhow::Result<()> {
        loop {
            let answered = match self.listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                accepted => accepted.and_then(|(stream, _)| {
                    stream.set_nonblocking(false)?;
                    self.answer(&stream).map(|()| true)
                }),
            };
            // An operator that hangs up is no reason to end the service.
            if let Err(problem) = &answered {
                warn!(%problem, "Failed to answer a request at the admin socket");
            }
            // After a failure too: it may stay for a while.
            let wait = if matches!(answered, Ok(true)) { Duration::ZERO } else { LOOK_EVERY };
            if self.end.wait(wait) {
                return Ok(());
            }
        }
    }

    fn answer(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut line = String::new();
        BufReader::new(stream.take(REQUEST_BYTES_MAX)).read_line(&mut line)?;
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Backup(target)) => self.back_up_to_folder(&target, stream),
            Ok(Request::BackupTo(place)) => match storage_at(&self.config, &place) {
                Ok(target) => self.back_up(&target, &place, stream),
                Err(problem) => Answer::Error(problem),
            },
            Ok(Request::CopyAhead { to, piece_bytes }) => self.copy_ahead(&to, piece_bytes, stream),
            Ok(Request::HandOver) => self.hand_over(),
            Ok(Request::TakeOver) => self.take_over(),
            Err(problem) => Answer::Error(format!("not a request: {problem}")),
        };
        say(stream, &answer)
    }

    fn back_up_to_folder(&self, target: &Path, stream: &UnixStream) -> Answer {
        if let Err(problem) = check_elsewhere(target, &self.config) {
            return Answer::Error(problem);
        }
        self.back_up(&Storage::local(target), &target.display().to_string(), stream)
    }

    fn back_up(&self, target: &Storage, name: &str, stream: &UnixStream) -> Answer {
        let started = Instant::now();
        // Held until it is done: nothing that this state needs is deleted.
        let state = self.published.current();
        // The backup is made even if the client has gone.
        let mut progress = |done, all| drop(say(stream, &Answer::Files(done, all)));
        let beside = |folder: &Path| {
            if let Some(access) = &self.access {
                access.store().back_up(&folder.join(STORE_FILE)).map_err(|error| error.to_string())?;
            }
            copy_logs(&answers_folder(&self.config), &folder.join(ANSWERS_FOLDER))
                .map_err(|error| error.to_string())
        };
        match backup_beside(&state, (target, &beside), self.stop.flag(), &mut progress) {
            Ok(report) => {
                let seconds = started.elapsed().as_secs();
                info!(place = name, commit = report.commit, bytes = report.bytes, seconds, "backup made");
                Answer::Done(report)
            }
            Err(problem) => {
                warn!(place = name, %problem, "Failed to make a backup");
                Answer::Error(problem.to_string())
            }
        }
    }

    /// Copies beside the service, so that little is left for the time when it is stopped.
    fn copy_ahead(&self, to: &str, piece_bytes: usize, stream: &UnixStream) -> Answer {
        let state = self.published.current();
        let mut progress = |done, all| drop(say(stream, &Answer::Files(done, all)));
        let copied = storage_at(&self.config, to).and_then(|target| {
            let stop = self.stop.flag();
            copy_ahead(&state, (&target, piece_bytes), stop, &mut progress).map_err(|error| error.to_string())
        });
        match copied {
            Ok(values) => {
                let (bytes, (_, reused)) = (values.bytes, values.pieces_reused);
                info!(to, bytes, reused, "copied ahead of a migration");
                Answer::Ahead(bytes, reused)
            }
            Err(problem) => {
                warn!(to, problem, "Failed to copy ahead of a migration");
                Answer::Error(problem)
            }
        }
    }
}

/// A planned change of the writer.
impl Admin {
    fn hand_over(&self) -> Answer {
        if self.status.role() != ServiceRole::Writer {
            return Answer::Error(
                "this process is not the writer: name the configuration of the writer, or let this one take over with --take-over"
                    .to_owned(),
            );
        }
        if self.published.current().store().writer_activity().is_none() {
            return Answer::Error(
                "the ledger lies in the data directory, where no standby can follow: a change of the writer needs a bucket ([storage])"
                    .to_owned(),
            );
        }
        let begun = Instant::now();
        info!("an operator changes the writer: this one commits what it has read, and ends");
        self.stop.set();
        match self.handover.handed_over() {
            Some(Ok(done)) => Answer::HandedOver(HandedOver { milliseconds: millis(begun), ..done }),
            Some(Err(problem)) => Answer::Error(format!("the writer failed: {problem}")),
            None => Answer::Error(format!("the writer did not end within {LIMIT_S} s; see its log")),
        }
    }

    fn take_over(&self) -> Answer {
        if self.status.role() != ServiceRole::Standby {
            return Answer::Error("this process is no standby: start one with `serve --standby`".to_owned());
        }
        match self.handover.take_over() {
            Some(Ok(done)) => Answer::TakenOver(done),
            Some(Err(problem)) => Answer::Error(problem),
            None => Answer::Error(format!("it did not take over within {LIMIT_S} s; see its log")),
        }
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn say(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Asks the service that has this data directory, and reports every answer until the last.
///
/// # Errors
/// No service listens, or it went away.
pub fn ask(data_dir: &Path, request: &Request, mut told: impl FnMut(u64, u64)) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(admin_socket(data_dir))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Answer::Files(done, all) => told(done, all),
            last => return Ok(last),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the service ended before it answered"))
}
