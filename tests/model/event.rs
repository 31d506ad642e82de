//! Records as the world sends them: what they say, and how they are written.

use crate::testkit::random::Random;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// An order event as it is meant. Times are milliseconds of UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) platform: String,
    pub(crate) order_id: String,
    pub(crate) leg: u8,
    pub(crate) rider: String,
    pub(crate) category: String,
    pub(crate) region: String,
    pub(crate) accepted: i64,
    pub(crate) ended: Option<i64>,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) revision: u64,
    /// In cents.
    pub(crate) fare: Option<i64>,
    pub(crate) previous: Option<i64>,
}

impl Event {
    pub(crate) fn newest(&self) -> i64 {
        self.ended.unwrap_or(self.accepted).max(self.accepted)
    }

    pub(crate) fn is_void(&self) -> bool {
        self.outcome == Some("void")
    }

    pub(crate) fn same_identity(&self, other: &Self) -> bool {
        self.platform == other.platform
            && self.order_id == other.order_id
            && self.leg == other.leg
            && self.ended.is_some() == other.ended.is_some()
    }
}

/// What is readable of a bad event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Read {
    pub(crate) platform: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) leg: Option<u8>,
    pub(crate) is_ended: Option<bool>,
    pub(crate) rider: Option<String>,
    pub(crate) revision: Option<u64>,
    pub(crate) accepted: Option<i64>,
    pub(crate) ended: Option<i64>,
    pub(crate) is_void: bool,
    /// A time lies beyond the horizon.
    pub(crate) clock_wrong: bool,
}

impl Read {
    pub(crate) fn all(event: &Event) -> Self {
        Self {
            platform: Some(event.platform.clone()),
            order_id: Some(event.order_id.clone()),
            leg: Some(event.leg),
            is_ended: Some(event.ended.is_some()),
            rider: Some(event.rider.clone()),
            revision: Some(event.revision),
            accepted: Some(event.accepted),
            ended: event.ended,
            is_void: event.is_void(),
            clock_wrong: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A good event; the second says whether the platform kept its promise with it.
    Order(Event, bool),
    /// A bad one: the reason, and what is readable.
    Bad(&'static str, Read),
    /// Everything of the platform before the instant was acknowledged.
    Complete(String, i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) body: Body,
    pub(crate) raw: String,
    /// When it was sent, which is its Kafka timestamp.
    pub(crate) sent: i64,
    /// The newest instant of an event that it tells first, as the platform promised.
    pub(crate) owed: Option<i64>,
}

/// An instant in one of its many spellings; `finer` adds digits below the millisecond.
fn spell(at: i64, finer: &str, random: &mut Random) -> String {
    let offset = *random.pick(&[0, 8 * 60, -5 * 60, 330]);
    let local = jiff::Timestamp::from_millisecond(at + offset * MINUTE).unwrap();
    let text = local.strftime(if random.percent(20) { "%Y-%m-%dt%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" });
    let millis = at.rem_euclid(1_000);
    let fraction = match (millis, finer) {
        (0, "") => String::new(),
        _ => format!(".{millis:03}{finer}"),
    };
    let zone = match offset {
        0 => (if random.percent(50) { "Z" } else { "z" }).to_owned(),
        _ => {
            format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60)
        }
    };
    format!("{text}{fraction}{zone}")
}

/// The fields of an event as JSON, in random spellings of the same values.
pub(crate) fn fields(event: &Event, random: &mut Random) -> Vec<(&'static str, String)> {
    let quoted = |text: &str| format!("\"{text}\"");
    // Finer than the millisecond, where that cannot turn start and end around.
    let long = event.ended.is_none_or(|ended| ended - event.accepted >= 2);
    let finer = if long && random.percent(20) { "4" } else { "" };
    let mut fields = vec![
        ("platform", quoted(&event.platform)),
        ("order_id", quoted(&event.order_id)),
        ("rider_id", quoted(&event.rider)),
        ("category", quoted(&event.category)),
        ("region", quoted(&event.region)),
        ("accepted_at", quoted(&spell(event.accepted, finer, random))),
    ];
    if event.leg > 0 || random.percent(30) {
        fields.push(("leg", event.leg.to_string()));
    }
    if let Some(ended) = event.ended {
        // It rounds up: a text finer than the millisecond means the next one.
        let text = if finer.is_empty() { spell(ended, "", random) } else { spell(ended - 1, "0001", random) };
        fields.push(("ended_at", quoted(&text)));
    }
    match event.outcome {
        Some("completed") if random.percent(30) => {}
        Some(outcome) => fields.push(("outcome", quoted(outcome))),
        None => {}
    }
    if event.revision > 0 || random.percent(20) {
        fields.push(("revision", event.revision.to_string()));
    }
    if let Some(cents) = event.fare {
        let zeros = if random.percent(50) { "" } else { "00" };
        fields.push(("fare", quoted(&format!("{}.{:02}{zeros}", cents / 100, cents % 100))));
    }
    if let Some(previous) = event.previous {
        fields.push(("previous_accepted_at", quoted(&spell(previous, finer, random))));
    }
    if random.percent(10) {
        fields.push(("weather", "{\"rain\": [1, null]}".to_owned()));
    }
    fields
}

pub(crate) fn written(fields: &[(&'static str, String)]) -> String {
    let members: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

pub(crate) fn order(event: &Event, kept: bool, sent: i64, random: &mut Random) -> Record {
    let raw = written(&fields(event, random));
    Record { body: Body::Order(event.clone(), kept), raw, sent, owed: kept.then(|| event.newest()) }
}

pub(crate) fn complete(platform: &str, through: i64, sent: i64, random: &mut Random) -> Record {
    let through_text = spell(through, "", random);
    let raw = format!(r#"{{"kind":"complete","platform":"{platform}","through":"{through_text}"}}"#);
    Record { body: Body::Complete(platform.to_owned(), through), raw, sent, owed: None }
}
