//! The probe of a store before anything is written to it: whether what the engine relies on holds there.
//!
//! Some stores accept the header of create-if-absent and do not heed it, some heed it but not atomically, some gateways show an
//! object later than others. On such a store two writers could both win a slot: it is refused by the name of what failed.

use super::bucket::{Bucket, Trouble};
use super::name::Nonce;
use crate::storage::error::{StorageError, StorageResult};
use bytes::Bytes;
use futures_util::future::join_all;
use std::time::Duration;

const FOLDER: &str = "probe/";
/// Rounds of a race, and how many take part.
const ROUNDS: usize = 4;
const RACERS: usize = 8;
const BYTES_MAX: usize = 64;
const RACE_TIME: Duration = Duration::from_secs(30);

struct Probe<'a> {
    bucket: &'a Bucket,
    folder: String,
}

/// Tries the store, and removes what was tried.
///
/// # Errors
/// [`StorageError::Unsuitable`] names what does not hold, [`StorageError::Untrusted`] an endpoint that TLS does not trust; another error says why it could not be tried.
pub(super) fn probe(bucket: &Bucket, nonce: Nonce) -> StorageResult<()> {
    let probe = Probe { bucket, folder: format!("{FOLDER}{nonce}") };
    let tried = probe
        .trusts_every_endpoint()
        .and_then(|()| probe.create_twice())
        .and_then(|()| probe.race())
        .and_then(|()| probe.list_after_write());
    let names: Vec<String> = probe.names();
    let removed = bucket.delete(&names);
    tried.and(removed)
}

impl Probe<'_> {
    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.folder)
    }

    fn names(&self) -> Vec<String> {
        let races = (0..ROUNDS).map(|round| self.name(&format!("race-{round}")));
        races.chain([self.name("twice"), self.name("list")]).collect()
    }

    fn refused(&self, what: String) -> StorageError {
        StorageError::Unsuitable { place: self.bucket.url().to_owned(), what }
    }

    /// Creates an object that is not there.
    fn create(&self, name: &str, bytes: &Bytes) -> StorageResult<()> {
        match self.bucket.create(name, bytes, BYTES_MAX, |found| found == bytes) {
            super::bucket::Created::Won => Ok(()),
            super::bucket::Created::Lost(_) => {
                Err(self.refused(format!("a new object {name} has other bytes than were written")))
            }
            super::bucket::Created::Unknown(text) => {
                Err(StorageError::object("write", &self.bucket.place(name))(text))
            }
        }
    }

    /// Reports an endpoint that is not trusted at once: later requests would repeat until patience is used up.
    fn trusts_every_endpoint(&self) -> StorageResult<()> {
        for endpoint in 0..self.bucket.endpoints() {
            let asked = self.bucket.get_once(&self.name("twice"), BYTES_MAX, Some(endpoint));
            if let Err(Trouble::Untrusted(what)) = asked {
                return Err(self.bucket.untrusted(what));
            }
        }
        Ok(())
    }

    fn create_twice(&self) -> StorageResult<()> {
        let (name, first) = (self.name("twice"), Bytes::from_static(b"first"));
        self.create(&name, &first)?;
        for endpoint in 0..self.bucket.endpoints() {
            let again = self.bucket.persist(("write", &name), || {
                match self.bucket.create_once(&name, Bytes::from_static(b"again"), Some(endpoint)) {
                    Ok(()) => Ok(true),
                    Err(Trouble::Exists) => Ok(false),
                    Err(trouble) => Err(trouble),
                }
            })?;
            if again != Some(false) {
                let what = "it creates an object that exists once more (create twice): create-if-absent, `If-None-Match: *`, \
                            is not heeded";
                return Err(self.refused(what.to_owned()));
            }
            let read = self
                .bucket
                .persist(("read", &name), || self.bucket.get_once(&name, BYTES_MAX, Some(endpoint)))?;
            if read.as_deref() != Some(&*first) {
                let what = format!(
                    "an object that was created is not read at once by endpoint {} (read after write)",
                    endpoint + 1
                );
                return Err(self.refused(what));
            }
        }
        Ok(())
    }

    /// In each round several create one object at the same time, over all endpoints in turn. The rounds run beside each other: some
    /// stores make racers wait for seconds.
    fn race(&self) -> StorageResult<()> {
        let names: Vec<String> = (0..ROUNDS).map(|round| self.name(&format!("race-{round}"))).collect();
        let won = self
            .run_races(&names)
            .map_err(|trouble| StorageError::object("write", &self.bucket.place(FOLDER))(trouble.text()))?;
        for (name, won) in names.iter().zip(won) {
            if won.len() > 1 {
                let what = format!(
                    "of {RACERS} that created one object at the same time {} were told that they did (race of creators): \
                     create-if-absent is not atomic",
                    won.len()
                );
                return Err(self.refused(what));
            }
            self.shows_the_winner(name, won.first().copied())?;
        }
        Ok(())
    }

    /// Every endpoint shows what the winner wrote. Where no reply told of winning, it is enough that there is something.
    fn shows_the_winner(&self, name: &str, winner: Option<usize>) -> StorageResult<()> {
        for endpoint in 0..self.bucket.endpoints() {
            let read = self
                .bucket
                .persist(("read", name), || self.bucket.get_once(name, BYTES_MAX, Some(endpoint)))?;
            let is_right = match (&read, winner.map(|nth| nth.to_string().into_bytes())) {
                (Some(read), Some(winner)) => **read == *winner,
                (read, None) => read.is_some(),
                (None, Some(_)) => false,
            };
            if !is_right {
                let what = format!(
                    "the winner of a race of creators is not read at once by endpoint {} (read after write)",
                    endpoint + 1
                );
                return Err(self.refused(what));
            }
        }
        Ok(())
    }

    /// The racers of each object that were told that they won.
    fn run_races(&self, names: &[String]) -> Result<Vec<Vec<usize>>, Trouble> {
        let mut races = Vec::new();
        for name in names {
            let mut racers = Vec::new();
            for nth in 0..RACERS {
                let creation = self.bucket.creation(name, Bytes::from(nth.to_string()), Some(nth))?;
                racers.push(async move { creation.await.map(|()| nth) });
            }
            races.push(join_all(racers));
        }
        let run = self.bucket.wait(RACE_TIME, async move { Ok(join_all(races).await) })?;
        // A reply that is lost says nothing: the object that is there says who won.
        Ok(run.into_iter().map(|race| race.into_iter().filter_map(Result::ok).collect()).collect())
    }

    fn list_after_write(&self) -> StorageResult<()> {
        let name = self.name("list");
        self.create(&name, &Bytes::from_static(b"listed"))?;
        let before = self.name("lis");
        for endpoint in 0..self.bucket.endpoints() {
            let listed = self
                .bucket
                .persist(("list", FOLDER), || self.bucket.list_once(FOLDER, Some(&before), Some(endpoint)))?;
            if !listed.unwrap_or_default().iter().any(|one| one.name == name) {
                let what = format!(
                    "an object that was created is not listed at once by endpoint {} (list after write)",
                    endpoint + 1
                );
                return Err(self.refused(what));
            }
        }
        Ok(())
    }
}
