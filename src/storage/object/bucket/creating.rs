//! Creating an object that must be absent: the one request that decides anything.

use super::{Bucket, Created, PAUSE_MIN, Trouble, counted};
use crate::storage::requests::RequestKind;
use bytes::Bytes;
use object_store::{PutMode, PutOptions, PutPayload};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

impl Bucket {
    /// A request that creates an object, over an endpoint; to be waited for with [`Self::wait`].
    pub(in super::super) fn creation(
        &self,
        name: &str,
        bytes: Bytes,
        endpoint: Option<usize>,
    ) -> Result<impl Future<Output = Result<(), Trouble>> + Send + use<>, Trouble> {
        let (store, path, figures) = (self.store(endpoint)?, self.path(name), Arc::clone(&self.figures));
        Ok(counted(Arc::clone(&self.figures), RequestKind::Put, async move {
            figures.sent(bytes.len());
            store.put_opts(&path, PutPayload::from(bytes), PutOptions::from(PutMode::Create)).await?;
            Ok(())
        }))
    }

    /// Creates an object once, over an endpoint.
    pub(in super::super) fn create_once(
        &self,
        name: &str,
        bytes: Bytes,
        endpoint: Option<usize>,
    ) -> Result<(), Trouble> {
        let limit = Self::limit(bytes.len());
        self.wait(limit, self.creation(name, bytes, endpoint)?)
    }

    /// Creates an object, and finds out what became of it: one's own is known by `is_own`.
    ///
    /// After an attempt whose effect is unknown only the same bytes go to the same name.
    pub(in super::super) fn create(
        &self,
        name: &str,
        bytes: &Bytes,
        bytes_max: usize,
        is_own: impl Fn(&[u8]) -> bool,
    ) -> Created {
        let (began, mut pause) = (Instant::now(), PAUSE_MIN);
        loop {
            let problem = match self.create_once(name, bytes.clone(), None) {
                Ok(()) => return Created::Won,
                Err(trouble) => trouble,
            };
            let seen = match self.get_once(name, bytes_max, None) {
                Ok(found) if is_own(&found) => return Created::Won,
                Ok(found) => return Created::Lost(found),
                Err(trouble) => trouble,
            };
            if let Trouble::Final(text) = problem {
                return Created::Unknown(text);
            }
            if began.elapsed() >= self.patience {
                let (problem, seen) = (problem.text(), seen.text());
                return Created::Unknown(if problem == seen { seen } else { format!("{problem}; {seen}") });
            }
            self.try_another(&mut pause);
        }
    }
}
