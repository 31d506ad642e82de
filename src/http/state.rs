//! What every handler needs, and the way from a request to a blocking thread.

mod moment;
mod reload;
mod seen;

use seen::Present;
pub(super) use seen::Seen;

use super::access::{Asker, Cookies, Guard};
use super::backend::{Source, ViewError};
use super::bodies::Bodies;
use super::example_cases::ExampleCases;
use super::page::Jobs;
use super::problem::{Kind, Problem};
use crate::access::{Access, SignInError};
use crate::answers::{AnswerLog, OtherLogs};
use crate::config::{AccessSettings, HttpSettings};
use crate::domain::data_scope::DataScope;
use crate::domain::platform::{DisplayName, Platforms};
use crate::domain::time::Zone;
use crate::domain::view::{KnownAt, LedgerView, Refused};
use crate::telemetry::clock::Clock;
use crate::telemetry::history::History;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers that are read from storage at a time, on as many threads: more only wait for the same disk.
const READERS_MAX: usize = 32;
/// Answers that are worked out at a time right where their request was read, without the way to another thread and
/// back. That many of [`THREADS`] may wait for the disk; the others continue.
const QUICK_MAX: usize = 3;
/// Threads for connections.
pub const THREADS: usize = QUICK_MAX + 1;
/// Batches that are worked on at a time, each on a thread. A batch that waits for its client is not worked on.
const BATCHES_MAX: usize = 8;

/// What every handler needs. Clones share it.
#[derive(Debug)]
pub struct HttpState<S> {
    inner: Arc<Inner<S>>,
    display_names: Arc<ArcSwap<BTreeMap<String, DisplayName>>>,
    guard: Option<Arc<Guard>>,
    answers: Option<KeptAnswers>,
    example_cases: ExampleCases,
    traces: Traces,
}

/// The log of answers, and the clock of its entries.
#[derive(Clone, Debug)]
pub(super) struct KeptAnswers {
    pub(super) log: AnswerLog,
    pub(super) clock: Clock,
    /// Those of the other processes of the ledger.
    pub(super) others: OtherLogs,
}

#[derive(Debug)]
struct Inner<S> {
    source: S,
    platforms: Platforms,
    zone: Zone,
    settings: ArcSwap<HttpSettings>,
    metrics: Metrics,
    requests: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    quick: Semaphore,
    batches: Arc<Semaphore>,
    bodies: Arc<Bodies>,
    jobs: Arc<Jobs>,
    history: History,
}

impl<S> Clone for HttpState<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            display_names: Arc::clone(&self.display_names),
            guard: self.guard.clone(),
            answers: self.answers.clone(),
            example_cases: self.example_cases.clone(),
            traces: self.traces.clone(),
        }
    }
}

impl<S: Source> HttpState<S> {
    /// A service over `source`, with the platforms and the zone of the configuration in force.
    pub fn new(
        source: S,
        platforms: Platforms,
        zone: Zone,
        settings: HttpSettings,
        metrics: Metrics,
    ) -> Self {
        // A thread of the server must not wait for another machine.
        let quick_max = if settings.reads_may_wait { 0 } else { QUICK_MAX };
        let requests_max = settings.concurrent_requests_max.min(Semaphore::MAX_PERMITS);
        let bodies = Arc::new(Bodies::new(settings.body_bytes_max));
        let inner = Inner {
            source,
            platforms,
            zone,
            settings: ArcSwap::from_pointee(settings),
            metrics,
            requests: Arc::new(Semaphore::new(requests_max)),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            quick: Semaphore::new(quick_max),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
            bodies,
            jobs: Arc::default(),
            history: History::default(),
        };
        Self {
            inner: Arc::new(inner),
            display_names: Arc::default(),
            guard: None,
            answers: None,
            example_cases: ExampleCases::default(),
            traces: Traces::default(),
        }
    }

    /// The same, with the names by which people know the platforms.
    #[must_use]
    pub fn with_display_names(self, names: BTreeMap<String, DisplayName>) -> Self {
        self.display_names.store(Arc::new(names));
        self
    }

    /// The same, with a span for each question.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Spans for a collector.
    pub(super) const fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The same, with ready questions on the first page.
    #[must_use]
    pub fn with_example_cases(self, example_cases: ExampleCases) -> Self {
        Self { example_cases, ..self }
    }

    /// The ready questions.
    pub(super) const fn example_cases(&self) -> &ExampleCases {
        &self.example_cases
    }

    /// The same, for those only whom `access` knows.
    #[must_use]
    pub fn with_access(self, access: Arc<Access>, clock: Clock, settings: &AccessSettings) -> Self {
        Self { guard: Some(Arc::new(Guard::new(access, clock, settings))), ..self }
    }

    /// The same, with every answer durable in `log` before it is sent.
    #[must_use]
    pub fn with_answer_log(self, log: AnswerLog, clock: Clock) -> Self {
        Self { answers: Some(KeptAnswers { log, clock, others: OtherLogs::default() }), ..self }
    }

    /// The same, with the logs of the other processes of the ledger to be looked at.
    #[must_use]
    pub fn with_other_logs(self, others: OtherLogs) -> Self {
        Self { answers: self.answers.map(|kept| KeptAnswers { others, ..kept }), ..self }
    }

    /// Where answers are logged; `None` where they are not.
    pub(super) const fn answer_log(&self) -> Option<&KeptAnswers> {
        self.answers.as_ref()
    }

    /// Who may ask; `None` where everyone may.
    pub(super) fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// Does what may take a core for a while, or wait for the disk, on a blocking thread.
    pub(super) async fn with_guard<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Guard) -> Result<T, SignInError> + Send + 'static,
    ) -> Result<T, SignInError> {
        let Some(guard) = self.guard.clone() else { return Err(SignInError::Wrong) };
        // A panic there is a defect of one answer; it is logged where it happens.
        tokio::task::spawn_blocking(move || job(&guard)).await.unwrap_or(Err(SignInError::Busy))
    }

    /// The service's cookies.
    pub(super) fn cookies(&self) -> Cookies {
        let settings = self.settings();
        Cookies::new(settings.tls.is_some() || settings.behind_proxy.is_some())
    }

    /// The newest committed state as far as an asker may see it.
    pub(super) fn see(&self, scope: &DataScope) -> Seen<'_, S::View> {
        self.see_in(self.inner.source.view(), scope, None)
    }

    /// A state as far as an asker may see it; of an earlier one, which was asked for.
    pub(super) fn see_in(
        &self,
        view: Arc<S::View>,
        scope: &DataScope,
        known_at: Option<KnownAt>,
    ) -> Seen<'_, S::View> {
        // An earlier state stays what it is.
        let source = Some(&self.inner.source).filter(|_| known_at.is_none());
        let behind = source.and_then(Source::behind);
        let present = source.map(|source| source as &dyn Present);
        Seen::new(view, scope, (&self.inner.platforms, &self.inner.zone), (behind, present))
    }

    /// How people call the platforms.
    pub(super) fn display_names(&self) -> Arc<BTreeMap<String, DisplayName>> {
        self.display_names.load_full()
    }

    pub(super) fn source(&self) -> &S {
        &self.inner.source
    }

    pub(super) fn platforms(&self) -> &Platforms {
        &self.inner.platforms
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.inner.zone
    }

    /// The newest committed state, or an earlier one. An earlier one may read storage.
    ///
    /// # Errors
    /// There is no such state, or it cannot be read.
    pub(super) fn view(&self, known_at: Option<KnownAt>) -> Result<Arc<S::View>, ViewError<S>> {
        let newest = self.source().view();
        match known_at {
            None => Ok(newest),
            Some(at) => newest.known_at(at).map(Arc::new),
        }
    }

    /// The newest state or an earlier one, as far as a client may see it.
    ///
    /// # Errors
    /// There is no such state, or it cannot be read.
    pub(super) fn see_at(
        &self,
        scope: &DataScope,
        known_at: Option<KnownAt>,
    ) -> Result<Seen<'_, S::View>, ViewError<S>> {
        Ok(self.see_in(self.view(known_at)?, scope, known_at))
    }

    pub(super) fn settings(&self) -> Arc<HttpSettings> {
        self.inner.settings.load_full()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Logs by pseudonym which riders a question names; logs nothing without `[access]`.
    pub(super) fn note_riders(&self, asker: &Asker, rider_ids: &[String]) {
        let Some(guard) = self.guard() else { return };
        let pseudonyms = guard.access.pseudonyms();
        let riders: Vec<String> = rider_ids.iter().map(|rider| pseudonyms.of(rider)).collect();
        tracing::info!(
            target: "coverledger::access",
            principal = asker.principal.name,
            reason = asker.reason.as_deref().unwrap_or_default(),
            riders = riders.join(" "),
            "question about riders"
        );
    }

    /// A place among the requests that are answered; none is waited for.
    pub(super) fn request_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.requests).try_acquire_owned().ok()
    }

    /// A place among the batches that are worked on, once one is free.
    pub(super) async fn batch_place(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.inner.batches).acquire_owned().await.ok()
    }

    /// The lists that are answered.
    pub(super) fn jobs(&self) -> &Arc<Jobs> {
        &self.inner.jobs
    }

    /// The memory of request bodies.
    pub(super) fn bodies(&self) -> Arc<Bodies> {
        Arc::clone(&self.inner.bodies)
    }

    /// Does a job that reads a few blocks: here and now, or like any other when others do so already. A blocking thread for each
    /// question would double its CPU, though its slowest answers came sooner (docs/decisions/0020-measured-by-hand-code.md).
    pub(super) async fn read_little<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Self) -> Result<T, ViewError<S>> + Send + 'static,
    ) -> Result<T, Problem> {
        if let Ok(_place) = self.inner.quick.try_acquire() {
            return job(self).map_err(|error| problem_of::<S>(&error));
        }
        self.read(job).await
    }

    /// Does `job` on a blocking thread once a place is free. The place is kept until the job is done, even when no request
    /// waits for it any more: so many threads, and no more.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Self) -> Result<T, ViewError<S>> + Send + 'static,
    ) -> Result<T, Problem> {
        let stopped = || {
            Problem::new(
                Kind::Internal,
                "Failed to work out the answer: the log of the service has the cause",
            )
        };
        let place = Arc::clone(&self.inner.readers).acquire_owned().await.map_err(|_| stopped())?;
        let state = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            job(&state)
        });
        match done.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(problem_of::<S>(&error)),
            Err(failed) => {
                tracing::error!(
                    error = &failed as &dyn std::error::Error,
                    "Failed to work out an answer: this is a defect; report it"
                );
                Err(stopped())
            }
        }
    }

    /// The places of requests that are answered.
    pub(super) fn requests(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.requests)
    }
}

pub(super) fn problem_of<S: Source>(error: &ViewError<S>) -> Problem {
    match S::View::refusal(error) {
        None => Problem::storage(error),
        Some(Refused::TooLarge(detail)) => Problem::new(Kind::TooManyOrders, detail),
        Some(Refused::NotKnown(detail)) => Problem::of(Kind::StateUnknown, "known_at", detail),
    }
}
