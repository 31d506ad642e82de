//! The clock of this machine, as far as others tell the time: brokers in the records that they append, the ledger in its commits.

use super::report::{Area, Report};
use crate::domain::time::{SECOND_MS, UtcMillis, Zone};
use crate::telemetry::clock::JUMP_MS;

/// An instant that another clock named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who: `the newest record of orders:0`.
    pub by: String,
    /// When it was, by the other clock.
    pub at: UtcMillis,
    /// Whether that clock is a broker's or this machine's own, and not a producer's.
    pub is_trusted: bool,
}

/// Compares `now` with what others told: what lies in the past for them cannot be in the future here.
pub fn examine(told: &[Told], now: UtcMillis, zone: &Zone, report: &mut Report) {
    let mut agree = 0_usize;
    for told in told {
        let ahead_ms = told.at.since(now);
        if ahead_ms <= JUMP_MS {
            agree += 1;
            continue;
        }
        let found = format!(
            "{} is of {}, {} s ahead of this machine's clock ({})",
            told.by,
            zone.rfc3339(told.at),
            ahead_ms / SECOND_MS,
            zone.rfc3339(now)
        );
        if told.is_trusted {
            report.problem(Area::Clock, "ahead", found, "compare the clocks (`timedatectl` here and on the brokers), run a time daemon, then restart the service");
        } else {
            report.warning(
                Area::Clock,
                "ahead",
                found,
                "the producer's clock or this one is wrong: compare both with a time server",
            );
        }
    }
    if agree > 0 {
        let found =
            format!("{} is not behind any of {agree} instants that others recorded", zone.rfc3339(now));
        report.ok(Area::Clock, "ahead", found);
    } else if told.is_empty() {
        report.warning(
            Area::Clock,
            "ahead",
            format!("no other clock could be asked; this one says {}", zone.rfc3339(now)),
            "check that a time daemon runs (`timedatectl`)",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn judge(told: &[(i64, bool)]) -> Vec<Level> {
        let now = UtcMillis::new(1_000_000_000);
        let told: Vec<Told> = told
            .iter()
            .map(|&(ahead_ms, is_trusted)| Told { by: "x".to_owned(), at: now.plus(ahead_ms), is_trusted })
            .collect();
        let mut report = Report::default();
        examine(&told, now, &Zone::utc(), &mut report);
        report.findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn what_others_recorded_is_not_in_the_future() {
        assert_eq!(judge(&[(-3_600_000, true), (JUMP_MS, true)]), [Level::Ok]);
        assert_eq!(judge(&[(JUMP_MS + 1, true)]), [Level::Problem]);
        assert_eq!(judge(&[(JUMP_MS + 1, false), (0, true)]), [Level::Warning, Level::Ok]);
        assert_eq!(judge(&[]), [Level::Warning]);
    }
}
