//! Whom the service trusts to be the provider, and what it takes from it.

use crate::access::oidc::OidcError;
use crate::access::oidc::fetch::Client;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

fn head(stream: &mut impl Read) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    Some(())
}

/// Answers everything over TLS with its own certificate, which is in the file; the port.
fn tls_provider(folder: &TempDir) -> u16 {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let crypto = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let config =
        Arc::new(config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap());
    serve(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        // A client that does not trust the certificate sends nothing.
        if head(&mut stream).is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        }
    })
}

fn serve(answer: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test program.
    let answering = move || listener.incoming().for_each(|stream| answer(stream.unwrap()));
    thread::Builder::new().spawn(answering).unwrap();
    port
}

#[test]
fn a_provider_is_trusted_by_the_configured_authorities_only() {
    let folder = TempDir::new().unwrap();
    let port = tls_provider(&folder);
    let (address, by_number) = (format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/"));
    let ca = folder.path().join("ca.pem");
    let trusting = Client::new(Some(&ca)).unwrap();
    assert_eq!(trusting.get(&address).unwrap(), b"{}");
    // The certificate is for another name; and of an authority that no browser knows.
    assert!(matches!(trusting.get(&by_number), Err(OidcError::Unreachable { .. })));
    assert!(matches!(Client::new(None).unwrap().get(&address), Err(OidcError::Unreachable { .. })));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        fs::write(&ca, text).unwrap();
        let refused = Client::new(Some(&ca)).map(drop);
        assert!(matches!(refused, Err(OidcError::Authorities { .. })), "{text}: {refused:?}");
    }
    assert!(matches!(Client::new(Some(&folder.path().join("none"))), Err(OidcError::Authorities { .. })));
}

#[test]
fn a_redirect_is_not_followed_and_a_large_answer_not_read() {
    let elsewhere = serve(|_| panic!("the redirect was followed"));
    let port = serve(move |mut stream| {
        head(&mut stream).unwrap();
        let location = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(location.as_bytes()).unwrap();
    });
    let redirected = Client::new(None).unwrap().get(&format!("http://127.0.0.1:{port}/"));
    assert!(
        matches!(&redirected, Err(OidcError::Answer { fault, .. }) if fault == "it answers 302"),
        "{redirected:?}"
    );
    let port = serve(|mut stream| {
        head(&mut stream).unwrap();
        let large = vec![b' '; 600 * 1024];
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 614400\r\n\r\n").unwrap();
        // The client ends the connection before the end.
        let _ended = stream.write_all(&large);
    });
    let large = Client::new(None).unwrap().get(&format!("http://127.0.0.1:{port}/"));
    assert!(matches!(large, Err(OidcError::Unreachable { .. })), "{large:?}");
}
