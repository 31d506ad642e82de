//! How much of the ledger one asker may see: all of it, one platform, or the orders of certain regions.

use super::order::Region;
use super::tariff::RegionPrefix;

/// Which part of the stored data an asker may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DataScope {
    /// Everything.
    #[default]
    All,
    /// The orders, records and facts of one platform.
    Platform(String),
    /// The orders that were accepted in one of these regions; never empty. Records that keep answers open are not cut: they do
    /// not always tell their region.
    Regions(Vec<RegionPrefix>),
}

impl DataScope {
    /// Whether everything may be seen.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The only platform, if there is one.
    pub fn platform(&self) -> Option<&str> {
        match self {
            Self::Platform(name) => Some(name),
            Self::All | Self::Regions(_) => None,
        }
    }

    /// The only regions; empty where they do not matter.
    pub fn regions(&self) -> &[RegionPrefix] {
        match self {
            Self::Regions(regions) => regions,
            Self::All | Self::Platform(_) => &[],
        }
    }

    /// Whether an order of a platform, accepted in a region, may be seen.
    pub fn includes_order(&self, platform: &str, region: Region) -> bool {
        match self {
            Self::All => true,
            Self::Platform(name) => name == platform,
            Self::Regions(regions) => regions.iter().any(|prefix| prefix.holds(region)),
        }
    }

    /// Whether facts about a platform may be seen.
    pub fn includes_platform(&self, platform: &str) -> bool {
        self.platform().is_none_or(|name| name == platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_its_own_orders_only() {
        let region = |text: &str| Region::parse(text.as_bytes()).unwrap();
        let regions =
            DataScope::Regions(["31", "4403"].map(|text| RegionPrefix::parse(text).unwrap()).into());
        let platform = DataScope::Platform("dada".to_owned());
        for (name, code, in_platform, in_regions) in [
            ("dada", "310115", true, true),
            ("dada", "440106", true, false),
            ("meituan", "440305", false, true),
            ("meituan", "110101", false, false),
        ] {
            assert_eq!(platform.includes_order(name, region(code)), in_platform, "{name} {code}");
            assert_eq!(regions.includes_order(name, region(code)), in_regions, "{name} {code}");
            assert!(DataScope::All.includes_order(name, region(code)));
        }
        assert!(platform.includes_platform("dada") && !platform.includes_platform("meituan"));
        assert!(regions.includes_platform("meituan") && DataScope::All.includes_platform("meituan"));
    }
}
