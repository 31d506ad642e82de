//! The configurations that were ever in force: their hashes and rules, so that every posting can name its own.

use crate::domain::platform::Platforms;
use crate::domain::posting::RuleKind;
use crate::domain::posting::{ConfigNo, RuleNo};
use crate::domain::tariff::{CoverEntry, RuleBook, RuleEntry};
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, kind, platform_codec};
use crate::storage::{Session, Upload};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Hash of its text.
    pub hash: [u8; 32],
    /// Parts of its text and rules in the store.
    pub text_parts: u32,
    /// SHA-256 of these parts: nothing else tells the rules twice.
    pub parts_hash: [u8; 32],
    /// Zone of days and months.
    pub zone: String,
    /// Its rules.
    pub rules: RuleBook,
    /// What it says of the platforms.
    pub platforms: Platforms,
}

impl ConfigEntry {
    /// The manifest's form: small, whatever the tariff. Text and rules lie in parts of their own.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.hash.to_vec();
        out.put_varint(u64::from(self.text_parts));
        out.extend_from_slice(&self.parts_hash);
        out.put_prefixed(self.zone.as_bytes());
        out
    }

    /// Puts the text and the rules of configuration `no` in parts of their own.
    pub fn put_parts(&mut self, writing: &Upload, no: ConfigNo, text: &str) -> LedgerResult<()> {
        let mut out = Vec::new();
        out.put_prefixed(text.as_bytes());
        encode_rules(&self.rules, &mut out);
        platform_codec::encode(&self.platforms, &mut out);
        self.text_parts = chunked::put(writing, keys::CONFIG_TEXT, u64::from(no.0), &out)?;
        self.parts_hash = Sha256::digest(&out).into();
        Ok(())
    }

    /// Reads the text of configuration `no`.
    pub fn text(&self, store: &Session, no: ConfigNo) -> LedgerResult<String> {
        Ok(load_parts(store, no, (self.text_parts, self.parts_hash))?.0)
    }

    /// Reads the stored form of configuration `no`.
    fn load(store: &Session, no: ConfigNo, r: &mut Reader<'_>) -> LedgerResult<Self> {
        let mut decode = || {
            let hash = r.array("hash")?;
            Ok((hash, r.number("text parts")?, r.array("hash of the parts")?, r.text("zone")?.to_owned()))
        };
        let (hash, text_parts, parts_hash, zone) = decode().map_err(LedgerError::damaged(name(no)))?;
        let (_, rules, platforms) = load_parts(store, no, (text_parts, parts_hash))?;
        Ok(Self { hash, text_parts, parts_hash, zone, rules, platforms })
    }
}

fn name(no: ConfigNo) -> String {
    format!("configuration {}", no.0)
}

fn load_parts(
    store: &Session,
    no: ConfigNo,
    (count, hash): (u32, [u8; 32]),
) -> LedgerResult<(String, RuleBook, Platforms)> {
    let bytes = chunked::get(store, keys::CONFIG_TEXT, u64::from(no.0), count)?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != hash {
        return Err(LedgerError::damaged(name(no))(CodecError::Checksum));
    }
    let mut r = Reader::new(&bytes);
    let mut decode = || {
        let text = r.text("text")?.to_owned();
        let (rules, platforms) = (decode_rules(&mut r)?, platform_codec::decode(&mut r)?);
        r.end("configuration")?;
        Ok((text, rules, platforms))
    };
    decode().map_err(LedgerError::damaged(name(no)))
}

fn encode_rules(book: &RuleBook, out: &mut Vec<u8>) {
    out.put_prefixed(book.version.as_bytes());
    for rules in [&book.rates, &book.factors] {
        out.put_len(rules.len());
        for rule in rules {
            out.put_prefixed(rule.label.as_bytes());
            out.put_prefixed(rule.terms.as_bytes());
        }
    }
    out.put_len(book.covers.len());
    for rule in &book.covers {
        out.put_prefixed(rule.label.as_bytes());
        out.put_prefixed(rule.terms.as_bytes());
        out.put_signed(rule.lead_ms);
        out.put_signed(rule.tail_ms);
    }
}

fn decode_rules(r: &mut Reader<'_>) -> Decoded<RuleBook> {
    let version = r.text("version")?.to_owned();
    let rule = |r: &mut Reader<'_>| {
        Ok(RuleEntry { label: r.text("label")?.to_owned(), terms: r.text("terms")?.to_owned() })
    };
    let rules = |r: &mut Reader<'_>| (0..r.count(2, "rules")?).map(|_| rule(r)).collect::<Decoded<Vec<_>>>();
    let (rates, factors) = (rules(r)?, rules(r)?);
    let mut covers = Vec::new();
    for _ in 0..r.count(4, "cover rules")? {
        let RuleEntry { label, terms } = rule(r)?;
        covers.push(CoverEntry { label, terms, lead_ms: r.signed("lead")?, tail_ms: r.signed("tail")? });
    }
    Ok(RuleBook { version, rates, factors, covers })
}

/// All of them, by number.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationHistory {
    entries: BTreeMap<ConfigNo, ConfigEntry>,
}

impl ConfigurationHistory {
    /// Reads those that the manifest names.
    pub fn load(store: &Session, manifest: &Manifest) -> LedgerResult<Self> {
        let mut configurations = Self::default();
        for (key, body) in manifest.entries(kind::CONFIG) {
            let number = key.first_chunk::<8>().and_then(|bytes| u64::from_be_bytes(*bytes).try_into().ok());
            let damaged = LedgerError::damaged("the number of a configuration");
            let no = ConfigNo(number.ok_or_else(|| damaged(CodecError::Invalid("key")))?);
            configurations.insert(no, ConfigEntry::load(store, no, &mut Reader::new(body))?);
        }
        Ok(configurations)
    }

    /// The number of a configuration, by the hash of its text.
    pub fn number_of(&self, hash: &[u8; 32]) -> Option<ConfigNo> {
        self.entries.iter().find(|(_, entry)| entry.hash == *hash).map(|(no, _)| *no)
    }

    /// The next free number.
    pub fn next_number(&self) -> ConfigNo {
        ConfigNo(self.entries.last_key_value().map_or(1, |(no, _)| no.0.saturating_add(1)))
    }

    /// Takes in a configuration.
    pub fn insert(&mut self, no: ConfigNo, entry: ConfigEntry) {
        self.entries.insert(no, entry);
    }

    /// A configuration.
    pub fn get(&self, no: ConfigNo) -> Option<&ConfigEntry> {
        self.entries.get(&no)
    }

    /// All, by number.
    pub fn all(&self) -> impl Iterator<Item = (ConfigNo, &ConfigEntry)> {
        self.entries.iter().map(|(no, entry)| (*no, entry))
    }

    /// The largest lead and tail (ms) of any cover rule ever in force.
    pub fn widest_cover(&self) -> (i64, i64) {
        self.entries
            .values()
            .map(|entry| entry.rules.widest_cover())
            .fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)))
    }

    /// The label of a rule.
    pub fn label(&self, no: ConfigNo, kind: RuleKind, rule: RuleNo) -> String {
        let label = self.get(no).and_then(|entry| entry.rules.label(kind, rule));
        label.map_or_else(|| format!("rule {} of configuration {}", rule.0, no.0), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::platform::Promise;
    use crate::storage::{Acquire, Hint, Mode, Storage};

    #[test]
    fn a_tariff_of_any_size_is_a_small_entry() {
        let how = Acquire { mode: Mode::WRITE, cache_bytes: 4 << 20, index_bytes: 1 << 20 };
        let store = Storage::memory().acquire(&how).unwrap();
        let rates = (0..20_000).map(|n| RuleEntry {
            label: format!("rate instant_delivery region={n} from=2026-01-01"),
            terms: format!(
                "per_order = \"0.{n:05}\" # of a tariff with a rate for each county and half year"
            ),
        });
        let rules = RuleBook { version: "v".to_owned(), rates: rates.collect(), ..RuleBook::default() };
        let promise =
            Promise { topics: vec!["orders".to_owned()], complete_start: true, ..Promise::default() };
        let mut entry = ConfigEntry {
            hash: [7; 32],
            text_parts: 0,
            parts_hash: [0; 32],
            zone: "Asia/Shanghai".to_owned(),
            rules,
            platforms: Platforms::new([("dada".to_owned(), promise)].into(), Promise::default()),
        };
        let writing = store.begin(Hint::ShortLived);
        entry.put_parts(&writing, ConfigNo(3), "timezone = ...").unwrap();
        writing.seal().unwrap();
        assert!(entry.text_parts > 2, "{} parts", entry.text_parts);
        let body = entry.encode();
        assert!(body.len() < 100, "{} bytes", body.len());
        assert_eq!(ConfigEntry::load(&store, ConfigNo(3), &mut Reader::new(&body)).unwrap(), entry);
        assert_eq!(entry.text(&store, ConfigNo(3)).unwrap(), "timezone = ...");
        let first = store.get(&keys::in_run(keys::CONFIG_TEXT, 3, 0)).unwrap().unwrap();
        store.delete_runs(keys::CONFIG_TEXT, 3..4).unwrap();
        writing.put(&keys::in_run(keys::CONFIG_TEXT, 3, 0), first.to_vec()).unwrap();
        writing.seal().unwrap();
        let lost = ConfigEntry::load(&store, ConfigNo(3), &mut Reader::new(&body)).unwrap_err();
        assert!(lost.to_string().contains("Failed to read the value f/3/1: the store has lost it"), "{lost}");
    }
}
