//! The booking periods: a manifest entry for each, under its number.

use crate::domain::period::{BookingPeriod, Closing, PeriodBound, PeriodNo};
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, kind};

fn put_bound(out: &mut Vec<u8>, bound: PeriodBound) {
    out.put_varint(bound.commit);
    out.put_signed(bound.at.millis());
}

fn bound(r: &mut Reader<'_>) -> Decoded<PeriodBound> {
    Ok(PeriodBound { commit: r.varint("commit")?, at: UtcMillis::new(r.signed("instant")?) })
}

fn encode(period: &BookingPeriod) -> Vec<u8> {
    let mut out = Vec::new();
    put_bound(&mut out, period.opened);
    out.put_option(period.closed.as_ref(), |out, closing: &Closing| {
        put_bound(out, closing.bound);
        out.put_prefixed(closing.note.as_bytes());
    });
    out
}

fn decode(r: &mut Reader<'_>) -> Decoded<BookingPeriod> {
    let opened = bound(r)?;
    let closed = r.option("closing", |r| {
        Ok(Closing { bound: bound(r)?, note: r.text("note of a booking period")?.to_owned() })
    })?;
    r.end("booking period")?;
    Ok(BookingPeriod { opened, closed })
}

fn key(no: PeriodNo) -> [u8; 8] {
    u64::from(no.get()).to_be_bytes()
}

/// Every booking period, by number. There is none before the first commit.
pub fn load(manifest: &Manifest) -> LedgerResult<Vec<(PeriodNo, BookingPeriod)>> {
    let entries = manifest.numbered(kind::PERIOD, decode)?;
    let numbered = entries.into_iter().map(|(number, period)| {
        let no = u32::try_from(number).ok().and_then(PeriodNo::new);
        let damaged = LedgerError::damaged("the number of a booking period");
        Ok((no.ok_or_else(|| damaged(CodecError::Invalid("key")))?, period))
    });
    numbered.collect()
}

/// Opens the first period in the commit under way, if it is the first commit.
pub fn stage_first(manifest: &mut Manifest, now: UtcMillis) {
    if manifest.root().commit == 0 {
        let opened = next_bound(manifest, now);
        let period = BookingPeriod { opened, closed: None };
        manifest.put(kind::PERIOD, &key(manifest.root().period), encode(&period));
    }
}

/// Closes the open period in the commit under way and opens the next; returns the number of the closed one.
pub fn stage_closing(manifest: &mut Manifest, note: &str, now: UtcMillis) -> LedgerResult<PeriodNo> {
    let no = manifest.root().period;
    let next = no.next().ok_or_else(|| LedgerError::Overflow("the number of a booking period".to_owned()))?;
    let body = manifest.get(kind::PERIOD, &key(no)).ok_or_else(|| {
        LedgerError::Inconsistent(format!(
            "Failed to read the booking periods: the manifest has no period {no}, which is open; run `coverledger \
             verify`, then restore a backup or rebuild from Kafka or files"
        ))
    })?;
    let mut period =
        decode(&mut Reader::new(body)).map_err(LedgerError::damaged(format!("booking period {no}")))?;
    let bound = next_bound(manifest, now);
    period.closed = Some(Closing { bound, note: note.to_owned() });
    manifest.put(kind::PERIOD, &key(no), encode(&period));
    manifest.put(kind::PERIOD, &key(next), encode(&BookingPeriod { opened: bound, closed: None }));
    manifest.root_mut().period = next;
    Ok(no)
}

/// The commit under way.
fn next_bound(manifest: &Manifest, now: UtcMillis) -> PeriodBound {
    let root = manifest.root();
    PeriodBound { commit: root.commit + 1, at: root.next_instant(now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_period_goes_there_and_back(opened: (u64, i64), closed: Option<(u64, i64, String)>) {
            let bound = |(commit, at): (u64, i64)| PeriodBound { commit, at: UtcMillis::new(at) };
            let closed = closed.map(|(commit, at, note)| Closing { bound: bound((commit, at)), note });
            let period = BookingPeriod { opened: bound(opened), closed };
            prop_assert_eq!(decode(&mut Reader::new(&encode(&period))).unwrap(), period);
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(decode(&mut Reader::new(&bytes)));
        }
    }
}
