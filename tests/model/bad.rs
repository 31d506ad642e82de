//! Ways to break an event, each with the reason that the contract gives it and what stays readable.

use super::event::{Body, DAY, Event, HOUR, Read, Record, fields, written};
use crate::testkit::random::Random;

/// Ways to break an event, those of [`garbled`] first.
const WAYS: usize = 26;

/// A broken form of `event`.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each way to break a record")]
pub(crate) fn bad(event: &Event, max_ms: i64, sent: i64, random: &mut Random) -> Record {
    let mut event = event.clone();
    let way = random.below(WAYS);
    if way < 10 {
        let mut record = garbled(&event, random);
        record.sent = sent;
        return record;
    }
    let way = way - 10;
    match way {
        12 => {
            event.accepted += 170 * 365 * DAY;
            event.ended = event.ended.map(|ended| ended + 170 * 365 * DAY);
        }
        13 => event.ended = Some(event.accepted - 1 - random.between(0, 2 * HOUR)),
        14 => event.ended = Some(event.accepted + max_ms + 1 + random.between(0, HOUR)),
        15 => (event.revision, event.ended) = (0, Some(event.accepted + HOUR)),
        _ => {}
    }
    if event.ended.is_some() && event.outcome.is_none() {
        event.outcome = Some("completed");
    }
    if way == 15 {
        event.outcome = Some("void");
    }
    let mut read = Read { clock_wrong: way == 12, ..Read::all(&event) };
    let mut members = fields(&event, random);
    // Finer spellings would round a broken pair of times to another one.
    let mut set = |name: &'static str, value: &str| {
        members.retain(|(member, _)| *member != name);
        members.push((name, value.to_owned()));
    };
    let reason = match way {
        0 | 1 => {
            set("category", "null");
            "missing_field"
        }
        2 => {
            set("rider_id", "\"\"");
            read.rider = None;
            "empty_field"
        }
        3 => {
            set("order_id", &format!("\"{}\"", "x".repeat(257)));
            read.order_id = None;
            "field_too_long"
        }
        4 => {
            set("category", "7");
            "bad_field"
        }
        5 => {
            set("kind", "\"ride\"");
            "unknown_kind"
        }
        6 => {
            set("platform", "\"ghost\"");
            read.platform = Some("ghost".to_owned());
            "unknown_platform"
        }
        7 => {
            set("category", "\"teleport\"");
            "unknown_category"
        }
        8 if event.ended.is_some() => {
            set("outcome", "\"Completed\"");
            "unknown_outcome"
        }
        8 => {
            set("outcome", "\"completed\"");
            // Its end is missing: whether it is an open event cannot be told.
            read.is_ended = None;
            "missing_field"
        }
        9 => {
            set("region", "\"31011\"");
            "bad_region"
        }
        10 => {
            set("revision", "-1");
            read.revision = None;
            "bad_revision"
        }
        11 => {
            set("accepted_at", "\"2026-03-08 10:00:00Z\"");
            read.accepted = None;
            "bad_time"
        }
        12 => "beyond_horizon",
        13 => "ended_before_accepted",
        14 => "duration_too_long",
        _ => "bad_revision",
    };
    let raw = written(&members);
    Record { body: Body::Bad(reason, read), raw, sent, owed: None }
}

/// An event that arrives in time and cannot be read, though its times and its rider are those of the order, as far as they
/// are legible. Its mended form may come whenever it likes.
pub(crate) fn garbled(event: &Event, random: &mut Random) -> Record {
    let mut read = Read::all(event);
    let mut members = fields(event, random);
    let mut reason = "malformed_json";
    let (mut before, mut behind) = ("", "");
    match random.below(10) {
        0 => before = "\u{feff}",
        1 => members.push(("distance_km", "NaN".to_owned())),
        2 => members.extend([("hint", "1".to_owned()), ("hint", "2".to_owned())]),
        3 => behind = " ;",
        4 => members.insert(1, ("note", "\"a\tb\"".to_owned())),
        5 => members.insert(0, ("note", r#""\ud83d""#.to_owned())),
        6 => {
            let rider = members.iter_mut().find(|(name, _)| *name == "rider_id").unwrap();
            (rider.0, read.rider, reason) = ("riderId", None, "missing_field");
        }
        7 => {
            (before, behind) = ("[", "]");
            read = Read::default();
        }
        8 => {
            members.push(("rider_id", r#""R9""#.to_owned()));
            read.rider = None;
        }
        _ => {
            let mut raw = written(&members);
            raw.truncate(random.below(raw.len() - 1));
            let read = read_before(raw.len(), &members, &read);
            return Record { body: Body::Bad(reason, read), raw, sent: 0, owed: None };
        }
    }
    let raw = format!("{before}{}{behind}", written(&members));
    Record { body: Body::Bad(reason, read), raw, sent: 0, owed: None }
}

/// What stays readable of an event cut off at a byte: the fields whose values end before it.
fn read_before(cut: usize, members: &[(&'static str, String)], all: &Read) -> Read {
    let (mut read, mut at) = (Read::default(), 1);
    for (name, value) in members {
        at += name.len() + value.len() + 3;
        // Another digit might follow.
        if at + usize::from(value.ends_with(|last: char| last.is_ascii_digit())) > cut {
            break;
        }
        at += 1;
        match *name {
            "platform" => read.platform = all.platform.clone(),
            "order_id" => read.order_id = all.order_id.clone(),
            "leg" => read.leg = all.leg,
            "rider_id" => read.rider = all.rider.clone(),
            "revision" => read.revision = all.revision,
            "accepted_at" => read.accepted = all.accepted,
            "ended_at" => (read.ended, read.is_ended) = (all.ended, Some(true)),
            _ => {}
        }
    }
    read
}
