//! A store that TLS does not trust: why not, and what to do.

use super::outcome::causes;
use jiff::Timestamp;
use object_store::Error;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{CertificateError, Error as TlsError};

const SCHEME: &str = "https://";

/// What a failed request says of an endpoint that is not trusted; `None` where it failed for another reason.
pub(super) fn refusal(error: &Error) -> Option<String> {
    let failure = causes(error).find_map(|cause| cause.downcast_ref::<TlsError>())?;
    let endpoint = endpoint_in(&error.to_string());
    match failure {
        TlsError::InvalidCertificate(problem) => {
            let (why, todo) = certificate(problem);
            Some(format!("the certificate of {endpoint} {why}; {todo}"))
        }
        TlsError::InvalidMessage(_) => Some(format!(
            "{endpoint} does not answer with TLS; write its address with http:// in `endpoints` under [storage], or let it serve TLS"
        )),
        _ => None,
    }
}

/// The address that a request went to, with the bucket where that is part of the host: the name that the certificate needs.
fn endpoint_in(said: &str) -> String {
    let host = said.split_once(SCHEME).and_then(|(_, rest)| rest.split(['/', '?', ' ']).next());
    host.map_or_else(|| "the store".to_owned(), |host| format!("{SCHEME}{host}"))
}

/// What is wrong with a certificate, and what to do.
fn certificate(problem: &CertificateError) -> (String, &'static str) {
    let renew = "renew it, or correct the clock of this machine";
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "is of an authority that is not trusted".to_owned(),
            "name a file with the certificate of this authority (PEM) as `ca_file` under [storage]",
        ),
        CertificateError::ExpiredContext { not_after, .. } => {
            (format!("expired at {}", rfc3339(*not_after)), renew)
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            (format!("is not valid before {}", rfc3339(*not_before)), renew)
        }
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!("is not for this name, only for: {}", names(presented)),
            "write a name that it has in `endpoints` under [storage], or have one made for this name (with `path_style = false`: for \
             BUCKET.HOST or *.HOST)",
        ),
        other => match format!("{other:?}") {
            // What `openssl req -x509` makes by default.
            text if text.contains("CaUsedAsEndEntity") => (
                "is that of an authority (CA:TRUE), which no server may show".to_owned(),
                "have one made for the server, or a self-signed one with basicConstraints CA:FALSE",
            ),
            text => (format!("is not accepted ({text})"), "have another one made for the store"),
        },
    }
}

fn rfc3339(at: UnixTime) -> String {
    let time = i64::try_from(at.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {}", at.as_secs()), |time| time.to_string())
}

/// The names of a certificate, of `DnsName("HOST")` and `IpAddress(ADDRESS)`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    match presented {
        [] => "none".to_owned(),
        some => some.iter().map(plain).collect::<Vec<_>>().join(", "),
    }
}
