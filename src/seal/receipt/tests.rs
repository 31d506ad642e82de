use super::document::{Answer, OpenedLeaf, Part};
use super::*;
use crate::domain::order::{Outcome, Phase, Region};
use crate::domain::time::LocalDay;
use crate::domain::window::Window;
use crate::seal::day_order::DayOrder;
use crate::seal::day_tree::{DayTree, Leaf};
use crate::seal::entry::DayEntry;
use crate::seal::hash::Hash;
use crate::seal::instant;
use crate::seal::log::SealLog;
use crate::seal::note::{PrivateKey, PublicKey};
use crate::seal::rider_day::{RiderDay, SealedRefusal};
use crate::seal::secret::{SealingSecret, Tag};
use rust_decimal::Decimal;

mod verifiers;

/// A sealed day of some riders, and the log around it.
struct World {
    secret: SealingSecret,
    key: PrivateKey,
    days: Vec<RiderDay>,
    tree: DayTree,
    log: SealLog,
}

fn day() -> LocalDay {
    LocalDay::from_ymd(2026, 11, 20).unwrap()
}

fn span() -> Window {
    let from = instant::from_text("2026-11-19T16:00:00.000Z").unwrap();
    Window::new(from, from.plus(86_400_000))
}

/// Minutes of the day.
fn minutes(from: i64, until: i64) -> Window {
    Window::new(span().from.plus(from * 60_000), span().from.plus(until * 60_000))
}

fn order(rider: u64, number: u64, window: Window) -> DayOrder {
    DayOrder {
        accepted_at: window.from,
        platform: "meituan".to_owned(),
        order_id: format!("{rider}-{number}"),
        leg: 0,
        phase: Phase::Ended,
        revision: 1,
        category: "instant_delivery".to_owned(),
        region: Region::from_code(310_115).unwrap(),
        ended_at: Some(window.until),
        outcome: Some(Outcome::Completed),
        fare: Some(Decimal::new(125, 1)),
        window: Some(window),
    }
}

fn rider_day(rider: u64, orders: u64) -> RiderDay {
    let mut rider_day = RiderDay::new(&format!("骑手 {rider}"), day(), span());
    for number in 0..orders {
        let from = i64::try_from(number).unwrap() * 20;
        rider_day.orders.push(order(rider, number, minutes(from, from + 15)));
    }
    rider_day.refused.push(SealedRefusal {
        reason: "bad_time".to_owned(),
        platform: "dada".to_owned(),
        order_id: String::new(),
        record_sha256: "00".repeat(32),
        record_bytes: 200,
        origin: "kafka orders.dada 0 17".to_owned(),
        resolved_by: "unresolved".to_owned(),
    });
    rider_day.undetermined.push(minutes(10, 18));
    rider_day.in_order()
}

impl World {
    fn new(riders: u64, orders: u64) -> Self {
        let secret = SealingSecret::of_seed(&[3; 32]);
        let days: Vec<RiderDay> = (0..riders).map(|rider| rider_day(rider, orders)).collect();
        let leaf = |rider_day: &RiderDay| {
            let opening = rider_day.opening(&secret).unwrap();
            let output = secret.output(&rider_day.rider_id, day()).unwrap();
            let commitment = opening.content.commitment(&opening.nonce, &rider_day.rider_id, day()).unwrap();
            assert_eq!(commitment, opening.commitment);
            Leaf { tag: Tag::of_output(&output, day()).unwrap(), commitment }
        };
        let tree = DayTree::new(days.iter().map(leaf).collect());
        let mut log = SealLog::new();
        for before in (1..=9).rev() {
            log.push(entry(&secret, day().plus_days(-before), &DayTree::new(Vec::new()))).unwrap();
        }
        log.push(entry(&secret, day(), &tree)).unwrap();
        log.push(entry(&secret, day().plus_days(1), &tree)).unwrap();
        let key = PrivateKey::of_seed("ledger.example/seal", &[7; 32]).unwrap();
        Self { secret, key, days, tree, log }
    }

    fn known(&self) -> Vec<PublicKey> {
        vec![self.key.public().clone()]
    }

    fn receipt_of(&self, rider_day: &RiderDay, asked: Window, whole: bool) -> Result<Receipt, ReceiptError> {
        let (index, entry) = self.log.newest(day()).unwrap();
        let checkpoint = self.log.checkpoint("ledger.example/seal").sign(&[&self.key]);
        let path = self.log.prove_inclusion(index);
        let sealed = SealedDay { entry, tree: &self.tree, index, path: &path, checkpoint: &checkpoint };
        write_receipt(&self.secret, &sealed, rider_day, asked, whole)
    }

    fn receipt(&self, rider: usize, asked: Window, whole: bool) -> Receipt {
        self.receipt_of(&self.days[rider], asked, whole).unwrap()
    }

    fn absent(&self, rider_id: &str) -> Receipt {
        self.receipt_of(&RiderDay::new(rider_id, day(), span()), minutes(5, 6), false).unwrap()
    }

    fn check(&self, receipt: &Receipt) -> Result<Verified, verify::Refused> {
        verify_receipt(receipt.to_json().unwrap().as_bytes(), &self.known())
    }
}

fn entry(secret: &SealingSecret, day: LocalDay, tree: &DayTree) -> DayEntry {
    DayEntry {
        zone: "Asia/Shanghai".to_owned(),
        day,
        span: span(),
        generation: 1,
        previous: None,
        leaves: tree.size(),
        root: tree.root(),
        vrf_key: *secret.vrf_public().as_bytes(),
        platforms: vec!["dada".to_owned(), "meituan".to_owned()],
    }
}

fn parts(receipt: &Receipt) -> Vec<&str> {
    receipt.answer.parts.iter().map(|part| part.verdict.as_str()).collect()
}

#[test]
fn receipts_hold_and_say_what_the_leaf_says() {
    let world = World::new(40, 5);
    for (asked, verdict, expected) in [
        (minutes(5, 6), "covered", vec!["covered"]),
        (minutes(16, 17), "undetermined", vec!["undetermined"]),
        (minutes(19, 20), "not_covered", vec!["not_covered"]),
        (minutes(0, 25), "undetermined", vec!["covered", "undetermined", "not_covered", "covered"]),
        (minutes(30, 45), "partly_covered", vec!["covered", "not_covered", "covered"]),
        (span(), "undetermined", [["covered", "not_covered"]; 5].concat()),
    ] {
        let receipt = world.receipt(7, asked, false);
        assert_eq!(receipt.answer.verdict, verdict);
        if asked != span() {
            assert_eq!(parts(&receipt), expected);
        }
        let verified = world.check(&receipt).unwrap();
        assert_eq!(verified.entry.day, day());
        let whole = world.receipt(7, asked, true);
        assert_eq!(whole.rider_day.as_ref().unwrap().orders.len(), 5);
        world.check(&whole).unwrap();
    }
}

#[test]
fn absence_is_proved_between_neighbours_and_at_both_ends() {
    for riders in [0, 1, 2, 40] {
        let world = World::new(riders, 1);
        let (mut starts, mut ends) = (0, 0);
        for number in 0..300 {
            let receipt = world.absent(&format!("stranger {number}"));
            let verified = world.check(&receipt).unwrap();
            assert_eq!(verified.receipt.answer.verdict, "not_covered");
            let neighbours = verified.receipt.neighbours.unwrap();
            starts += u32::from(neighbours.before.is_none());
            ends += u32::from(neighbours.after.is_none());
        }
        assert!(starts > 0 && ends > 0, "{riders}: {starts} {ends}");
    }
}

/// Neighbours prove the absence of the tags between them only, and no rider with a leaf is absent.
#[test]
fn neighbours_of_another_place_prove_nothing() {
    let world = World::new(12, 1);
    let strangers: Vec<Receipt> = (0..60).map(|number| world.absent(&format!("stranger {number}"))).collect();
    let mut places = std::collections::BTreeSet::new();
    for own in &strangers {
        for other in strangers.iter().filter(|other| other.neighbours != own.neighbours) {
            let forged = Receipt { neighbours: other.neighbours.clone(), ..own.clone() };
            places.insert(world.check(&forged.with_digest()).unwrap_err().at);
        }
    }
    assert_eq!(places.into_iter().collect::<Vec<_>>(), ["neighbours.after", "neighbours.before"]);
    for rider in 0..12 {
        let present = world.receipt(rider, minutes(19, 20), false);
        for other in &strangers {
            let forged = Receipt { leaf: None, neighbours: other.neighbours.clone(), ..present.clone() };
            assert!(world.check(&forged.with_digest()).unwrap_err().at.starts_with("neighbours."));
        }
    }
}

#[test]
fn what_was_not_sealed_gets_no_receipt() {
    let world = World::new(3, 2);
    let mut changed = world.days[1].clone();
    changed.orders[0].outcome = Some(Outcome::Cancelled);
    assert_eq!(world.receipt_of(&changed, minutes(5, 6), false), Err(ReceiptError::NotAsSealed));
    let unknown = RiderDay { rider_id: "stranger".to_owned(), ..world.days[1].clone() };
    assert_eq!(world.receipt_of(&unknown, minutes(5, 6), false), Err(ReceiptError::NotAsSealed));
    let emptied = RiderDay::new(&world.days[1].rider_id, day(), span());
    assert_eq!(world.receipt_of(&emptied, minutes(5, 6), false), Err(ReceiptError::NotAsSealed));
    let beyond = Window::new(span().from, span().until.plus(1));
    assert_eq!(world.receipt_of(&world.days[1], beyond, false), Err(ReceiptError::NotWithinDay));
    let other = World { secret: SealingSecret::of_seed(&[4; 32]), ..World::new(3, 2) };
    assert_eq!(other.receipt_of(&world.days[1], minutes(5, 6), false), Err(ReceiptError::OtherSecret));
}

#[test]
fn every_changed_byte_is_refused_and_the_place_is_named() {
    let world = World::new(40, 3);
    for receipt in [world.receipt(7, minutes(5, 6), true), world.absent("stranger")] {
        let file = receipt.to_json().unwrap().into_bytes();
        assert!(verify_receipt(&file, &world.known()).is_ok());
        let digest = file.len() - 2 - 64;
        for place in 0..file.len() {
            for change in [1, 0x20, 0x80] {
                let mut changed = file.clone();
                changed[place] ^= change;
                let refused = verify_receipt(&changed, &world.known()).unwrap_err();
                assert!(!refused.at.is_empty() && !refused.problem.is_empty());
                let by_digest_only = refused.at == "digest" && place < digest;
                assert!(!by_digest_only, "byte {place} is bound by the digest only: {refused}");
            }
        }
        for cut in 0..file.len() {
            assert!(verify_receipt(&file[..cut], &world.known()).is_err());
        }
        let longer = [file.as_slice(), b"\n"].concat();
        assert!(verify_receipt(&longer, &world.known()).is_err());
    }
}

type Change = Box<dyn Fn(&mut Receipt)>;

fn in_leaf(change: fn(&mut OpenedLeaf)) -> Change {
    Box::new(move |receipt| change(receipt.leaf.as_mut().unwrap()))
}

/// Changes of a receipt for minute 16 of a rider with a leaf, each with the member at which it is refused.
fn forgeries(other: Receipt, absent: Receipt) -> Vec<(&'static str, Change)> {
    let (rider, proof, other_leaf) = (other.question.rider_id, other.rider_proof, other.leaf);
    let stretch = verdict::stretch(minutes(16, 17)).unwrap();
    let part = Part { from: stretch.from, until: stretch.until, verdict: "covered".to_owned() };
    let answer = Answer { verdict: "covered".to_owned(), parts: vec![part] };
    vec![
        ("rider_proof", Box::new(move |receipt| receipt.question.rider_id.clone_from(&rider))),
        ("rider_proof", Box::new(move |receipt| receipt.rider_proof.clone_from(&proof))),
        ("leaf", Box::new(move |receipt| receipt.leaf.clone_from(&other_leaf))),
        ("leaf", in_leaf(|leaf| leaf.index += 1)),
        ("leaf", in_leaf(|leaf| leaf.undetermined.clear())),
        ("leaf", in_leaf(|leaf| leaf.orders.count += 1)),
        ("leaf.cover[1]", in_leaf(|leaf| leaf.cover.swap(0, 1))),
        ("answer", Box::new(move |receipt| receipt.answer.clone_from(&answer))),
        ("leaf", Box::new(|receipt| (receipt.leaf, receipt.rider_day) = (None, None))),
        (
            "neighbours",
            Box::new(move |receipt| {
                (receipt.leaf, receipt.rider_day) = (None, None);
                receipt.neighbours.clone_from(&absent.neighbours);
            }),
        ),
        ("rider_day.orders", Box::new(|receipt| drop(receipt.rider_day.as_mut().unwrap().orders.pop()))),
        (
            "rider_day.refused",
            Box::new(|receipt| {
                receipt.rider_day.as_mut().unwrap().refused[0].reason = "bad_region".to_owned()
            }),
        ),
        ("log", Box::new(|receipt| receipt.log.index -= 1)),
        ("log", Box::new(|receipt| receipt.entry = receipt.entry.replace("leaves 40", "leaves 41"))),
        ("entry", Box::new(|receipt| receipt.entry = receipt.entry.replace("leaves 40", "leaves 040"))),
        (
            "checkpoint",
            Box::new(|receipt| receipt.checkpoint = receipt.checkpoint.replace("\n11\n", "\n12\n")),
        ),
    ]
}

/// The digest of a forged receipt belongs to it.
#[test]
fn a_forged_receipt_is_refused_where_it_is_forged() {
    let world = World::new(40, 3);
    let (good, absent) = (world.receipt(7, minutes(16, 17), true), world.absent("stranger"));
    let refused = |receipt: &Receipt, change: Change| {
        let mut forged = receipt.clone();
        change(&mut forged);
        world.check(&forged.with_digest()).unwrap_err()
    };
    for (at, change) in forgeries(world.receipt(8, minutes(16, 17), true), absent.clone()) {
        let refused = refused(&good, change);
        assert!(refused.at.starts_with(at), "{at}: {refused}");
    }
    let of_absent: [Change; 2] = [
        Box::new(|receipt| receipt.neighbours.as_mut().unwrap().before = None),
        Box::new(|receipt| receipt.neighbours.as_mut().unwrap().after = None),
    ];
    for change in of_absent {
        assert_eq!(refused(&absent, change).at, "neighbours");
    }
    let strangers = [PrivateKey::of_seed("ledger.example/seal", &[8; 32]).unwrap().public().clone()];
    let refused = verify_receipt(good.to_json().unwrap().as_bytes(), &strangers).unwrap_err();
    assert_eq!(refused.at, "checkpoint");
}

#[test]
fn a_receipt_holds_after_keys_and_generations_changed() {
    let mut world = World::new(5, 2);
    let receipt = world.receipt(1, minutes(5, 6), false);
    let new = PrivateKey::of_seed("ledger.example/seal", &[9; 32]).unwrap();
    let next = DayEntry { generation: 2, previous: Some(9), ..entry(&world.secret, day(), &world.tree) };
    world.log.push(next).unwrap();
    let verified = world.check(&receipt).unwrap();
    // A newer checkpoint shows that the day was sealed again. Its log continues the log of the receipt.
    assert_eq!(world.log.text(receipt.log.index), Some(receipt.entry.as_str()));
    assert_eq!(world.log.superseded_by(receipt.log.index), Some(11));
    let (old, now) = (verified.checkpoint, world.log.checkpoint("ledger.example/seal"));
    let path = world.log.prove_consistency(old.size);
    assert!(crate::seal::merkle::verify_consistency((old.size, old.root), (now.size, now.root), &path));
    let both = now.sign(&[&world.key, &new]);
    for key in [&world.key, &new] {
        assert!(crate::seal::checkpoint::Checkpoint::verify(&both, &[key.public().clone()]).is_ok());
    }
}

#[test]
fn receipts_of_a_large_day_are_small() {
    // 60 stretches of cover, 24 levels of the day, 16 of the log, 25 platforms.
    let world = World::new(2, 60);
    let mut receipt = world.receipt(1, span(), false);
    receipt.answer = world.receipt(1, minutes(5, 6), false).answer;
    let hashes = vec![Hash::of_empty_tree().to_string(); 24];
    receipt.leaf.as_mut().unwrap().path.clone_from(&hashes);
    receipt.log.path = hashes[..16].to_vec();
    receipt.entry = receipt.entry.replace("dada meituan", &["a-platform"; 25].join(" "));
    let bytes = receipt.to_json().unwrap().len();
    assert!(bytes <= 8192, "{bytes}");
    let mut absent = world.absent("stranger");
    let neighbours = absent.neighbours.as_mut().unwrap();
    let found = neighbours.before.clone().or(neighbours.after.clone());
    for place in [&mut neighbours.before, &mut neighbours.after] {
        place.clone_from(&found);
        place.as_mut().unwrap().path.clone_from(&hashes);
    }
    absent.log.path = hashes[..16].to_vec();
    let bytes = absent.to_json().unwrap().len();
    assert!(bytes <= 8192, "{bytes}");
}

#[test]
fn two_ledgers_with_one_secret_have_one_root() {
    let (one, other) = (World::new(20, 3), World::new(20, 3));
    assert_eq!(one.tree.root(), other.tree.root());
    assert_ne!(one.tree.root(), World::new(21, 3).tree.root());
    assert_ne!(one.tree.root(), World::new(20, 4).tree.root());
    // Shuffled and repeated orders are the same rider-day.
    let mut shuffled = one.days[3].clone();
    shuffled.orders.reverse();
    shuffled.orders.extend(one.days[3].orders.clone());
    assert_eq!(shuffled.in_order(), one.days[3]);
}

/// Receipts in files of claims cannot be changed: neither can the format.
#[test]
fn receipts_are_those_of_the_first_version() {
    let world = World::new(3, 2);
    let whole = world.receipt(1, minutes(0, 45), true).to_json().unwrap();
    assert_eq!(whole, include_str!("../../../tests/verifier/receipt-with-leaf.json"));
    let absent = world.absent("stranger").to_json().unwrap();
    assert_eq!(absent, include_str!("../../../tests/verifier/receipt-without-leaf.json"));
}
