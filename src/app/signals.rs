//! What signals do: SIGTERM and SIGINT end the service, SIGHUP, SIGUSR1 and SIGUSR2 do not.

use super::threads::Stop;
use anyhow::Context;
use std::io;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

/// Ends with the first SIGTERM or SIGINT.
pub(super) async fn end() -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
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
        let mut coming = signal(kind).with_context(|| format!("waiting for {name}"))?;
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
