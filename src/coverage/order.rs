//! Everything that was ever stored of one order.

use super::Terms;
use super::answer::{AsOfLine, SupersededByLine, WindowLine};
use super::render::Formatter;
use super::resolve::as_of_line;
use super::warning::Warning;
use crate::domain::view::LedgerView;
use serde::Serialize;
use utoipa::ToSchema;

/// Every leg, phase and revision of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderHistory {
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// By leg, phase, acceptance and revision.
    pub versions: Vec<VersionLine>,
    /// Versions accepted before it were dropped by retention; absent when none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<String>,
    /// What to know besides; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The state that answered.
    pub as_of: AsOfLine,
}

/// One version of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionLine {
    /// Order, cover and charge.
    #[serde(flatten)]
    pub window: WindowLine,
    /// When the rider accepted it.
    pub accepted_at: String,
    /// When it ended; null while open.
    pub ended_at: Option<String>,
    /// Order value in yuan.
    pub fare: Option<String>,
    /// Where the order lay before an amendment moved it.
    pub previous_accepted_at: Option<String>,
    /// What replaced it; null while it is the current version of its phase.
    pub superseded_by: Option<SupersededByLine>,
}

/// The history of an order; without versions when it is unknown.
pub fn order_history<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    platform: &str,
    order_id: &str,
) -> Result<OrderHistory, V::Error> {
    let formatter = Formatter { view, zone: terms.zone };
    let mut versions = Vec::new();
    for version in view.order_versions(platform, order_id)? {
        let posting = &version.posting;
        versions.push(VersionLine {
            window: formatter.window(posting)?,
            accepted_at: formatter.time(posting.accepted_at),
            ended_at: posting.ended_at.map(|at| formatter.time(at)),
            fare: posting.fare.map(|fare| fare.to_string()),
            previous_accepted_at: posting.previous_accepted_at.map(|at| formatter.time(at)),
            superseded_by: version.superseded_by.map(|by| formatter.superseded_by(by)).transpose()?,
        });
    }
    Ok(OrderHistory {
        platform: platform.to_owned(),
        order_id: order_id.to_owned(),
        versions,
        kept_from: view.completeness().dropped_until.map(|at| formatter.time(at)),
        warnings: Vec::new(),
        as_of: as_of_line(view.as_of(), terms.zone),
    })
}
