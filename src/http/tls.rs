//! TLS of the service: the certificate and its key from files, read again when they change.

use crate::config::TlsSettings;
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("Failed to read {path}: {source}; look at `{key}` in [http.tls] and at the rights of the file", path = path.display())]
    File {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM, or without what it should hold.
    #[error("Failed to read {path}: {source}; `{key}` in [http.tls] must name a file in PEM", path = path.display())]
    Form {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error(
        "Failed to use the certificate in [http.tls]: {0}; name a certificate and the key that belongs to it"
    )]
    Pair(#[source] rustls::Error),
}

/// The keys of the service. New connections get the newest ones.
#[derive(Debug)]
pub struct TlsKeys {
    settings: TlsSettings,
    newest: Arc<Newest>,
    config: Arc<ServerConfig>,
    /// Hash of the files when they were last looked at, usable or not.
    seen: Mutex<[u8; 32]>,
}

#[derive(Debug)]
struct Newest(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Newest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl TlsKeys {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let files = read(settings)?;
        let newest = Arc::new(Newest(ArcSwap::from_pointee(certified(settings, &files, &provider)?)));
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Pair)?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Newest>::clone(&newest);
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let seen = Mutex::new(files.hash());
        Ok(Self { settings: settings.clone(), newest, config: Arc::new(config), seen })
    }

    /// Reads the files again; whether they changed and are in force for new connections. Of files that cannot be used it
    /// complains once; those before stay in force.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = read(&self.settings)?;
        let hash = files.hash();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == hash {
                return Ok(false);
            }
            *seen = hash;
        }
        let provider = self.config.crypto_provider();
        self.newest.0.store(Arc::new(certified(&self.settings, &files, provider)?));
        Ok(true)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(Sha256::digest(&self.certificate));
        hash.update(Sha256::digest(&self.key));
        hash.finalize().into()
    }
}

fn read(settings: &TlsSettings) -> Result<Files, TlsError> {
    let file = |key, path: &PathBuf| {
        std::fs::read(path).map_err(|source| TlsError::File { key, path: path.clone(), source })
    };
    Ok(Files { certificate: file("certificate", &settings.certificate)?, key: file("key", &settings.key)? })
}

fn certified(
    settings: &TlsSettings,
    files: &Files,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let form = |key, path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::Form { key, path, source }
    };
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&files.certificate).collect();
    let chain = chain.map_err(form("certificate", &settings.certificate))?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(form("key", &settings.key))?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)
}
