//! Which riders a run may know, and from which platforms: a small filter, so that questions about one rider touch
//! only the runs that can answer them.

use crate::ledger::error::LedgerResult;
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::{IdentityHash, RiderHash};
use crate::ledger::run::row::DictionaryEntry;
use crate::ledger::run::stored_filter::RunFilter;
use crate::storage::Session;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bits for each pair of rider and platform: about one stranger in 150 passes, and a question asks for all platforms.
const FILTER_BITS: u64 = 12;

/// Collects the pairs of a run while its rows are written, in the order of riders.
#[derive(Debug, Default)]
pub struct RiderCollector {
    rider: Vec<u8>,
    hash: RiderHash,
    platforms: Vec<u64>,
    pairs: Vec<IdentityHash>,
}

impl RiderCollector {
    /// Notes a row of a rider; `seed` is the platform's ([`IdentityHash::seed`]).
    pub fn note(&mut self, rider_id: &str, seed: u64) {
        if self.rider != rider_id.as_bytes() {
            self.rider.clear();
            self.rider.extend_from_slice(rider_id.as_bytes());
            self.hash = RiderHash::of(rider_id);
            self.platforms.clear();
        }
        if !self.platforms.contains(&seed) {
            self.platforms.push(seed);
            self.pairs.push(self.hash.on(seed));
        }
    }

    /// The filter of all pairs.
    pub fn finish(self) -> Filter {
        let pairs = u64::try_from(self.pairs.len()).unwrap_or(u64::MAX);
        let mut filter = Filter::paged(pairs, FILTER_BITS);
        self.pairs.into_iter().for_each(|pair| filter.insert(pair));
        filter
    }
}

/// The riders of an open run.
#[derive(Debug)]
pub struct Riders {
    filter: RunFilter,
    /// Seed of each platform of the run.
    seeds: BTreeMap<Arc<str>, u64>,
}

impl Riders {
    /// The same riders; what of their filter is in memory is shared.
    pub fn share(&self) -> Self {
        Self { filter: self.filter.share(), seeds: self.seeds.clone() }
    }

    /// From the filter and the entries of a run.
    pub fn new(filter: RunFilter, dictionary: &[Arc<DictionaryEntry>]) -> Self {
        let seeds =
            dictionary.iter().map(|entry| (Arc::clone(&entry.platform), IdentityHash::seed(&entry.platform)));
        Self { filter, seeds: seeds.collect() }
    }

    /// Whether one of the platforms that are `wanted` may have named the rider in this run; `false` is certain.
    pub fn may_hold(
        &self,
        store: &Session,
        rider: RiderHash,
        wanted: impl Fn(&str) -> bool,
    ) -> LedgerResult<bool> {
        let wanted = self.seeds.iter().filter(|(platform, _)| wanted(platform));
        // Ascending: the keys of a rider are together, mostly in one page.
        let mut keys: Vec<_> = wanted.map(|(_, &seed)| (rider.on(seed), ())).collect();
        keys.sort_unstable();
        self.filter.may_contain_any(store, &keys)
    }

    /// The filter.
    pub const fn filter(&self) -> &RunFilter {
        &self.filter
    }
}
