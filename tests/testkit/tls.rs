//! TLS as a client sees it, and the certificates of tests.

use super::http::Reply;
use coverledger::domain::time::{DAY_MS, Zone};
use coverledger::telemetry::clock::Clock;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Writes `service.crt` and `service.key` of a new certificate for `localhost`; returns the certificate.
pub(crate) fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    write(folder, CertificateParams::new(["localhost".to_owned()]).unwrap())
}

/// The same of a certificate that expires in so many days.
pub(crate) fn write_certificate_for(folder: &Path, days: i64) -> CertificateDer<'static> {
    let end = Zone::utc().rfc3339(Clock::start().now().plus(days * DAY_MS));
    let number = |range: Range<usize>| end[range].parse::<u8>().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(end[..4].parse().unwrap(), number(5..7), number(8..10));
    write(folder, params)
}

fn write(folder: &Path, params: CertificateParams) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    fs::write(folder.join("service.key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("service.crt"), cert.pem()).unwrap();
    cert.der().clone()
}

/// An authority of one's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes `NAME.crt` and `NAME.key` of a new certificate for these hosts, which expires with the year.
    pub(crate) fn certify(&self, folder: &Path, name: &str, hosts: &[&str], year: i32) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 12, 31));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    }
}

/// `GET path` over TLS by a client that trusts this certificate only; `None` when no whole answer comes.
pub(crate) fn get(
    address: &str,
    path: &str,
    headers: &str,
    trusted: &CertificateDer<'static>,
) -> Option<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).ok()?);
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    // The service may end the connection without saying so first.
    let _ended = stream.read_to_end(&mut reply);
    Reply::parse(&String::from_utf8(reply).unwrap())
}
