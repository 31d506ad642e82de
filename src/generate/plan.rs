//! What one order is, as a pure function of the settings and its number.

use super::county::county_codes;
use super::random::{Draws, mix};
use super::settings::{GeneratorSettings, WHOLE_PPM};
use crate::domain::order::Outcome;
use crate::domain::time::{MINUTE_MS, UtcMillis};

/// The platforms, each with the topic that it would stream to.
pub const PLATFORMS: [(&str, &str); 6] = [
    ("meituan", "orders.meituan"),
    ("eleme", "orders.eleme"),
    ("dada", "orders.dada"),
    ("shansong", "orders.shansong"),
    ("huolala", "orders.huolala"),
    ("caocao", "orders.caocao"),
];

/// The categories of the orders.
pub const CATEGORIES: [&str; 3] = ["ride_hailing", "instant_delivery", "intra_city_freight"];

/// Platform and category, with the weight of the platform among riders.
const TRADES: [((usize, usize), u64); 6] =
    [((0, 1), 56), ((1, 1), 22), ((2, 1), 7), ((3, 1), 5), ((4, 2), 4), ((5, 0), 6)];

const OUTCOMES: [(Outcome, u64); 4] = [
    (Outcome::Completed, 965),
    (Outcome::Cancelled, 22),
    (Outcome::Interrupted, 8),
    (Outcome::Transferred, 5),
];

/// The longest order.
pub(super) const DURATION_MS_MAX: i64 = 45 * MINUTE_MS;
const DURATION_MS_MIN: i64 = 15 * MINUTE_MS;

/// What happens to an order on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    None,
    Duplicate,
    Late,
    Amended,
    Stale,
    Conflict,
    Bad,
}

const MISHAPS: [Mishap; 6] =
    [Mishap::Duplicate, Mishap::Late, Mishap::Amended, Mishap::Stale, Mishap::Conflict, Mishap::Bad];

/// One order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) order_id: u64,
    pub(super) rider: u64,
    pub(super) platform: usize,
    pub(super) category: usize,
    pub(super) region: u32,
    pub(super) accepted_at: UtcMillis,
    pub(super) ended_at: UtcMillis,
    pub(super) outcome: Outcome,
    pub(super) revision: u64,
    pub(super) mishap: Mishap,
    pub(super) sends_open: bool,
    /// Further draws, for what the mishap needs.
    pub(super) draws: Draws,
}

/// Plans orders.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    settings: GeneratorSettings,
    counties: Vec<u32>,
    /// How many orders before it an order looks for a rider who is under way.
    nearby: u64,
}

const SORT_ORDER: u64 = 2;
const SORT_RIDER: u64 = 3;
const SORT_RIDER_OF_ORDER: u64 = 4;

impl Planner {
    pub(super) fn new(settings: &GeneratorSettings) -> Self {
        let per_half_hour = settings.orders / u64::from(settings.days.max(1)) / 48;
        Self { settings: settings.clone(), counties: county_codes(), nearby: per_half_hour.clamp(1, 2_000) }
    }

    /// The order `number`, which ends at `ended_at`.
    pub(super) fn plan(&self, number: u64, ended_at: UtcMillis) -> Plan {
        let mut draws = Draws::of(self.settings.seed, SORT_ORDER, number);
        // A third of the orders belong to a rider who has just had another one: these mostly overlap.
        let shares_rider = draws.below(3) == 0;
        let back = if shares_rider { 1 + draws.below(self.nearby) } else { 0 };
        let rider = self.rider_of(number.saturating_sub(back));
        let mut of_rider = Draws::of(self.settings.seed, SORT_RIDER, rider);
        let first = of_rider.weighted(&TRADES).unwrap_or((0, 1));
        let second = of_rider.weighted(&TRADES).unwrap_or((0, 1));
        let home = self.home(&mut of_rider);
        let (platform, category) = if draws.below(100) < 85 { first } else { second };
        // Two draws in sum: most orders take about half an hour.
        let spread_ms = (DURATION_MS_MAX - DURATION_MS_MIN) / 2;
        let duration_ms = DURATION_MS_MIN + draws.below_ms(spread_ms) + draws.below_ms(spread_ms);
        Plan {
            order_id: order_id(self.settings.seed, number),
            rider,
            platform,
            category,
            region: self.county(if draws.below(100) < 92 { home } else { home + 1 + draws.below(5) }),
            accepted_at: ended_at.minus(duration_ms),
            ended_at,
            outcome: draws.weighted(&OUTCOMES).unwrap_or(Outcome::Completed),
            revision: 0,
            mishap: self.mishap(&mut draws),
            sends_open: draws.below(u64::from(WHOLE_PPM)) < u64::from(self.settings.open_ppm),
            draws,
        }
    }

    /// The rider identifier: 96 bits that look like a registry's hash.
    pub(super) fn rider_hash(&self, rider: u64) -> (u64, u32) {
        let high = mix(rider ^ mix(self.settings.seed));
        (high, u32::try_from(mix(high ^ rider) >> 32).unwrap_or(0))
    }

    /// The region `steps` counties further on.
    pub(super) fn other_region(&self, region: u32, steps: u64) -> u32 {
        let place = self.counties.iter().position(|&code| code == region).unwrap_or(0);
        self.county(u64::try_from(place).unwrap_or(0) + steps)
    }

    fn rider_of(&self, number: u64) -> u64 {
        Draws::of(self.settings.seed, SORT_RIDER_OF_ORDER, number).below(self.settings.riders)
    }

    /// Counties are not equally busy: the lower of two draws, scattered over the list.
    fn home(&self, draws: &mut Draws) -> u64 {
        let counties = self.counties.len() as u64;
        let rank = draws.below(counties).min(draws.below(counties));
        rank * 1_009
    }

    fn county(&self, place: u64) -> u32 {
        let place = usize::try_from(place).unwrap_or(0) % self.counties.len().max(1);
        self.counties.get(place).copied().unwrap_or(110_102)
    }

    fn mishap(&self, draws: &mut Draws) -> Mishap {
        let mut left = draws.below(u64::from(WHOLE_PPM));
        for (mishap, share) in MISHAPS.into_iter().zip(self.settings.mishap_shares_ppm()) {
            match left.checked_sub(u64::from(share)) {
                Some(rest) => left = rest,
                None => return mishap,
            }
        }
        Mishap::None
    }
}

/// 19 digits that look random and never repeat: a bijection on 62 bits above 10^18.
fn order_id(seed: u64, number: u64) -> u64 {
    const MASK: u64 = (1 << 62) - 1;
    let mut id = (number ^ (mix(seed) >> 2)) & MASK;
    id = (id ^ (id >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) & MASK;
    id = (id ^ (id >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) & MASK;
    1_000_000_000_000_000_000 + (id ^ (id >> 31))
}
