//! The stored form of the platforms' promises, as a configuration states them.

use super::state_codec::{optional, put_instant};
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use std::collections::BTreeMap;

fn encode_promise(out: &mut Vec<u8>, promise: &Promise) {
    out.put_len(promise.topics.len());
    promise.topics.iter().for_each(|topic| out.put_prefixed(topic.as_bytes()));
    out.put_option(promise.records_from, put_instant);
    out.push(u8::from(promise.complete_start));
    out.put_signed(promise.delivery_delay_ms);
    out.put_option(promise.streams_open_orders_from, put_instant);
    out.put_signed(promise.max_order_duration_ms);
    out.push(u8::from(promise.unreadable_records == UnreadableRecords::Warn));
}

fn decode_promise(r: &mut Reader<'_>) -> Decoded<Promise> {
    let mut promise = Promise::default();
    for _ in 0..r.count(1, "topics")? {
        promise.topics.push(r.text("topic")?.to_owned());
    }
    promise.records_from = optional(r)?;
    promise.complete_start = r.u8("complete start")? != 0;
    promise.delivery_delay_ms = r.signed("delivery delay")?;
    promise.streams_open_orders_from = optional(r)?;
    promise.max_order_duration_ms = r.signed("longest order")?;
    promise.unreadable_records = match r.u8("unreadable records")? {
        0 => UnreadableRecords::Hold,
        1 => UnreadableRecords::Warn,
        _ => return Err(CodecError::Invalid("unreadable records")),
    };
    Ok(promise)
}

/// Appends the stored form.
pub(super) fn encode(platforms: &Platforms, out: &mut Vec<u8>) {
    out.put_len(platforms.registered().count());
    for (name, promise) in platforms.registered() {
        out.put_prefixed(name.as_bytes());
        encode_promise(out, promise);
    }
    encode_promise(out, platforms.defaults());
}

/// Reads the stored form.
pub(super) fn decode(r: &mut Reader<'_>) -> Decoded<Platforms> {
    let mut registered = BTreeMap::new();
    for _ in 0..r.count(8, "platforms")? {
        let name = r.text("platform")?.to_owned();
        registered.insert(name, decode_promise(r)?);
    }
    Ok(Platforms::new(registered, decode_promise(r)?))
}
