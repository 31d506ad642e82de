//! Which operation meets which fault.

use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and has no effect.
    Error,
    /// It takes so long.
    Delay(Duration),
    /// It takes effect, and the caller gets an error.
    LostReply,
    /// It has no effect, and it and all after it fail until the storage is acquired again.
    Crash,
}

/// What is asked of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// The storage is acquired.
    Acquire,
    /// A value is read, or looked for.
    Get,
    /// Keys are listed.
    List,
    /// Entries of the root are read.
    Entries,
    /// A value is put.
    Put,
    /// An upload is sealed.
    Seal,
    /// The root changes.
    SwapRoot,
    /// Runs are deleted.
    Delete,
    /// Values without an owner are deleted.
    Retain,
    /// Space is given back.
    Reclaim,
    /// A checkpoint is made.
    Checkpoint,
}

impl Operation {
    /// Whether it may change what is stored.
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Entries)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Get => "get",
            Self::List => "list",
            Self::Entries => "entries",
            Self::Put => "put",
            Self::Seal => "seal",
            Self::SwapRoot => "swap_root",
            Self::Delete => "delete",
            Self::Retain => "retain",
            Self::Reclaim => "reclaim",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Which operations meet a fault.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    at: BTreeMap<u64, Fault>,
    seeded: Option<Seeded>,
}

/// Faults that are drawn.
#[derive(Clone, Copy, Debug)]
struct Seeded {
    state: u64,
    /// One of so many operations meets a fault.
    one_of: u64,
}

impl Plan {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault, which hits the operation of this number, counted from 1.
    pub fn at(number: u64, fault: Fault) -> Self {
        Self::default().and(number, fault)
    }

    /// Another fault besides.
    #[must_use]
    pub fn and(mut self, number: u64, fault: Fault) -> Self {
        self.at.insert(number, fault);
        self
    }

    /// Faults of all kinds, drawn from a seed, of which one of `one_of` operations meets one. The same seed and the same
    /// operations meet the same faults.
    pub const fn seeded(seed: u64, one_of: u64) -> Self {
        Self { at: BTreeMap::new(), seeded: Some(Seeded { state: seed, one_of }) }
    }

    pub(super) fn next(&mut self, number: u64, operation: Operation) -> Option<Fault> {
        let drawn = self.seeded.as_mut().and_then(|seeded| seeded.draw(operation));
        self.at.remove(&number).or(drawn)
    }
}

impl Seeded {
    fn draw(&mut self, operation: Operation) -> Option<Fault> {
        if self.random().checked_rem(self.one_of) != Some(0) {
            return None;
        }
        let which = self.random() % 8;
        Some(match which {
            0..=2 => Fault::Error,
            3 => Fault::Delay(Duration::from_micros(50)),
            4..=5 if operation.is_change() => Fault::LostReply,
            4..=5 => Fault::Error,
            _ => Fault::Crash,
        })
    }

    /// `SplitMix64`.
    const fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again_and_every_kind() {
        let drawn = |seed| {
            let mut plan = Plan::seeded(seed, 5);
            (0..2_000).map(|number| plan.next(number, Operation::Put)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
        let faults: Vec<Fault> = drawn(3).into_iter().flatten().collect();
        assert!((300..500).contains(&faults.len()), "{}", faults.len());
        for fault in [Fault::Error, Fault::LostReply, Fault::Crash, Fault::Delay(Duration::from_micros(50))] {
            assert!(faults.contains(&fault), "{fault:?}");
        }
        let mut reads = Plan::seeded(3, 1);
        assert!((0..99).all(|number| reads.next(number, Operation::Get) != Some(Fault::LostReply)));
    }

    #[test]
    fn a_named_operation_meets_its_fault_once() {
        let mut plan = Plan::at(2, Fault::Crash).and(3, Fault::Error);
        let met: Vec<_> = [1, 2, 2, 3].map(|number| plan.next(number, Operation::Seal)).into();
        assert_eq!(met, [None, Some(Fault::Crash), None, Some(Fault::Error)]);
    }
}
