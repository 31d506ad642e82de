use super::load::{DEFAULTS, build, source};
use super::secret::Outside;
use super::*;
use crate::domain::charge::Price;
use crate::domain::order::Outcome;
use crate::domain::tariff::PriceQuery;
use crate::domain::time::{HOUR_MS, LocalDay, UtcMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod access;
mod display_names;
mod kafka;
mod oidc;
mod seal;
mod storage;

/// Builds from files in memory; the first one is the configuration.
fn with_files(files: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let map: BTreeMap<PathBuf, String> =
        files.iter().map(|&(name, text)| (PathBuf::from(name), text.to_owned())).collect();
    let read = |path: &Path| map.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let env = |name: &str| (name == "KAFKA_PASSWORD").then(|| "from-env".to_owned());
    let main = source(files[0].0.to_owned(), PathBuf::new(), files[0].1.to_owned());
    build(main, Outside { read: &read, env: &env }).map(|(config, _)| config)
}

fn problems(text: &str) -> Vec<String> {
    with_files(&[("c.toml", text)]).unwrap_err().problems.iter().map(Problem::to_string).collect()
}

/// The problem at each place contains its expected text, and there are no others.
fn expect(found: &[String], expected: &[(&str, &str)]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((place, text), problem) in expected.iter().zip(found) {
        assert!(
            problem.starts_with(&format!("{place}: ")) && problem.contains(text),
            "{problem} lacks {place} {text}"
        );
    }
}

const RATE: &str = "[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.07\"\n";

#[test]
fn an_empty_file_takes_every_default() {
    let config = with_files(&[("c.toml", "")]).unwrap();
    assert_eq!(config.zone.name(), "Asia/Shanghai");
    assert_eq!(
        config.ledger,
        LedgerSettings {
            data_dir: PathBuf::from("data"),
            retention_days: None,
            identity_days: 7,
            cache_bytes: 256 << 20,
            min_free_bytes: 1 << 30,
            filter_bytes: 384 << 20,
            index_bytes: 128 << 20,
            warm_bytes: 4 << 30,
        }
    );
    assert_eq!(
        config.ingest,
        IngestSettings {
            batch_records: 200_000,
            batch_interval: Duration::from_millis(200),
            batch_bytes: 64 << 20
        }
    );
    assert_eq!(
        config.http,
        HttpSettings {
            listen: "127.0.0.1:8080".parse().unwrap(),
            tls: None,
            behind_proxy: None,
            hosts: Vec::new(),
            concurrent_requests_max: 256,
            body_bytes_max: 16 << 20,
            timeout: Duration::from_secs(30),
            page_rows_max: 1000,
            batch_lines_max: 100_000,
            interval_max_ms: 366 * 24 * HOUR_MS,
            rider_ids_max: 16,
            reads_may_wait: false,
        }
    );
    assert_eq!(
        config.limits,
        Limits {
            horizon_from: UtcMillis::new(946_684_800_000),
            horizon_until: UtcMillis::new(4_133_980_800_000),
            ahead_max_ms: 86_400_000,
            rejected_bytes_per_record: 65_536,
            rejected_bytes_per_platform: 1 << 30,
        }
    );
    assert_eq!(config.shutdown.grace, Duration::from_secs(20));
    assert_eq!(config.kafka, None);
    let promise = config.platforms.get("any");
    assert_eq!((promise.delivery_delay_ms, promise.max_order_duration_ms), (HOUR_MS / 4, 24 * HOUR_MS));
    assert_eq!((promise.records_from, promise.complete_start), (None, false));
    assert_eq!(promise.streams_open_orders_from, None);
    assert_eq!(config.warnings.len(), 1, "no rate: {:?}", config.warnings);
}

const FULL: &str = r#"
timezone = "America/New_York"
[ledger]
data_dir = "/var/lib/coverledger"
retention = "1095d"
[http]
listen = "[::1]:0"
[kafka]
brokers = "a:9092,b:9092"
options = { "security.protocol" = "SASL_SSL", "fetch.wait.max.ms" = 100, "sasl.password" = 'hunter"2' }
[limits]
horizon = { from = 1900-01-01T00:00:00Z }
[[rate]]
category = "instant_delivery"
per_order = "0.07"
[[rate]]
category = "instant_delivery"
platform = "meituan"
region = "31"
from = 2025-07-01
per_order = "0.25"
[[factor]]
platform = "meituan"
region = "31"
from = 2026-07-01
multiply = "0.8"
[[cover]]
tail = "10m"
charged_outcomes = ["completed", "cancelled"]
[platform.meituan]
topics = ["orders.meituan"]
records_from = 2025-07-01
complete_start = true
streams_open_orders_from = 2026-01-01T00:00:00+08:00
[platform.dada]
topics = ["orders.dada"]
max_order_duration = "12h"
[platform_defaults]
records_from = 2024-01-01
delivery_delay = "5m"
"#;

#[test]
fn a_full_file_is_read_whole() {
    let config = with_files(&[("c.toml", FULL)]).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.ledger.data_dir, PathBuf::from("/var/lib/coverledger"));
    assert_eq!(config.ledger.retention_days, Some(1095));
    assert_eq!(config.limits.horizon_until, UtcMillis::new(4_133_980_800_000));
    let meituan = config.platforms.get("meituan");
    let midnight = config.zone.start_of(LocalDay::from_ymd(2025, 7, 1).unwrap());
    assert_eq!(config.zone.rfc3339(midnight), "2025-07-01T00:00:00.000-04:00");
    assert_eq!((meituan.records_from, meituan.complete_start), (Some(midnight), true));
    assert_eq!(meituan.streams_open_orders_from, Some(UtcMillis::new(1_767_196_800_000)));
    assert_eq!(meituan.delivery_delay_ms, 300_000);
    let dada = config.platforms.get("dada");
    assert_eq!(
        (dada.max_order_duration_ms, dada.topics.len(), dada.complete_start),
        (12 * HOUR_MS, 1, false)
    );
    assert!(dada.records_from < meituan.records_from);
    let query = PriceQuery {
        platform: "meituan",
        category: "instant_delivery",
        region: crate::domain::order::Region::from_code(310_115).unwrap(),
        day: LocalDay::from_ymd(2026, 7, 1).unwrap(),
        outcome: Some(Outcome::Cancelled),
    };
    let pricing = config.tariff.price(&query);
    let Price::Charged { premium, .. } = pricing.charge.price else { panic!("{pricing:?}") };
    assert_eq!((premium.to_short_string().as_str(), pricing.cover.tail_ms), ("0.2", 600_000));
}

#[test]
fn all_problems_are_told_at_once_with_their_lines() {
    let text = r#"timezone = "Asia/Nowhere"
tarif = 1
[ledger]
retention = "36h"
datadir = "x"
identity_days = "7"
[http]
listen = "localhost"
timeout = "soon"
[kafka]
"sasl.password" = "hunter2"
[limits]
horizon = { from = 2026-01-01, til = 1 }
rejected_bytes_per_platform = "1GB"
[[rate]]
category = "c"
per_order = 0.07
[[rate]]
per_order = "0.0000001"
price = "1"
[[rate]]
category = "d"
platform = "Dada"
region = 31
from = "2025-07-01"
per_order = "-1"
[[cover]]
tail = "forever"
charged_outcomes = ["void"]
[platform.Big]
topics = "orders"
delay = "1m"
[platform.ok]
records_from = 2025-13-01T00:00:00Z
"#;
    expect(&problems(text), &[("c.toml:34", "not valid TOML")]);
    let found = problems(&text.replace("2025-13-01T00:00:00Z", "2025-07-01T00:00:00"));
    let expected = [
        ("c.toml:1", "Asia/Nowhere"),
        ("c.toml:2", "unknown key `tarif` in the top level"),
        ("c.toml:4", "whole days"),
        ("c.toml:5", "unknown key `datadir` in [ledger]: the keys here are cache_bytes, data_dir"),
        ("c.toml:6", "whole number from 0 to 366"),
        ("c.toml:8", "`localhost` is no address"),
        ("c.toml:9", "`soon` is not a duration"),
        ("c.toml:10", "has no `brokers`"),
        ("c.toml:11", "unknown key `sasl.password` in [kafka]"),
        ("c.toml:13", "with an offset"),
        ("c.toml:13", "unknown key `til`"),
        ("c.toml:14", "1GiB"),
        ("c.toml:17", "write a decimal such as \"0.25\" as a string"),
        ("c.toml:18", "no `category`"),
        ("c.toml:19", "more than six decimals"),
        ("c.toml:20", "unknown key `price` in [[rate]]"),
        ("c.toml:23", "a-z"),
        ("c.toml:24", "6 digits"),
        ("c.toml:25", "without quotes"),
        ("c.toml:26", "`-1` is not a decimal"),
        ("c.toml:28", "from 0s to 31d"),
        ("c.toml:29", "`void`"),
        ("c.toml:30", "platform `Big`"),
        ("c.toml:30", "no `records_from`"),
        ("c.toml:31", "list of strings"),
        ("c.toml:32", "unknown key `delay` in [platform.Big]"),
        ("c.toml:34", "midnight"),
    ];
    expect(&found, &expected);
    assert!(found.iter().all(|problem| !problem.contains("hunter2")));
}

#[test]
fn broken_toml_does_not_quote_its_line() {
    let found = problems("[kafka]\nbrokers = \"a\"\n\"sasl.password\" = hunter2\nx = \n");
    assert!(found.len() >= 2 && found[0].starts_with("c.toml:3: "), "{found:?}");
    assert!(found.iter().all(|problem| !problem.contains("hunter2")), "{found:?}");
}

#[test]
fn rules_that_clash_are_named_with_both_places() {
    let second = "[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.08\"\nfrom = 2030-01-01\n";
    let files = [("c.toml", format!("include = [\"t/x.toml\"]\n{RATE}")), ("t/x.toml", second.to_owned())];
    let errors = with_files(&[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]).unwrap_err();
    let text = errors.to_string();
    assert!(text.starts_with("t/x.toml:1: ") && text.contains("the first is at c.toml:2"), "{text}");
    assert!(text.contains("`rate instant_delivery`") && text.contains("from=2030-01-01"), "{text}");
    let inexact = format!("{RATE}[[factor]]\nmultiply = \"0.00001\"\n");
    expect(&problems(&inexact), &[("c.toml:4", "not exact")]);
    let never = RATE.replace("per_order", "from = 2026-01-01\nuntil = 2026-01-01\nper_order");
    expect(&problems(&never), &[("c.toml:1", "never applies")]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!(
        "{}{}[[cover]]\ncategory = \"x\"\n[[factor]]\nplatform = \"typo\"\nmultiply = \"1\"\n[kafka]\nbrokers = \"a\"\n\
         [platform.p]\nrecords_from = 2020-01-01\n[platform_defaults]\nrecords_from = 2019-01-01\ncomplete_start = true\n",
        RATE.replace("per_order", "until = 2025-01-01\nper_order"),
        RATE.replace("per_order", "from = 2025-02-01\nper_order"),
    );
    let config = with_files(&[("c.toml", &text)]).unwrap();
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("c.toml:5: there is a gap between"), "{warnings}");
    assert!(warnings.contains("category `x` has no rate"), "{warnings}");
    assert!(warnings.contains("c.toml:11: platform `typo` is not registered"), "{warnings}");
    assert!(warnings.contains("no platform names a topic"), "{warnings}");
    assert!(warnings.contains("[platform.p] has its own `records_from`"), "{warnings}");
    assert_eq!(config.warnings.len(), 5, "{warnings}");
    assert!(!config.platforms.get("p").complete_start && config.platforms.get("other").complete_start);
}

#[test]
fn included_files_hold_rules_only_and_are_kept() {
    let main = "include = [\"t/a.toml\", \"t/none.toml\"]\n";
    let files =
        [("c.toml", main), ("t/a.toml", "x = 1\n[ledger]\n[[rate]]\ncategory = 1\nper_order = \"1\"\n")];
    let found: Vec<_> = with_files(&files).unwrap_err().problems.iter().map(Problem::to_string).collect();
    let expected = [
        ("c.toml:1", "Failed to read the included file `t/none.toml`"),
        ("t/a.toml:1", "unknown key `x` in an included file: the keys here are cover, factor, rate"),
        ("t/a.toml:2", "unknown key `ledger`"),
        ("t/a.toml:4", "as a string"),
    ];
    expect(&found, &expected);
    let config = with_files(&[("c.toml", "include = [\"t/a.toml\"]\n"), ("t/a.toml", RATE)]).unwrap();
    assert!(config.text.contains("# ==== include t/a.toml\n[[rate]]"), "{}", config.text);
    assert!(config.text.contains("# ==== defaults\ntimezone = \"Asia/Shanghai\"\n"));
    assert!(config.tariff.knows_category("instant_delivery"));
}

#[test]
fn promises_are_complete() {
    let errors =
        problems("[platform.p]\ntopics = [\"a b\", \"t\", \"t\"]\n[platform_defaults]\ntopics = [\"t\"]\n");
    expect(
        &errors,
        &[
            ("c.toml:1", "no `records_from`"),
            ("c.toml:2", "`a b` is no topic"),
            ("c.toml:2", "`t` is named twice"),
            ("c.toml:3", "`topics` in [platform_defaults]"),
        ],
    );
    expect(
        &problems("[platform_defaults]\ncomplete_start = true\n"),
        &[("c.toml:1", "needs `records_from`")],
    );
    let open = with_files(&[("c.toml", "[platform_defaults]\ntopics = [\"t\"]\n")]).unwrap();
    assert_eq!(open.platforms.topics(), BTreeSet::from(["t"]));
    assert_eq!(open.warnings.len(), 2, "{:?}", open.warnings);
}

#[test]
fn what_is_shipped_is_valid() {
    let demo = Config::embedded().unwrap();
    assert_eq!(demo.warnings, Vec::<String>::new());
    let categories = BTreeSet::from(["instant_delivery", "intra_city_freight", "ride_hailing"]);
    assert_eq!(demo.tariff.categories(), categories);
    let charge = |category, year, month, day| {
        let region = crate::domain::order::Region::from_code(310_115).unwrap();
        let day = LocalDay::from_ymd(year, month, day).unwrap();
        let outcome = Some(Outcome::Completed);
        let query = PriceQuery { platform: "meituan", category, region, day, outcome };
        match demo.tariff.price(&query).charge.price {
            Price::Charged { premium, .. } => premium.to_short_string(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(charge("instant_delivery", 2022, 6, 30), "Unrated");
    assert_eq!(charge("instant_delivery", 2022, 7, 1), "0.06");
    assert_eq!(charge("instant_delivery", 2025, 6, 30), "0.06");
    assert_eq!(charge("instant_delivery", 2025, 7, 1), "0.07");
    assert_eq!(charge("ride_hailing", 2025, 7, 1), "0.01");
    assert_eq!(charge("intra_city_freight", 2025, 7, 1), "0.18");
    assert_eq!(charge("intra_city_freight", 2025, 6, 30), "Unrated");
}

/// The keys that the documentation names, commented out or not, by section.
fn documented() -> BTreeSet<(String, String)> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in DEFAULTS.lines() {
        let line = line.trim_start_matches("# ");
        let header = line.split(" #").next().unwrap_or_default().trim();
        if header.starts_with('[') && header.ends_with(']') && !header.contains(' ') {
            section = header.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn every_known_key_is_documented_and_every_documented_key_is_known() {
    let text = format!("{FULL}\n[shutdown]\n{}{}", oidc::OIDC, oidc::GRANT);
    let main = source("c.toml".to_owned(), PathBuf::new(), text);
    let outside = Outside { read: &|_| Ok("secret".to_owned()), env: &|_| None };
    let (_, report) = build(main, outside).unwrap();
    let sections = [
        "access", "answers", "rate", "factor", "cover", "ledger", "ingest", "http", "kafka", "seal",
        "limits", "shutdown", "storage",
    ];
    let sections: BTreeSet<&str> = sections.into_iter().chain(["platform", "platform_defaults"]).collect();
    let known: BTreeSet<(String, String)> = (report.keys.iter())
        .filter(|(path, key)| !(path.is_empty() && sections.contains(key)) && path != "limits.horizon")
        .filter(|(path, key)| {
            let tables = [("http", "tls"), ("access", "oidc"), ("access.oidc", "grant")];
            !tables.contains(&(path.as_str(), *key))
        })
        .map(|(path, key)| (path.clone(), (*key).to_owned()))
        .collect();
    assert_eq!(known, documented());
    let headers: BTreeSet<String> = documented().into_iter().map(|(section, _)| section).collect();
    let mut titled = sections.into_iter().filter(|section| *section != "platform");
    assert!(titled.all(|section| headers.contains(section)), "{headers:?}");
}
