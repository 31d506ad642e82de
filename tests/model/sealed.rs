//! At the end of a history every settled day is sealed, and every answer about it has a receipt that says the same.

use super::drive::Drive;
use super::world::RIDERS;
use coverledger::coverage::Terms;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::resolve;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::window::Window;
use coverledger::ledger::Snapshot;
use coverledger::seal::day_tree::DayTree;
use coverledger::seal::entry::DayEntry;
use coverledger::seal::log::SealLog;
use coverledger::seal::note::PrivateKey;
use coverledger::seal::receipt::{SealedDay, verify_receipt, write_receipt};
use coverledger::seal::rider_day::RiderDay;
use coverledger::seal::secret::SealingSecret;
use coverledger::sealing::{Outcome, SealBook};
use std::sync::atomic::AtomicBool;

/// Instants of a day that are asked about, of each rider.
const INSTANTS: usize = 4;
/// Of these, receipts.
const RECEIPTS: usize = 1;

impl Drive {
    /// Seals every day that is due, and compares answers with what is sealed and with receipts.
    pub(crate) fn sealed_days_are_answered(&mut self) {
        let view = self.ledger().published().current();
        let (platforms, zone) = (self.config.platforms.clone(), self.config.zone.clone());
        let terms = Terms { platforms: &platforms, zone: &zone };
        let book = SealBook::of(&view, terms).unwrap();
        let secret = SealingSecret::of_seed(&[1; 32]);
        for day in book.due().unwrap() {
            let Outcome::Sealed(seal) = book.seal(day, &secret, &AtomicBool::new(false)).unwrap() else {
                panic!("{day:?} was sealed before")
            };
            self.shown.note(seal.text.clone());
            self.shown.count("days sealed", 1);
            let entry = DayEntry::parse(&seal.text).unwrap();
            let tree = DayTree::of_bytes(&seal.leaves).unwrap();
            assert_eq!((tree.root(), tree.size()), (entry.root, entry.leaves));
            let rider_days: Vec<RiderDay> = book.rider_days(day).unwrap().map(Result::unwrap).collect();
            assert_eq!(u64::try_from(rider_days.len()).unwrap(), entry.leaves);
            for rider in RIDERS.into_iter().chain(["stranger"]) {
                let found = rider_days.iter().find(|found| found.rider_id == rider);
                let nothing = RiderDay::new(rider, day, entry.span);
                // A receipt reads one rider, sealing passes over the rows of all.
                assert_eq!(
                    &book.rider_day(rider, day).unwrap(),
                    found.unwrap_or(&nothing),
                    "{rider} on {day:?}"
                );
                let proofs = Proofs { view: &view, terms, secret: &secret, entry: &entry, tree: &tree };
                self.rider_is_answered(&proofs, found.unwrap_or(&nothing), day);
            }
        }
    }

    fn rider_is_answered(&mut self, proofs: &Proofs<'_>, rider_day: &RiderDay, day: LocalDay) {
        let span = proofs.entry.span;
        for nth in 0..INSTANTS {
            let at = match self.random.pick(&[0, 1]) {
                0 => self.random.between(span.from.millis(), span.until.millis()),
                // Near the ends of what is covered.
                _ => {
                    let ends: Vec<i64> =
                        rider_day.cover().iter().map(|window| window.until.millis()).collect();
                    let end = if ends.is_empty() { span.from.millis() + 1 } else { *self.random.pick(&ends) };
                    (end - self.random.between(0, 2)).clamp(span.from.millis(), span.until.millis() - 1)
                }
            };
            let at = UtcMillis::new(at);
            let question = Question {
                rider_ids: vec![rider_day.rider_id.clone()],
                when: When::Instant(at),
                platforms: None,
                reference: None,
            };
            let answer = resolve(proofs.view, proofs.terms, &question).unwrap();
            let asked = Window::instant(at);
            let sealed = coverledger::seal::receipt::verdict::answer(
                asked,
                &rider_day.cover(),
                &rider_day.undetermined,
            );
            let verdict = answer.verdict.as_str();
            assert_eq!(sealed.unwrap().verdict, verdict, "{} on {day:?} at {at:?}", rider_day.rider_id);
            if nth < RECEIPTS {
                proofs.receipt_says(rider_day, asked, verdict);
                self.shown.count("receipts", 1);
            }
        }
    }
}

/// What receipts of a day are made of.
struct Proofs<'a> {
    view: &'a Snapshot,
    terms: Terms<'a>,
    secret: &'a SealingSecret,
    entry: &'a DayEntry,
    tree: &'a DayTree,
}

impl Proofs<'_> {
    fn receipt_says(&self, rider_day: &RiderDay, asked: Window, verdict: &str) {
        let mut log = SealLog::new();
        let index = log.push(self.entry.clone()).unwrap();
        let key = PrivateKey::of_seed("ledger.example/seal", &[2; 32]).unwrap();
        let checkpoint = log.checkpoint("ledger.example/seal").sign(&[&key]);
        let path = log.prove_inclusion(index);
        let sealed =
            SealedDay { entry: self.entry, tree: self.tree, index, path: &path, checkpoint: &checkpoint };
        let receipt = write_receipt(self.secret, &sealed, rider_day, asked, true).unwrap();
        let verified =
            verify_receipt(receipt.to_json().unwrap().as_bytes(), &[key.public().clone()]).unwrap();
        assert_eq!(verified.receipt.answer.verdict, verdict);
    }
}
