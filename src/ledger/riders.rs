//! Which riders a run may know, and from which platforms: a small filter, so that questions about one rider touch
//! only the runs that can answer them.

use super::error::{LedgerError, Outcome};
use super::filter::Filter;
use super::identity::IdentityHash;
use super::keys;
use super::parts;
use super::row::Class;
use super::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bits for each pair of rider and platform: about one stranger in 30 passes.
const FILTER_BITS: u64 = 8;

/// Collects the pairs of a run while its rows are written, in the order of riders.
#[derive(Debug, Default)]
pub struct RiderCollector {
    rider: Vec<u8>,
    platforms: Vec<u64>,
    pairs: Vec<IdentityHash>,
}

impl RiderCollector {
    /// Notes a row of a rider; `seed` is the platform's ([`IdentityHash::seed`]).
    pub fn note(&mut self, rider_id: &str, seed: u64) {
        if self.rider != rider_id.as_bytes() {
            self.rider.clear();
            self.rider.extend_from_slice(rider_id.as_bytes());
            self.platforms.clear();
        }
        if !self.platforms.contains(&seed) {
            self.platforms.push(seed);
            self.pairs.push(IdentityHash::of_rider(seed, rider_id));
        }
    }

    /// The filter of all pairs.
    pub fn finish(self) -> Filter {
        let pairs = u64::try_from(self.pairs.len()).unwrap_or(u64::MAX);
        let mut filter = Filter::with_capacity(pairs, FILTER_BITS);
        self.pairs.into_iter().for_each(|pair| filter.insert(pair));
        filter
    }
}

/// The riders of an open run.
#[derive(Debug)]
pub struct Riders {
    filter: Filter,
    /// Seed of each platform of the run.
    seeds: BTreeMap<Arc<str>, u64>,
}

impl Riders {
    /// From the filter and the classes of a run.
    pub fn new(filter: Filter, classes: &[Arc<Class>]) -> Self {
        let seeds =
            classes.iter().map(|class| (Arc::clone(&class.platform), IdentityHash::seed(&class.platform)));
        Self { filter, seeds: seeds.collect() }
    }

    /// Reads a run of the manifest.
    pub fn load(store: &Store, run: u64, rider_parts: u32, classes: &[Arc<Class>]) -> Outcome<Self> {
        let body = parts::get(store, keys::RIDERS, run, rider_parts)?;
        let filter =
            Filter::decode(&body).map_err(LedgerError::damaged(format!("the riders of run {run}")))?;
        Ok(Self::new(filter, classes))
    }

    /// Whether any platform may have named the rider in this run; `false` is certain.
    pub fn may_hold(&self, rider_id: &str) -> bool {
        self.seeds.values().any(|&seed| self.filter.may_contain(IdentityHash::of_rider(seed, rider_id)))
    }

    /// Whether this platform may have named the rider in this run; `false` is certain.
    pub fn may_hold_of(&self, platform: &str, rider_id: &str) -> bool {
        let seed = self.seeds.get(platform);
        seed.is_some_and(|&seed| self.filter.may_contain(IdentityHash::of_rider(seed, rider_id)))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.filter.bytes()
    }
}
