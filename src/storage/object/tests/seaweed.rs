//! The contracts on a real store: `SeaweedFS` with two gateways.

#[expect(dead_code, reason = "these tests stop no store, and use no TLS")]
#[path = "../../../../tests/testkit/seaweedfs.rs"]
mod seaweedfs;

use super::super::s3::S3Settings;
use super::*;
use crate::storage::contract_tests::{ALL, model};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use seaweedfs::{BUCKET, KEY, SECRET, SeaweedFs};
use std::sync::atomic::AtomicUsize;

/// Walks of the model test.
const WALKS: usize = 4;

fn store(seaweed: &SeaweedFs, endpoint: Option<usize>) -> Vec<Arc<dyn ObjectStore>> {
    let endpoints = match endpoint {
        Some(nth) => vec![seaweed.endpoints[nth].clone()],
        None => seaweed.endpoints.to_vec(),
    };
    let settings =
        S3Settings { bucket: BUCKET.to_owned(), endpoints, is_path_style: true, ..S3Settings::default() };
    settings.stores_with(Some((KEY, SECRET))).unwrap()
}

/// Storages with prefixes of their own in one bucket.
struct Prefixes<'a> {
    seaweed: &'a SeaweedFs,
    next: AtomicUsize,
}

impl Prefixes<'_> {
    fn storage(&self) -> Storage {
        let prefix = format!("place-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let url = format!("s3://{BUCKET}/{prefix}");
        let options = ObjectOptions { prefix, ..options() };
        Storage::Object(Object::over(store(self.seaweed, None), url, options))
    }

    fn place(&self) -> Place {
        Place::object("seaweedfs", self.storage(), self.storage())
    }
}

#[test]
fn a_real_store_keeps_every_contract() {
    let seaweed = SeaweedFs::start();
    let prefixes = Prefixes { seaweed: &seaweed, next: AtomicUsize::new(0) };
    for (name, keeps) in ALL {
        println!("{name}");
        keeps(&|| vec![prefixes.place()]);
    }
    let (mut runner, steps) = (TestRunner::deterministic(), proptest::collection::vec(model::step(), 1..25));
    for _ in 0..WALKS {
        model::walk(vec![prefixes.place()], &steps.new_tree(&mut runner).unwrap().current());
    }
}

#[test]
fn on_a_real_store_two_gateways_are_one_and_a_zombie_is_fenced() {
    let seaweed = SeaweedFs::start();
    let over = |nth| {
        let (stores, url) = (store(&seaweed, Some(nth)), format!("s3://{BUCKET}"));
        Object::over(stores, url, options())
    };
    let (one, other) = (over(0), over(1));
    let zombie = open(&one, Mode::WRITE).unwrap();
    (1..4).for_each(|number| commit(&zombie, number).unwrap());
    let successor = open(&other, TAKE_OVER).unwrap();
    assert_eq!(newest(&successor), "3");
    (4..20).for_each(|number| commit(&successor, number).unwrap());
    // The clock of the store has whole seconds: what was created in this one is not old yet.
    let collect = || core(&successor).collect().map(|objects| (objects > 4).then_some(objects)).unwrap();
    let collected = crate::wait::poll_until(200, Duration::from_millis(100), collect);
    assert!(collected.is_some(), "the slots of the zombie are collected");
    let done = commit(&zombie, 4);
    assert!(matches!(done, Err(StorageError::Fenced { .. })), "{done:?}");
    commit(&successor, 20).unwrap();
    drop((zombie, successor));
    let session = open(&over(0), Mode::Read).unwrap();
    assert_eq!(newest(&session), "20");
    (1..21).for_each(|number| {
        assert_eq!(*session.get(&ValueKey::new(KIND, number, 0)).unwrap().unwrap(), number.to_be_bytes());
    });
    session.scrub(&mut |problem| panic!("{problem}"));
}

#[test]
fn what_a_store_refuses_is_an_error_that_names_it_and_shows_no_secret() {
    let seaweed = SeaweedFs::start();
    let settings = |bucket: &str| S3Settings {
        bucket: bucket.to_owned(),
        endpoints: vec![seaweed.endpoints[0].clone()],
        is_path_style: true,
        ..S3Settings::default()
    };
    let refused = |bucket: &str, secret: &'static str| {
        let stores = settings(bucket).stores_with(Some((KEY, secret))).unwrap();
        let options = ObjectOptions { patience: Duration::from_millis(300), ..options() };
        open(&Object::over(stores, format!("s3://{bucket}"), options), Mode::WRITE).unwrap_err().to_string()
    };
    let wrong = refused(BUCKET, "a-wrong-secret");
    assert!(wrong.contains("s3://ledger") && wrong.contains("credentials"), "{wrong}");
    let absent = refused("no-such-bucket", SECRET);
    assert!(absent.contains("s3://no-such-bucket"), "{absent}");
    assert!(!wrong.contains("a-wrong-secret") && !absent.contains(SECRET), "{wrong}\n{absent}");
}
