//! Broken records, one for every way that dirty data breaks.

use crate::domain::reject::Reason;

/// How a good record is broken.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// Nothing is left.
    Empty,
    /// The end is missing.
    Cut,
    /// A byte that is no UTF-8.
    Bytes,
    /// No JSON at all.
    Words,
    /// A field gets another value (JSON); one that is not there is added.
    Field(&'static str, &'static str),
    /// An order number that has no end.
    LongOrderId,
}

const BREAKS: [(Break, Reason); 20] = [
    (Break::Empty, Reason::MalformedJson),
    (Break::Cut, Reason::MalformedJson),
    (Break::Bytes, Reason::MalformedJson),
    (Break::Words, Reason::MalformedJson),
    (Break::Field("rider_id", "null"), Reason::MissingField),
    (Break::Field("ended_at", "null,\"outcome\":\"completed\""), Reason::MissingField),
    (Break::Field("rider_id", "\"\""), Reason::EmptyField),
    (Break::LongOrderId, Reason::FieldTooLong),
    (Break::Field("leg", "300"), Reason::BadField),
    (Break::Field("fare", "12.5"), Reason::BadField),
    (Break::Field("kind", "\"refund\""), Reason::UnknownKind),
    (Break::Field("category", "\"space_travel\""), Reason::UnknownCategory),
    (Break::Field("region", "\"31011\""), Reason::BadRegion),
    (Break::Field("revision", "-1"), Reason::BadRevision),
    (Break::Field("accepted_at", "\"2026-11-20T12:00:00\""), Reason::BadTime),
    (Break::Field("ended_at", "\"2026-02-30T12:00:00+08:00\""), Reason::BadTime),
    (Break::Field("accepted_at", "\"9999-12-31T22:00:00+08:00\""), Reason::BeyondHorizon),
    (Break::Field("ended_at", "\"2001-01-02T00:00:00Z\""), Reason::EndedBeforeAccepted),
    (Break::Field("accepted_at", "\"2001-01-02T00:00:00Z\""), Reason::DurationTooLong),
    (Break::Field("platform", "\"Meituan\""), Reason::BadField),
];

impl Break {
    /// Whether the rider can still be read: else the record may be about any rider.
    fn leaves_rider(self) -> bool {
        !matches!(self, Self::Empty | Self::Bytes | Self::Words | Self::Field("rider_id", _))
    }
}

/// Breaks the record that starts at `start` of `out` in the way that `draw` picks; the reason why it will be refused
/// with a horizon from 2000 to 2101.
pub(super) fn break_record(out: &mut Vec<u8>, start: usize, draw: u64) -> Reason {
    let choice = usize::try_from(draw % BREAKS.len() as u64).unwrap_or(0);
    let (how, reason) = BREAKS.get(choice).copied().unwrap_or((Break::Empty, Reason::MalformedJson));
    break_so(out, start, how);
    reason
}

/// Breaks a record like [`break_record`], but only in ways that leave its rider legible: it keeps answers about that rider
/// open, not those about every rider.
pub(super) fn break_but_for_rider(out: &mut Vec<u8>, start: usize, draw: u64) -> Reason {
    let ways: Vec<(Break, Reason)> = BREAKS.into_iter().filter(|(how, _)| how.leaves_rider()).collect();
    let choice = usize::try_from(draw % u64::try_from(ways.len()).unwrap_or(1)).unwrap_or(0);
    let (how, reason) = ways.get(choice).copied().unwrap_or((Break::Cut, Reason::MalformedJson));
    break_so(out, start, how);
    reason
}

fn break_so(out: &mut Vec<u8>, start: usize, how: Break) {
    match how {
        Break::Empty => out.truncate(start),
        Break::Cut => out.truncate(out.len().saturating_sub(9).max(start)),
        Break::Bytes => out.insert(start + 20, 0xff),
        Break::Words => {
            out.truncate(start);
            out.extend_from_slice(b"the order is lost");
        }
        Break::Field(name, json) => set_field(out, start, name, json),
        Break::LongOrderId => {
            let id = format!("\"{}\"", "9".repeat(5_000));
            set_field(out, start, "order_id", &id);
        }
    }
}

/// Sets a field of the flat object that starts at `start`.
fn set_field(out: &mut Vec<u8>, start: usize, name: &str, json: &str) {
    let record = String::from_utf8_lossy(out.get(start..).unwrap_or_default()).into_owned();
    let key = format!("\"{name}\":");
    let changed = match record.split_once(&key) {
        Some((before, after)) => {
            // Values contain neither of these: the record was written here.
            let length = after.find(",\"").or_else(|| after.find('}')).unwrap_or(after.len());
            let mut rest = after.get(length..).unwrap_or_default().to_owned();
            if json.contains("\"outcome\"") {
                // The value brings an outcome of its own: two would be another fault.
                rest = "}".to_owned();
            }
            format!("{before}{key}{json}{rest}")
        }
        None => record.replacen('{', &format!("{{{key}{json},"), 1),
    };
    out.truncate(start);
    out.extend_from_slice(changed.as_bytes());
}
