//! Endpoints that TLS does not trust: what is said of them, and how often they are asked.

use super::super::tls::refusal;
use super::unkind::{Unkind, World};
use super::*;
use object_store::Error;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair, date_time_ymd};
use std::io;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{Error as TlsError, InvalidMessage, RootCertStore};

/// A request that failed, as the client of the store reports it.
#[derive(Debug, thiserror::Error)]
#[error("Error performing GET https://ledger.store.example:8333/slot?x=/y in 1ms - HTTP error")]
struct Failed(#[source] io::Error);

fn failed(cause: TlsError) -> Error {
    // The client wraps it twice.
    let cause = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, cause));
    Error::Generic { store: "S3", source: Box::new(Failed(cause)) }
}

/// A self-signed certificate for the store, valid in these years.
fn certificate(change: impl FnOnce(&mut CertificateParams), years: (i32, i32)) -> Certificate {
    let mut params =
        CertificateParams::new(vec!["*.store.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

/// What is said where a server shows the certificate and this one is trusted; `None` where nothing is wrong.
fn said(shown: &Certificate, trusted: &Certificate, name: &'static str) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name).unwrap();
    let verified = verifier.verify_server_cert(shown.der(), &[], &name, &[], UnixTime::now());
    verified.err().map(|problem| refusal(&failed(problem)).unwrap())
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_what_to_do() {
    let of = |years| certificate(|_| {}, years);
    let (good, other) = (of((2020, 2090)), of((2020, 2090)));
    let host = "ledger.store.example";
    assert_eq!(said(&good, &good, host), None);
    let says = |said: Option<String>, words: [&str; 2]| {
        let said = said.unwrap();
        let begin = "the certificate of https://ledger.store.example:8333 ";
        assert!(said.starts_with(begin) && words.iter().all(|words| said.contains(words)), "{said}");
    };
    says(said(&good, &other, host), ["of an authority that is not trusted; name a file", "`ca_file`"]);
    says(said(&good, &good, "other.example"), ["only for: *.store.example, 10.0.0.1; write", "*.HOST"]);
    let old = of((2020, 2021));
    says(said(&old, &old, host), ["expired at 2021-01-01T00:00:00Z; renew it", "clock"]);
    let new = of((2089, 2090));
    says(said(&new, &new, host), ["not valid before 2089-01-01T00:00:00Z; renew it", "clock"]);
    let authority =
        certificate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), (2020, 2090));
    says(said(&authority, &authority, host), ["is that of an authority (CA:TRUE)", "CA:FALSE"]);
    let plain = refusal(&failed(TlsError::InvalidMessage(InvalidMessage::InvalidContentType))).unwrap();
    assert!(plain.starts_with("https://ledger.store.example:8333 does not answer with TLS"), "{plain}");
    assert_eq!(refusal(&failed(TlsError::HandshakeNotComplete)), None);
}

/// Ways to the bucket, of which none is trusted, and the storage over them.
fn untrusted(ways: usize, patience: Duration) -> (Vec<Arc<Unkind>>, Object) {
    let world: Arc<World> = Arc::default();
    let ways: Vec<Arc<Unkind>> = (0..ways).map(|_| Unkind::new(&world, 1, 0)).collect();
    ways.iter().for_each(|way| way.is_untrusted.store(true, Ordering::Release));
    let stores = ways.iter().map(|way| Arc::clone(way) as Arc<dyn ObjectStore>).collect();
    let object = Object::over(stores, "s3://unkind", ObjectOptions { patience, ..options() });
    (ways, object)
}

fn asked(ways: &[Arc<Unkind>]) -> usize {
    ways.iter().map(|way| way.asked.swap(0, Ordering::AcqRel)).sum()
}

fn is_untrusted<T: std::fmt::Debug>(done: StorageResult<T>) {
    let text = done.as_ref().map_err(ToString::to_string).unwrap_err();
    let begin = "Failed to use the object store s3://unkind: the certificate of the store is of an authority";
    assert!(matches!(&done, Err(StorageError::Untrusted { .. })) && text.starts_with(begin), "{text}");
}

#[test]
fn at_a_start_each_endpoint_that_is_not_trusted_is_asked_once() {
    let (ways, object) = untrusted(2, Duration::from_secs(20));
    for mode in [Mode::Read, Mode::WRITE] {
        is_untrusted(open(&object, mode).map(drop));
        assert_eq!(asked(&ways), 2, "{mode:?}");
    }
    // The probe asks each of them, and then tries to delete what it may have left.
    is_untrusted(object.probe());
    assert_eq!(asked(&ways), 3);
}

#[test]
fn one_endpoint_that_is_trusted_is_enough_to_read_and_not_to_write() {
    let (ways, object) = untrusted(2, Duration::from_secs(20));
    let trust = |is_trusted: bool| ways[1].is_untrusted.store(!is_trusted, Ordering::Release);
    trust(true);
    ways[0].is_untrusted.store(false, Ordering::Release);
    commit(&open(&object, Mode::WRITE).unwrap(), 1).unwrap();
    let stores = || ways.iter().map(|way| Arc::clone(way) as Arc<dyn ObjectStore>).collect();
    let again = || Object::over(stores(), "s3://unkind", options());
    for is_first in [false, true] {
        ways[0].is_untrusted.store(is_first, Ordering::Release);
        trust(is_first);
        assert_eq!(newest(&open(&again(), Mode::Read).unwrap()), "1");
        is_untrusted(open(&again(), TAKE_OVER).map(drop));
    }
}

#[test]
fn later_on_a_certificate_may_be_exchanged_while_it_is_asked_again() {
    let (ways, object) = untrusted(1, Duration::from_millis(200));
    ways[0].is_untrusted.store(false, Ordering::Release);
    let session = open(&object, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    ways[0].is_untrusted.store(true, Ordering::Release);
    asked(&ways);
    is_untrusted(core(&session).shared.bucket.list("slot/", None));
    assert!(asked(&ways) > 2, "it was asked again");
    ways[0].is_untrusted.store(false, Ordering::Release);
    commit(&session, 2).unwrap();
}
