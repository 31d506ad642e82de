//! An answer as the page shows it.

use super::super::query::UNRESERVED;
use super::chart::Figure;
use super::identifier::Ident;
use super::messages::Words;
use super::note::Note;
use crate::coverage::answer::{
    Answer, AnswerWhen, DisputedLine, NearestAfter, NearestBefore, PlatformStatus, SupersededLine, WindowLine,
};
use crate::coverage::instant::parse_from;
use crate::coverage::question::When;
use crate::coverage::warning::Warning;
use crate::domain::time::{SECOND_MS, UtcMillis, Zone};
use crate::domain::verdict::Verdict;
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// A value in a query string that people read: colons stay.
const VALUE: &AsciiSet = &UNRESERVED.remove(b':');
/// Parts of an interval that are listed.
const PARTS_MAX: usize = 200;
/// Orders that are listed.
const ORDERS_MAX: usize = 200;

/// A time for people and for machines.
#[derive(Clone, Debug)]
pub(super) struct Time {
    pub(super) text: String,
    pub(super) machine: String,
}

#[derive(Debug)]
pub(super) struct Shown {
    /// The verdict, or `no_record`: a mistyped identifier must not look like an uncovered rider.
    pub(super) verdict: &'static str,
    pub(super) icon: &'static str,
    pub(super) heading: &'static str,
    pub(super) why: &'static str,
    pub(super) open_note: bool,
    /// Nothing is stored of any identifier.
    pub(super) no_record: bool,
    pub(super) notes: Vec<Note>,
    pub(super) answered_at: Time,
    pub(super) riders: Vec<Ident>,
    pub(super) from: Time,
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
    pub(super) json_address: String,
    pub(super) figures: [Figure; 2],
}

#[derive(Debug)]
pub(super) struct PartShown {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) verdict: &'static str,
    pub(super) icon: &'static str,
    pub(super) text: &'static str,
}

#[derive(Debug)]
pub(super) struct OrderShown {
    pub(super) platform: String,
    pub(super) order_id: Ident,
    pub(super) leg: Option<String>,
    pub(super) rider_id: Option<Ident>,
    pub(super) starts_at: Time,
    pub(super) ends_at: Option<Time>,
    pub(super) category: String,
    pub(super) region: String,
    pub(super) outcome: String,
    pub(super) premium: Option<String>,
    pub(super) rules: Vec<String>,
    pub(super) tariff: String,
    pub(super) revision: u64,
    pub(super) recorded_at: Time,
    pub(super) commit: u64,
}

#[derive(Debug)]
pub(super) struct NearestShown {
    pub(super) platform: String,
    pub(super) order_id: Ident,
    pub(super) time: Time,
    pub(super) distance: String,
}

#[derive(Debug)]
pub(super) struct PlatformShown {
    pub(super) name: String,
    pub(super) settled: bool,
    pub(super) reason: &'static str,
    pub(super) complete_through: Option<Time>,
    pub(super) ask_again_at: Option<Time>,
    pub(super) helpless: bool,
}

#[derive(Debug)]
pub(super) struct DisputedShown {
    pub(super) platform: String,
    pub(super) order_id: Ident,
    pub(super) times: String,
    pub(super) recorded_at: Time,
    pub(super) commit: u64,
}

struct Formatter<'a> {
    w: &'static Words,
    offset: String,
    riders: &'a [String],
    zone: &'a Zone,
}

/// What the page shows beside the answer.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) figures: [Figure; 2],
    pub(super) notes: Vec<Note>,
    /// The present.
    pub(super) now: UtcMillis,
}

impl Shown {
    pub(super) fn new(answer: Answer, when: When, beside: Beside, zone: &Zone, w: &'static Words) -> Self {
        let asked = zone.rfc3339(when.window().from);
        let offset = asked.get(23..).unwrap_or_default().to_owned();
        let formatter = Formatter { w, offset: offset.clone(), riders: &answer.rider_id, zone };
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
        let no_record = answer.rider_seen.is_none();
        let uncovered = answer.windows.is_empty() && !no_record;
        let more = answer.windows.len().saturating_sub(ORDERS_MAX);
        Self {
            verdict: if no_record { "no_record" } else { answer.verdict.as_str() },
            icon: icon(answer.verdict),
            heading: if no_record { w.no_record } else { w.verdict(answer.verdict) },
            why: why(&answer, w),
            no_record,
            notes: beside.notes,
            answered_at: formatter.whole_second(&zone.rfc3339(beside.now)),
            open_note: answer.verdict == Verdict::Covered && !answer.settled,
            json_address: json_address(&answer),
            from,
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
                (formatter.time(&seen.first), formatter.time(&seen.last), seen.platforms.join(", "))
            }),
            commit: answer.as_of.commit,
            recorded_at: formatter.time(&answer.as_of.recorded_at),
            config: answer.as_of.config.clone(),
            reference: answer.reference.as_deref().map(Ident::new),
            riders: answer.rider_id.iter().map(|rider| Ident::new(rider)).collect(),
            figures: beside.figures,
        }
    }
}

impl Formatter<'_> {
    fn time(&self, text: &str) -> Time {
        Time { text: human(text, &self.offset), machine: text.to_owned() }
    }

    /// A time to come back at: the next whole second.
    fn whole_second(&self, text: &str) -> Time {
        let Ok(at) = parse_from(text) else { return self.time(text) };
        let part_ms = at.millis().rem_euclid(SECOND_MS);
        let at = if part_ms == 0 { at } else { at.plus(SECOND_MS - part_ms) };
        self.time(&self.zone.rfc3339(at))
    }

    fn part(&self, part: &crate::coverage::answer::Part) -> PartShown {
        PartShown {
            from: self.time(&part.from),
            to: self.time(&part.to),
            verdict: part.verdict.as_str(),
            icon: icon(part.verdict),
            text: self.w.verdict(part.verdict),
        }
    }

    fn order(&self, line: &WindowLine) -> OrderShown {
        let tariff = &line.tariff;
        let cover = tariff.cover.clone().unwrap_or_else(|| self.w.builtin_cover.to_owned());
        let rules = [tariff.rule.clone(), tariff.factor.clone(), Some(cover)];
        OrderShown {
            platform: line.platform.clone(),
            order_id: Ident::new(&line.order_id),
            leg: (line.leg > 0).then(|| self.w.leg.replace("{}", &line.leg.to_string())),
            rider_id: (self.riders.len() > 1).then(|| Ident::new(&line.rider_id)),
            starts_at: self.time(&line.starts_at),
            ends_at: line.ends_at.as_ref().map(|at| self.time(at)),
            category: self.w.category(&line.category),
            region: line.region.clone(),
            outcome: self.w.outcome(line.outcome),
            premium: line.premium.clone(),
            rules: rules.into_iter().flatten().collect(),
            tariff: tariff.version.clone(),
            revision: line.revision,
            recorded_at: self.time(&line.recorded_at),
            commit: line.commit,
        }
    }

    fn before(&self, nearest: &NearestBefore) -> NearestShown {
        NearestShown {
            platform: nearest.platform.clone(),
            order_id: Ident::new(&nearest.order_id),
            time: self.time(&nearest.ends_at),
            distance: self.distance(nearest.distance_s),
        }
    }

    fn after(&self, nearest: &NearestAfter) -> NearestShown {
        NearestShown {
            platform: nearest.platform.clone(),
            order_id: Ident::new(&nearest.order_id),
            time: self.time(&nearest.starts_at),
            distance: self.distance(nearest.distance_s),
        }
    }

    fn distance(&self, seconds: f64) -> String {
        // The answer's number, cut to whole seconds by its text: no arithmetic.
        let text = seconds.to_string();
        let whole: u64 = text.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (days, hours, minutes, rest) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
        let w = self.w;
        let units = [(days, w.days), (hours, w.hours), (minutes, w.minutes), (rest, w.seconds)];
        let parts =
            units.into_iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
        let text: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
        if text.is_empty() { format!("0 {}", w.seconds) } else { text.join(" ") }
    }

    fn platform(&self, status: &PlatformStatus) -> PlatformShown {
        PlatformShown {
            name: status.platform.clone(),
            settled: status.settled,
            reason: status.reason.map_or(self.w.settled_text, |reason| self.w.reason(reason)),
            complete_through: status.complete_through.as_ref().map(|at| self.time(at)),
            ask_again_at: status.ask_again_at.as_ref().map(|at| self.whole_second(at)),
            helpless: !status.settled && status.ask_again_at.is_none(),
        }
    }

    fn superseded(&self, line: &SupersededLine) -> (OrderShown, String) {
        let by = &line.superseded_by;
        let replaced = self.w.replaced_by.replace("{}", &by.revision.to_string());
        let when = human(&by.recorded_at, &self.offset);
        (self.order(&line.window), format!("{replaced} · {when} · {} {}", self.w.commit, by.commit))
    }

    fn disputed(&self, line: &DisputedLine) -> DisputedShown {
        let time =
            |at: &Option<String>| at.as_ref().map_or_else(|| "?".to_owned(), |at| human(at, &self.offset));
        DisputedShown {
            platform: line.platform.clone().unwrap_or_else(|| "?".to_owned()),
            order_id: Ident::new(line.order_id.as_deref().unwrap_or("?")),
            times: format!("{} – {}", time(&line.accepted_at), time(&line.ended_at)),
            recorded_at: self.time(&line.recorded_at),
            commit: line.commit,
        }
    }
}

impl Shown {
    pub(super) fn left_out(&self) -> bool {
        self.figures.iter().any(|figure| figure.left_out)
    }
}

/// The verdict in a sentence; of a rider of whom nothing is stored, that nothing is known.
fn why(answer: &Answer, w: &'static Words) -> &'static str {
    let names_it = |reason: &str| matches!(reason, "rejected_record" | "conflicting_record");
    let named = answer.platforms.iter().filter_map(|platform| platform.reason).any(names_it);
    match (answer.rider_seen.is_some(), named || !answer.disputed.is_empty()) {
        (true, _) => w.why(answer.verdict),
        (false, true) => w.no_record_but_rejected,
        (false, false) => w.no_record_why,
    }
}

/// Something to see besides the colour.
fn icon(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Covered => "✓",
        Verdict::NotCovered => "✕",
        Verdict::Undetermined => "?",
        Verdict::PartlyCovered => "◐",
    }
}

/// `2026-11-20 12:07:31`: whole seconds without their zeros, and the offset only where it is not the asked time's.
pub(super) fn human(rfc3339: &str, offset_known: &str) -> String {
    let (Some(date), Some(time)) = (rfc3339.get(..10), rfc3339.get(11..19)) else {
        return rfc3339.to_owned();
    };
    let (ms, offset) = (rfc3339.get(19..23).unwrap_or_default(), rfc3339.get(23..).unwrap_or_default());
    let ms = if ms == ".000" { "" } else { ms };
    if offset_known.is_empty() || offset == offset_known {
        return format!("{date} {time}{ms}");
    }
    format!("{date} {time}{ms} {offset}")
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
