//! A tiny random number generator (splitmix64, Steele, Lea and Flood 2014).

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scatters a number over all 64 bits; a bijection.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A sequence of draws.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// The draws that belong to `number` among things of one `sort`.
    pub(super) const fn of(seed: u64, sort: u64, number: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(sort.wrapping_mul(GAMMA))) ^ number.wrapping_mul(GAMMA)))
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `bound` (0 when that is 0), without a noticeable bias.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// Milliseconds from 0 to below `bound`.
    pub(super) fn below_ms(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(bound).unwrap_or(0))).unwrap_or(0)
    }

    /// One of the choices, as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, choices: &[(T, u64)]) -> Option<T> {
        let mut left = self.below(choices.iter().map(|choice| choice.1).sum());
        for &(choice, weight) in choices {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return Some(choice),
            }
        }
        None
    }
}
