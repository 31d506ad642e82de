//! The configurations that were ever in force: their hashes and rules, so that every posting can name its own.

use super::codec::{Decoded, Reader, Writer};
use super::error::Outcome;
use super::manifest::{Manifest, kind};
use crate::domain::posting::{ConfigNo, RuleNo};
use crate::domain::tariff::{CoverEntry, RuleBook, RuleEntry};
use crate::domain::view::RuleKind;
use std::collections::BTreeMap;

/// One configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Hash of its text.
    pub hash: [u8; 32],
    /// Parts of its text in the store.
    pub text_parts: u32,
    /// Zone of days and months.
    pub zone: String,
    /// Its rules.
    pub rules: RuleBook,
}

impl ConfigEntry {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.hash.to_vec();
        out.put_varint(u64::from(self.text_parts));
        out.put_prefixed(self.zone.as_bytes());
        out.put_prefixed(self.rules.version.as_bytes());
        for rules in [&self.rules.rates, &self.rules.factors] {
            out.put_len(rules.len());
            for rule in rules {
                out.put_prefixed(rule.label.as_bytes());
                out.put_prefixed(rule.terms.as_bytes());
            }
        }
        out.put_len(self.rules.covers.len());
        for rule in &self.rules.covers {
            out.put_prefixed(rule.label.as_bytes());
            out.put_prefixed(rule.terms.as_bytes());
            out.put_signed(rule.lead_ms);
            out.put_signed(rule.tail_ms);
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        let hash = r.array("hash")?;
        let text_parts = r.number("text parts")?;
        let zone = r.text("zone")?.to_owned();
        let version = r.text("version")?.to_owned();
        let rule = |r: &mut Reader<'_>| {
            Ok(RuleEntry { label: r.text("label")?.to_owned(), terms: r.text("terms")?.to_owned() })
        };
        let rules =
            |r: &mut Reader<'_>| (0..r.count(2, "rules")?).map(|_| rule(r)).collect::<Decoded<Vec<_>>>();
        let (rates, factors) = (rules(r)?, rules(r)?);
        let mut covers = Vec::new();
        for _ in 0..r.count(4, "cover rules")? {
            let RuleEntry { label, terms } = rule(r)?;
            covers.push(CoverEntry { label, terms, lead_ms: r.signed("lead")?, tail_ms: r.signed("tail")? });
        }
        Ok(Self { hash, text_parts, zone, rules: RuleBook { version, rates, factors, covers } })
    }
}

/// All of them, by number.
#[derive(Clone, Debug, Default)]
pub struct ConfigBooks {
    entries: BTreeMap<ConfigNo, ConfigEntry>,
}

impl ConfigBooks {
    /// Reads them from the manifest.
    pub fn load(manifest: &Manifest) -> Outcome<Self> {
        let entries = manifest.numbered(kind::CONFIG, ConfigEntry::decode)?;
        let entries =
            entries.into_iter().map(|(no, entry)| (ConfigNo(u32::try_from(no).unwrap_or(u32::MAX)), entry));
        Ok(Self { entries: entries.collect() })
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
