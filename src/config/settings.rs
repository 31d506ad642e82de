//! The settings of ledger, ingest, HTTP, limits and shutdown.

use super::access::{self, TlsSettings, TrustedProxies};
use super::host::{self, HostName};
use super::problem::Report;
use super::reader::Section;
use super::value;
use crate::domain::time::UtcMillis;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Where everything is kept. Relative paths in a file are relative to its folder.
    pub data_dir: PathBuf,
    /// Whole event days that are kept; `None` = all.
    pub retention_days: Option<i32>,
    /// How far, in days either side of its own event day, an event is checked against known identities.
    pub identity_days: i32,
    /// Memory for cached storage pages.
    pub cache_bytes: u64,
    /// Free space below which nothing is taken in; 0 = however little.
    pub min_free_bytes: u64,
    /// Memory that filters of identities and riders may take.
    pub filter_bytes: u64,
    /// Memory that is kept at most of where values and blocks lie.
    pub index_bytes: u64,
    /// Newest orders that are read into the system's memory after a start.
    pub warm_bytes: u64,
}

impl LedgerSettings {
    pub(super) fn read(mut section: Section<'_>, folder: &Path, report: &mut Report) -> Self {
        let data_dir = section.read("data_dir", report, value::text).unwrap_or_default();
        let identity_days = section.read("identity_days", report, value::integer(0, 366)).unwrap_or_default();
        let retention_days = section.read("retention", report, value::days(1, 36_500));
        if let Some(days) = retention_days
            && days <= identity_days
        {
            let text = format!("`retention` must be longer than `identity_days` ({identity_days} days)");
            report.problem(section.place(), text);
        }
        let cache_bytes =
            section.read("cache_bytes", report, value::size("8MiB", "1TiB")).unwrap_or_default();
        let min_free_bytes =
            section.read("min_free_bytes", report, value::size("0B", "1024TiB")).unwrap_or_default();
        let filter_bytes =
            section.read("filter_bytes", report, value::size("0B", "1TiB")).unwrap_or_default();
        let index_bytes = section.read("index_bytes", report, value::size("0B", "1TiB")).unwrap_or_default();
        let warm_bytes = section.read("warm_bytes", report, value::size("0B", "1024TiB")).unwrap_or_default();
        section.finish(report);
        Self {
            data_dir: folder.join(data_dir),
            retention_days,
            identity_days,
            cache_bytes,
            min_free_bytes,
            filter_bytes,
            index_bytes,
            warm_bytes,
        }
    }
}

/// `[ingest]`: when a batch is committed: at the first of these bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSettings {
    /// Records in a commit at most.
    pub batch_records: usize,
    /// Time from a commit's first record to the commit.
    pub batch_interval: Duration,
    /// Bytes of records in a commit at most (at least one record).
    pub batch_bytes: usize,
}

impl IngestSettings {
    /// Records and bytes of a full batch.
    pub fn batch_limits(&self) -> (u32, usize) {
        (u32::try_from(self.batch_records).unwrap_or(u32::MAX), self.batch_bytes)
    }

    pub(super) fn read(mut section: Section<'_>, report: &mut Report) -> Self {
        let batch_records = section.read("batch_records", report, value::integer(1, 10_000_000));
        let batch_ms = section.read("batch_ms", report, value::integer(1, 60_000)).unwrap_or_default();
        let batch_bytes = section.read("batch_bytes", report, value::size("1KiB", "4GiB"));
        section.finish(report);
        Self {
            batch_records: batch_records.unwrap_or_default(),
            batch_interval: Duration::from_millis(batch_ms),
            batch_bytes: batch_bytes.unwrap_or_default(),
        }
    }
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port; port 0 = any free one.
    pub listen: SocketAddr,
    /// `[http.tls]`: the service itself encrypts.
    pub tls: Option<TlsSettings>,
    /// The proxies that encrypt and may connect.
    pub behind_proxy: Option<TrustedProxies>,
    /// Names under which it is asked, besides loopback and the address that a client connects to.
    pub hosts: Vec<HostName>,
    /// Requests answered at a time; more are refused with 503.
    pub concurrent_requests_max: usize,
    /// Bytes of a request body at most.
    pub body_bytes_max: usize,
    /// Longest time for one answer.
    pub timeout: Duration,
    /// Rows of one page at most.
    pub page_rows_max: usize,
    /// Lines of one batch request at most.
    pub batch_lines_max: usize,
    /// Longest interval that may be asked about, in milliseconds.
    pub interval_max_ms: i64,
    /// Identifiers of one person in one question at most.
    pub rider_ids_max: usize,
    /// Whether a question may have to wait for another machine: the ledger lies in a bucket.
    pub reads_may_wait: bool,
}

impl HttpSettings {
    /// These settings with what a running service may take over of `new`: limits of questions and pages, and host names.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        Self {
            hosts: new.hosts.clone(),
            page_rows_max: new.page_rows_max,
            batch_lines_max: new.batch_lines_max,
            interval_max_ms: new.interval_max_ms,
            rider_ids_max: new.rider_ids_max,
            ..self.clone()
        }
    }

    /// Why it may not listen there; `None` when it may.
    pub fn refused_listen(&self, has_access: bool) -> Option<String> {
        let is_loopback = self.listen.ip().to_canonical().is_loopback();
        let is_encrypted = self.tls.is_some() || self.behind_proxy.is_some();
        if is_loopback || (has_access && is_encrypted) {
            return None;
        }
        let missing = match (has_access, is_encrypted) {
            (false, false) => "[access] and TLS are missing",
            (false, true) => "[access] is missing",
            _ => "TLS is missing",
        };
        Some(format!(
            "`listen` in [http] is {}, which others can reach, and {missing}: answers are about persons. Add a table [access] \
             (who may ask), and [http.tls] with certificate and key or `behind_proxy` with the addresses of a proxy that has \
             TLS; or listen on 127.0.0.1",
            self.listen
        ))
    }

    pub(super) fn read(mut section: Section<'_>, folder: &Path, report: &mut Report) -> Self {
        let listen = section.read("listen", report, |value| {
            let text = value::text(value)?;
            text.parse()
                .map_err(|_| format!("`{text}` is no address with a port, such as \"127.0.0.1:8080\""))
        });
        let timeout_ms = section.read("timeout", report, value::duration("1s", "10m")).unwrap_or_default();
        let settings = Self {
            listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            tls: TlsSettings::read(section.sub("tls", report), folder, report),
            behind_proxy: access::behind_proxy(&mut section, report),
            hosts: section.read("hosts", report, host::names).unwrap_or_default(),
            concurrent_requests_max: section
                .read("concurrent_requests_max", report, value::integer(1, 100_000))
                .unwrap_or_default(),
            body_bytes_max: section
                .read("body_bytes_max", report, value::size("1KiB", "1GiB"))
                .unwrap_or_default(),
            timeout: Duration::from_millis(timeout_ms),
            page_rows_max: section
                .read("page_rows_max", report, value::integer(1, 100_000))
                .unwrap_or_default(),
            batch_lines_max: section
                .read("batch_lines_max", report, value::integer(1, 10_000_000))
                .unwrap_or_default(),
            interval_max_ms: section
                .read("interval_max", report, value::duration("1m", "3660d"))
                .unwrap_or_default(),
            rider_ids_max: section
                .read("rider_ids_max", report, value::integer(1, 1_000))
                .unwrap_or_default(),
            reads_may_wait: false,
        };
        section.finish(report);
        settings
    }
}

/// The latest end of the horizon: 2102-01-01T00:00:00Z.
const HORIZON_END: UtcMillis = UtcMillis::new(4_165_516_800_000);

/// `[limits]`: what events may be like, and how much of bad ones is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Times of events before this instant are rejected.
    pub horizon_from: UtcMillis,
    /// Times of events at or after this instant are rejected.
    pub horizon_until: UtcMillis,
    /// How far (ms) a time of a record from Kafka may lie after the instant at which it is taken in.
    pub ahead_max_ms: i64,
    /// Raw bytes kept of one rejected record at most.
    pub rejected_bytes_per_record: u64,
    /// Raw bytes kept of all rejected records of one platform at most.
    pub rejected_bytes_per_platform: u64,
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>, report: &mut Report) -> Self {
        let mut horizon = section.sub("horizon", report);
        let from = horizon.need("from", report, value::instant).unwrap_or(UtcMillis::MIN);
        let until = horizon.need("until", report, value::instant).unwrap_or(UtcMillis::MAX);
        if until <= from {
            report.problem(horizon.place(), "`horizon`: `until` must be later than `from`");
        }
        if until > HORIZON_END {
            report.problem(
                horizon.place(),
                "`horizon`: `until` must not be later than 2102-01-01T00:00:00Z: clock changes of later years are not known",
            );
        }
        horizon.finish(report);
        let ahead_max_ms = section.read("ahead_max", report, value::duration("0s", "36600d"));
        let record = section.read("rejected_bytes_per_record", report, value::size("0B", "900KiB"));
        let platform = section.read("rejected_bytes_per_platform", report, value::size("0B", "1024TiB"));
        section.finish(report);
        Self {
            horizon_from: from,
            horizon_until: until,
            ahead_max_ms: ahead_max_ms.unwrap_or_default(),
            rejected_bytes_per_record: record.unwrap_or_default(),
            rejected_bytes_per_platform: platform.unwrap_or_default(),
        }
    }
}

/// `[shutdown]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// From SIGTERM: finish the batch, flush, commit, close.
    pub grace: Duration,
}

impl ShutdownSettings {
    pub(super) fn read(mut section: Section<'_>, report: &mut Report) -> Self {
        let grace_ms = section.read("grace", report, value::duration("1s", "10m")).unwrap_or_default();
        section.finish(report);
        Self { grace: Duration::from_millis(grace_ms) }
    }
}
