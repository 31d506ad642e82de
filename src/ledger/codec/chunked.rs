//! Values that may grow beyond what the store keeps safely are put in numbered parts.

use crate::ledger::codec::keys::in_run;
use crate::ledger::codec::{Packing, frame, unframe};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::storage::{Session, Upload, ValueKey};

const PART_BYTES: usize = 512 << 10;

/// Puts `body` under (kind, run) in as many framed parts as it needs; returns their number (0 for an empty body).
pub fn put(store: &Upload, kind: u8, run: u64, body: &[u8]) -> LedgerResult<u32> {
    let mut parts = 0;
    for part in body.chunks(PART_BYTES) {
        let key = in_run(kind, run, parts);
        store.put(&key, frame(&key, part, Packing::Lz4))?;
        parts += 1;
    }
    Ok(parts)
}

/// Reads what [`put`] wrote.
pub fn get(store: &Session, kind: u8, run: u64, parts: u32) -> LedgerResult<Vec<u8>> {
    let mut body = Vec::new();
    for part in 0..parts {
        body.extend_from_slice(&get_one(store, &in_run(kind, run, part))?);
    }
    Ok(body)
}

/// Reads one framed value that must be there.
pub fn get_one(store: &Session, key: &ValueKey) -> LedgerResult<Vec<u8>> {
    let name = || format!("the value {}", key_name(key));
    let value = store.get(key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
    unframe(key, &value).map(std::borrow::Cow::into_owned).map_err(|e| LedgerError::damaged(name())(e))
}

/// A key for a person: kind, then numbers or text.
pub fn key_name(key: &[u8]) -> String {
    let kind = key.first().map_or(' ', |&k| char::from(k));
    match (crate::ledger::codec::keys::run_of(key), key.get(9..).and_then(|rest| rest.first_chunk::<4>())) {
        (Some(run), Some(part)) if key.len() == 13 => format!("{kind}/{run}/{}", u32::from_be_bytes(*part)),
        (Some(number), None) if key.len() == 9 => format!("{kind}/{number}"),
        _ => String::from_utf8_lossy(key).into_owned(),
    }
}
