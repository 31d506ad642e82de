//! The HTTP side of the service.

use super::access_control::AccessControl;
use super::event_log::EventLog;
use super::open_files;
use super::service::Service;
use super::signals::EndSignals;
use crate::config::Config;
use crate::http::{self, ExampleCases, HttpState};
use crate::telemetry::history;
use crate::wait::Stop;
use anyhow::Context;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::error;

/// A service that listens.
pub(super) struct Web {
    /// Where.
    pub(super) address: SocketAddr,
    /// What its handlers share.
    pub(super) state: HttpState<Service>,
    shutdown: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<bool>,
}

impl Web {
    pub(super) fn start(
        runtime: &Runtime,
        config: &Config,
        (service, access_control, example_cases): (Service, &AccessControl, ExampleCases),
        event_log: &EventLog,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let listen = config.http.listen;
        let listener = runtime.block_on(TcpListener::bind(listen)).with_context(|| {
            format!("Failed to listen on {listen} (http.listen; another process may use it)")
        })?;
        let address = listener.local_addr()?;
        // A supervisor that reads "listening" may send SIGTERM at once.
        let (signals, asked) =
            (EndSignals::catch(runtime).context("Failed to install the handler of SIGTERM")?, stop.clone());
        runtime.spawn(async move {
            signals.first().await;
            asked.set();
        });
        let scheme = if access_control.tls.is_some() { "https" } else { "http" };
        event_log.listening(&format!("{scheme}://{address}"));
        let clock = service.clock;
        let mut state = HttpState::new(
            service,
            config.platforms.clone(),
            config.zone.clone(),
            config.http.clone(),
            event_log.metrics.clone(),
        )
        .with_display_names(config.display_names.clone())
        .with_example_cases(example_cases)
        .with_traces(event_log.traces.clone());
        if let Some((access, settings)) = access_control.access.clone().zip(config.access.as_ref()) {
            state = state.with_access(access, clock, settings);
        }
        if let Some(log) = access_control.answer_log.clone() {
            state = state.with_answer_log(log, clock).with_other_logs(access_control.other_logs.clone());
        }
        note_moments(runtime, state.clone());
        let connections_max = open_files::connections_max();
        let (shutdown, mut told) = watch::channel(false);
        let (asked, tls) = (stop.clone(), access_control.tls.clone());
        let served_state = state.clone();
        let serving = runtime.spawn(async move {
            let until = async move {
                // An error means that the sender is gone, which is an end as well.
                let _told = told.wait_for(|stop| *stop).await;
            };
            let served = http::serve((listener, tls), served_state, connections_max, until).await;
            // However it ends: without answers the service is no service.
            asked.set();
            served.inspect_err(|problem| error!(%problem, "Failed to serve HTTP")).is_ok()
        });
        Ok(Self { address, state, shutdown, serving })
    }

    /// Lets running answers finish.
    pub(super) fn finish(self, runtime: &Runtime, grace: Duration) -> anyhow::Result<()> {
        let _told = self.shutdown.send(true);
        let done = runtime.block_on(async { tokio::time::timeout(grace, self.serving).await });
        match done {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false) | Err(_)) => anyhow::bail!("Failed to serve HTTP: see the log"),
            Err(_) => {
                error!("Failed to finish all answers within the grace time: the rest is cut off");
                Ok(())
            }
        }
    }
}

/// Measures again and again, for the page *Operations*, until the runtime ends.
fn note_moments(runtime: &Runtime, state: HttpState<Service>) {
    runtime.spawn(async move {
        let mut every = tokio::time::interval(history::EVERY);
        loop {
            every.tick().await;
            let noting = state.clone();
            if let Err(problem) = tokio::task::spawn_blocking(move || noting.note_moment()).await {
                error!(%problem, "Failed to measure: the charts of the page Operations have a gap; report this as a defect");
            }
        }
    });
}
