//! The stored form of a kept record.

use super::KeptRecord;
use crate::domain::arrival::Arrived;
use crate::domain::order::Phase;
use crate::domain::reject::{ReadRevision, Readable, Reason};
use crate::domain::rejection::{Kept, Origin, Rejection};
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::run::row::{outcome_code, outcome_of};

/// Writes a record.
pub(super) fn encode_record(record: &KeptRecord, out: &mut Vec<u8>) {
    let r = &record.rejection;
    out.put_varint(r.id);
    out.put_varint(r.commit);
    out.push(match r.kept {
        Kept::Rejected(reason) => reason.code(),
        Kept::Conflict => u8::MAX,
    });
    out.put_prefixed(r.detail.as_bytes());
    match &r.origin {
        Origin::Kafka { topic, partition, offset, timestamp, arrived } => {
            out.push(0);
            out.put_prefixed(topic.as_bytes());
            out.put_signed(i64::from(*partition));
            out.put_signed(*offset);
            out.put_option(*timestamp, |out, at| out.put_signed(at.millis()));
            out.put_signed(arrived.after.millis());
            out.put_signed(arrived.by.millis());
        }
        Origin::File { content, line } => {
            out.push(1);
            out.extend_from_slice(content);
            out.put_varint(*line);
        }
        Origin::Redrive { of } => {
            out.push(2);
            out.put_varint(*of);
        }
    }
    out.put_option(r.settled_by, |out, at| out.put_signed(at.millis()));
    let text = |out: &mut Vec<u8>, text: &String| out.put_prefixed(text.as_bytes());
    let readable = &r.readable;
    out.put_option(readable.platform.as_ref(), text);
    out.put_option(readable.order_id.as_ref(), text);
    out.put_option(readable.leg, |out, leg| out.push(leg));
    out.put_option(readable.phase, |out, phase| out.push(u8::from(phase == Phase::Open)));
    out.put_option(readable.rider_id.as_ref(), text);
    let revision = match readable.revision {
        ReadRevision::Unreadable => None,
        ReadRevision::Known(revision) => Some(revision),
    };
    out.put_option(revision, |out, revision| out.put_varint(revision));
    out.put_option(readable.accepted_at, |out, at| out.put_signed(at.millis()));
    out.put_option(readable.ended_at, |out, at| out.put_signed(at.millis()));
    out.put_option(readable.outcome, |out, outcome| out.push(outcome_code(outcome)));
    out.push(u8::from(readable.is_completeness));
    out.push(u8::from(readable.is_clock_wrong));
    out.put_varint(r.raw_len);
    out.extend_from_slice(&r.raw_sha256);
    out.push(u8::from(r.raw_truncated));
    out.put_option(record.key.as_ref(), |out, key| out.put_prefixed(key));
    out.put_len(record.headers.len());
    for (name, value) in &record.headers {
        out.put_prefixed(name.as_bytes());
        out.put_prefixed(value);
    }
    out.put_varint(u64::from(record.raw_kept));
}

/// Reads a record.
pub(super) fn decode_record(r: &mut Reader<'_>) -> Decoded<KeptRecord> {
    let (id, commit) = (r.varint("rejection")?, r.varint("commit")?);
    let kept = match r.u8("reason")? {
        u8::MAX => Kept::Conflict,
        code => Kept::Rejected(Reason::from_code(code).ok_or(CodecError::Invalid("reason"))?),
    };
    let detail = r.text("detail")?.to_owned();
    let origin = decode_origin(r)?;
    let text = |r: &mut Reader<'_>| r.option("text", |r| r.text("text").map(str::to_owned));
    let instant = |r: &mut Reader<'_>| r.option("instant", |r| r.signed("instant").map(UtcMillis::new));
    let settled_by = instant(r)?;
    let readable = Readable {
        platform: text(r)?,
        order_id: text(r)?,
        leg: r.option("leg", |r| r.u8("leg"))?,
        phase: r.option("phase", |r| Ok(if r.u8("phase")? == 0 { Phase::Ended } else { Phase::Open }))?,
        rider_id: text(r)?,
        revision: r
            .option("revision", |r| r.varint("revision"))?
            .map_or(ReadRevision::Unreadable, ReadRevision::Known),
        accepted_at: instant(r)?,
        ended_at: instant(r)?,
        outcome: r.option("outcome", |r| outcome_of(r.u8("outcome")?))?,
        is_completeness: r.u8("kind")? != 0,
        is_clock_wrong: r.u8("clock")? != 0,
    };
    let raw_len = r.varint("length")?;
    let (raw_sha256, raw_truncated) = (r.array("hash")?, r.u8("truncated")? != 0);
    let key = r.option("key", |r| r.prefixed("key").map(<[u8]>::to_vec))?;
    let mut headers = Vec::new();
    for _ in 0..r.count(2, "headers")? {
        headers.push((r.text("header")?.to_owned(), r.prefixed("header")?.to_vec()));
    }
    let raw_kept = r.number("raw bytes kept")?;
    let rejection = Rejection {
        id,
        commit,
        kept,
        detail,
        origin,
        settled_by,
        readable,
        raw_len,
        raw_sha256,
        raw_truncated,
        resolution: None,
    };
    Ok(KeptRecord { rejection, key, headers, raw_kept })
}

fn decode_origin(r: &mut Reader<'_>) -> Decoded<Origin> {
    match r.u8("origin")? {
        0 => Ok(Origin::Kafka {
            topic: r.text("topic")?.to_owned(),
            partition: i32::try_from(r.signed("partition")?).map_err(|_| CodecError::Invalid("partition"))?,
            offset: r.signed("offset")?,
            timestamp: r.option("timestamp", |r| r.signed("timestamp").map(UtcMillis::new))?,
            arrived: Arrived {
                after: UtcMillis::new(r.signed("arrival")?),
                by: UtcMillis::new(r.signed("arrival")?),
            },
        }),
        1 => Ok(Origin::File { content: r.array("content hash")?, line: r.varint("line")? }),
        2 => Ok(Origin::Redrive { of: r.varint("rejection")? }),
        _ => Err(CodecError::Invalid("origin")),
    }
}
