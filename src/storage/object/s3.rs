//! A bucket behind the S3 protocol: its endpoints, TLS, and credentials from the usual places.

use super::outcome;
use crate::storage::error::{StorageError, StorageResult};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{Certificate, ClientOptions, Error, ObjectStore, RetryConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for any request; the engine gives most of them far less.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(900);

/// Which bucket, and how it is reached. Credentials are not part of it: they come from the variables `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, a web identity, or the service of the machine or container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// Addresses of gateways; empty = those of AWS.
    pub endpoints: Vec<String>,
    /// The region; `None` = from the environment, else the usual default.
    pub region: Option<String>,
    /// Whether the bucket is part of the path of an address instead of its host.
    pub is_path_style: bool,
    /// A file with certificates of authorities to trust besides those of this machine, in PEM.
    pub ca_file: Option<PathBuf>,
    /// A proxy for all requests; `None` = from the environment.
    pub proxy: Option<String>,
}

/// The endpoints of a bucket, and what messages call it.
type Endpoints = (Vec<Arc<dyn ObjectStore>>, String);

impl S3Settings {
    /// Nothing is asked of them yet.
    pub(super) fn open(&self, prefix: &str) -> StorageResult<Endpoints> {
        let url = match prefix {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        };
        Ok((self.stores_with(None)?, url))
    }

    /// With a key and its secret instead of those from the usual places.
    pub(super) fn stores_with(
        &self,
        credentials: Option<(&str, &str)>,
    ) -> StorageResult<Vec<Arc<dyn ObjectStore>>> {
        // One that is installed already does as well.
        let _installed = ring::default_provider().install_default();
        let endpoints: Vec<Option<&str>> = match self.endpoints.as_slice() {
            [] => vec![None],
            some => some.iter().map(|endpoint| Some(endpoint.as_str())).collect(),
        };
        let trusted = self.ca_file.as_deref().map_or_else(|| Ok(Vec::new()), authorities)?;
        let url = format!("s3://{}", self.bucket);
        let store = |endpoint| {
            let store = self.store(endpoint, &trusted, credentials);
            store.map_err(|error| unusable(&error, &url))
        };
        endpoints.into_iter().map(store).collect()
    }

    fn store(
        &self,
        endpoint: Option<&str>,
        trusted: &[Certificate],
        credentials: Option<(&str, &str)>,
    ) -> Result<Arc<dyn ObjectStore>, Error> {
        let mut client =
            ClientOptions::new().with_connect_timeout(CONNECT_TIME).with_timeout(REQUEST_TIME_MAX);
        for certificate in trusted {
            client = client.with_root_certificate(certificate.clone());
        }
        if let Some(proxy) = &self.proxy {
            client = client.with_proxy_url(proxy);
        }
        // Requests are sent again by the engine, which knows what their effect may have been.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_virtual_hosted_style_request(!self.is_path_style)
            .with_retry(retry);
        if let Some(endpoint) = endpoint {
            let address = if self.is_path_style { endpoint.to_owned() } else { self.hosted(endpoint) };
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(address);
        }
        if let Some((key, secret)) = credentials {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        Ok(Arc::new(builder.with_client_options(client).build()?))
    }

    /// The address with the bucket in its host.
    fn hosted(&self, endpoint: &str) -> String {
        match endpoint.split_once("://") {
            Some((scheme, host)) => format!("{scheme}://{}.{host}", self.bucket),
            None => endpoint.to_owned(),
        }
    }
}

/// The certificates of a file. One that holds none, or one that is none, is refused here: a connection that fails later would not point
/// to it.
fn authorities(path: &Path) -> StorageResult<Vec<Certificate>> {
    let failed = |reason: String| StorageError::Authorities { path: path.to_path_buf(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(format!("it is no PEM ({error})")))?;
        let unreadable =
            |error: String| failed(format!("it holds no certificate that can be read ({error})"));
        RootCertStore::empty().add(certificate.clone()).map_err(|error| unreadable(error.to_string()))?;
        found.push(Certificate::from_der(&certificate).map_err(|error| unreadable(error.to_string()))?);
    }
    if found.is_empty() { Err(failed("it holds no certificate".to_owned())) } else { Ok(found) }
}

/// Why there is no client for a bucket.
fn unusable(error: &Error, url: &str) -> StorageError {
    let said = outcome::said(error);
    if said.contains("No CA certificates") {
        let todo =
            "install the authorities of this system (ca-certificates), or name `ca_file` under [storage]";
        return StorageError::Untrusted { place: url.to_owned(), what: format!("{said}; {todo}") };
    }
    StorageError::object("use", url)(said)
}
