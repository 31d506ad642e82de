//! A bucket as the engine uses it: blocking, with limits of time, and with answers that say what is known.
//!
//! Only create-if-absent decides anything. A request that fails in a way that may pass is sent again, to the next endpoint, with
//! the same bytes, until the patience of the storage is used up.

mod creating;

use super::counting::{counted, read_range, read_whole};
use super::name::{SIDE, SLICE};
pub(super) use super::outcome::{Created, Listed, Trouble};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::requests::{RequestKind, StoreFigures};
use crate::wait::pace;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Requests of one question that are under way at once.
const AT_ONCE: usize = 32;
const DELETED_AT_ONCE: usize = 1_000;
/// Objects that the reply to one request for a list names at most.
const PAGE: usize = 1_000;
/// Pauses between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The time of one request, and more for each mebibyte that it carries.
const REQUEST_TIME: Duration = Duration::from_secs(10);
const MEBIBYTE: usize = 1 << 20;

/// The bucket below the prefix of a storage.
pub(super) struct Bucket {
    stores: Vec<Arc<dyn ObjectStore>>,
    /// Which of them is asked now.
    pub(super) at: AtomicUsize,
    /// Whether any of them has answered this process.
    has_answered: AtomicBool,
    url: String,
    /// What names of the chain begin with, and those beside it.
    prefix: String,
    base: String,
    patience: Duration,
    pub(super) figures: Arc<StoreFigures>,
    /// None once it is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping a runtime waits, which a thread of another runtime must not.
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// `stores` are the endpoints of one bucket; `url` is what messages call it.
    pub(super) fn new(
        stores: Vec<Arc<dyn ObjectStore>>,
        (url, prefix): (String, &str),
        patience: Duration,
    ) -> StorageResult<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("object-store")
            .enable_all()
            .build()
            .map_err(|error| StorageError::object("begin to use", &url)(error.to_string()))?;
        let base = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let prefix = format!("{base}{SLICE}/");
        let (at, has_answered, figures) = (AtomicUsize::new(0), AtomicBool::new(false), Arc::default());
        Ok(Self { stores, at, has_answered, url, prefix, base, patience, figures, runtime: Some(runtime) })
    }

    /// What messages call an object of it.
    pub(super) fn place(&self, name: &str) -> String {
        if name.starts_with(SIDE) {
            format!("{}/{name}", self.url)
        } else {
            format!("{}/{SLICE}/{name}", self.url)
        }
    }

    /// What the name of an object begins with in the bucket.
    fn beginning(&self, name: &str) -> &str {
        if name.starts_with(SIDE) { &self.base } else { &self.prefix }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many endpoints there are.
    pub(super) fn endpoints(&self) -> usize {
        self.stores.len()
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.beginning(name)))
    }

    /// The endpoint of a number, or the one that is asked now.
    fn store(&self, endpoint: Option<usize>) -> Result<Arc<dyn ObjectStore>, Trouble> {
        let at = endpoint.unwrap_or_else(|| self.at.load(Ordering::Relaxed));
        let nth = at.checked_rem(self.stores.len()).unwrap_or(0);
        self.stores.get(nth).cloned().ok_or_else(|| Trouble::Final("it has no endpoint".to_owned()))
    }

    /// Runs a request on the engine's own runtime, and waits for it. Also a thread of another runtime may wait here.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Trouble> {
        let gone = || Trouble::Final("the storage is closed".to_owned());
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (tell, told) = sync_channel(1);
        runtime.spawn(async move {
            let late = |_| Trouble::Passing(format!("no reply within {} ms", limit.as_millis()));
            let answer = tokio::time::timeout(limit, request).await.map_err(late).flatten();
            let _nobody_waits = tell.send(answer);
        });
        let answer = told.recv().map_err(|_| gone())?;
        if matches!(answer, Ok(_) | Err(Trouble::Absent | Trouble::Exists)) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Sends one request, counts it, and waits for its reply.
    fn ask<T: Send + 'static>(
        &self,
        kind: RequestKind,
        limit: Duration,
        request: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.wait(limit, counted(Arc::clone(&self.figures), kind, request))
    }

    /// Does something on the engine's own runtime and does not wait.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    fn limit(bytes: usize) -> Duration {
        REQUEST_TIME + Duration::from_secs(u64::try_from(bytes / MEBIBYTE).unwrap_or(0))
    }

    /// Reads an object of at most `bytes_max` once, over an endpoint.
    pub(super) fn get_once(
        &self,
        name: &str,
        bytes_max: usize,
        endpoint: Option<usize>,
    ) -> Result<Bytes, Trouble> {
        let (store, path, figures) = (self.store(endpoint)?, self.path(name), Arc::clone(&self.figures));
        // How much it is is not known before, and mostly it is far less than it may be.
        self.wait(Self::limit(bytes_max / 8), read_whole(figures, store, path, bytes_max))
    }

    fn try_another(&self, pause: &mut Duration) {
        self.at.fetch_add(1, Ordering::Relaxed);
        pace(*pause);
        *pause = (*pause * 2).min(PAUSE_MAX);
    }

    /// Asks until there is an answer, or patience is used up. As long as no endpoint has answered, each that is not trusted is asked
    /// once: a certificate that is wrong at a start is so in a moment, too. Later on it may be exchanged just now.
    pub(super) fn persist<T>(
        &self,
        (action, name): (&'static str, &str),
        mut ask: impl FnMut() -> Result<T, Trouble>,
    ) -> StorageResult<Option<T>> {
        let (began, mut pause, mut untrusted) = (Instant::now(), PAUSE_MIN, 0);
        loop {
            let trouble = match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(Trouble::Absent) => return Ok(None),
                Err(trouble) => trouble,
            };
            let is_final = match &trouble {
                Trouble::Final(_) => true,
                Trouble::Untrusted(_) if !self.has_answered.load(Ordering::Relaxed) => {
                    untrusted += 1;
                    untrusted >= self.stores.len()
                }
                _ => false,
            };
            if is_final || began.elapsed() >= self.patience {
                return Err(self.failure(action, name, trouble));
            }
            self.try_another(&mut pause);
        }
    }

    /// What a command or the log says of a request that failed for good.
    fn failure(&self, action: &'static str, name: &str, trouble: Trouble) -> StorageError {
        match trouble {
            Trouble::Untrusted(what) => self.untrusted(what),
            other => StorageError::object(action, &self.place(name))(other.text()),
        }
    }

    pub(super) fn untrusted(&self, what: String) -> StorageError {
        StorageError::Untrusted { place: self.url.clone(), what }
    }

    /// Reads an object; `None` where there is none.
    pub(super) fn get(&self, name: &str, bytes_max: usize) -> StorageResult<Option<Bytes>> {
        self.persist(("read", name), || self.get_once(name, bytes_max, None))
    }

    /// Reads many objects at once, in order.
    pub(super) fn get_all(&self, names: &[String], bytes_max: usize) -> StorageResult<Vec<Option<Bytes>>> {
        let folder = names.first().map_or("", String::as_str);
        let read = self.persist(("read", folder), || {
            let (store, figures) = (self.store(None)?, Arc::clone(&self.figures));
            let paths: Vec<Path> = names.iter().map(|name| self.path(name)).collect();
            self.wait(Self::limit(AT_ONCE * MEBIBYTE), async move {
                let read = stream::iter(paths).map(|path| {
                    let read = read_whole(Arc::clone(&figures), Arc::clone(&store), path, bytes_max);
                    async move {
                        match read.await {
                            Ok(bytes) => Ok(Some(bytes)),
                            Err(Trouble::Absent) => Ok(None),
                            Err(trouble) => Err(trouble),
                        }
                    }
                });
                read.buffered(AT_ONCE).try_collect().await
            })
        })?;
        Ok(read.unwrap_or_default())
    }

    /// Reads a part of an object, which must be there.
    pub(super) fn get_range(&self, name: &str, from: u64, bytes: usize) -> StorageResult<Bytes> {
        let range = from..from.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let read = self.persist(("read", name), || {
            let (store, path, figures) = (self.store(None)?, self.path(name), Arc::clone(&self.figures));
            self.wait(Self::limit(bytes), read_range(figures, store, path, range.clone()))
        })?;
        read.ok_or_else(|| StorageError::ObjectMissing { place: self.place(name) })
    }

    /// A request for a part of an object, to be run beside.
    pub(super) fn range_request(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Option<impl Future<Output = Option<Bytes>> + Send + 'static> {
        let request = read_range(Arc::clone(&self.figures), self.store(None).ok()?, self.path(name), range);
        Some(async move { tokio::time::timeout(REQUEST_TIME, request).await.ok()?.ok() })
    }

    /// Whether an object is there, by one request that waits no longer than `limit`.
    pub(super) fn head_once(&self, name: &str, limit: Duration) -> Result<(), Trouble> {
        let (store, path) = (self.store(None)?, self.path(name));
        self.ask(RequestKind::Head, limit, async move {
            store.head(&path).await?;
            Ok(())
        })
    }

    /// The objects of a folder whose names come after `after`, in order.
    pub(super) fn list_once(
        &self,
        folder: &str,
        after: Option<&str>,
        endpoint: Option<usize>,
    ) -> Result<Vec<Listed>, Trouble> {
        let (store, prefix) = (self.store(endpoint)?, self.beginning(folder).to_owned());
        let path = Path::from(format!("{prefix}{}", folder.trim_end_matches('/')));
        let (after, figures) = (after.map(|name| self.path(name)), Arc::clone(&self.figures));
        self.ask(RequestKind::List, REQUEST_TIME * 30, async move {
            let listed = match &after {
                Some(after) => store.list_with_offset(Some(&path), after),
                None => store.list(Some(&path)),
            };
            let mut found: Vec<Listed> = listed
                .map_ok(|meta| Listed {
                    name: meta.location.as_ref().strip_prefix(&prefix).unwrap_or_default().to_owned(),
                    created_ms: meta.last_modified.timestamp_millis(),
                    bytes: meta.size,
                })
                .try_collect()
                .await?;
            figures.more_pages(found.len().saturating_sub(1) / PAGE);
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    /// The same, until there is an answer.
    pub(super) fn list(&self, folder: &str, after: Option<&str>) -> StorageResult<Vec<Listed>> {
        let listed = self.persist(("list", folder), || self.list_once(folder, after, None))?;
        Ok(listed.unwrap_or_default())
    }

    /// Creates or replaces an object of which nothing depends on who wins.
    pub(super) fn put(&self, name: &str, bytes: &Bytes) -> StorageResult<()> {
        let put = self.persist(("write", name), || {
            let (store, path, bytes) = (self.store(None)?, self.path(name), bytes.clone());
            self.figures.sent(bytes.len());
            self.ask(RequestKind::Put, Self::limit(bytes.len()), async move {
                store.put(&path, PutPayload::from(bytes)).await?;
                Ok(())
            })
        })?;
        put.ok_or_else(|| {
            StorageError::object("write", &self.place(name))("the bucket does not exist".to_owned())
        })
    }

    /// Deletes objects; one that is not there is no problem.
    pub(super) fn delete(&self, names: &[String]) -> StorageResult<()> {
        for some in names.chunks(DELETED_AT_ONCE) {
            let first = some.first().map_or("", String::as_str);
            self.persist(("delete", first), || {
                let store = self.store(None)?;
                let paths: Vec<Path> = some.iter().map(|name| self.path(name)).collect();
                self.ask(RequestKind::Delete, REQUEST_TIME * 6, async move {
                    let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
                    let deleted = store.delete_stream(paths).filter_map(async |deleted| match deleted {
                        Ok(_) | Err(Error::NotFound { .. }) => None,
                        Err(error) => Some(Trouble::from(error)),
                    });
                    std::pin::pin!(deleted).next().await.map_or(Ok(()), Err)
                })
            })?;
            self.figures.deleted(some.len());
        }
        Ok(())
    }
}
