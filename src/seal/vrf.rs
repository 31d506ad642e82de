//! A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381. With the secret key one computes the only output
//! that an input has, and a proof that it is that one; without the key the output looks like random bytes.
//!
//! The code is this project's own, on the curve of `curve25519-dalek` (`docs/decisions/0022-sealed-days.md` says why).

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest as _, Sha512};
use std::fmt;

/// ECVRF-EDWARDS25519-SHA512-TAI.
const SUITE: u8 = 3;

/// Bytes of a proof: a point, a challenge of 16 bytes, a scalar.
pub const PROOF_BYTES: usize = 80;

/// An output: 64 bytes.
pub type Output = [u8; 64];

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfPublicKey {
    bytes: [u8; 32],
    point: EdwardsPoint,
}

impl VrfPublicKey {
    /// The key of these bytes; `None` when they are no point of the curve, another form of one, or one of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let point = decode_point(&bytes)?;
        (!point.is_small_order()).then_some(Self { bytes, point })
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The output for `input`, if `proof` proves it (RFC 9381, 5.3).
    pub fn verify(&self, input: &[u8], proof: &[u8; PROOF_BYTES]) -> Option<Output> {
        let (gamma_bytes, rest) = proof.split_first_chunk::<32>()?;
        let (c_bytes, s_bytes) = rest.split_first_chunk::<16>()?;
        let gamma = decode_point(gamma_bytes)?;
        let c = challenge_scalar(*c_bytes);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let h = encode_to_curve(&self.bytes, input)?;
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-c, &self.point, &s);
        let v = s * h - c * gamma;
        let expected = challenge(&self.bytes, [&h, &gamma, &u, &v]);
        (expected == *c_bytes).then(|| output(&gamma))
    }
}

impl fmt::Debug for VrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64.encode(&self.bytes))
    }
}

/// A secret key.
pub struct VrfSecretKey {
    x: Scalar,
    nonce_prefix: [u8; 32],
    public: VrfPublicKey,
}

impl VrfSecretKey {
    /// The key of a seed, derived as Ed25519 derives it.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        let hash: [u8; 64] = Sha512::digest(seed).into();
        let nonce_prefix = std::array::from_fn(|i| hash.get(32 + i).copied().unwrap_or_default());
        // Reduced: every point that it multiplies has the order of the scalars.
        let x = Scalar::from_bytes_mod_order(clamp_integer(start(&hash)));
        let point = EdwardsPoint::mul_base(&x);
        let public = VrfPublicKey { bytes: point.compress().to_bytes(), point };
        Self { x, nonce_prefix, public }
    }

    /// The public key.
    pub const fn public(&self) -> &VrfPublicKey {
        &self.public
    }

    /// The output for `input`: one multiplication, a quarter of the work of a proof. `None` for the one input in 2^256 that no
    /// point is found for.
    pub fn output(&self, input: &[u8]) -> Option<Output> {
        Some(output(&(self.x * encode_to_curve(&self.public.bytes, input)?)))
    }

    /// The outputs for many inputs, in their order: as [`Self::output`] gives them.
    pub fn outputs<'a>(&self, inputs: impl Iterator<Item = &'a [u8]>) -> Vec<Option<Output>> {
        let points: Vec<Option<EdwardsPoint>> = inputs
            .map(|input| Some((self.x * encode_to_curve(&self.public.bytes, input)?).mul_by_cofactor()))
            .collect();
        // One inversion for all of them.
        let found: Vec<EdwardsPoint> = points.iter().copied().flatten().collect();
        let mut encoded = EdwardsPoint::compress_batch_alloc(&found).into_iter();
        points.iter().map(|point| point.and_then(|_| Some(output_of(&encoded.next()?)))).collect()
    }

    /// The proof of the output for `input` (RFC 9381, 5.1). `None` where [`Self::output`] is.
    pub fn prove(&self, input: &[u8]) -> Option<[u8; PROOF_BYTES]> {
        let h = encode_to_curve(&self.public.bytes, input)?;
        let gamma = self.x * h;
        let nonce = Sha512::new().chain_update(self.nonce_prefix).chain_update(h.compress().as_bytes());
        let k = Scalar::from_bytes_mod_order_wide(&nonce.finalize().into());
        let c = challenge(&self.public.bytes, [&h, &gamma, &EdwardsPoint::mul_base(&k), &(k * h)]);
        let s = k + challenge_scalar(c) * self.x;
        let proof = [gamma.compress().as_bytes().as_slice(), &c, s.as_bytes()].concat();
        proof.try_into().ok()
    }
}

impl fmt::Debug for VrfSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret key of {:?}", self.public)
    }
}

/// The first bytes of a hash.
fn start<const N: usize>(hash: &[u8; 64]) -> [u8; N] {
    std::array::from_fn(|i| hash.get(i).copied().unwrap_or_default())
}

/// A point from the one form that it has.
fn decode_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    if is_other_form(bytes) { None } else { CompressedEdwardsY(*bytes).decompress() }
}

/// Whether bytes are a form of a point that has another one, too: `y` is not below p, or the sign of x is set where x is 0, for
/// the points with y = 1 and y = -1. Compressing the point again would tell it at the price of an inversion.
fn is_other_form(bytes: &[u8; 32]) -> bool {
    let (sign, mut y) = (bytes[31] & 0x80, *bytes);
    y[31] &= 0x7f;
    let middle_is = |value: u8| y[1..31].iter().all(|byte| *byte == value);
    // p = 2^255 - 19; its low byte is 0xed.
    let is_high = y[31] == 0x7f && middle_is(0xff);
    let (is_one, is_minus_one) = (y[31] == 0 && middle_is(0) && y[0] == 1, is_high && y[0] == 0xec);
    (is_high && y[0] >= 0xed) || (sign != 0 && (is_one || is_minus_one))
}

/// Try and increment (5.4.1.1): the first hash that is a point, times the cofactor.
fn encode_to_curve(salt: &[u8; 32], input: &[u8]) -> Option<EdwardsPoint> {
    (0..=u8::MAX).find_map(|attempt| {
        let hash = Sha512::new().chain_update([SUITE, 1]).chain_update(salt).chain_update(input);
        let hash: [u8; 64] = hash.chain_update([attempt, 0]).finalize().into();
        let point = decode_point(&start(&hash))?.mul_by_cofactor();
        (!point.is_small_order()).then_some(point)
    })
}

/// The challenge (5.4.3) over the public key and four points.
fn challenge(public: &[u8; 32], points: [&EdwardsPoint; 4]) -> [u8; 16] {
    let mut hasher = Sha512::new().chain_update([SUITE, 2]).chain_update(public);
    for point in points {
        hasher.update(point.compress().as_bytes());
    }
    let hash: [u8; 64] = hasher.chain_update([0]).finalize().into();
    start(&hash)
}

fn challenge_scalar(challenge: [u8; 16]) -> Scalar {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(challenge).for_each(|(to, from)| *to = from);
    Scalar::from_bytes_mod_order(bytes)
}

/// The output of a proof's point (5.2).
fn output(gamma: &EdwardsPoint) -> Output {
    output_of(&gamma.mul_by_cofactor().compress())
}

/// The output of a proof's point times the cofactor.
fn output_of(cofactored: &CompressedEdwardsY) -> Output {
    let hash = Sha512::new().chain_update([SUITE, 3]).chain_update(cofactored.as_bytes());
    hash.chain_update([0]).finalize().into()
}

#[cfg(test)]
mod tests;
