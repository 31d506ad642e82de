//! Every request to the store is counted when it ends, whichever way it ends.

use super::outcome::Trouble;
use crate::storage::requests::{RequestKind, RequestResult, StoreFigures};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A request that is under way. One that is given up before its reply has failed.
struct UnderWay {
    figures: Arc<StoreFigures>,
    kind: RequestKind,
    began: Instant,
    result: RequestResult,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.figures.ended(self.kind, self.result, self.began.elapsed());
    }
}

/// The same request, counted.
pub(super) async fn counted<T>(
    figures: Arc<StoreFigures>,
    kind: RequestKind,
    request: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut under_way = UnderWay { figures, kind, began: Instant::now(), result: RequestResult::Failed };
    let answer = request.await;
    under_way.result = match &answer {
        Ok(_) => RequestResult::Ok,
        Err(Trouble::Absent) => RequestResult::Absent,
        Err(Trouble::Exists) => RequestResult::Exists,
        Err(Trouble::Final(_) | Trouble::Untrusted(_) | Trouble::Passing(_)) => RequestResult::Failed,
    };
    answer
}

/// Reads an object of at most `bytes_max`.
pub(super) async fn read_whole(
    figures: Arc<StoreFigures>,
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes_max: usize,
) -> Result<Bytes, Trouble> {
    let request = async {
        let found = store.get(&path).await?;
        if usize::try_from(found.meta.size).map_or(true, |bytes| bytes > bytes_max) {
            let text =
                format!("it has {} bytes, and {bytes_max} is the most that it may have", found.meta.size);
            return Err(Trouble::Final(text));
        }
        Ok(found.bytes().await?)
    };
    let read = counted(Arc::clone(&figures), RequestKind::Get, request).await?;
    figures.received(read.len());
    Ok(read)
}

/// Reads a part of an object.
pub(super) async fn read_range(
    figures: Arc<StoreFigures>,
    store: Arc<dyn ObjectStore>,
    path: Path,
    range: Range<u64>,
) -> Result<Bytes, Trouble> {
    let request = async { Ok(store.get_range(&path, range).await?) };
    let read = counted(Arc::clone(&figures), RequestKind::Get, request).await?;
    figures.received(read.len());
    Ok(read)
}
