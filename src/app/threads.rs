//! The one owner of threads: names them, stops them, and notices the first that ends.

use rustix::process::setpriority_process;
use rustix::thread::gettid;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often ending threads are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who goes first when there are more threads than cores. People wait for answers; Kafka keeps what is not taken in yet;
/// compaction has all the time between two commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Answers, and what keeps the service alive.
    Answering,
    /// Taking records in.
    Ingest,
    /// Putting stored things in order.
    Background,
}

impl Urgency {
    /// Tells the system, for the calling thread. Where it cannot be told, threads share as they did before.
    pub fn apply(self) {
        let nice = match self {
            Self::Answering => return,
            Self::Ingest => 5,
            Self::Background => 15,
        };
        // On Linux a niceness belongs to a thread.
        if let Err(error) = setpriority_process(Some(gettid()), nice) {
            tracing::debug!(%error, "Failed to set the priority of a thread: it keeps the default");
        }
    }
}

/// A thread that ended: its name, and how.
pub type Ended = (&'static str, anyhow::Result<()>);

/// The running threads.
#[derive(Debug)]
pub struct Threads {
    running: Vec<(&'static str, JoinHandle<()>)>,
    ended: (Sender<Ended>, Receiver<Ended>),
}

impl Default for Threads {
    fn default() -> Self {
        Self { running: Vec::new(), ended: channel() }
    }
}

impl Threads {
    /// Starts `work` under a name.
    pub fn start(
        &mut self,
        name: &'static str,
        urgency: Urgency,
        work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let ended = self.ended.0.clone();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            urgency.apply();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
                Err(anyhow::anyhow!("the {name} thread panicked; report this as a defect, with the log"))
            });
            // Without a listener the process is ending anyway.
            let _ending = ended.send((name, result));
        })?;
        self.running.push((name, thread));
        Ok(())
    }

    /// Starts work that comes to an end by itself, and with which nothing else ends, however it does.
    pub fn start_errand(
        &mut self,
        name: &'static str,
        urgency: Urgency,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            urgency.apply();
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
                tracing::error!("Failed to keep the {name} thread: it panicked, and the service continues without it; report this as a defect");
            }
        })?;
        self.running.push((name, thread));
        Ok(())
    }

    /// The first thread that ended within `timeout`, if any did.
    pub fn first_ended(&self, timeout: Duration) -> Option<Ended> {
        // An error is a timeout: this owns a sender, so the channel cannot be disconnected.
        self.ended.1.recv_timeout(timeout).ok()
    }

    /// Waits until every thread has ended, at most `grace`; names those that have not.
    pub fn join(self, grace: Duration, mut failed: impl FnMut(Ended)) -> Vec<&'static str> {
        let started = std::time::Instant::now();
        let mut left: Vec<&'static str> = self.running.iter().map(|(name, _)| *name).collect();
        while self.running.iter().any(|(_, thread)| !thread.is_finished()) {
            // A thread reports its end a moment before it ends: a wait for the last one must not depend on a further
            // report.
            let left = grace.saturating_sub(started.elapsed());
            match self.ended.1.recv_timeout(left.min(LOOK_AGAIN)) {
                Ok(ended) => failed(ended),
                Err(_) if started.elapsed() >= grace => break,
                Err(_) => {}
            }
        }
        while let Ok(ended) = self.ended.1.try_recv() {
            failed(ended);
        }
        for (name, thread) in self.running {
            if thread.is_finished() {
                left.retain(|other| *other != name);
            }
        }
        left
    }
}
