//! The sealing secret of a ledger, and what is derived from it: the tags of riders and the nonces of commitments.

use super::frames::Frames;
use super::hash::Hash;
use super::instant::day_text;
use super::vrf::{Output, PROOF_BYTES, VrfPublicKey, VrfSecretKey};
use crate::domain::time::{LocalDay, Month};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes of a tag. Two riders of a day may share one by chance; their commitments tell their leaves apart.
pub const TAG_BYTES: usize = 8;

/// Represents a rider in the tree of one day. Only the sealing secret and the rider's proof show whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; TAG_BYTES]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Tag {
    /// Reads the text form, 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The tag on `day` of the rider whose output for the day's month this is.
    pub fn of_output(output: &Output, day: LocalDay) -> Option<Self> {
        let fields = Frames::of("coverledger/tag/1").with(day_text(day)?.as_bytes()).with(output);
        let Hash(hash) = Hash::of(&[fields.as_bytes()]);
        hash.first_chunk().copied().map(Self)
    }
}

/// The input of the verifiable random function for a rider and the month of a day. One output serves a month, so that sealing
/// its days computes it once for each rider, and a receipt does not show the rider's tags of another month.
fn rider_input(rider_id: &str, day: LocalDay) -> Frames {
    Frames::of("coverledger/rider/1").with(day.month().to_string().as_bytes()).with(rider_id.as_bytes())
}

/// The output that `proof` proves for the rider and the month of `day`; `None` when it proves nothing.
pub fn verify_rider(
    key: &VrfPublicKey,
    rider_id: &str,
    day: LocalDay,
    proof: &[u8; PROOF_BYTES],
) -> Option<Output> {
    key.verify(rider_input(rider_id, day).as_bytes(), proof)
}

/// Memory of outputs that are kept, in bytes.
const KNOWN_BYTES_MAX: usize = 64 << 20;
/// What an output takes beside its rider's identifier, about.
const KNOWN_BYTES_EACH: usize = 160;

/// Outputs of one month, so that its days compute each rider's once. Full, it takes no more: those that it has stay.
#[derive(Default)]
struct KnownOutputs {
    month: Option<Month>,
    bytes: usize,
    outputs: HashMap<Box<str>, Output>,
}

impl KnownOutputs {
    fn get(&self, month: Month, rider_id: &str) -> Option<Output> {
        self.outputs.get(rider_id).copied().filter(|_| self.month == Some(month))
    }

    /// Whether the output of one more rider of a month would be kept.
    fn takes(&self, month: Month, rider_id: &str) -> bool {
        match self.month {
            // A day of an earlier month that is sealed again: the newest month is the one to keep.
            Some(kept) if kept > month => false,
            Some(kept) if kept == month => self.bytes_with(rider_id) <= KNOWN_BYTES_MAX,
            _ => true,
        }
    }

    fn bytes_with(&self, rider_id: &str) -> usize {
        self.bytes.saturating_add(rider_id.len()).saturating_add(KNOWN_BYTES_EACH)
    }

    fn put(&mut self, month: Month, rider_id: &str, output: Output) {
        if !self.takes(month, rider_id) {
            return;
        }
        if self.month != Some(month) {
            *self = Self { month: Some(month), ..Self::default() };
        }
        self.bytes = self.bytes_with(rider_id);
        self.outputs.insert(rider_id.into(), output);
    }
}

/// The sealing secret. Two ledgers with the same secret and the same events have the same roots.
pub struct SealingSecret {
    vrf: VrfSecretKey,
    nonce_key: [u8; 32],
    known: Mutex<KnownOutputs>,
}

impl SealingSecret {
    /// The secret of 32 random bytes.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        let vrf_seed = keyed(seed, &Frames::of("coverledger/vrf-seed/1"));
        Self {
            vrf: VrfSecretKey::of_seed(&vrf_seed),
            nonce_key: keyed(seed, &Frames::of("coverledger/nonces/1")),
            known: Mutex::default(),
        }
    }

    /// The public key against which proofs of riders are checked.
    pub const fn vrf_public(&self) -> &VrfPublicKey {
        self.vrf.public()
    }

    /// The rider's output for the month of `day`. It is a secret of that rider.
    pub fn output(&self, rider_id: &str, day: LocalDay) -> Option<Output> {
        self.vrf.output(rider_input(rider_id, day).as_bytes())
    }

    /// The outputs of many riders for the month of `day`, in their order: together they cost less than one by one, and those of
    /// the newest month are kept.
    pub fn outputs(&self, rider_ids: &[&str], day: LocalDay) -> Vec<Option<Output>> {
        let month = day.month();
        let found: Vec<Option<Output>> = {
            let known = self.known();
            rider_ids.iter().map(|rider_id| known.get(month, rider_id)).collect()
        };
        let missing = || rider_ids.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(id, _)| id);
        let inputs: Vec<Frames> = missing().map(|rider_id| rider_input(rider_id, day)).collect();
        let computed = self.vrf.outputs(inputs.iter().map(Frames::as_bytes));
        let mut known = self.known();
        for (rider_id, output) in missing().zip(&computed) {
            output.iter().for_each(|output| known.put(month, rider_id, *output));
        }
        let mut computed = computed.into_iter();
        found.iter().map(|found| found.or_else(|| computed.next().flatten())).collect()
    }

    /// Computes outputs that are not known yet and keeps them for the days of the month of `day`. Returns how many of these riders
    /// are known now: fewer than all where no more are kept.
    pub fn prepare(&self, rider_ids: &[&str], day: LocalDay) -> usize {
        let month = day.month();
        let wanted: Vec<&str> = {
            let known = self.known();
            let is_wanted = |id: &&str| known.get(month, id).is_none() && known.takes(month, id);
            rider_ids.iter().copied().filter(is_wanted).collect()
        };
        if !wanted.is_empty() {
            self.outputs(&wanted, day);
        }
        self.known_of(rider_ids, day)
    }

    /// How many of these riders have a known output for the month of `day`.
    pub fn known_of(&self, rider_ids: &[&str], day: LocalDay) -> usize {
        let (month, known) = (day.month(), self.known());
        rider_ids.iter().filter(|id| known.get(month, id).is_some()).count()
    }

    fn known(&self) -> MutexGuard<'_, KnownOutputs> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The proof of that output.
    pub fn prove_rider(&self, rider_id: &str, day: LocalDay) -> Option<[u8; PROOF_BYTES]> {
        self.vrf.prove(rider_input(rider_id, day).as_bytes())
    }

    /// A nonce for `content`. It follows from the content, so that equal content has equal commitments in every ledger of this
    /// secret, and other content has an unknown nonce although that of earlier content was shown.
    pub fn nonce(&self, content: &[u8]) -> [u8; 32] {
        keyed(&self.nonce_key, &Frames::of("coverledger/nonce/1").with(content))
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealing secret of {:?}", self.vrf.public())
    }
}

/// HMAC-SHA-256. A key of 32 bytes is the same as that key with zeros up to the block of 64.
fn keyed(key: &[u8; 32], fields: &Frames) -> [u8; 32] {
    let block: [u8; 64] = std::array::from_fn(|i| key.get(i).copied().unwrap_or_default());
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(fields.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_proved_for_its_rider_month_and_day_only() {
        let secret = SealingSecret::of_seed(&[1; 32]);
        let day = LocalDay::from_ymd(2026, 11, 20).unwrap();
        let proof = secret.prove_rider("R1", day).unwrap();
        let output = verify_rider(secret.vrf_public(), "R1", day, &proof).unwrap();
        assert_eq!(Some(output), secret.output("R1", day));
        assert_eq!(verify_rider(secret.vrf_public(), "R2", day, &proof), None);
        let next_month = LocalDay::from_ymd(2026, 12, 20).unwrap();
        assert_eq!(verify_rider(secret.vrf_public(), "R1", next_month, &proof), None);
        let other = SealingSecret::of_seed(&[2; 32]);
        assert_eq!(verify_rider(other.vrf_public(), "R1", day, &proof), None);
        let tag = Tag::of_output(&output, day).unwrap();
        assert_ne!(Some(tag), Tag::of_output(&output, day.plus_days(1)));
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        assert_eq!(Tag::parse(&tag.to_string().to_uppercase()), None);
    }

    #[test]
    fn kept_outputs_are_those_of_their_rider_and_month() {
        let (secret, fresh) = (SealingSecret::of_seed(&[1; 32]), SealingSecret::of_seed(&[1; 32]));
        let day = |month, day| LocalDay::from_ymd(2026, month, day).unwrap();
        let days = [day(11, 20), day(11, 21), day(12, 1), day(11, 22), day(12, 2)];
        for (day, riders) in
            days.into_iter().zip([["R1", "R2"], ["R2", "R3"], ["R1", "R3"], ["R3", "R2"], ["R3", "R1"]])
        {
            let expected: Vec<Option<Output>> = riders.iter().map(|rider| fresh.output(rider, day)).collect();
            assert_eq!(secret.outputs(&riders, day), expected, "{day:?}");
        }
        let known = secret.known.lock().unwrap();
        assert_eq!((known.month, known.outputs.len()), (Some(day(12, 1).month()), 2));
    }

    #[test]
    fn kept_outputs_have_a_bound() {
        let mut known = KnownOutputs::default();
        let month = LocalDay::from_ymd(2026, 11, 20).unwrap().month();
        for rider in 0..KNOWN_BYTES_MAX / KNOWN_BYTES_EACH {
            known.put(month, &rider.to_string(), [0; 64]);
        }
        assert!(known.bytes <= KNOWN_BYTES_MAX && known.outputs.len() > 300_000, "{}", known.outputs.len());
        assert!(known.get(month, "7").is_some() && known.get(month, "419000").is_none());
    }

    #[test]
    fn prepared_outputs_are_kept_unless_a_later_month_is() {
        let secret = SealingSecret::of_seed(&[1; 32]);
        let day = |month, day| LocalDay::from_ymd(2026, month, day).unwrap();
        assert_eq!(secret.prepare(&["R1", "R2"], day(11, 30)), 2);
        assert_eq!(secret.known().outputs.len(), 2);
        assert_eq!(secret.prepare(&["R2", "R3"], day(12, 1)), 2);
        assert_eq!(secret.known().outputs.len(), 2, "those of November are given up");
        assert_eq!(secret.prepare(&["R1"], day(11, 30)), 0);
        let fresh = SealingSecret::of_seed(&[1; 32]);
        assert_eq!(secret.outputs(&["R3"], day(12, 2)), [fresh.output("R3", day(12, 2))]);
    }

    #[test]
    fn nonces_follow_content_and_secret() {
        let (one, two) = (SealingSecret::of_seed(&[1; 32]), SealingSecret::of_seed(&[2; 32]));
        assert_eq!(one.nonce(b"a"), SealingSecret::of_seed(&[1; 32]).nonce(b"a"));
        assert_ne!(one.nonce(b"a"), one.nonce(b"b"));
        assert_ne!(one.nonce(b"a"), two.nonce(b"a"));
        let shown = format!("{one:?}");
        assert!(shown.starts_with("sealing secret of ") && shown.len() < 64, "{shown}");
    }
}
