//! A store between one process and a bucket, as a bad network is: requests take long, fail, take effect although they fail, or take
//! effect long after they failed, while the clock of the store jumps; and a record of what was created, which the bucket forgets when slots are collected.

use super::super::name::{SLOTS, number_of};
use super::super::pause::pause;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{CertificateError, Error as TlsError};

/// The bucket, and every slot that was ever created in it, by number in the order of creation.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) bucket: Arc<InMemory>,
    pub(super) created: Mutex<BTreeMap<u64, Vec<Bytes>>>,
    /// How far the clock of the store is off now, in seconds, and was when an object was written.
    clock: Mutex<(i64, BTreeMap<Path, i64>)>,
}

impl World {
    fn stamp(&self, path: &Path) {
        let mut clock = self.clock.lock().unwrap();
        let now = clock.0;
        clock.1.insert(path.clone(), now);
    }

    /// What the store says of an object, by the clock that it had.
    fn by_its_clock(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let off = self.clock.lock().unwrap().1.get(&meta.location).copied().unwrap_or_default();
        let by = Duration::from_secs(off.unsigned_abs());
        meta.last_modified = if off < 0 { meta.last_modified - by } else { meta.last_modified + by };
        meta
    }
}

type Hook = Box<dyn FnOnce() + Send>;

/// The way of one process to the bucket.
pub(super) struct Unkind {
    world: Arc<World>,
    random: Mutex<fastrand::Rng>,
    /// One of so many requests meets something; 0 = none.
    one_of: u32,
    /// Until when no request gets through.
    cut_until: Mutex<Option<Instant>>,
    /// Whether no request gets through at all.
    pub(super) is_cut_off: AtomicBool,
    /// Whether no request gets through because the certificate is not trusted.
    pub(super) is_untrusted: AtomicBool,
    /// Requests that were sent.
    pub(super) asked: AtomicUsize,
    /// Done before the next slot of this process is created.
    pub(super) before_slot: Mutex<Option<Hook>>,
    /// Whether the reply to the next creation of a slot is lost.
    pub(super) loses_reply: AtomicBool,
}

/// What a request meets.
#[derive(Clone, Copy, Debug)]
enum Meets {
    Nothing,
    Delay(Duration),
    /// It fails, without effect.
    Refused,
    /// 409, without effect.
    Conflict,
    /// It takes effect, and fails.
    LostReply,
    /// It fails, and takes effect later.
    Late(Duration),
}

impl fmt::Debug for Unkind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unkind")
    }
}

impl Display for Unkind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unkind store")
    }
}

fn failed(what: &'static str) -> Error {
    Error::Generic { store: "unkind", source: what.into() }
}

impl Unkind {
    pub(super) fn new(world: &Arc<World>, seed: u64, one_of: u32) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            one_of,
            cut_until: Mutex::default(),
            is_cut_off: AtomicBool::new(false),
            is_untrusted: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            before_slot: Mutex::default(),
            loses_reply: AtomicBool::new(false),
        })
    }

    /// Why a request failed.
    fn failed(&self, what: &'static str) -> Error {
        if self.is_untrusted.load(Ordering::Acquire) {
            let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
            return Error::Generic { store: "unkind", source: Box::new(io::Error::other(unknown)) };
        }
        failed(what)
    }

    fn draw(&self) -> Meets {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let is_cut = self.cut_until.lock().unwrap().is_some_and(|until| Instant::now() < until);
        let is_cut_off = [&self.is_cut_off, &self.is_untrusted].iter().any(|is| is.load(Ordering::Acquire));
        if is_cut || is_cut_off {
            return Meets::Refused;
        }
        let mut random = self.random.lock().unwrap();
        if self.one_of == 0 || random.u32(..self.one_of) != 0 {
            return Meets::Nothing;
        }
        if random.u32(..8) == 0 {
            self.world.clock.lock().unwrap().0 += random.i64(-1_000_000..1_000_000);
        }
        match random.u32(..12) {
            0..=3 => Meets::Delay(Duration::from_millis(random.u64(..8))),
            // As long as a process that was stopped is away: others take over meanwhile.
            4 => Meets::Delay(Duration::from_millis(random.u64(60..140))),
            5..=6 => Meets::Refused,
            7 => Meets::Conflict,
            // A partition of the network, sometimes longer than a process is patient.
            8 => {
                let long = Duration::from_millis(random.u64(40..120));
                *self.cut_until.lock().unwrap() = Some(Instant::now() + long);
                Meets::Refused
            }
            9 => Meets::LostReply,
            _ => Meets::Late(Duration::from_millis(random.u64(1..60))),
        }
    }
}

/// Puts, and records slots.
async fn put(world: &World, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
    let bytes = Bytes::from(payload.clone());
    let is_create = opts.mode == PutMode::Create;
    let put = world.bucket.put_opts(path, payload, opts).await?;
    world.stamp(path);
    let name = path.as_ref().rsplit_once(SLOTS).map(|(_, digits)| format!("{SLOTS}{digits}"));
    if let Some(number) = name.and_then(|name| number_of(SLOTS, &name)).filter(|_| is_create) {
        world.created.lock().unwrap().entry(number).or_default().push(bytes);
    }
    Ok(put)
}

#[async_trait]
impl ObjectStore for Unkind {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let is_slot = path.as_ref().contains(SLOTS);
        if is_slot {
            let hook = self.before_slot.lock().unwrap().take();
            hook.into_iter().for_each(|hook| hook());
        }
        let meets = match self.draw() {
            _ if is_slot && self.loses_reply.swap(false, Ordering::AcqRel) => Meets::LostReply,
            meets => meets,
        };
        match meets {
            Meets::Nothing => put(&self.world, path, payload, opts).await,
            Meets::Delay(time) => {
                pause(time).await;
                put(&self.world, path, payload, opts).await
            }
            Meets::Refused => Err(self.failed("503")),
            Meets::Conflict => Err(Error::AlreadyExists {
                path: path.to_string(),
                source: "409 ConditionalRequestConflict".into(),
            }),
            Meets::LostReply => {
                let _lost = put(&self.world, path, payload, opts).await;
                Err(failed("the reply was lost"))
            }
            Meets::Late(time) => {
                let (world, path) = (Arc::clone(&self.world), path.clone());
                tokio::runtime::Handle::current().spawn(async move {
                    pause(time).await;
                    let _lost = put(&world, &path, payload, opts).await;
                });
                Err(failed("timed out; the request is on its way"))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.world.bucket.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.draw() {
            Meets::Nothing => {}
            Meets::Delay(time) => pause(time).await,
            _ => return Err(self.failed("500")),
        }
        self.world.bucket.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.draw() {
            Meets::Nothing | Meets::Delay(_) | Meets::LostReply => self.world.bucket.delete_stream(paths),
            _ => stream::iter([Err(self.failed("503"))]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.draw() {
            Meets::Nothing | Meets::Delay(_) => {
                let world = Arc::clone(&self.world);
                self.world.bucket.list(prefix).map_ok(move |meta| world.by_its_clock(meta)).boxed()
            }
            _ => stream::iter([Err(self.failed("503"))]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.world.bucket.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.world.bucket.copy_opts(from, to, options).await
    }
}
