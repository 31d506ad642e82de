use super::*;
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use vrf_rfc9381::ec::edwards25519::tai::{EdVrfEdwards25519TaiPublicKey, EdVrfEdwards25519TaiSecretKey};
use vrf_rfc9381::{Proof as _, Prover as _, Verifier as _, ec::edwards25519::EdVrfProof};

/// RFC 9381, B.3, examples 16 to 18: secret key, public key, input, proof, output.
const EXAMPLES: [[&str; 5]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    ],
];

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}

#[test]
fn proofs_and_outputs_are_those_of_the_rfc() {
    for [secret, public, input, proof, output] in EXAMPLES {
        let key = VrfSecretKey::of_seed(&bytes(secret));
        let input = HEXLOWER.decode(input.as_bytes()).unwrap();
        assert_eq!(key.public().as_bytes(), &bytes(public));
        assert_eq!(HEXLOWER.encode(&key.prove(&input).unwrap()), proof);
        assert_eq!(HEXLOWER.encode(&key.output(&input).unwrap()), output);
        let public = VrfPublicKey::from_bytes(bytes(public)).unwrap();
        assert_eq!(public.verify(&input, &bytes(proof)), Some(bytes(output)));
        assert_eq!(public.verify(b"other", &bytes(proof)), None);
    }
}

#[test]
fn a_proof_has_one_form() {
    let key = VrfSecretKey::of_seed(&[7; 32]);
    let proof = key.prove(b"rider").unwrap();
    for place in 0..PROOF_BYTES {
        for bit in 0..8 {
            let mut changed = proof;
            changed[place] ^= 1 << bit;
            assert_eq!(key.public().verify(b"rider", &changed), None, "bit {bit} of byte {place}");
        }
    }
    // The scalar plus the order of the group, which is the same number.
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carried = proof;
    let mut carry = 0_u16;
    for (byte, add) in carried[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_be_bytes()[1], sum >> 8);
    }
    assert_ne!(carried, proof);
    assert_eq!(key.public().verify(b"rider", &carried), None);
}

#[test]
fn keys_that_fit_every_input_are_refused() {
    let identity = [[1].as_slice(), &[0; 31]].concat().try_into().unwrap();
    assert_eq!(VrfPublicKey::from_bytes(identity), None);
    assert_eq!(VrfPublicKey::from_bytes([0xff; 32]), None);
}

/// The forms near p and near 0, with and without the sign of x: a point has the one that compressing gives.
#[test]
fn a_point_is_read_in_its_one_form_only() {
    let (mut read, mut refused) = (0, 0);
    for (low, middle, high) in [(0..=255_u8, 0xff, 0x7f), (0..=255, 0, 0), (0..=255, 0xff, 0x7e)] {
        for (low, sign) in low.flat_map(|low| [(low, 0), (low, 0x80)]) {
            let mut form = [middle; 32];
            (form[0], form[31]) = (low, high | sign);
            let Some(point) = CompressedEdwardsY(form).decompress() else { continue };
            let is_its_form = point.compress().as_bytes() == &form;
            assert_eq!(decode_point(&form).is_some(), is_its_form, "{form:?}");
            if is_its_form { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > 300 && refused > 10, "{read} {refused}");
}

#[test]
fn outputs_together_are_those_one_by_one() {
    let key = VrfSecretKey::of_seed(&[7; 32]);
    let inputs: Vec<[u8; 2]> = (0..70_u16).map(u16::to_be_bytes).collect();
    let together = key.outputs(inputs.iter().map(<[u8; 2]>::as_slice));
    assert_eq!(together, inputs.iter().map(|input| key.output(input)).collect::<Vec<_>>());
    assert_eq!(key.outputs(std::iter::empty()), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn another_implementation_agrees(seed in any::<[u8; 32]>(), input in prop::collection::vec(any::<u8>(), 0..80)) {
        let key = VrfSecretKey::of_seed(&seed);
        let theirs = EdVrfEdwards25519TaiSecretKey::from_slice(&seed).unwrap();
        let proof = key.prove(&input).unwrap();
        prop_assert_eq!(proof.as_slice(), theirs.prove(&input).unwrap().encode_to_pi());
        let public = EdVrfEdwards25519TaiPublicKey::from_slice(key.public().as_bytes()).unwrap();
        let output = public.verify(&input, EdVrfProof::decode_pi(&proof).unwrap()).unwrap();
        let own = key.output(&input);
        let theirs: [u8; 64] = output.into();
        prop_assert_eq!(own, Some(theirs));
        prop_assert_eq!(key.public().verify(&input, &proof), own);
    }
}
