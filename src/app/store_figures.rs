//! What was asked of the object store, as the metrics take it.

use crate::storage::requests::{KindCounts, RequestKind, StoreCounts, StoreFigures};
use crate::telemetry::metrics::{Metrics, StoreFacts, StoreKind};
use std::sync::Arc;
use std::time::Duration;

/// Shows the figures of the ledger and of the files beside it together; nothing where the ledger lies in no object store.
pub(super) fn watch(metrics: &Metrics, figures: impl IntoIterator<Item = Arc<StoreFigures>>) {
    let figures: Vec<Arc<StoreFigures>> = figures.into_iter().collect();
    if !figures.is_empty() {
        metrics.watch_store(move || facts(&StoreCounts::of(figures.iter().map(AsRef::as_ref))));
    }
}

fn facts(counts: &StoreCounts) -> StoreFacts {
    StoreFacts {
        kinds: counts.kinds().map(of_kind).collect(),
        sent_bytes: counts.sent_bytes,
        received_bytes: counts.received_bytes,
        deleted_objects: counts.deleted_objects,
        cache_hits: counts.cache_hits,
        cache_misses: counts.cache_misses,
    }
}

fn of_kind((kind, counts): (RequestKind, KindCounts)) -> StoreKind {
    StoreKind {
        kind: kind.as_str(),
        results: counts.results().map(|(result, count)| (result.as_str(), count)).collect(),
        classes: counts.classes().map(|(us, count)| (Duration::from_micros(us), count)).collect(),
        longer: counts.longer(),
        took: Duration::from_micros(counts.took_us),
    }
}
