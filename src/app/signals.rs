//! What signals do: SIGTERM and SIGINT end the service, SIGHUP reads the configuration again, SIGUSR1 and SIGUSR2 do nothing.

use crate::wait::Stop;
use anyhow::Context;
use std::io;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tracing::warn;

/// SIGTERM and SIGINT.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// From now on they do not end the process by themselves.
    pub(super) fn catch(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first of them.
    pub(super) async fn first(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What SIGHUP asks for.
#[derive(Clone, Debug)]
pub(super) enum Hangup {
    /// A stop: the terminal is gone.
    Stop(Stop),
    /// Reading the configuration again.
    Reload(Arc<Notify>),
}

/// From now on the process outlives the signals that other services take as a wish to read their configuration or their log
/// file anew: dying of it would be a surprise. SIGHUP does what `hangup` says.
pub(super) fn outlive(runtime: &Runtime, hangup: Hangup) -> anyhow::Result<()> {
    let _inside = runtime.enter();
    let signals = [
        ("SIGHUP", SignalKind::hangup(), Some(hangup)),
        ("SIGUSR1", SignalKind::user_defined1(), None),
        ("SIGUSR2", SignalKind::user_defined2(), None),
    ];
    for (name, kind, meaning) in signals {
        let mut coming = signal(kind).with_context(|| format!("Failed to install the handler of {name}"))?;
        runtime.spawn(async move {
            while coming.recv().await.is_some() {
                match &meaning {
                    Some(Hangup::Stop(stop)) => stop.set(),
                    Some(Hangup::Reload(asked)) => asked.notify_one(),
                    None => warn!(
                        signal = name,
                        "signal ignored: SIGHUP reads the configuration again, and the log goes to standard error; SIGTERM stops the \
                         service"
                    ),
                }
            }
        });
    }
    Ok(())
}
