//! What a reader of an answer should know besides: a stable code, its parameters, and an English text.

use crate::domain::behind::Behind;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// A warning of an answer. In JSON: `code` and `text`, then the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Nothing is stored of any identifier that was asked for.
    RiderUnknown,
    /// No platform is registered or stored, so nothing can be settled.
    NoPlatformKnown,
    /// The question names a platform that was never registered and of which nothing is stored.
    PlatformUnknown {
        /// The platform.
        platform: String,
    },
    /// The rider accepted an order that another rider ended.
    OrderEndedByAnotherRider {
        /// Platform of the order.
        platform: String,
        /// The order.
        order_id: String,
    },
    /// Records in which no rider can be read may concern the rider; the platform's configuration passes over them.
    UnreadableRecordsIgnored {
        /// The platform.
        platform: String,
        /// Its unresolved records in which no rider can be read.
        count: u64,
    },
    /// The reader that answered cannot say that its state is the newest.
    ReaderBehind {
        /// When that was confirmed last.
        since: String,
        /// The newest commit that it has.
        commit: u64,
    },
    /// The asker may see only some of the orders: the rider may be covered by others.
    LimitedView {
        /// Only orders of this platform were looked at.
        platform: Option<String>,
        /// Only orders that were accepted in these regions were looked at; empty = in any.
        regions: Vec<String>,
    },
}

impl Warning {
    /// Every code.
    pub const CODES: [&'static str; 7] = [
        "rider_unknown",
        "no_platform_known",
        "platform_unknown",
        "order_ended_by_another_rider",
        "unreadable_records_ignored",
        Behind::CODE,
        "limited_view",
    ];

    /// The stable name in answers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RiderUnknown => "rider_unknown",
            Self::NoPlatformKnown => "no_platform_known",
            Self::PlatformUnknown { .. } => "platform_unknown",
            Self::OrderEndedByAnotherRider { .. } => "order_ended_by_another_rider",
            Self::UnreadableRecordsIgnored { .. } => "unreadable_records_ignored",
            Self::ReaderBehind { .. } => Behind::CODE,
            Self::LimitedView { .. } => "limited_view",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RiderUnknown => write!(f, "no stored order names this rider: check the identifier"),
            Self::NoPlatformKnown => {
                write!(f, "no platform is registered or stored yet: nothing can be settled")
            }
            Self::PlatformUnknown { platform } => {
                write!(f, "platform {platform} was never registered and nothing of it is stored")
            }
            Self::OrderEndedByAnotherRider { platform, order_id } => {
                write!(
                    f,
                    "order {order_id} of platform {platform} was accepted by this rider and ended by another"
                )
            }
            Self::UnreadableRecordsIgnored { platform, count } => write!(
                f,
                "platform {platform} has {count} unresolved rejected records in which no rider can be read, and some may \
                 concern this time: the answer passes over them, because unreadable_records is \"warn\""
            ),
            Self::ReaderBehind { since, commit } => write!(
                f,
                "this reader could last confirm at {since} that its state, commit {commit}, is the newest: later commits may be \
                 missing; ask again, ask the writer, or ask with known_at={commit}, whose answer is exact"
            ),
            Self::LimitedView { platform, regions } => {
                write!(f, "only orders")?;
                platform.iter().try_for_each(|platform| write!(f, " of platform {platform}"))?;
                if !regions.is_empty() {
                    write!(f, " accepted in regions {}", regions.join(", "))?;
                }
                write!(f, " were looked at, as the asker may see no others: others may cover the rider")
            }
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.code())?;
        map.serialize_entry("text", &self.to_string())?;
        match self {
            Self::RiderUnknown | Self::NoPlatformKnown => {}
            Self::PlatformUnknown { platform } => map.serialize_entry("platform", platform)?,
            Self::OrderEndedByAnotherRider { platform, order_id } => {
                map.serialize_entry("platform", platform)?;
                map.serialize_entry("order_id", order_id)?;
            }
            Self::UnreadableRecordsIgnored { platform, count } => {
                map.serialize_entry("platform", platform)?;
                map.serialize_entry("count", count)?;
            }
            Self::ReaderBehind { since, commit } => {
                map.serialize_entry("since", since)?;
                map.serialize_entry("commit", commit)?;
            }
            Self::LimitedView { platform, regions } => {
                map.serialize_entry("platform", platform)?;
                map.serialize_entry("regions", regions)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_code_a_text_and_its_parameters() {
        let json = |warning: &Warning| serde_json::to_string(warning).unwrap();
        assert_eq!(
            json(&Warning::RiderUnknown),
            r#"{"code":"rider_unknown","text":"no stored order names this rider: check the identifier"}"#
        );
        let other = Warning::OrderEndedByAnotherRider { platform: "p".to_owned(), order_id: "7".to_owned() };
        assert_eq!(
            json(&other),
            concat!(
                r#"{"code":"order_ended_by_another_rider","#,
                r#""text":"order 7 of platform p was accepted by this rider and ended by another","#,
                r#""platform":"p","order_id":"7"}"#
            )
        );
        let ignored = Warning::UnreadableRecordsIgnored { platform: "p".to_owned(), count: 3 };
        let limited =
            Warning::LimitedView { platform: None, regions: vec!["31".to_owned(), "4403".to_owned()] };
        assert_eq!(
            limited.to_string(),
            "only orders accepted in regions 31, 4403 were looked at, as the asker may see no others: others may cover the rider"
        );
        let value: serde_json::Value = serde_json::from_str(&json(&ignored)).unwrap();
        assert_eq!((&value["code"], &value["count"]), (&"unreadable_records_ignored".into(), &3.into()));
    }
}
