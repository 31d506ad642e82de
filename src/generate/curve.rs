//! When orders end: a day curve with peaks at noon and in the evening, and the peak minute about 5 times the mean.

use super::random::Draws;
use crate::domain::time::{DAY_MS, MINUTE_MS, UtcMillis};

/// Weight at each half hour from local midnight; minutes between lie on straight lines.
const HALF_HOURS: [u64; 48] = [
    30, 20, 14, 10, 8, 7, 6, 5, 5, 5, 6, 9, 15, 25, 40, 55, 60, 60, 60, 70, 100, 190, 380, 700, 620, 300,
    180, 120, 90, 80, 75, 80, 100, 160, 280, 400, 440, 360, 260, 200, 160, 140, 120, 100, 80, 65, 50, 40,
];

const SORT: u64 = 1;

/// The orders of a stretch of days with their ends, ascending.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    seed: u64,
    from: UtcMillis,
    orders: u64,
    days: u64,
    /// The weights of the minutes of a day.
    minutes: Vec<u64>,
    /// Sum of the weights in milliseconds.
    day_weight: u64,
    /// The next order.
    number: u64,
    day: u64,
    /// Orders of this day: (before the next one, all).
    of_day: (u64, u64),
    /// The minute of the last order, and the weight of the minutes before it.
    minute: (usize, u64),
}

impl Curve {
    pub(super) fn new(seed: u64, from: UtcMillis, orders: u64, days: u32) -> Self {
        let minutes = minute_weights();
        let day_weight = minutes.iter().sum::<u64>() * 60_000;
        let days = u64::from(days);
        let of_day = (0, orders_of_day(orders, days, 0));
        Self { seed, from, orders, days, minutes, day_weight, number: 0, day: 0, of_day, minute: (0, 0) }
    }
}

impl Iterator for Curve {
    /// The order's number and its end.
    type Item = (u64, UtcMillis);

    fn next(&mut self) -> Option<Self::Item> {
        if self.number >= self.orders {
            return None;
        }
        while self.of_day.0 >= self.of_day.1 {
            self.day += 1;
            self.of_day = (0, orders_of_day(self.orders, self.days, self.day));
            self.minute = (0, 0);
        }
        // The orders of a day share its weight evenly; each lies anywhere in its own share, so that they ascend.
        let jitter = Draws::of(self.seed, SORT, self.number).below(self.day_weight);
        let weight = (self.of_day.0 * self.day_weight + jitter) / self.of_day.1;
        let mut of_minute = self.minutes.get(self.minute.0).copied().unwrap_or(1);
        while weight - self.minute.1 >= of_minute * 60_000 && self.minute.0 + 1 < self.minutes.len() {
            self.minute = (self.minute.0 + 1, self.minute.1 + of_minute * 60_000);
            of_minute = self.minutes.get(self.minute.0).copied().unwrap_or(1);
        }
        let in_minute_ms = i64::try_from((weight - self.minute.1) / of_minute).unwrap_or(0);
        let minute_ms = i64::try_from(self.minute.0).unwrap_or(0) * MINUTE_MS;
        let day_ms = i64::try_from(self.day).unwrap_or(0) * DAY_MS;
        let item = (self.number, self.from.plus(day_ms + minute_ms + in_minute_ms));
        self.number += 1;
        self.of_day.0 += 1;
        Some(item)
    }
}

fn orders_of_day(orders: u64, days: u64, day: u64) -> u64 {
    orders / days + u64::from(day < orders % days)
}

fn minute_weights() -> Vec<u64> {
    let next = HALF_HOURS.iter().cycle().skip(1);
    HALF_HOURS
        .iter()
        .zip(next)
        .flat_map(|(&from, &to)| (0..30).map(move |minute| (from * (30 - minute) + to * minute).div_ceil(30)))
        .collect()
}
