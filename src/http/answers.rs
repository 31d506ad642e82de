//! `GET /v1/answers` and `GET /v1/answers/{number}`: what was answered, to whom and why; and what the same question gives now.

use super::access::Asker;
use super::answer_log::GivenAnswer;
use super::backend::Source;
use super::one_log::OneLog;
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::state::HttpState;
use crate::access::Role;
use crate::answers::index::ChangedAnswer;
use crate::answers::{
    AnswerLogError, Asked, Content, CoverageAsked, Digest, Entry, Event, Filter, PrincipalLine,
};
use crate::coverage::answer::Answer;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

const PARAMETERS: &[&str] = &["changed", "kind", "principal", "reason", "after", "limit", "log"];
/// Bytes of entries on one page at most, as they are stored.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Entries of the log, ascending.
#[derive(Serialize, ToSchema)]
#[schema(as = AnswerPage)]
struct Page {
    /// The name of the log.
    log: String,
    /// The names of all logs of the ledger, that of this process first.
    logs: Vec<String>,
    entries: Vec<Line>,
    /// Ask again with it as `after`; null at the end.
    next_after: Option<u64>,
}

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = AnswerEntry)]
pub(super) struct Line {
    /// As the header of the response named it.
    pub(super) id: String,
    /// When, in the configured zone.
    pub(super) at: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(super) entry: Entry,
    /// Set where the verdict would now be another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<ChangedLine>,
}

/// How an answer has changed.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangedLine {
    /// The entry that says so.
    entry: u64,
    verdict: String,
    #[schema(value_type = Object)]
    pub(super) event: Event,
}

/// An answer beside what its question gives now.
#[derive(Serialize, ToSchema)]
#[schema(as = AnswerBeside)]
pub(super) struct Beside {
    pub(super) entry: Line,
    /// SHA-256 of the entry as the log has it, which the next entry names as `previous`.
    #[schema(value_type = String)]
    pub(super) digest: Digest,
    /// Null where the entry is no answer to a question about one person.
    pub(super) now: Option<Answer>,
    /// Whether the verdict is the logged one; null with `now`.
    pub(super) is_same_verdict: Option<bool>,
}

impl From<ChangedAnswer> for ChangedLine {
    fn from(changed: ChangedAnswer) -> Self {
        Self { entry: changed.entry, verdict: changed.verdict, event: changed.event }
    }
}

/// Whether an asker sees only its own answers.
fn sees_only_own(asker: &Asker) -> bool {
    !matches!(asker.principal.role, Role::Auditor | Role::Admin)
}

fn unreadable(error: &AnswerLogError) -> Problem {
    tracing::error!(%error, "Failed to read the answer log");
    Problem::new(Kind::Storage, "Failed to read the answer log: the log of the service has the cause")
}

fn line<S: Source>(state: &HttpState<S>, log: &OneLog, entry: Entry) -> Line {
    Line {
        id: format!("{}/{}", log.name(), entry.number),
        at: state.zone().rfc3339(UtcMillis::new(entry.at_ms)),
        changed: log.changed(entry.number).map(ChangedLine::from),
        entry,
    }
}

/// What a list is to show; an asker who sees only its own answers sees nothing else.
fn filter<S: Source>(query: &Query, state: &HttpState<S>, asker: &Asker) -> Result<Filter, Problem> {
    let number = |name: &'static str| -> Result<u64, Problem> {
        let Some(text) = query.one(name)? else { return Ok(0) };
        text.parse().map_err(|_| {
            Problem::of(Kind::BadParameter, name, format!("{name} must be the number of an entry"))
        })
    };
    let only_changed = query.flag("changed")?;
    let kind = query.one("kind")?.map(str::to_owned);
    if kind.as_deref().is_some_and(|kind| !Content::KINDS.contains(&kind)) {
        let detail = format!("the kinds of entries are: {}", Content::KINDS.join(", "));
        return Err(Problem::of(Kind::BadParameter, "kind", detail));
    }
    let own = PrincipalLine::of(&asker.principal);
    Ok(Filter {
        kind,
        only_changed,
        principal: query.one("principal")?.map(str::to_owned),
        own: sees_only_own(asker).then_some((own.kind, own.name)),
        reason: query.one("reason")?.map(str::to_owned),
        after: number("after")?,
        limit: query.limit(state.settings().page_rows_max)?,
    })
}

/// Lists what was answered, and what changed since. A client sees its own answers, an auditor and an admin all of them.
#[utoipa::path(
    get, path = "/v1/answers", operation_id = "answers", tag = "Answers",
    params(
        ("changed" = Option<bool>, Query, description = "`true`: only answers whose verdict would now be another one"),
        ("kind" = Option<String>, Query, description = "Only entries of this kind"),
        ("principal" = Option<String>, Query, description = "Only answers to this token or account"),
        ("reason" = Option<String>, Query, description = "Only answers with this reason or case number"),
        ("after" = Option<String>, Query, description = "Only entries after this number"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Rows of a page; at most, and by default, `http.page_rows_max`"),
        ("log" = Option<String>, Query, description = "The log of this process; without it that of the process that answers"),
    ),
    responses(
        (status = 200, description = "A page of entries", body = Page),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn list<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::strict(raw.as_deref(), PARAMETERS)?;
    let (log, filter) = (OneLog::of(&state, query.one("log")?)?, filter(&query, &state, &asker)?);
    let page = state.read(move |state| {
        let listed = log.list(&filter);
        let (mut entries, mut next_after, mut bytes) = (Vec::new(), listed.next_after, 0_usize);
        for number in listed.numbers {
            let entry = match log.entry(number) {
                Ok(Some(entry)) => entry,
                // Retention dropped it since.
                Ok(None) => continue,
                Err(error) => return Ok(Err(unreadable(&error))),
            };
            if bytes > PAGE_BYTES_MAX {
                next_after = entries.last().map(|line: &Line| line.entry.number);
                break;
            }
            bytes = bytes.saturating_add(log.length(number));
            entries.push(line(state, &log, entry));
        }
        let (name, logs) = (log.name().to_owned(), OneLog::names(state));
        Ok(Ok(Page { log: name, logs, entries, next_after }))
    });
    Ok(Json(page.await??).into_response())
}

/// Shows what was answered, beside what the same question gives now.
#[utoipa::path(
    get, path = "/v1/answers/{number}", operation_id = "answer", tag = "Answers",
    params(
        ("number" = String, Path, description = "Number of the entry"),
        ("reference" = Option<String>, Query, description = "Reason or case number"),
        ("log" = Option<String>, Query, description = "The log of this process; without it that of the process that answers"),
    ),
    responses(
        (status = 200, description = "The entry, and the answer of now", body = Beside),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::strict(raw.as_deref(), &["reference", "log"])?;
    let log = OneLog::of(&state, query.one("log")?)?;
    let number = path.map_err(|_| Problem::new(Kind::BadRequest, "the path is not UTF-8"))?.0;
    let (beside, given) = beside_in(&state, &asker, (log, &number)).await?;
    Ok(given.with(Json(beside)))
}

/// An entry of this process's log beside what its question gives now, as far as an asker may see it; `text` is its number.
pub(super) async fn beside<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    text: &str,
) -> Result<(Beside, GivenAnswer), Problem> {
    beside_in(state, asker, (OneLog::of(state, None)?, text)).await
}

async fn beside_in<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    (log, text): (OneLog, &str),
) -> Result<(Beside, GivenAnswer), Problem> {
    let unknown = |text: &str| {
        Problem::new(
            Kind::AnswerUnknown,
            format!("the log {} has no entry {text} that you may see", log.name()),
        )
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number: u64 = text.parse().ok().filter(|_| is_number).ok_or_else(|| {
        Problem::of(Kind::BadParameter, "number", "an entry has a number from 1 on, as in /v1/answers/17")
    })?;
    let found = log.entry_and_digest(number).map_err(|error| unreadable(&error))?;
    let (entry, digest) = found.ok_or_else(|| unknown(text))?;
    let own = PrincipalLine::of(&asker.principal);
    let is_own = |principal: &PrincipalLine| (&principal.kind, &principal.name) == (&own.kind, &own.name);
    let may_see = match &entry.content {
        Content::Answer { principal, .. } => !sees_only_own(asker) || is_own(principal),
        _ => !sees_only_own(asker),
    };
    if !may_see {
        return Err(unknown(text));
    }
    let beside = match again(&entry, asker) {
        None => Beside { entry: line(state, &log, entry), digest, now: None, is_same_verdict: None },
        Some((scope, asked)) => {
            state.note_riders(asker, &asked.rider_id);
            let job = move |state: &HttpState<S>| {
                state.see_at(&scope, asked.known_at.map(Into::into))?.resolve(&asked.question())
            };
            let answer = state.read(job).await?;
            let is_same = verdict_of(&entry).map(|verdict| verdict == answer.verdict.as_str());
            Beside { entry: line(state, &log, entry), digest, now: Some(answer), is_same_verdict: is_same }
        }
    };
    let verdict = beside.now.as_ref().map(|answer| answer.verdict);
    let newest = || state.see(asker.scope()).commit();
    let commit = beside.now.as_ref().map_or_else(newest, |answer| answer.as_of.commit);
    Ok((beside, GivenAnswer::about_entry((log.other_name(), number), verdict, commit)))
}

fn verdict_of(entry: &Entry) -> Option<&str> {
    match &entry.content {
        Content::Answer { verdict, .. } => verdict.as_deref(),
        _ => None,
    }
}

/// The question of an entry, and what of the ledger answers it: what the entry's asker saw, but for an asker with a limited view
/// what that one sees now.
fn again(entry: &Entry, asker: &Asker) -> Option<(DataScope, CoverageAsked)> {
    let Content::Answer { principal, question: Asked::Coverage(asked), .. } = &entry.content else {
        return None;
    };
    let scope = if sees_only_own(asker) { asker.scope().clone() } else { principal.scope()? };
    Some((scope, asked.clone()))
}
