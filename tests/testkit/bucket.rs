//! The objects of the test store's bucket, as another program reads, damages and deletes them.

use super::seaweedfs::{BUCKET, KEY, SECRET, SeaweedFs};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Runtime;

/// The bucket.
pub(crate) struct Bucket {
    store: AmazonS3,
    runtime: Runtime,
}

impl Bucket {
    /// That of a store.
    pub(crate) fn of(seaweed: &SeaweedFs) -> Self {
        let _installed = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let store = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_endpoint(&seaweed.endpoints[0])
            .with_region("us-east-1")
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .with_allow_http(true)
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store, runtime }
    }

    /// The names of the objects of a folder and below it, in order.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let folder = Path::from(folder);
        let mut names: Vec<String> = self.runtime.block_on(async {
            use futures_util::TryStreamExt;
            let listed = self.store.list(Some(&folder)).map_ok(|meta| meta.location.to_string());
            listed.try_collect().await.unwrap()
        });
        names.sort();
        names
    }

    /// Reads an object; `None` where there is none.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let name = Path::from(name);
        self.runtime.block_on(async {
            match self.store.get(&name).await {
                Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        })
    }

    /// Writes an object.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let name = Path::from(name);
        self.runtime
            .block_on(async { self.store.put(&name, PutPayload::from(bytes)).await.map(drop).unwrap() });
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, name: &str) {
        let name = Path::from(name);
        self.runtime.block_on(async { self.store.delete(&name).await.unwrap() });
    }
}
