//! A full checkpoint of the chain: the state at one slot, so that a start reads few slots.
//!
//! ```text
//! magic (8) | format (1) | the slot: number, SHA-256 (32), epoch, nonce (16), what it is (1) | version | entries
//!           | appended entries | segments | pages of entries | groups with their layers
//!           | segments that do not count any more | XXH3 of all (8)
//! ```

use super::entry_pages::{decode_placed, encode_placed};
use super::name::{Nonce, SegmentName};
use super::places::{Group, decode_entry, encode_entry};
use super::slot::{self, Kind, seal, unseal};
use super::state::{Bytes, Dead, Head, Held, Layer, State};
use super::table::PLACED_BYTES_MIN;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use imbl::OrdMap;
use std::collections::BTreeMap;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"cvrlfull";
const FORMAT: u8 = 2;
/// Bytes of a full checkpoint at most: it is read as a whole.
pub(super) const FULL_BYTES_MAX: usize = 2 << 30;
const SEGMENT: u8 = 0;
const INLINE: u8 = 1;

pub(super) fn encode(state: &State) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(FORMAT);
    let Head { slot, hash, epoch, nonce, kind } = state.head;
    out.put_varint(slot);
    out.extend_from_slice(&hash);
    out.put_varint(epoch);
    out.extend_from_slice(&nonce.0);
    kind.write(&mut out);
    slot::write_version(&mut out, &state.version);
    for entries in [&state.entries, &state.appended] {
        out.put_len(entries.len());
        for (key, value) in entries {
            out.put_prefixed(key);
            out.put_prefixed(value);
        }
    }
    out.put_len(state.segments.len());
    let mut numbers = BTreeMap::new();
    for ((name, held), nth) in state.segments.iter().zip(0_u64..) {
        name.encode(&mut out);
        out.put_varint(held.bytes);
        numbers.insert(*name, nth);
    }
    out.put_len(state.pages.len());
    for (first, page) in &state.pages {
        out.put_varint(numbers.get(&page.segment).copied().unwrap_or(u64::MAX));
        encode_placed(&(Arc::clone(first), page.clone()), &mut out);
    }
    out.put_len(state.groups.len());
    for (group, layers) in &state.groups {
        out.push(group.kind);
        out.put_varint(group.run);
        out.put_len(layers.len());
        for layer in &**layers {
            encode_layer(layer, &numbers, &mut out);
        }
    }
    out.put_len(state.dead.len());
    for (name, dead) in &state.dead {
        name.encode(&mut out);
        out.put_varint(dead.slot);
        out.put_varint(dead.bytes);
    }
    seal(out)
}

fn encode_layer(layer: &Layer, numbers: &BTreeMap<SegmentName, u64>, out: &mut Vec<u8>) {
    match layer {
        Layer::Segment(name, entry) => {
            out.push(SEGMENT);
            out.put_varint(numbers.get(name).copied().unwrap_or(u64::MAX));
            encode_entry(entry, out);
        }
        Layer::Inline(values) => {
            out.push(INLINE);
            out.put_len(values.len());
            for (number, value) in values {
                out.put_varint(u64::from(*number));
                out.put_prefixed(value);
            }
        }
    }
}

pub(super) fn decode(stored: &[u8]) -> Decoded<State> {
    let mut r = unseal(stored, &MAGIC, FORMAT)?;
    let head = Head {
        slot: r.varint("slot")?,
        hash: r.array("hash")?,
        epoch: r.varint("epoch")?,
        nonce: Nonce(r.array("nonce")?),
        kind: Kind::read(&mut r)?,
    };
    let mut state = State { head, version: slot::read_version(&mut r)?, ..State::default() };
    for entries in [&mut state.entries, &mut state.appended] {
        for _ in 0..r.count(2, "entries")? {
            let key: Bytes = slot::read_key(&mut r)?.into();
            entries.insert(key, slot::read_entry(&mut r)?.into());
        }
    }
    let count = r.count(19, "segments")?;
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        let name = SegmentName::decode(&mut r)?;
        state.segments.insert(name, Held { bytes: r.varint("segment bytes")?, groups: 0 });
        names.push(name);
    }
    for _ in 0..r.count(1 + PLACED_BYTES_MIN, "pages of entries")? {
        let nth: usize = r.number("segment")?;
        let name = *names.get(nth).ok_or(CodecError::Invalid("segment"))?;
        let (first, page) = decode_placed(name, &mut r)?;
        state.pages.insert(first, page);
        if let Some(held) = state.segments.get_mut(&name) {
            held.groups += 1;
        }
    }
    for _ in 0..r.count(4, "groups")? {
        let group = Group { kind: r.u8("kind")?, run: r.varint("run")? };
        let layers = (0..r.count(2, "layers")?)
            .map(|_| decode_layer(&mut r, group, &names))
            .collect::<Decoded<Vec<Layer>>>()?;
        for layer in &layers {
            if let Layer::Segment(name, _) = layer
                && let Some(held) = state.segments.get_mut(name)
            {
                held.groups += 1;
            }
        }
        state.groups.insert(group, layers.into());
    }
    for _ in 0..r.count(20, "dead segments")? {
        let name = SegmentName::decode(&mut r)?;
        state.dead.insert(name, Dead { slot: r.varint("slot")?, bytes: r.varint("segment bytes")? });
    }
    r.end("full checkpoint")?;
    Ok(state)
}

fn decode_layer(r: &mut Reader<'_>, group: Group, names: &[SegmentName]) -> Decoded<Layer> {
    match r.u8("layer")? {
        SEGMENT => {
            let nth: usize = r.number("segment")?;
            let name = names.get(nth).ok_or(CodecError::Invalid("segment"))?;
            let entry = decode_entry(r)?;
            if entry.group != group {
                return Err(CodecError::Invalid("group"));
            }
            Ok(Layer::Segment(*name, entry))
        }
        INLINE => {
            let mut values = OrdMap::new();
            for _ in 0..r.count(2, "values")? {
                let number: u32 = r.number("number")?;
                let value: Bytes = slot::read_entry(r)?.into();
                values.insert(number, value);
            }
            Ok(Layer::Inline(values))
        }
        _ => Err(CodecError::Invalid("layer")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_pages;
    use super::super::places::Entry;
    use super::super::table::TableChange;
    use super::*;
    use crate::storage::key::ValueKey;
    use crate::storage::root::{Change, Version};

    #[test]
    fn a_state_is_read_back_and_every_changed_byte_is_noticed() {
        let segment = |number| SegmentName { epoch: 2, number, nonce: Nonce([3; 16]) };
        let mut state = State { version: Version { number: 9, hash: [7; 32] }, ..State::default() };
        state.head = Head { slot: 12, epoch: 2, ..Head::default() };
        let append = |key: u8| Change::Append(vec![b'c', key], vec![key; 30]);
        state.change_entries(&[Change::Put(b"a".to_vec(), b"1".to_vec()), append(1), append(2)]);
        let (bytes, pages) = entry_pages::encode(segment(9), &state.appended);
        let bytes = u64::try_from(bytes.len()).unwrap();
        state.change_table(&TableChange::Pages { segment: segment(9), bytes, pages: pages.into() }, 4);
        assert!(state.appended.is_empty());
        state.change_entries(&[append(3)]);
        for number in 0..3 {
            let group = |run| Group { kind: 0x62, run };
            let entry = |run| Entry { group: group(run), count: 2, bytes: 20, numbers: (0, 1), at: 50 };
            let entries = [entry(number), entry(number + 1)].into();
            state.change_table(&TableChange::Add { segment: segment(number), bytes: 99, entries }, 5);
        }
        let small = (ValueKey::new(0x62, 1, 7), b"small".as_slice().into());
        state.change_table(&TableChange::Inline([small].into()), 6);
        assert_eq!(state.change_table(&TableChange::Remove { kind: 0x62, runs: 0..2 }, 7), 7);
        assert_eq!(state.dead.keys().copied().collect::<Vec<_>>(), [segment(0)]);
        let small = (ValueKey::new(0x62, 8, 1), b"other".as_slice().into());
        state.change_table(&TableChange::Inline([small].into()), 8);
        let stored = encode(&state);
        assert_eq!(decode(&stored).unwrap(), state);
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err() && decode(&stored[..at]).is_err(), "byte {at}");
        }
    }
}
