//! Stores that do not do what the engine relies on.

use super::unkind::World;
use super::*;
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a store does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacks {
    /// It does not heed create-if-absent.
    Create,
    /// It looks first and creates then.
    AtomicCreate,
    /// It lists old objects only.
    Lists,
    Nothing,
}

#[derive(Debug)]
struct Poor(Arc<World>, Lacks);

impl std::fmt::Display for Poor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.1)
    }
}

#[async_trait]
impl ObjectStore for Poor {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        if self.1 == Lacks::AtomicCreate && opts.mode == PutMode::Create {
            let there = self.0.bucket.head(path).await;
            // Others look meanwhile, too.
            pause(Duration::from_millis(50)).await;
            if there.is_err() {
                opts.mode = PutMode::Overwrite;
            }
        }
        if self.1 == Lacks::Create {
            opts.mode = PutMode::Overwrite;
        }
        self.0.bucket.put_opts(path, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.bucket.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.bucket.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.bucket.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.1 == Lacks::Lists { stream::empty().boxed() } else { self.0.bucket.list(prefix) }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.bucket.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.bucket.copy_opts(from, to, options).await
    }
}

#[test]
fn a_store_that_does_not_do_what_is_relied_on_is_refused_by_name() {
    let acquired = |lacks| {
        let poor = object(Arc::new(Poor(Arc::default(), lacks)), options());
        open(&poor, Mode::WRITE).map(drop)
    };
    for (lacks, named) in [
        (Lacks::Create, "(create twice)"),
        (Lacks::AtomicCreate, "(race of creators)"),
        (Lacks::Lists, "(list after write)"),
    ] {
        let refused = acquired(lacks).unwrap_err();
        assert!(matches!(refused, StorageError::Unsuitable { .. }), "{lacks:?}: {refused:?}");
        assert!(refused.to_string().contains(named), "{lacks:?}: {refused}");
    }
    acquired(Lacks::Nothing).unwrap();
    // One that only reads, and may take over, tries it when it is asked to, without writing anything else.
    let world: Arc<World> = Arc::default();
    let over = |lacks| object(Arc::new(Poor(Arc::clone(&world), lacks)), options());
    let session = open(&over(Lacks::Nothing), Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    for (lacks, is_good) in [(Lacks::AtomicCreate, false), (Lacks::Nothing, true)] {
        let way = over(lacks);
        let tried = open(&way, Mode::Read).unwrap().prepare();
        assert_eq!(tried.is_ok(), is_good, "{tried:?}");
    }
    // Two endpoints that are not of one bucket are seen as well.
    let apart: Vec<Arc<dyn ObjectStore>> = vec![Arc::new(InMemory::new()), Arc::new(InMemory::new())];
    let refused = open(&Object::over(apart, "s3://memory", options()), Mode::WRITE).unwrap_err();
    assert!(matches!(refused, StorageError::Unsuitable { .. }), "{refused:?}");
}
