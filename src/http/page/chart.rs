//! The picture: orders and merged cover around the asked time, on an axis of local hours. Whole numbers only.

use super::formatter::human;
use super::identifier::Ident;
use super::messages::Words;
use super::names::Names;
use super::pattern::{Pattern, patterns};
use crate::coverage::answer::{Answer, AnswerWhen, Part, WindowLine};
use crate::coverage::instant::{from_local, parse_from};
use crate::coverage::question::When;
use crate::coverage::timeline::Timeline;
use crate::domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use crate::domain::window::{Window, union_within};

/// The template draws the axis from here, so wide.
const LEFT: i64 = 24;
const ROWS_MAX: usize = 8;
const ROW_HEIGHT: i64 = 24;
const ROWS_TOP: i64 = 84;
/// Orders that are drawn; of more, only the merged cover is.
const ORDERS_MAX: usize = 300;
/// On a screen, and on paper.
pub(super) const WIDE: Frame = Frame { name: "wide", width: 912, ticks_max: 12 };
/// On a phone.
pub(super) const NARROW: Frame = Frame { name: "narrow", width: 292, ticks_max: 4 };

/// How large the picture is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    name: &'static str,
    width: i64,
    ticks_max: i64,
}

const STEPS_MS: [i64; 14] = [
    MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    31 * DAY_MS,
];

/// A stretch on the axis.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: i64,
    pub(super) class: &'static str,
    pub(super) title: String,
    /// Inside the bar, where there is room.
    pub(super) label: String,
    pub(super) label_x: String,
    /// The number of its platform's pattern.
    pub(super) pattern: usize,
}

/// A mark on the axis.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) x: String,
    pub(super) label: String,
    pub(super) day: String,
}

/// The picture, ready to be written.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) left: i64,
    pub(super) right: i64,
    pub(super) description: String,
    pub(super) height: i64,
    pub(super) axis_y: i64,
    pub(super) ticks: Vec<Tick>,
    pub(super) cover: Vec<Bar>,
    pub(super) parts: Vec<Bar>,
    pub(super) orders: Vec<Bar>,
    /// How each platform's orders are filled, with its letter.
    pub(super) patterns: Vec<Pattern>,
    pub(super) mark: Option<Mark>,
    pub(super) left_out: bool,
}

/// The asked time.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) bar: Bar,
    pub(super) text: String,
    /// The middle of it.
    pub(super) middle_x: String,
    pub(super) is_interval: bool,
    pub(super) verdict: &'static str,
}

/// How much time before and after the asked one the picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zoom {
    /// As the address has it.
    pub(super) name: &'static str,
    margin_ms: i64,
}

/// What the links offer.
pub(super) const ZOOMS: [Zoom; 5] = [
    Zoom { name: "30m", margin_ms: 30 * MINUTE_MS },
    Zoom { name: "2h", margin_ms: 2 * HOUR_MS },
    Zoom { name: "4h", margin_ms: 4 * HOUR_MS },
    Zoom { name: "1d", margin_ms: DAY_MS },
    Zoom { name: "7d", margin_ms: 7 * DAY_MS },
];

impl Zoom {
    /// The one of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        ZOOMS.into_iter().find(|zoom| zoom.name == name)
    }
}

/// The time that the picture shows around the asked one.
pub(super) fn around(asked: Window, zoom: Option<Zoom>) -> Window {
    let span_ms = asked.until.since(asked.from);
    let margin_ms = match zoom {
        Some(zoom) => zoom.margin_ms,
        None if span_ms <= MINUTE_MS => 4 * HOUR_MS,
        None => (span_ms / 6).clamp(HOUR_MS, 30 * DAY_MS),
    };
    Window::new(asked.from.minus(margin_ms), asked.until.plus(margin_ms))
}

/// What a picture is drawn of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) within: Window,
    pub(super) lines: &'a [Timeline],
    /// Only these platforms.
    pub(super) platforms: Option<&'a [String]>,
    /// The answer whose time is marked.
    pub(super) asked: Option<(When, &'a Answer)>,
    pub(super) zone: &'a Zone,
    pub(super) names: &'a Names,
    pub(super) w: &'a Words,
}

struct Axis {
    within: Window,
    frame: Frame,
}

impl Axis {
    /// Tenths of a unit of the picture.
    fn tenths(&self, at: UtcMillis) -> i64 {
        let at = at.max(self.within.from).min(self.within.until);
        let span_ms = i128::from(self.within.until.since(self.within.from).max(1));
        let part = i128::from(at.since(self.within.from)) * i128::from(self.frame.width * 10) / span_ms;
        LEFT * 10 + i64::try_from(part).unwrap_or(0)
    }

    fn x(&self, at: UtcMillis) -> String {
        decimal(self.tenths(at))
    }

    fn bar(&self, window: Window, y: i64, class: &'static str, title: String) -> Bar {
        let (from, until) = (self.tenths(window.from), self.tenths(window.until));
        let width = until.saturating_sub(from).max(15);
        let (x, width, label_x) = (decimal(from), decimal(width), decimal(from + 60));
        Bar { x, width, y, class, title, label: String::new(), label_x, pattern: 0 }
    }

    /// The first of the labels that fits into a bar: about 7 units for a letter of a word, 13 for a Chinese one.
    fn label(&self, window: Window, labels: [&str; 2]) -> String {
        let room = self.tenths(window.until).saturating_sub(self.tenths(window.from));
        let width = |label: &str| label.chars().map(|c| if c.is_ascii() { 72 } else { 130 }).sum::<i64>();
        labels.into_iter().find(|label| width(label) + 90 <= room).unwrap_or_default().to_owned()
    }
}

fn decimal(tenths: i64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl Figure {
    pub(super) fn new(plan: Plan<'_>, frame: Frame) -> Self {
        let Plan { within, lines, platforms, zone, w, .. } = plan;
        let axis = Axis { within, frame };
        let counts = |line: &&WindowLine| platforms.is_none_or(|names| names.contains(&line.platform));
        let ended = lines.iter().flat_map(|line| &line.orders).filter(counts);
        let open = lines.iter().flat_map(|line| &line.open).filter(counts);
        let mut drawn: Vec<(Window, &WindowLine)> =
            ended.chain(open).filter_map(|line| Some((stretch(line, &axis)?, line))).collect();
        drawn.sort_by_key(|(window, _)| *window);
        let cover = union_within(
            drawn.iter().filter(|(_, line)| line.phase == "ended").map(|(window, _)| *window),
            axis.within,
        );
        let cover_title = |window: &Window| {
            let (from, to) = (zone.rfc3339(window.from), zone.rfc3339(window.until));
            format!("{}: {} – {}", w.figure_cover, human(&from, ""), human(&to, ""))
        };
        let patterns = patterns(drawn.iter().map(|(_, line)| line.platform.as_str()), plan.names);
        let (orders, rows, left_out) = rows(&axis, &drawn, &patterns, w);
        let axis_y = ROWS_TOP + ROW_HEIGHT * i64::try_from(rows).unwrap_or(0) + 8;
        Self {
            name: frame.name,
            left: LEFT,
            right: LEFT + frame.width,
            description: describe(plan, &cover),
            height: axis_y + 44,
            axis_y,
            ticks: ticks(&axis, zone),
            cover: cover.iter().map(|c| axis.bar(*c, 44, "cover", cover_title(c))).collect(),
            parts: plan.asked.map(|(_, answer)| parts(answer, &axis, w)).unwrap_or_default(),
            orders,
            patterns,
            mark: plan.asked.map(|(when, answer)| mark(when, answer, &axis)),
            left_out,
        }
    }
}

fn mark(when: When, answer: &Answer, axis: &Axis) -> Mark {
    let asked = when.window();
    Mark {
        bar: axis.bar(asked, 0, "mark", String::new()),
        text: match &answer.when {
            AnswerWhen::Instant { at } => human(at, ""),
            AnswerWhen::Interval { from, to, .. } => format!("{} – {}", human(from, ""), human(to, "")),
        },
        middle_x: decimal((axis.tenths(asked.from) + axis.tenths(asked.until)) / 2),
        is_interval: matches!(answer.when, AnswerWhen::Interval { .. }),
        verdict: answer.verdict.as_str(),
    }
}

/// Where an order lies; an open one has no end, so its bar reaches to the edge.
fn stretch(line: &WindowLine, axis: &Axis) -> Option<Window> {
    let from = parse_from(&line.starts_at).ok()?;
    let until = match &line.ends_at {
        Some(end) => parse_from(end).ok()?,
        None => axis.within.until,
    };
    Some(Window::new(from, until))
}

/// Orders in as few rows as it takes to keep them apart.
fn rows(
    axis: &Axis,
    drawn: &[(Window, &WindowLine)],
    patterns: &[Pattern],
    w: &Words,
) -> (Vec<Bar>, usize, bool) {
    if drawn.len() > ORDERS_MAX {
        return (Vec::new(), 0, true);
    }
    let mut ends: Vec<UtcMillis> = Vec::new();
    let mut bars = Vec::new();
    let mut left_out = false;
    for (window, line) in drawn {
        let free = ends.iter().position(|end| *end <= window.from);
        let row = free.unwrap_or(ends.len());
        if row >= ROWS_MAX {
            left_out = true;
            continue;
        }
        match ends.get_mut(row) {
            Some(end) => *end = window.until,
            None => ends.push(window.until),
        }
        let class = if line.phase == "ended" { "order" } else { "order open" };
        let end = line.ends_at.as_deref().map_or_else(|| w.still_open.to_owned(), |end| human(end, ""));
        let pattern = patterns.iter().find(|pattern| pattern.code == line.platform);
        let (letter, name) = pattern.map_or(("", line.platform.as_str()), |p| (&p.letter, &p.name));
        let order_id = Ident::new(&line.order_id);
        let title = format!("{name} {order_id}: {} – {end}", human(&line.starts_at, ""));
        let y = ROWS_TOP + ROW_HEIGHT * i64::try_from(row).unwrap_or(0);
        bars.push(Bar {
            label: axis.label(*window, [&format!("{letter} {name}"), letter]),
            pattern: pattern.map_or(0, |pattern| pattern.number),
            ..axis.bar(*window, y, class, title)
        });
    }
    (bars, ends.len(), left_out)
}

/// The verdict over the asked stretch, in colours.
fn parts(answer: &Answer, axis: &Axis, w: &Words) -> Vec<Bar> {
    let AnswerWhen::Interval { parts, .. } = &answer.when else { return Vec::new() };
    let bar = |part: &Part| {
        let window = Window::new(parse_from(&part.from).ok()?, parse_from(&part.to).ok()?);
        let (from, to) = (human(&part.from, ""), human(&part.to, ""));
        let title = format!("{}: {from} – {to}", w.verdict(part.verdict));
        Some(axis.bar(window, 62, part.verdict.as_str(), title))
    };
    parts.iter().take(ORDERS_MAX).filter_map(bar).collect()
}

fn ticks(axis: &Axis, zone: &Zone) -> Vec<Tick> {
    let local = |at: UtcMillis| at.plus(i64::from(zone.offset_s(at)) * SECOND_MS).millis();
    let (from, until) = (local(axis.within.from), local(axis.within.until));
    let span_ms = until.saturating_sub(from).max(1);
    let step_ms =
        STEPS_MS.into_iter().find(|step| span_ms / step <= axis.frame.ticks_max).unwrap_or(100 * DAY_MS);
    let mut ticks = Vec::new();
    let mut at = from.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
    let mut day_shown = String::new();
    while at < until {
        if let Ok(instant) = from_local(UtcMillis::new(at), zone) {
            let text = zone.rfc3339(instant);
            let day = text.get(5..10).unwrap_or_default().to_owned();
            let label = if step_ms >= DAY_MS {
                String::new()
            } else {
                text.get(11..16).unwrap_or_default().to_owned()
            };
            let day_text = if day == day_shown { String::new() } else { day.clone() };
            day_shown = day;
            ticks.push(Tick { x: axis.x(instant), label, day: day_text });
        }
        at = at.saturating_add(step_ms);
    }
    ticks
}

/// The text alternative of the chart.
fn describe(plan: Plan<'_>, cover: &[Window]) -> String {
    let Plan { zone, w, .. } = plan;
    let stretches: Vec<String> = cover
        .iter()
        .take(20)
        .map(|window| {
            let (from, to) = (zone.rfc3339(window.from), zone.rfc3339(window.until));
            format!("{} – {}", human(&from, ""), human(&to, ""))
        })
        .collect();
    let cover = if stretches.is_empty() { w.figure_no_cover.to_owned() } else { stretches.join("; ") };
    let cover = format!("{}: {cover}", w.figure_cover);
    match plan.asked {
        Some((_, answer)) => format!("{}: {}. {cover}", w.verdict_heading, w.verdict(answer.verdict)),
        None => cover,
    }
}
