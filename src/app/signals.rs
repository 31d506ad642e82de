//! What signals do: SIGTERM and SIGINT end the service, SIGHUP, SIGUSR1 and SIGUSR2 do not.

use crate::wait::Stop;
use anyhow::Context;
use std::io;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// From now on the process outlives the signals that other services take as a wish to read their configuration or their log
/// file anew: there is nothing of that kind here, and dying of it would be a surprise. `ends_on_hangup`: SIGHUP is a wish to
/// stop.
pub(super) fn outlive(runtime: &Runtime, stop: &Stop, ends_on_hangup: bool) -> anyhow::Result<()> {
    let _inside = runtime.enter();
    let signals = [
        ("SIGHUP", SignalKind::hangup(), ends_on_hangup),
        ("SIGUSR1", SignalKind::user_defined1(), false),
        ("SIGUSR2", SignalKind::user_defined2(), false),
    ];
    for (name, kind, ends) in signals {
        let mut coming = signal(kind).with_context(|| format!("Failed to install the handler of {name}"))?;
        let stop = stop.clone();
        runtime.spawn(async move {
            while coming.recv().await.is_some() {
                if ends {
                    stop.set();
                } else {
                    warn!(
                        signal = name,
                        "signal ignored: a changed configuration takes a restart, and the log goes to standard error; SIGTERM stops \
                         the service"
                    );
                }
            }
        });
    }
    Ok(())
}
