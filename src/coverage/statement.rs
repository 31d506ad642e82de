//! The monthly statement: what each platform owes, reconciling to the last order.

use super::csv::quoted;
use crate::domain::time::{LocalDay, Month};
use crate::domain::totals::{Total, TotalKey};
use crate::domain::view::LedgerView;
use serde::Serialize;
use std::io::{self, Write};
use utoipa::ToSchema;

/// The columns, in order.
pub const COLUMNS: &str = "platform,region,category,month,orders_charged,premium_exact,premium_rounded,\
uncharged_completed,uncharged_cancelled,uncharged_interrupted,uncharged_transferred,unrated";

/// A line of the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatementLine {
    /// Platform.
    pub platform: String,
    /// Six digits.
    pub region: String,
    /// Tariff category.
    pub category: String,
    /// `YYYY-MM`, of the local date of acceptance.
    pub month: String,
    /// Orders charged.
    pub orders_charged: i64,
    /// Their premium in yuan, six decimals.
    pub premium_exact: String,
    /// The same, half-up to the cent: the only rounding there is.
    pub premium_rounded: String,
    /// Covered, not charged: completed.
    pub uncharged_completed: i64,
    /// Covered, not charged: cancelled.
    pub uncharged_cancelled: i64,
    /// Covered, not charged: interrupted.
    pub uncharged_interrupted: i64,
    /// Covered, not charged: transferred.
    pub uncharged_transferred: i64,
    /// Of a charged outcome, but without a rate.
    pub unrated: i64,
}

impl StatementLine {
    fn new(key: TotalKey, month: Month, total: &Total) -> Self {
        Self {
            platform: key.platform,
            region: key.region.to_string(),
            category: key.category,
            month: month.to_string(),
            orders_charged: total.orders_charged,
            premium_exact: total.premium.to_string(),
            premium_rounded: total.premium.rounded_to_cent().to_string(),
            uncharged_completed: total.uncharged_completed,
            uncharged_cancelled: total.uncharged_cancelled,
            uncharged_interrupted: total.uncharged_interrupted,
            uncharged_transferred: total.uncharged_transferred,
            unrated: total.unrated,
        }
    }
}

/// The statement of a month (or of all), of a platform (or of all), sorted by platform, region, category and month.
pub fn statement<V: LedgerView>(
    view: &V,
    month: Option<Month>,
    platform: Option<&str>,
) -> Result<Vec<StatementLine>, V::Error> {
    let mut lines = Vec::new();
    for month in months(view.days_of_totals(), month) {
        for (key, total) in view.totals(month.first_day(), month.end_day())? {
            let wanted = platform.is_none_or(|platform| platform == key.platform);
            if wanted && total != Total::default() {
                lines.push(StatementLine::new(key, month, &total));
            }
        }
    }
    lines.sort_by(|a, b| {
        let key = |line: &StatementLine| {
            (line.platform.clone(), line.region.clone(), line.category.clone(), line.month.clone())
        };
        key(a).cmp(&key(b))
    });
    Ok(lines)
}

fn months(days: Option<(LocalDay, LocalDay)>, only: Option<Month>) -> Vec<Month> {
    if let Some(only) = only {
        return vec![only];
    }
    let Some((first, last)) = days else { return Vec::new() };
    let mut months = Vec::new();
    let mut day = first;
    while day <= last {
        let month = day.month();
        months.push(month);
        day = month.end_day();
    }
    months
}

/// Writes lines as CSV with a header.
pub fn write_csv(lines: &[StatementLine], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{COLUMNS}")?;
    for line in lines {
        writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{}",
            quoted(&line.platform),
            line.region,
            quoted(&line.category),
            line.month,
            line.orders_charged,
            line.premium_exact,
            line.premium_rounded,
            line.uncharged_completed,
            line.uncharged_cancelled,
            line.uncharged_interrupted,
            line.uncharged_transferred,
            line.unrated
        )?;
    }
    Ok(())
}
