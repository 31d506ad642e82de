//! The object store in which the ledger lies: whether it can be reached, and does what the engine relies on.

use super::report::{Area, Report};
use crate::storage::{Storage, StorageError};

/// Tries the store of a ledger at `url`; nothing where the ledger lies in the data directory.
pub fn examine(storage: &Storage, url: &str, report: &mut Report) {
    match storage.probe() {
        None => {}
        Some(Ok(())) => {
            let found = format!(
                "{url} creates each object once, over every endpoint, and shows at once what was written"
            );
            report.ok(Area::ObjectStore, "probe", found);
        }
        Some(Err(error)) => {
            let todo = match &error {
                StorageError::Untrusted { .. } | StorageError::Authorities { .. } => {
                    "do what the finding says; docs/operations.md, The ledger in an object store, says how TLS is set"
                }
                _ => {
                    "compare `endpoints` and `region` under [storage] and the credentials in the environment with the store: \
                     docs/operations.md, The ledger in an object store"
                }
            };
            report.problem(Area::ObjectStore, "probe", error.to_string(), todo);
        }
    }
}
