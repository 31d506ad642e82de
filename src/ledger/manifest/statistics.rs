//! Statistics of platforms and sources: counted by commits, stored with them, shared with snapshots.

use crate::domain::platform::Platforms;
use crate::ledger::codec::Reader;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::commit_record::{decode_source, encode_source};
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::{self, PlatformStats, SourceFacts};
use crate::ledger::manifest::{Manifest, kind};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What commits count, by platform and by source.
#[derive(Debug, Default)]
pub struct Statistics {
    /// By platform.
    pub platforms: Arc<BTreeMap<String, PlatformStats>>,
    /// By source.
    pub sources: Arc<BTreeMap<Source, SourceFacts>>,
    /// Platforms of which open orders were ever stored, registered or not: only there can an ended event meet one.
    pub with_open: HashSet<String>,
}

impl Statistics {
    /// Reads what the manifest has.
    ///
    /// # Errors
    /// An entry is damaged.
    pub fn load(manifest: &Manifest) -> LedgerResult<Self> {
        let platform = |(platform, body): (&[u8], &[u8])| {
            PlatformStats::decode(&mut Reader::new(body))
                .map(|stats| (state_codec::name(platform), stats))
                .map_err(LedgerError::damaged("the statistics of a platform"))
        };
        let source = |(key, body): (&[u8], &[u8])| {
            decode_source(&mut Reader::new(key))
                .and_then(|source| Ok((source, SourceFacts::decode(&mut Reader::new(body))?)))
                .map_err(LedgerError::damaged("the counts of a source"))
        };
        let mut statistics = Self {
            platforms: Arc::new(manifest.entries(kind::STATS).map(platform).collect::<LedgerResult<_>>()?),
            sources: Arc::new(manifest.entries(kind::SOURCE).map(source).collect::<LedgerResult<_>>()?),
            with_open: HashSet::new(),
        };
        statistics.note_open();
        Ok(statistics)
    }

    /// Stages every entry for the next commit.
    pub fn stage(&self, manifest: &mut Manifest) {
        for (source, facts) in self.sources.iter() {
            let mut key = Vec::new();
            encode_source(source, &mut key);
            manifest.put(kind::SOURCE, &key, facts.encode());
        }
        for (platform, stats) in self.platforms.iter() {
            manifest.put(kind::STATS, platform.as_bytes(), stats.encode());
        }
    }

    /// Whether a platform is registered or has orders: then its name counts in a rejected record.
    pub fn knows_platform(&self, name: &str, registered: &Platforms) -> bool {
        registered.is_registered(name) || self.platforms.get(name).is_some_and(|stats| stats.orders > 0)
    }

    /// Names of the platforms that have orders.
    pub fn with_orders(&self) -> impl Iterator<Item = &str> {
        self.platforms.iter().filter(|(_, stats)| stats.orders > 0).map(|(name, _)| name.as_str())
    }

    /// Adds the platforms that have open orders now to those that ever had.
    pub fn note_open(&mut self) {
        for (name, _) in self.platforms.iter().filter(|(_, stats)| stats.open_orders > 0) {
            if !self.with_open.contains(name) {
                self.with_open.insert(name.clone());
            }
        }
    }
}
