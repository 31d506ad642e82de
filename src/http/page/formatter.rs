//! Parts of answers as the pages show them.

use super::identifier::Ident;
use super::messages::Words;
use super::names::{Names, PlatformName, RegionName, region};
use crate::coverage::answer::{
    DisputedLine, NearestAfter, NearestBefore, Part, PlatformStatus, SupersededLine, WindowLine,
};
use crate::coverage::instant::parse_from;
use crate::domain::time::{SECOND_MS, Zone};
use crate::domain::verdict::Verdict;
use crate::http::query::UNRESERVED;
use percent_encoding::utf8_percent_encode;

/// A time for people and for machines.
#[derive(Clone, Debug)]
pub(super) struct Time {
    pub(super) text: String,
    pub(super) machine: String,
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
    pub(super) platform: PlatformName,
    pub(super) order_id: Ident,
    /// The page of the order.
    pub(super) address: String,
    pub(super) leg: Option<String>,
    pub(super) rider_id: Option<Ident>,
    pub(super) starts_at: Time,
    pub(super) ends_at: Option<Time>,
    pub(super) category: String,
    pub(super) region: RegionName,
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
    pub(super) platform: PlatformName,
    pub(super) order_id: Ident,
    pub(super) address: String,
    pub(super) time: Time,
    pub(super) distance: String,
}

#[derive(Debug)]
pub(super) struct PlatformShown {
    pub(super) name: PlatformName,
    pub(super) settled: bool,
    pub(super) reason: &'static str,
    pub(super) complete_through: Option<Time>,
    pub(super) ask_again_at: Option<Time>,
    pub(super) helpless: bool,
}

#[derive(Debug)]
pub(super) struct DisputedShown {
    pub(super) platform: PlatformName,
    pub(super) order_id: Ident,
    pub(super) times: String,
    pub(super) recorded_at: Time,
    pub(super) commit: u64,
}

/// Writes what an answer says in words and times of people.
#[derive(Debug)]
pub(super) struct Formatter<'a> {
    pub(super) w: &'static Words,
    pub(super) names: &'a Names,
    /// The offset that goes without saying.
    pub(super) offset: String,
    /// The identifiers that were asked for: of several, each order says which it names.
    pub(super) riders: &'a [String],
    pub(super) zone: &'a Zone,
    /// What the address of a question about an order has to say besides: language and reason.
    pub(super) onward: String,
}

impl Formatter<'_> {
    pub(super) fn time(&self, text: &str) -> Time {
        Time { text: human(text, &self.offset), machine: text.to_owned() }
    }

    /// A time to come back at: the next whole second.
    pub(super) fn whole_second(&self, text: &str) -> Time {
        let Ok(at) = parse_from(text) else { return self.time(text) };
        let part_ms = at.millis().rem_euclid(SECOND_MS);
        let at = if part_ms == 0 { at } else { at.plus(SECOND_MS - part_ms) };
        self.time(&self.zone.rfc3339(at))
    }

    pub(super) fn part(&self, part: &Part) -> PartShown {
        PartShown {
            from: self.time(&part.from),
            to: self.time(&part.to),
            verdict: part.verdict.as_str(),
            icon: icon(part.verdict),
            text: self.w.verdict(part.verdict),
        }
    }

    pub(super) fn order(&self, line: &WindowLine) -> OrderShown {
        let tariff = &line.tariff;
        let cover = tariff.cover.clone().unwrap_or_else(|| self.w.builtin_cover.to_owned());
        let rules = [tariff.rule.clone(), tariff.factor.clone(), Some(cover)];
        OrderShown {
            platform: self.names.platform(&line.platform),
            order_id: Ident::new(&line.order_id),
            address: self.order_address(&line.platform, &line.order_id),
            leg: (line.leg > 0).then(|| self.w.leg.replace("{}", &line.leg.to_string())),
            rider_id: (self.riders.len() > 1).then(|| Ident::new(&line.rider_id)),
            starts_at: self.time(&line.starts_at),
            ends_at: line.ends_at.as_ref().map(|at| self.time(at)),
            category: self.w.category(&line.category),
            region: region(&line.region),
            outcome: self.w.outcome(line.outcome),
            premium: line.premium.clone(),
            rules: rules.into_iter().flatten().collect(),
            tariff: tariff.version.clone(),
            revision: line.revision,
            recorded_at: self.time(&line.recorded_at),
            commit: line.commit,
        }
    }

    pub(super) fn before(&self, nearest: &NearestBefore) -> NearestShown {
        NearestShown {
            platform: self.names.platform(&nearest.platform),
            order_id: Ident::new(&nearest.order_id),
            address: self.order_address(&nearest.platform, &nearest.order_id),
            time: self.time(&nearest.ends_at),
            distance: self.distance(nearest.distance_s),
        }
    }

    pub(super) fn after(&self, nearest: &NearestAfter) -> NearestShown {
        NearestShown {
            platform: self.names.platform(&nearest.platform),
            order_id: Ident::new(&nearest.order_id),
            address: self.order_address(&nearest.platform, &nearest.order_id),
            time: self.time(&nearest.starts_at),
            distance: self.distance(nearest.distance_s),
        }
    }

    fn distance(&self, seconds: f64) -> String {
        // The answer's number, cut to whole seconds by its text: no arithmetic.
        let text = seconds.to_string();
        let whole = text.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        duration_text(SECOND_MS.saturating_mul(whole), self.w)
    }

    pub(super) fn platform(&self, status: &PlatformStatus) -> PlatformShown {
        PlatformShown {
            name: self.names.platform(&status.platform),
            settled: status.settled,
            reason: status.reason.map_or(self.w.settled_text, |reason| self.w.reason(reason)),
            complete_through: status.complete_through.as_ref().map(|at| self.time(at)),
            ask_again_at: status.ask_again_at.as_ref().map(|at| self.whole_second(at)),
            helpless: !status.settled && status.ask_again_at.is_none(),
        }
    }

    pub(super) fn superseded(&self, line: &SupersededLine) -> (OrderShown, String) {
        let by = &line.superseded_by;
        let replaced = self.w.replaced_by.replace("{}", &by.revision.to_string());
        let when = human(&by.recorded_at, &self.offset);
        (self.order(&line.window), format!("{replaced} · {when} · {} {}", self.w.commit, by.commit))
    }

    pub(super) fn disputed(&self, line: &DisputedLine) -> DisputedShown {
        let time =
            |at: &Option<String>| at.as_ref().map_or_else(|| "?".to_owned(), |at| human(at, &self.offset));
        DisputedShown {
            platform: self.names.platform(line.platform.as_deref().unwrap_or("?")),
            order_id: Ident::new(line.order_id.as_deref().unwrap_or("?")),
            times: format!("{} – {}", time(&line.accepted_at), time(&line.ended_at)),
            recorded_at: self.time(&line.recorded_at),
            commit: line.commit,
        }
    }

    /// The page of an order.
    pub(super) fn order_address(&self, platform: &str, order_id: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        format!("/order?platform={}&order_id={}{}", encoded(platform), encoded(order_id), self.onward)
    }
}

/// Something to see besides the colour.
pub(super) fn icon(verdict: Verdict) -> &'static str {
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

/// The two largest units of a duration.
pub(super) fn duration_text(ms: i64, w: &Words) -> String {
    let whole = ms / SECOND_MS;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    let units = [(days, w.days), (hours, w.hours), (minutes, w.minutes), (rest, w.seconds)];
    let parts =
        units.into_iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    let text: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
    if text.is_empty() { format!("0 {}", w.seconds) } else { text.join(" ") }
}
