//! What to generate.

use crate::domain::time::{DAY_MS, UtcMillis};

/// All of something, in parts per million.
pub(super) const WHOLE_PPM: u32 = 1_000_000;
/// More in one day would overflow the day curve.
const ORDERS_PER_DAY_MAX: u64 = 1_000_000_000;
/// Rider numbers are mixed into identifiers of 96 bits.
const RIDERS_MAX: u64 = 1 << 40;

/// What to generate. Shares are in parts per million of the orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorSettings {
    /// Orders; records are more (duplicates, amendments, open events, bad and completeness records).
    pub orders: u64,
    /// Another seed, other orders.
    pub seed: u64,
    /// Riders that the orders are spread over.
    pub riders: u64,
    /// Start of the first day, local midnight of the day curve.
    pub from: UtcMillis,
    /// Days over which the orders are spread.
    pub days: u32,
    /// Sent twice, byte for byte.
    pub duplicate_ppm: u32,
    /// Sent first 20 minutes to 6 hours after the end.
    pub late_ppm: u32,
    /// Corrected by a second event with revision 1.
    pub amended_ppm: u32,
    /// Corrected, and then revision 0 sent again.
    pub stale_ppm: u32,
    /// Sent again under the same revision with another end.
    pub conflict_ppm: u32,
    /// Preceded by a broken record of the same order.
    pub bad_ppm: u32,
    /// Announced by an open event when accepted.
    pub open_ppm: u32,
    /// A completeness record of every platform this often, and one at the end.
    pub completeness_every_ms: Option<i64>,
}

impl Default for GeneratorSettings {
    /// One day of one million ended orders, 1 % of them sent twice.
    fn default() -> Self {
        Self {
            orders: 1_000_000,
            seed: 1,
            riders: 2_000_000,
            // 2026-11-20T00:00:00+08:00
            from: UtcMillis::new(1_795_104_000_000),
            days: 1,
            duplicate_ppm: 10_000,
            late_ppm: 0,
            amended_ppm: 0,
            stale_ppm: 0,
            conflict_ppm: 0,
            bad_ppm: 0,
            open_ppm: 0,
            completeness_every_ms: None,
        }
    }
}

/// Settings that make no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No days or too many of them.
    #[error("the days must be from 1 to 36500")]
    Days,
    /// The day curve would overflow.
    #[error("there can be at most {ORDERS_PER_DAY_MAX} orders a day: more days or fewer orders are needed")]
    OrdersPerDay,
    /// No riders, or more than there are identifiers.
    #[error("the riders must be from 1 to {RIDERS_MAX}")]
    Riders,
    /// Only one mishap happens to an order.
    #[error(
        "the shares of duplicate, late, amended, stale, conflicting and bad orders must not exceed 1 in sum"
    )]
    Shares,
    /// There are no more open events than orders.
    #[error("the share of open orders must not exceed 1")]
    OpenShare,
    /// Would never end or never come.
    #[error("completeness records must be at least a second apart")]
    Completeness,
    /// Years are written with four digits.
    #[error("the days must lie between 1900 and 9999")]
    Start,
}

impl GeneratorSettings {
    /// Finds the first setting that makes no stream.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mishaps: u64 = self.mishap_shares_ppm().map(u64::from).iter().sum();
        let start_years = -2_208_988_800_000..250_000_000_000_000_i64;
        if !(1..=36_500).contains(&self.days) {
            Err(SettingsError::Days)
        } else if self.orders.div_ceil(u64::from(self.days)) > ORDERS_PER_DAY_MAX {
            Err(SettingsError::OrdersPerDay)
        } else if !(1..=RIDERS_MAX).contains(&self.riders) {
            Err(SettingsError::Riders)
        } else if mishaps > u64::from(WHOLE_PPM) {
            Err(SettingsError::Shares)
        } else if self.open_ppm > WHOLE_PPM {
            Err(SettingsError::OpenShare)
        } else if self.completeness_every_ms.is_some_and(|every_ms| every_ms < 1_000) {
            Err(SettingsError::Completeness)
        } else if !start_years.contains(&self.from.millis())
            || !start_years.contains(&self.from.plus(i64::from(self.days) * DAY_MS).millis())
        {
            Err(SettingsError::Start)
        } else {
            Ok(())
        }
    }

    /// The shares of what can happen to an order, at most one of them to each.
    pub(super) const fn mishap_shares_ppm(&self) -> [u32; 6] {
        [self.duplicate_ppm, self.late_ppm, self.amended_ppm, self.stale_ppm, self.conflict_ppm, self.bad_ppm]
    }
}
