//! An answer as the page shows it.

use super::super::query::UNRESERVED;
use super::chart::Figure;
use super::file_copy::FileCopy;
use super::formatter::{
    DisputedShown, Formatter, NearestShown, OrderShown, PartShown, PlatformShown, Time, icon,
};
use super::identifier::Ident;
use super::messages::Words;
use super::names::Names;
use super::note::Note;
use super::receipt::ReceiptShown;
use super::why::why_lines;
use crate::coverage::answer::{Answer, AnswerWhen};
use crate::coverage::explain;
use crate::coverage::question::When;
use crate::coverage::warning::Warning;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::verdict::Verdict;
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// A value in a query string that people read: colons stay.
const VALUE: &AsciiSet = &UNRESERVED.remove(b':');
/// Parts of an interval that are listed.
const PARTS_MAX: usize = 200;
/// Orders that are listed.
const ORDERS_MAX: usize = 200;

/// An answer as the page shows it.
#[derive(Debug)]
pub(super) struct Shown {
    /// The verdict, or `no_record`: a mistyped identifier must not look like an uncovered rider.
    pub(super) verdict: &'static str,
    pub(super) icon: &'static str,
    pub(super) heading: &'static str,
    pub(super) why: &'static str,
    pub(super) why_lines: Vec<String>,
    /// Each ground of the answer in words.
    pub(super) explained: Option<explain::Words>,
    pub(super) open_note: bool,
    /// Nothing is stored of any identifier.
    pub(super) no_record: bool,
    pub(super) notes: Vec<Note>,
    pub(super) answered_at: Time,
    /// Each with the page of the rider's day.
    pub(super) riders: Vec<(Ident, String)>,
    pub(super) from: Time,
    /// Of the begin: people remember accidents by it.
    pub(super) weekday: &'static str,
    pub(super) to: Option<Time>,
    pub(super) offset: String,
    pub(super) reference: Option<Ident>,
    pub(super) parts: Vec<PartShown>,
    pub(super) orders: Vec<OrderShown>,
    /// How many are not listed.
    pub(super) more_orders: Option<String>,
    pub(super) before: Option<NearestShown>,
    pub(super) after: Option<NearestShown>,
    pub(super) nearest: bool,
    pub(super) platforms: Vec<PlatformShown>,
    pub(super) superseded: Vec<(OrderShown, String)>,
    pub(super) disputed: Vec<DisputedShown>,
    pub(super) warnings: Vec<String>,
    pub(super) seen: Option<(Time, Time, String)>,
    pub(super) commit: u64,
    pub(super) recorded_at: Time,
    pub(super) config: String,
    /// The same question, to the newest state.
    pub(super) json_address: String,
    /// The same question, to this very state: its answer has the digest.
    pub(super) exact_address: String,
    pub(super) receipt: ReceiptShown,
    /// Of the answer.
    pub(super) copy: FileCopy,
    pub(super) figures: [Figure; 2],
}

/// What the page shows beside the answer.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    pub(super) figures: [Figure; 2],
    pub(super) notes: Vec<Note>,
    pub(super) names: &'a Names,
    pub(super) copy: FileCopy,
    pub(super) receipt: ReceiptShown,
    /// Each ground of the answer in words.
    pub(super) explained: Option<explain::Words>,
    /// What the addresses of other pages have to say besides: language and reason.
    pub(super) onward: String,
    /// The present.
    pub(super) now: UtcMillis,
}

impl Shown {
    /// What a print is compared by: the receipt where one was made, else the answer.
    pub(super) fn compared(&self) -> &FileCopy {
        self.receipt.copy.as_ref().unwrap_or(&self.copy)
    }

    pub(super) fn new(
        answer: Answer,
        when: When,
        beside: Beside<'_>,
        zone: &Zone,
        w: &'static Words,
    ) -> Self {
        let asked = zone.rfc3339(when.window().from);
        let offset = asked.get(23..).unwrap_or_default().to_owned();
        let Beside { names, onward, .. } = beside;
        let day = asked.get(..10).unwrap_or_default();
        let riders = riders(&answer, day, &onward);
        let formatter =
            Formatter { w, names, offset: offset.clone(), riders: &answer.rider_id, zone, onward };
        let (from, to, parts) = match &answer.when {
            AnswerWhen::Instant { at } => (formatter.time(at), None, Vec::new()),
            AnswerWhen::Interval { from, to, parts } => {
                let parts = if parts.len() > 1 { parts.as_slice() } else { &[] };
                (
                    formatter.time(from),
                    Some(formatter.time(to)),
                    parts.iter().take(PARTS_MAX).map(|part| formatter.part(part)).collect(),
                )
            }
        };
        let no_record = answer.is_rider_unknown();
        let uncovered = answer.windows.is_empty() && !no_record;
        let more = answer.windows.len().saturating_sub(ORDERS_MAX);
        Self {
            verdict: if no_record { "no_record" } else { answer.verdict.as_str() },
            icon: icon(answer.verdict),
            heading: if no_record { w.no_record } else { w.verdict(answer.verdict) },
            why: why(&answer, w),
            why_lines: why_lines(&answer, names, &offset, w),
            no_record,
            explained: beside.explained,
            notes: beside.notes,
            answered_at: formatter.whole_second(&zone.rfc3339(beside.now)),
            open_note: answer.verdict == Verdict::Covered && !answer.settled,
            json_address: json_address(&answer),
            exact_address: format!("{}&known_at={}", json_address(&answer), answer.as_of.commit),
            receipt: beside.receipt,
            copy: beside.copy,
            from,
            weekday: w.weekday(zone.day(when.window().from)),
            to,
            offset,
            parts: if no_record { Vec::new() } else { parts },
            orders: answer.windows.iter().take(ORDERS_MAX).map(|line| formatter.order(line)).collect(),
            more_orders: (more > 0).then(|| w.more_orders.replace("{}", &more.to_string())),
            before: answer.nearest_before.as_ref().map(|nearest| formatter.before(nearest)),
            after: answer.nearest_after.as_ref().map(|nearest| formatter.after(nearest)),
            nearest: uncovered,
            platforms: answer.platforms.iter().map(|status| formatter.platform(status)).collect(),
            superseded: answer.superseded.iter().map(|line| formatter.superseded(line)).collect(),
            disputed: answer.disputed.iter().map(|line| formatter.disputed(line)).collect(),
            warnings: answer
                .warnings
                .iter()
                .filter(|warning| !no_record || **warning != Warning::RiderUnknown)
                .map(|warning| w.warning(warning))
                .collect(),
            seen: answer.rider_seen.as_ref().map(|seen| {
                let platforms: Vec<String> = seen.platforms.iter().map(|p| names.platform(p).text).collect();
                (formatter.time(&seen.first), formatter.time(&seen.last), platforms.join(", "))
            }),
            commit: answer.as_of.commit,
            recorded_at: formatter.time(&answer.as_of.recorded_at),
            config: answer.as_of.config.clone(),
            reference: answer.reference.as_deref().map(Ident::new),
            riders,
            figures: beside.figures,
        }
    }
}

/// The identifiers, each with the page of its day.
fn riders(answer: &Answer, day: &str, onward: &str) -> Vec<(Ident, String)> {
    let page = |rider: &String| {
        let encoded = utf8_percent_encode(rider, UNRESERVED);
        (Ident::new(rider), format!("/rider?rider_id={encoded}&day={day}{onward}"))
    };
    answer.rider_id.iter().map(page).collect()
}

/// The verdict in a sentence; of a rider of whom nothing is stored, that nothing is known.
fn why(answer: &Answer, w: &'static Words) -> &'static str {
    let names_it = |reason: &str| matches!(reason, "rejected_record" | "conflicting_record");
    let named = answer.platforms.iter().filter_map(|platform| platform.reason).any(names_it);
    match (!answer.is_rider_unknown(), named || !answer.disputed.is_empty()) {
        (true, _) => w.why(answer.verdict),
        (false, true) => w.no_record_but_rejected,
        (false, false) => w.no_record_why,
    }
}

/// Where a machine gets the same answer.
fn json_address(answer: &Answer) -> String {
    let mut address = String::from("/v1/coverage?");
    let mut add = |name: &str, value: &str| {
        let separator = if address.ends_with('?') { "" } else { "&" };
        address.push_str(&format!("{separator}{name}={}", utf8_percent_encode(value, VALUE)));
    };
    answer.rider_id.iter().for_each(|rider| add("rider_id", rider));
    match &answer.when {
        AnswerWhen::Instant { at } => add("at", at),
        AnswerWhen::Interval { from, to, .. } => {
            add("from", from);
            add("to", to);
        }
    }
    answer.platform.iter().flatten().for_each(|platform| add("platform", platform));
    if let Some(reference) = &answer.reference {
        add("reference", reference);
    }
    address
}
