//! `GET /operations`: how the service does: stream, completeness, rates, store, seals and alarms, with small charts of the last hours.

mod alarms;
mod chart;

use super::formatter::{Time, duration_text, human};
use super::frame::{Asking, Frame, address_fault, respond};
use super::messages::{OperationsWords, Words};
use crate::domain::time::{MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::health::readiness;
use crate::http::progress::{PartitionLine, PlatformProgress, Progress, progress_of};
use crate::http::state::HttpState;
use crate::telemetry::history::Moment;
use alarms::On;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;
use chart::{Chart, Point, VIEW};

const PARAMETERS: &[&str] = &["lang"];
/// Partitions that are listed; of more, those with the largest lag.
const PARTITIONS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "operations.html")]
struct Page {
    w: &'static Words,
    o: &'static OperationsWords,
    frame: Frame,
    fault: Option<String>,
    shown: Option<Shown>,
}

/// What is known of a service.
#[derive(Debug)]
struct Shown {
    /// `ready`, or what is missing.
    state: String,
    is_ready: bool,
    role: &'static str,
    chain: Option<ChainShown>,
    paused: Option<String>,
    commit: u64,
    committed: Time,
    now: Time,
    alarms: Vec<On>,
    charts: Vec<Chart>,
    view: (i64, i64),
    platforms: Vec<PlatformShown>,
    partitions: Vec<PartitionLine>,
    partitions_left_out: usize,
    seals: Option<SealsShown>,
}

#[derive(Debug)]
struct PlatformShown {
    name: String,
    through: Option<Time>,
    behind: String,
    held_by: &'static str,
    /// The topic and partition that hold it.
    place: String,
    late: u64,
    pending: u64,
}

/// Of a ledger in a bucket.
#[derive(Debug)]
struct ChainShown {
    epoch: u64,
    slot: u64,
    age: String,
}

#[derive(Debug)]
struct SealsShown {
    days: u64,
    through: Time,
    due: u64,
    failures: u64,
}

pub(in crate::http) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, &[]);
    let w = asking.w;
    let other_language = format!("/operations?lang={}", w.other_lang);
    let frame = Frame::new(&state, &asker, "/operations", other_language, w);
    let mut page = Page { w, o: w.operations(), frame, fault: None, shown: None };
    if let Some(problem) = &asking.fault {
        page.fault = Some(address_fault(problem, w));
        return respond(problem.kind.status(), w, &page);
    }
    let scope = asker.scope().clone();
    let read = move |state: &HttpState<S>| {
        let moment = state.moment();
        let progress = progress_of(state, &scope, None)?;
        Ok(show(state, moment, progress, w))
    };
    match state.read(read).await {
        Ok(shown) => {
            page.shown = Some(shown);
            respond(StatusCode::OK, w, &page)
        }
        Err(problem) => {
            page.fault = Some(w.error_service.to_owned());
            respond(problem.kind.status(), w, &page)
        }
    }
}

fn show<S: Source>(state: &HttpState<S>, moment: Moment, progress: Progress, w: &'static Words) -> Shown {
    let (o, zone) = (w.operations(), state.zone());
    let mut moments = state.history().moments();
    moments.push(moment);
    let now = moments.last().map(|moment| moment.at).unwrap_or_default();
    let readiness = readiness(state);
    let figures = moments.last().map(|moment| moment.figures.clone()).unwrap_or_default();
    let mut partitions = progress.partitions;
    let left_out = partitions.len().saturating_sub(PARTITIONS_MAX);
    if left_out > 0 {
        partitions.sort_by_key(|line| std::cmp::Reverse(line.lag));
        partitions.truncate(PARTITIONS_MAX);
    }
    let seals = (figures.seals > 0).then(|| SealsShown {
        days: figures.seals,
        through: time(UtcMillis::new(figures.sealed_through_s.saturating_mul(SECOND_MS)), zone),
        due: figures.seals_due,
        failures: figures.seal_failures,
    });
    let paused = progress.paused.map(|paused| {
        super::messages::fill(o.paused, &[&bytes_text(paused.free_bytes), &bytes_text(paused.needed_bytes)])
    });
    Shown {
        is_ready: readiness.is_ok(),
        state: readiness.map_or_else(|missing| o.not_ready(missing).to_owned(), |()| o.ready.to_owned()),
        role: o.role_name(progress.role),
        chain: progress.chain.map(|chain| ChainShown {
            epoch: chain.epoch,
            slot: chain.slot,
            age: seconds_text(chain.confirmed_ms_ago),
        }),
        paused,
        commit: progress.as_of.commit,
        committed: machine_time(&progress.as_of.recorded_at),
        now: time(now, zone),
        alarms: alarms::on(&moments, o),
        charts: charts(&moments, zone, w),
        view: VIEW,
        platforms: progress.platforms.into_iter().map(|line| platform(line, now, w)).collect(),
        partitions,
        partitions_left_out: left_out,
        seals,
    }
}

fn platform(line: PlatformProgress, now: UtcMillis, w: &'static Words) -> PlatformShown {
    let through = line.complete_through.as_deref();
    let instant = through.and_then(|text| crate::coverage::instant::parse_from(text).ok());
    let o = w.operations();
    let (topic, partition) = (line.held_by.topic.unwrap_or_default(), line.held_by.partition);
    PlatformShown {
        behind: instant.map(|at| duration_text(now.since(at).max(0), w)).unwrap_or_default(),
        through: through.map(machine_time),
        held_by: o.held_by(line.held_by.kind),
        place: partition.map_or(topic.clone(), |partition| format!("{topic}:{partition}")),
        late: line.late,
        pending: line.pending.iter().map(|pending| pending.records).sum(),
        name: line.platform,
    }
}

/// Each figure over the last hours.
fn charts(moments: &[Moment], zone: &Zone, w: &'static Words) -> Vec<Chart> {
    let o = w.operations();
    let words = (o.newest, o.largest, o.nothing);
    let level = |figure: &dyn Fn(&Moment) -> Option<i64>| -> Vec<Point> {
        moments.iter().filter_map(|moment| Some((moment.at, figure(moment)?))).collect()
    };
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let count = |value: i64| value.to_string();
    let mib = |value: i64| bytes_text(u64::try_from(value).unwrap_or_default());
    let free = |name, figure: &dyn Fn(&Moment) -> Option<u64>| {
        let points = level(&|m| figure(m).map(whole));
        // A disk of which nothing is known has no chart.
        (!points.is_empty()).then(|| Chart::new(name, &points, mib, words, zone))
    };
    let mut charts = vec![
        Chart::new(
            ("records", o.chart_records),
            &rates(moments, SECOND_MS, |m| m.figures.records),
            count,
            words,
            zone,
        ),
        Chart::new(("lag", o.chart_lag), &level(&|m| Some(m.lag)), count, words, zone),
        Chart::new(
            ("behind", o.chart_behind),
            &level(&|m| m.behind_ms),
            |ms| duration_text(ms, w),
            words,
            zone,
        ),
        Chart::new(
            ("lookups", o.chart_lookups),
            &rates(moments, MINUTE_MS, |m| m.figures.lookups),
            count,
            words,
            zone,
        ),
        Chart::new(("disk", o.chart_disk), &level(&|m| Some(whole(m.figures.disk_bytes))), mib, words, zone),
    ];
    charts.extend(free(("free", o.chart_free), &|m| m.figures.disk_free_bytes));
    charts.extend(free(("answers-free", o.chart_answers_free), &|m| m.figures.answers_free_bytes));
    charts
}

/// How much a counter grew in `unit_ms`, between each two moments.
fn rates(moments: &[Moment], unit_ms: i64, counter: impl Fn(&Moment) -> u64) -> Vec<Point> {
    let between = |pair: &[Moment]| {
        let [before, after] = pair else { return None };
        let grown = i128::from(counter(after).saturating_sub(counter(before)));
        let took = i128::from(after.at.since(before.at));
        // Two moments that are close tell nothing of a rate.
        (took >= i128::from(SECOND_MS))
            .then(|| (after.at, i64::try_from(grown * i128::from(unit_ms) / took).unwrap_or(i64::MAX)))
    };
    moments.windows(2).filter_map(between).collect()
}

/// Seconds with one decimal.
fn seconds_text(ms: i64) -> String {
    let tenths = ms.max(0) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn bytes_text(bytes: u64) -> String {
    if bytes < 10 << 30 { format!("{} MiB", bytes >> 20) } else { format!("{} GiB", bytes >> 30) }
}

fn time(at: UtcMillis, zone: &Zone) -> Time {
    machine_time(&zone.rfc3339(at))
}

fn machine_time(machine: &str) -> Time {
    Time { text: human(machine, ""), machine: machine.to_owned() }
}
