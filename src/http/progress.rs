//! `GET /v1/progress`: how far each platform is complete, and why not further.

use super::access::Asker;
use super::backend::{ChainFacts, PartitionProgress, Paused, ProgressFacts, ServiceRole, Source, ViewError};
use super::problem::{Document, Problem};
use super::query::Query;
use super::state::{HttpState, Seen};
use crate::coverage::answer::AsOfLine;
use crate::coverage::resolve::as_of_line;
use crate::coverage::warning::Warning;
use crate::domain::completeness::{Bound, Completeness, HeldBy, PlatformFacts};
use crate::domain::data_scope::DataScope;
use crate::domain::pending::PendingKind;
use crate::domain::platform::UnreadableRecords;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::{KnownAt, LedgerView};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Progress {
    pub(super) now: String,
    /// The zone of days and of local times.
    pub(super) timezone: String,
    /// Whether this process only answers.
    pub(super) read_only: bool,
    /// `writer`, `standby` or `reader`.
    pub(super) role: &'static str,
    /// Of a ledger in a bucket: what is known of its writer.
    pub(super) chain: Option<ChainLine>,
    pub(super) platforms: Vec<PlatformProgress>,
    pub(super) partitions: Vec<PartitionLine>,
    /// Why nothing is read; null while it is.
    pub(super) paused: Option<PausedLine>,
    /// What to know besides; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning>,
    pub(super) as_of: AsOfLine,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChainLine {
    /// Grows with every writer.
    pub(super) epoch: u64,
    /// Number of the newest slot.
    pub(super) slot: u64,
    /// Milliseconds since the state of this process was confirmed to be the newest.
    pub(super) confirmed_ms_ago: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlatformProgress {
    pub(super) platform: String,
    pub(super) registered: bool,
    pub(super) complete_through: Option<String>,
    /// Why it is not later.
    pub(super) held_by: HeldByLine,
    pub(super) sends_completeness: bool,
    /// Events that added cover before a complete_through already committed: the platform broke its promise.
    pub(super) late: u64,
    /// Unresolved rejected and conflicting records that keep answers open, by the reason that they give.
    pub(super) pending: Vec<PendingLine>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendingLine {
    pub(super) reason: &'static str,
    /// `rider`: answers about the riders whom the records name; `every_rider`; `none` where the configuration passes over them.
    pub(super) keeps_open: &'static str,
    pub(super) records: u64,
    /// When the oldest of them was recorded.
    pub(super) since: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeldByLine {
    pub(super) kind: &'static str,
    /// How far the facts of this moment reach.
    pub(super) through: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<i32>,
    pub(super) detail: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PausedLine {
    pub(super) reason: &'static str,
    pub(super) free_bytes: u64,
    pub(super) needed_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartitionLine {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) start: i64,
    pub(super) position: i64,
    pub(super) end: Option<i64>,
    pub(super) lag: Option<i64>,
}

/// Says how far each platform is complete, and what limits it.
#[utoipa::path(
    get, path = "/v1/progress", operation_id = "progress", tag = "Service",
    params(
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
    ),
    responses(
        (status = 200, description = "The progress", body = Progress),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Json<Progress>, Problem> {
    let known_at = Query::strict(raw.as_deref(), &["known_at"])?.known_at()?;
    state.read(move |state| progress_of(state, asker.scope(), known_at)).await.map(Json)
}

/// The progress as a client may see it, now or in an earlier state.
///
/// # Errors
/// There is no such state, or it cannot be read.
pub(super) fn progress_of<S: Source>(
    state: &HttpState<S>,
    scope: &DataScope,
    known_at: Option<KnownAt>,
) -> Result<Progress, ViewError<S>> {
    let seen = state.see_at(scope, known_at)?;
    let facts = match known_at {
        None => state.source().progress(),
        Some(_) => facts_then(&seen.view),
    };
    let completeness = seen.view.completeness();
    let platform = |name: String| {
        let pending = pending(&seen, &name)?;
        Ok(platform(name, completeness, &seen, facts.now, pending))
    };
    let role = state.source().role();
    // A limited view knows its own topics only.
    let is_seen = |line: &PartitionProgress| {
        scope.platform().is_none() || completeness.topics.contains_key(&line.topic)
    };
    Ok(Progress {
        now: state.zone().rfc3339(facts.now),
        timezone: state.zone().name().to_owned(),
        read_only: role != ServiceRole::Writer,
        role: role.as_str(),
        chain: facts.chain.map(chain),
        platforms: seen.platforms_known().into_iter().map(platform).collect::<Result<_, _>>()?,
        partitions: facts.partitions.into_iter().filter(is_seen).map(partition).collect(),
        paused: facts.paused.map(paused),
        warnings: seen.warnings(),
        as_of: as_of_line(seen.view.as_of(), state.zone()),
    })
}

/// The position of reading in an earlier state: what its commit had taken in.
fn facts_then<V: LedgerView>(view: &V) -> ProgressFacts {
    let topics = view.completeness().topics.iter();
    let partitions = topics.flat_map(|(topic, facts)| {
        facts.partitions.iter().map(move |(&partition, facts)| PartitionProgress {
            topic: topic.clone(),
            partition,
            start: facts.first_offset,
            position: facts.next_offset,
            end: None,
        })
    });
    ProgressFacts {
        now: view.as_of().recorded_at,
        partitions: partitions.collect(),
        paused: None,
        chain: None,
    }
}

fn platform<V: LedgerView>(
    name: String,
    completeness: &Completeness,
    seen: &Seen<'_, V>,
    now: UtcMillis,
    pending: Vec<PendingLine>,
) -> PlatformProgress {
    let none = PlatformFacts::default();
    let facts = completeness.platforms.get(&name).unwrap_or(&none);
    let terms = seen.terms();
    let bound = completeness.bound(&name, terms.platforms, now);
    PlatformProgress {
        registered: terms.platforms.is_registered(&name),
        complete_through: facts.complete_through.map(|at| terms.zone.rfc3339(at)),
        held_by: held_by(bound, terms.zone),
        sends_completeness: facts.sends_completeness(),
        late: facts.late,
        pending,
        platform: name,
    }
}

fn pending<V: LedgerView>(seen: &Seen<'_, V>, platform: &str) -> Result<Vec<PendingLine>, V::Error> {
    let (view, terms) = (&seen.view, seen.terms());
    let counts = view.pending_counts(platform, terms.platforms).into_iter();
    let lines = counts.map(|(kind, count)| {
        let treatment = terms.platforms.get(platform).unreadable_records;
        let keeps_open = match (kind, treatment) {
            (PendingKind::Unreadable, UnreadableRecords::Warn) => "none",
            (PendingKind::Unreadable, UnreadableRecords::Hold) => "every_rider",
            (PendingKind::Rejected | PendingKind::Conflicting, _) => "rider",
        };
        let since = terms.zone.rfc3339(view.commit_instant(count.since_commit)?);
        Ok(PendingLine { reason: kind.as_str(), keeps_open, records: count.records, since })
    });
    lines.collect()
}

fn held_by(bound: Bound, zone: &Zone) -> HeldByLine {
    let (kind, topic, partition, detail) = match bound.held_by {
        HeldBy::Partition { topic, partition } => {
            ("partition", Some(topic), Some(partition), "this partition is not read to a later end")
        }
        HeldBy::Listing { topic } => (
            "listing",
            Some(topic),
            None,
            "no later look at the topic showed that all its partitions are read",
        ),
        HeldBy::Vouch => {
            ("completeness_record", None, None, "the platform's completeness records vouch for no more")
        }
        HeldBy::NewestEvent => {
            ("newest_event", None, None, "the platform sent no later event, and silence is not completeness")
        }
        HeldBy::Statement => {
            ("statement", None, None, "the platform has no topic: no later instant was stated with its files")
        }
        HeldBy::Now => ("now", None, None, "complete to the present"),
    };
    HeldByLine { kind, through: bound.through.map(|at| zone.rfc3339(at)), topic, partition, detail }
}

fn paused(facts: Paused) -> PausedLine {
    PausedLine { reason: "free_space", free_bytes: facts.free_bytes, needed_bytes: facts.needed_bytes }
}

const fn chain(facts: ChainFacts) -> ChainLine {
    let ChainFacts { epoch, slot, confirmed_ms_ago } = facts;
    ChainLine { epoch, slot, confirmed_ms_ago }
}

fn partition(facts: PartitionProgress) -> PartitionLine {
    PartitionLine {
        lag: facts.end.map(|end| end.saturating_sub(facts.position).max(0)),
        topic: facts.topic,
        partition: facts.partition,
        start: facts.start,
        position: facts.position,
        end: facts.end,
    }
}
