//! Events, and a ledger that takes them in.

use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::posting::Disposition;
use coverledger::domain::time::{LocalDay, UtcMillis, Zone};
use coverledger::ledger::verify::verify;
use coverledger::ledger::{Arrival, Batch, Source};
use coverledger::ledger::{CommitExtras, Ledger, LedgerOptions};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use std::path::Path;

/// Days kept before the newest one.
pub(crate) const KEPT_DAYS: i32 = 6;

pub(crate) const CONFIG: &str = r#"
timezone = "Asia/Shanghai"
[ledger]
retention = "6d"
identity_days = 2
[platform_defaults]
records_from = 2026-01-01
[[rate]]
category = "instant_delivery"
per_order = "0.07"
"#;

/// 2026-03-01T00:00:00+08:00
pub(crate) const START_MS: i64 = 1_772_294_400_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const MICROS: i64 = 70_000;

/// An event: its order begins on `day` (from the start), 20 minutes long.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) order: u32,
    pub(crate) rider: u32,
    pub(crate) day: i32,
    pub(crate) minute: i64,
    pub(crate) revision: u64,
    pub(crate) previous: Option<i32>,
}

impl Told {
    pub(crate) fn new(order: u32, day: i32) -> Self {
        Self { order, rider: order % 7, day, minute: i64::from(order % 900), revision: 0, previous: None }
    }

    pub(crate) fn accepted_ms(&self, day: i32) -> i64 {
        START_MS + i64::from(day) * DAY_MS + self.minute * 60_000
    }

    pub(crate) fn json(&self) -> String {
        let time = |ms: i64| Zone::utc().rfc3339(UtcMillis::new(ms));
        let accepted = self.accepted_ms(self.day);
        let previous = self.previous.map_or_else(String::new, |day| {
            format!(r#","previous_accepted_at":"{}""#, time(self.accepted_ms(day)))
        });
        format!(
            r#"{{"platform":"p","order_id":"{:06}","rider_id":"r{}","category":"instant_delivery","region":"310115","accepted_at":"{}","ended_at":"{}","revision":{}{previous}}}"#,
            self.order,
            self.rider,
            time(accepted),
            time(accepted + 1_200_000),
            self.revision,
        )
    }
}

pub(crate) fn first_day() -> LocalDay {
    let zone = Config::from_text(CONFIG).unwrap().zone;
    zone.day(UtcMillis::new(START_MS))
}

pub(crate) fn day(nth: i32) -> LocalDay {
    first_day().plus_days(nth)
}

/// Noon of a day.
pub(crate) fn noon(nth: i32) -> UtcMillis {
    UtcMillis::new(START_MS + i64::from(nth) * DAY_MS + DAY_MS / 2)
}

pub(crate) fn open(dir: &Path, now: UtcMillis) -> Ledger {
    let config = Config::from_text(CONFIG).unwrap();
    let mut setup = LedgerOptions::new(&config);
    setup.storage = Storage::local(dir);
    let mut ledger = Ledger::open(setup).unwrap();
    ledger.activate_configuration(now).unwrap();
    ledger
}

/// Commits events decoded under the retention line `line`, which may be an old one.
pub(crate) fn commit(
    ledger: &mut Ledger,
    events: &[Told],
    line: Option<LocalDay>,
    offset: &mut i64,
    now: UtcMillis,
) -> Vec<String> {
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, line);
    let mut batch = Batch::default();
    let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 0 });
    for event in events {
        let json = event.json();
        let timestamp = Timestamp::Broker(now);
        let (payload, key, headers) = (json.as_bytes(), None, &[][..]);
        receive(
            &mut batch,
            &Arrival { source, offset: *offset, timestamp, payload, key, headers },
            &rules,
            &config.zone,
        );
        *offset += 1;
    }
    let report = ledger.commit(&batch, &CommitExtras::default(), now).unwrap();
    let refused: u64 = report.rejected.values().sum();
    assert_eq!(refused, report.counts[5], "every refusal has its reason");
    assert_eq!(report.kept, refused + report.counts[4]);
    let told = report.dispositions(&batch).into_iter().map(|disposition| match disposition {
        Disposition::Rejected(reason) => format!("rejected:{reason}"),
        other => other.as_str().to_owned(),
    });
    told.collect()
}

pub(crate) fn holds(ledger: &Ledger) -> u64 {
    let verification = verify(ledger, &mut |_, _| {});
    assert_eq!(verification.problems, Vec::<String>::new());
    verification.values
}
