//! Mutations of valid input, drawn from a seed.

use crate::testkit::random::Random;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Draws and mutates.
#[derive(Clone, Debug)]
pub(crate) struct Mutator(Random);

/// Bytes at which decoders have edges.
const EDGES: [u8; 12] = [0, 1, 2, 0x0a, 0x22, 0x2c, 0x30, 0x7b, 0x7f, 0x80, 0xfe, 0xff];

impl Mutator {
    /// The mutator of a target's round.
    pub(crate) fn new(target: &str, seed: u64) -> Self {
        Self(Random::new(xxh3_64_with_seed(target.as_bytes(), seed)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() % 256).unwrap()
    }

    /// One of `of`.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        self.0.pick(of)
    }

    /// A mutant of one of `seeds`; now and then one of them as it is.
    pub(crate) fn mutant(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.pick(seeds).clone();
        for _ in 0..self.below(5) {
            self.change(&mut bytes, seeds);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let bits = self.below(8);
        let until = (at + self.below(1 << bits)).min(bytes.len());
        match self.below(10) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            2 if at < bytes.len() => bytes[at] = *self.pick(&EDGES),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..until)),
            5 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                let other = self.pick(seeds).clone();
                let from = self.below(other.len() + 1);
                let to = (from + self.below(64)).min(other.len());
                bytes.splice(at..until, other[from..to].iter().copied());
            }
            7 => {
                let more: Vec<u8> = (0..self.below(12)).map(|_| self.byte()).collect();
                bytes.splice(at..at, more);
            }
            // A length or a count of almost any size in place of a small one.
            8 => {
                let value = self.next() >> self.below(64);
                let end = (at + 1).min(bytes.len());
                bytes.splice(at..end, varint(value));
            }
            _ => {
                let value = (self.next() >> self.below(64)).to_be_bytes();
                let end = (at + 8).min(bytes.len());
                let length = end - at;
                bytes.splice(at..end, value[8 - length..].iter().copied());
            }
        }
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}
