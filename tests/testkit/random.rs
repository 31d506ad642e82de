//! The one generator of random numbers in tests and benchmarks. The same seed gives the same numbers.

/// A seeded sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(fastrand::Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below<N: Bound>(&mut self, bound: N) -> N {
        bound.draw(&mut self.0)
    }

    /// `from <= number < to`; `from` when `to` is not above it.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0.i64(from..to.max(from.saturating_add(1)))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.0.usize(..100) < percent
    }

    /// One of `of`, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        self.0.choice(of).expect("there is something to pick from")
    }
}

/// A type whose numbers can be drawn.
pub(crate) trait Bound {
    fn draw(self, from: &mut fastrand::Rng) -> Self;
}

macro_rules! bound {
    ($($number:ident)*) => {$(
        impl Bound for $number {
            fn draw(self, from: &mut fastrand::Rng) -> Self {
                from.$number(0..self.max(1))
            }
        }
    )*};
}

bound!(u64 i64 i32 usize);

/// The number that a variable of the environment holds.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}
