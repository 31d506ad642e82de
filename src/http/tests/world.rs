//! A small world: two platforms, a few riders, and what may be wrong with them.

use crate::config::{Config, HttpSettings};
use crate::coverage::testing::{NaiveLedger, posting};
use crate::domain::arrival::Arrived;
use crate::domain::behind::Behind;
use crate::domain::completeness::{PartitionFacts, PlatformFacts, TopicFacts};
use crate::domain::order::{Outcome, Phase};
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::posting::Posting;
use crate::domain::reject::{ReadRevision, Readable, Reason};
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};
use crate::domain::time::{DAY_MS, HOUR_MS, LocalDay, MINUTE_MS, UtcMillis, Zone};
use crate::domain::window::Window;
use crate::http::{
    ChainFacts, HttpState, NoReceipt, NotReady, PartitionProgress, Paused, ProgressFacts, ReceiptFile,
    ReceiptRequest, RejectionPage, RejectionQuery, SealFile, ServiceRole, Source, router,
};
use crate::seal::day_tree::DayTree;
use crate::seal::entry::DayEntry;
use crate::seal::log::SealLog;
use crate::seal::note::PrivateKey;
use crate::seal::tiles::TileId;
use crate::telemetry::metrics::Metrics;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// 2026-11-20T12:00:00+08:00
pub(super) const NOON: i64 = 1_795_147_200_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) ledger: Arc<NaiveLedger>,
    pub(super) readiness: Result<(), NotReady>,
    /// The sealed time; `None` where days are not sealed.
    pub(super) sealing: Option<Window>,
    /// Views are given once a message comes, or the sender is gone.
    pub(super) gate: Option<Mutex<Receiver<()>>>,
    pub(super) role: ServiceRole,
    pub(super) behind: Option<Behind>,
    /// What is said of every answer once it is worked out.
    pub(super) outdated: Option<Behind>,
    pub(super) chain: Option<ChainFacts>,
}

impl Source for World {
    type View = NaiveLedger;

    fn view(&self) -> Arc<NaiveLedger> {
        if let Some(gate) = &self.gate {
            gate.lock().unwrap().recv().ok();
        }
        Arc::clone(&self.ledger)
    }

    fn readiness(&self) -> Result<(), NotReady> {
        self.readiness
    }

    fn role(&self) -> ServiceRole {
        self.role
    }

    fn behind(&self) -> Option<Behind> {
        self.behind
    }

    fn outdated(&self, commit: u64, _: std::time::Duration) -> Option<Behind> {
        self.outdated.filter(|_| commit == 2)
    }

    fn progress(&self) -> ProgressFacts {
        let partition = |partition, position, end| PartitionProgress {
            topic: "orders.meituan".to_owned(),
            partition,
            start: 0,
            position,
            end,
        };
        ProgressFacts {
            now: UtcMillis::new(NOON + 2 * HOUR_MS),
            partitions: vec![partition(0, 40, Some(45)), partition(1, 7, None)],
            paused: Some(Paused { free_bytes: 5, needed_bytes: 9 }),
            chain: self.chain,
        }
    }

    fn rejections(&self, query: &RejectionQuery) -> Result<RejectionPage, Infallible> {
        let wanted = |r: &&Rejection| {
            let at = self.ledger.commits[usize::try_from(r.commit).unwrap() - 1];
            query.after.is_none_or(|after| r.id > after)
                && query.filter.names(r)
                && query.filter.is_in_time(at)
        };
        let found: Vec<&Rejection> = self.ledger.rejections.iter().filter(wanted).collect();
        let page: Vec<&Rejection> = found.iter().copied().take(query.limit).collect();
        let next_after = (found.len() > page.len()).then(|| page.last().unwrap().id);
        let dated = |r: &Rejection| (r.clone(), self.ledger.commits[usize::try_from(r.commit).unwrap() - 1]);
        Ok(RejectionPage { records: page.into_iter().map(dated).collect(), next_after })
    }

    /// What receipts contain is shown with a ledger, in `tests/receipts_over_http.rs`; here is what HTTP makes of each outcome.
    fn receipt(
        &self,
        _: &NaiveLedger,
        request: &ReceiptRequest<'_>,
    ) -> Result<ReceiptFile, NoReceipt<Infallible>> {
        match request.rider_id {
            "off" => Err(NoReceipt::Off),
            "not-sealed" => Err(NoReceipt::NotSealed("2026-11-20 is not sealed yet".to_owned())),
            "two-days" => Err(NoReceipt::Unanswerable("ask for a receipt of each day".to_owned())),
            "damaged" => Err(NoReceipt::Failed("entry 7 of the log is damaged".to_owned())),
            rider => {
                let text = format!("{{\"of\":\"{rider}\",\"whole\":{}}}", request.is_whole);
                Ok(ReceiptFile { digest: Sha256::digest(&text).into(), text })
            }
        }
    }

    fn is_sealed(&self, _: &NaiveLedger, asked: Window) -> Result<(), NoReceipt<Infallible>> {
        match &self.sealing {
            None => Err(NoReceipt::Off),
            Some(day) if day.contains(asked) => Ok(()),
            Some(day) if day.overlaps(asked) => Err(NoReceipt::Unanswerable("two days".to_owned())),
            Some(_) => Err(NoReceipt::NotSealed("not sealed yet".to_owned())),
        }
    }

    fn seal_file(&self, file: SealFile<'_>) -> Result<Option<Vec<u8>>, NoReceipt<Infallible>> {
        let (log, key) = (seal_log(), PrivateKey::of_seed("ledger.example/seal", &[7; 32]).unwrap());
        Ok(match file {
            SealFile::Checkpoint => Some(log.checkpoint("ledger.example/seal").sign(&[&key]).into_bytes()),
            SealFile::Keys => Some(format!("{}\n", key.public()).into_bytes()),
            SealFile::Tile(path) => TileId::parse(path).and_then(|tile| log.file(tile)),
        })
    }
}

/// A log of one sealed day.
fn seal_log() -> SealLog {
    let tree = DayTree::new(Vec::new());
    let day = LocalDay::from_ymd(2026, 11, 18).unwrap();
    let zone = shanghai();
    let mut log = SealLog::new();
    log.push(DayEntry {
        zone: zone.name().to_owned(),
        day,
        span: Window::new(zone.start_of(day), zone.end_of(day)),
        generation: 1,
        previous: None,
        leaves: tree.size(),
        root: tree.root(),
        vrf_key: [1; 32],
        platforms: vec!["dada".to_owned(), "meituan".to_owned()],
    })
    .unwrap();
    log
}

pub(super) fn order(
    platform: &str,
    order_id: &str,
    rider: &str,
    from_min: i64,
    to_min: Option<i64>,
) -> Posting {
    let at = |minute: i64| NOON + minute * MINUTE_MS;
    let mut order = posting(order_id, at(from_min), to_min.map(at));
    order.platform = platform.to_owned();
    order.rider_id = rider.to_owned();
    order
}

fn promise(topic: &str) -> Promise {
    Promise {
        topics: vec![topic.to_owned()],
        records_from: Some(shanghai().start_of(LocalDay::from_ymd(2025, 7, 1).unwrap())),
        complete_start: false,
        delivery_delay_ms: 15 * MINUTE_MS,
        streams_open_orders_from: None,
        max_order_duration_ms: DAY_MS,
        unreadable_records: UnreadableRecords::default(),
    }
}

pub(super) fn shanghai() -> Zone {
    Zone::new("Asia/Shanghai", 8 * 3_600, [])
}

fn platforms() -> Platforms {
    let registered = ["dada", "meituan"].map(|name| (name.to_owned(), promise(&format!("orders.{name}"))));
    Platforms::new(registered.into(), Promise::default())
}

fn kept(id: u64, kept: Kept, readable: Readable) -> Rejection {
    Rejection {
        id,
        commit: 1,
        kept,
        detail: "ended_at: not RFC 3339 with an offset".to_owned(),
        settled_by: None,
        origin: Origin::Kafka {
            topic: "orders.dada".to_owned(),
            partition: 3,
            offset: 11,
            timestamp: Some(UtcMillis::new(NOON)),
            arrived: Arrived { after: UtcMillis::new(NOON), by: UtcMillis::new(NOON) },
        },
        readable,
        raw_len: 230,
        raw_sha256: [0xAB; 32],
        raw_truncated: false,
        resolution: None,
    }
}

fn readable(platform: &str, order_id: &str, rider: &str, from_min: i64, to_min: i64) -> Readable {
    Readable {
        platform: Some(platform.to_owned()),
        order_id: Some(order_id.to_owned()),
        leg: Some(0),
        phase: Some(Phase::Ended),
        rider_id: Some(rider.to_owned()),
        revision: ReadRevision::Known(0),
        accepted_at: Some(UtcMillis::new(NOON + from_min * MINUTE_MS)),
        ended_at: Some(UtcMillis::new(NOON + to_min * MINUTE_MS)),
        ..Readable::default()
    }
}

pub(super) fn ledger() -> NaiveLedger {
    let mut ledger = NaiveLedger {
        commits: vec![UtcMillis::new(NOON + 59 * MINUTE_MS)],
        zone: shanghai(),
        ..NaiveLedger::default()
    };
    let rider = "3f9c-rider-7e21";
    for (platform, id, from, to) in [
        ("meituan", "8830021174401", -172, Some(-139)),
        ("meituan", "8830021174466", -151, Some(-118)),
        ("dada", "DD-20261120-0071", -64, Some(-31)),
        ("meituan", "8830021175020", 1, Some(31)),
        ("dada", "DD-20261120-0093", 6, Some(52)),
        ("meituan", "8830021175377", 24, Some(49)),
        ("dada", "DD-20261120-0140", 95, Some(121)),
        ("meituan", "8830021179999", -3_000, Some(-2_960)),
    ] {
        ledger.apply(order(platform, id, rider, from, to));
    }
    ledger.apply(order("dada", "OPEN-1", "rider-open", 45, None));
    // 8830021174466 was first told to have ended at 12:10.
    ledger.apply(Posting { revision: 0, ..order("meituan", "moved", rider, -10, Some(15)) });
    ledger.commits.push(UtcMillis::new(NOON + 60 * MINUTE_MS));
    let amended = order("meituan", "moved", rider, -10, Some(-2));
    ledger.apply(Posting { revision: 3, outcome: Some(Outcome::Interrupted), ..amended });
    let disputed = readable("dada", "DD-20261120-0093", rider, 5, 58);
    let refused = readable("dada", "DD-1", "rider-refused", -4_000, -3_900);
    ledger.rejections = vec![
        kept(1, Kept::Conflict, disputed),
        kept(2, Kept::Rejected(Reason::BadTime), refused),
        Rejection {
            resolution: Some(Resolution::Operator { commit: 2, reason: "test data".to_owned() }),
            ..kept(3, Kept::Rejected(Reason::MalformedJson), Readable::default())
        },
    ];
    let through = UtcMillis::new(NOON + 58 * MINUTE_MS);
    for name in ["dada", "meituan"] {
        let topic = format!("orders.{name}");
        let facts = PlatformFacts {
            registered: true,
            topics: [topic.clone()].into(),
            complete_through: Some(through),
            newest_event: Some(through),
            late: if name == "dada" { 2 } else { 0 },
            ..PlatformFacts::default()
        };
        ledger.completeness.platforms.insert(name.to_owned(), facts);
        let read = PartitionFacts {
            first_arrived: Some(UtcMillis::new(0)),
            read_to: Some(through),
            ..PartitionFacts::default()
        };
        let topic_facts = TopicFacts { listed_at: Some(through.plus(5)), partitions: [(0, read)].into() };
        ledger.completeness.topics.insert(topic, topic_facts);
    }
    ledger
}

pub(super) fn settings() -> HttpSettings {
    Config::from_text("").unwrap().http
}

pub(super) fn world() -> World {
    let day = LocalDay::from_ymd(2026, 11, 18).unwrap();
    let sealing = Some(Window::new(shanghai().start_of(day), shanghai().end_of(day)));
    World {
        ledger: Arc::new(ledger()),
        readiness: Ok(()),
        sealing,
        gate: None,
        role: ServiceRole::Writer,
        behind: None,
        outdated: None,
        chain: None,
    }
}

pub(super) fn state_with(world: World, settings: HttpSettings) -> HttpState<World> {
    HttpState::new(world, platforms(), shanghai(), settings, Metrics::new().unwrap())
}

pub(super) fn state() -> HttpState<World> {
    state_with(world(), settings())
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A problem document of that kind.
    #[track_caller]
    pub(super) fn is_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["type"], format!("urn:coverledger:problem:{name}"), "{document}");
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string());
    }
}

/// Sends a request, addressed to this machine unless it says otherwise.
pub(super) async fn send(state: &HttpState<World>, mut request: Request<Body>) -> Reply {
    request.headers_mut().entry("host").or_insert(HeaderValue::from_static("localhost"));
    send_as_it_is(state, request).await
}

pub(super) async fn send_as_it_is(state: &HttpState<World>, request: Request<Body>) -> Reply {
    let response = router(state.clone()).oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Reply { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

pub(super) async fn get(state: &HttpState<World>, uri: &str) -> Reply {
    send(state, Request::get(uri).body(Body::empty()).unwrap()).await
}

pub(super) async fn post(state: &HttpState<World>, media_type: &str, body: impl Into<Body>) -> Reply {
    let request = Request::post("/v1/coverage/batch").header("content-type", media_type);
    send(state, request.body(body.into()).unwrap()).await
}
