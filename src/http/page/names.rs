//! Names for people: of platforms, from the configuration; of regions, from GB/T 2260. The codes stay beside them.

use super::messages::Words;
use crate::domain::platform::DisplayName;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// Codes and names, a pair a line; scripts/regions.py writes it.
const REGIONS: &str = include_str!("../../../assets/regions.tsv");

static REGION_NAMES: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| REGIONS.lines().filter_map(|line| line.split_once('\t')).collect());

/// A platform as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlatformName {
    /// What people call it; its code where the configuration has no such name.
    pub(super) text: String,
    /// Its code, where `text` is another.
    pub(super) code: Option<String>,
}

/// A region as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegionName {
    /// Six digits.
    pub(super) code: String,
    /// Province, city and district in Chinese, as far as GB/T 2260 has them.
    pub(super) name: Option<String>,
}

/// The names in one language.
#[derive(Clone, Debug)]
pub(super) struct Names {
    display: Arc<BTreeMap<String, DisplayName>>,
    is_chinese: bool,
}

impl Names {
    pub(super) fn new(display: &Arc<BTreeMap<String, DisplayName>>, w: &Words) -> Self {
        Self { display: Arc::clone(display), is_chinese: w.short_lang == "zh" }
    }

    pub(super) fn platform(&self, code: &str) -> PlatformName {
        let shown = self.display.get(code).map(|name| if self.is_chinese { &name.zh } else { &name.en });
        match shown.filter(|shown| *shown != code) {
            Some(shown) => PlatformName { text: shown.clone(), code: Some(code.to_owned()) },
            None => PlatformName { text: code.to_owned(), code: None },
        }
    }
}

/// The name of a region by its six digits: that of its province, city and district, as far as they are known.
pub(super) fn region(code: &str) -> RegionName {
    let level = |digits: usize, zeros: &str| {
        let prefix = code.get(..digits).filter(|_| code.len() == 6)?;
        REGION_NAMES.get(format!("{prefix}{zeros}").as_str()).copied()
    };
    let mut name = String::new();
    let mut last = "";
    for part in [level(2, "0000"), level(4, "00"), level(6, "")].into_iter().flatten() {
        if part != last {
            name.push_str(part);
        }
        last = part;
    }
    RegionName { code: code.to_owned(), name: (!name.is_empty()).then_some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_the_names_of_its_levels() {
        for (code, name) in [
            ("310115", Some("上海市浦东新区")),
            ("330106", Some("浙江省杭州市西湖区")),
            ("330100", Some("浙江省杭州市")),
            ("330000", Some("浙江省")),
            // Abolished in 2021; orders of that time keep it.
            ("330104", Some("浙江省杭州市江干区")),
            ("442000", Some("广东省中山市")),
            ("469002", Some("海南省琼海市")),
            ("320599", Some("江苏省苏州市")),
            ("999999", None),
            ("31", None),
            ("", None),
        ] {
            assert_eq!(region(code).name.as_deref(), name, "{code}");
            assert_eq!(region(code).code, code);
        }
    }

    #[test]
    fn the_bundled_names_are_well_formed() {
        let mut before = "";
        for line in REGIONS.lines() {
            let (code, name) = line.split_once('\t').unwrap();
            assert!(
                code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) && code > before,
                "{line}"
            );
            assert!(!name.trim().is_empty() && !name.contains(['\t', '<', '&', '"']), "{line}");
            assert!(REGION_NAMES.contains_key(format!("{}0000", &code[..2]).as_str()), "{line}");
            before = code;
        }
        assert_eq!(REGION_NAMES.len(), REGIONS.lines().count());
        assert!(REGION_NAMES.len() > 3_000);
    }
}
