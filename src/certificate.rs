//! When certificates expire: the alarm and `doctor` ask.

use crate::domain::time::{SECOND_MS, UtcMillis};
use thiserror::Error;
use x509_parser::pem::Pem;

/// Why a file says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It is no PEM, or what it holds is no certificate.
    #[error("it holds no certificate in PEM that can be read: {0}")]
    Form(String),
    /// There is none in it.
    #[error("it holds no certificate")]
    Empty,
}

/// When each certificate of a PEM file expires, in their order. Other parts, such as a key, do not count.
///
/// # Errors
/// There is no certificate, or one that cannot be read.
pub fn expiries(pem: &[u8]) -> Result<Vec<UtcMillis>, CertificateError> {
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| CertificateError::Form(error.to_string()))?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let certificate = block.parse_x509().map_err(|error| CertificateError::Form(error.to_string()))?;
        let seconds = certificate.validity().not_after.timestamp();
        found.push(UtcMillis::new(seconds.saturating_mul(SECOND_MS)));
    }
    if found.is_empty() { Err(CertificateError::Empty) } else { Ok(found) }
}

/// When the first of a chain expires: the chain is worth nothing from then on.
///
/// # Errors
/// As [`expiries`].
pub fn expires(pem: &[u8]) -> Result<UtcMillis, CertificateError> {
    expiries(pem)?.into_iter().min().ok_or(CertificateError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_first_of_a_chain_counts() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        let chain = [certificate(2040), key, certificate(2031)].concat();
        // 2031-01-01T00:00:00Z
        assert_eq!(expires(chain.as_bytes()), Ok(UtcMillis::new(1_924_992_000_000)));
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(expires(key.as_bytes()), Err(CertificateError::Empty));
        assert_eq!(expires(b""), Err(CertificateError::Empty));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(expires(broken.as_bytes()), Err(CertificateError::Form(_))));
    }
}
