//! The alarms of `ops/prometheus/alerts.yml` that the service can see by itself, from what it measured.

use super::super::messages::OperationsWords;
use crate::domain::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::telemetry::history::Moment;

/// As the rules have them.
const LAG_MAX: i64 = 100_000;
const BEHIND_MAX_MS: i64 = 2_700 * SECOND_MS;
const SEALED_MAX_MS: i64 = 4 * DAY_MS;
const RECENT_MS: i64 = 15 * MINUTE_MS;
const HOUR: i64 = 60 * MINUTE_MS;

/// An alarm: the name of its rule, and its words.
type Alarm = (&'static str, fn(&OperationsWords) -> &'static str);

/// An alarm that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct On {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// The alarms that are on at the newest of the moments.
pub(super) fn on(moments: &[Moment], w: &'static OperationsWords) -> Vec<On> {
    let Some(now) = moments.last() else { return Vec::new() };
    let before = |span_ms: i64| {
        let from = now.at.minus(span_ms);
        moments.iter().find(|moment| moment.at >= from).unwrap_or(now)
    };
    let (recent, hour, figures) = (before(RECENT_MS), before(HOUR), &now.figures);
    // Moments that are missing say nothing of a stream.
    let is_long = now.at.since(recent.at) >= RECENT_MS - MINUTE_MS;
    let sealed_ago = now.at.millis().saturating_sub(figures.sealed_through_s.saturating_mul(SECOND_MS));
    let rules: [(bool, Alarm); 17] = [
        (figures.is_poisoned, ("CoverledgerPoisoned", |w| w.alarm_poisoned)),
        (figures.is_fenced, ("CoverledgerFenced", |w| w.alarm_fenced)),
        (!figures.is_ready, ("CoverledgerNotReady", |w| w.alarm_not_ready)),
        (figures.is_answer_log_stopped, ("CoverledgerAnswersRefused", |w| w.alarm_answers_refused)),
        (figures.is_paused, ("CoverledgerIngestPaused", |w| w.alarm_paused)),
        (figures.clock_jumps > recent.figures.clock_jumps, ("CoverledgerClockJumped", |w| w.alarm_clock)),
        (now.lag > LAG_MAX, ("CoverledgerLag", |w| w.alarm_lag)),
        (is_long && now.ends > 0 && now.ends == recent.ends, ("CoverledgerStreamDead", |w| w.alarm_dead)),
        (
            figures.kafka_errors > recent.figures.kafka_errors,
            ("CoverledgerKafkaUnreachable", |w| w.alarm_kafka),
        ),
        (
            now.behind_ms.is_some_and(|ms| ms > BEHIND_MAX_MS),
            ("CoverledgerPlatformBehind", |w| w.alarm_behind),
        ),
        (now.late > hour.late, ("CoverledgerLateEvents", |w| w.alarm_late)),
        (figures.unreadable > 0, ("CoverledgerUnreadableRecords", |w| w.alarm_unreadable)),
        (figures.unrated > 0, ("CoverledgerUnratedOrders", |w| w.alarm_unrated)),
        (
            figures.answers_changed > hour.figures.answers_changed,
            ("CoverledgerAnswersChanged", |w| w.alarm_changed),
        ),
        (
            figures.seal_failures > hour.figures.seal_failures,
            ("CoverledgerSealingFails", |w| w.alarm_sealing),
        ),
        (figures.is_reader_behind, ("CoverledgerReaderBehind", |w| w.alarm_reader_behind)),
        (figures.seals > 0 && sealed_ago > SEALED_MAX_MS, ("CoverledgerSealsLate", |w| w.alarm_seals_late)),
    ];
    rules
        .into_iter()
        .filter(|(is_on, _)| *is_on)
        .map(|(_, (name, text))| On { name, text: text(w) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMillis;
    use crate::http::page::messages::choose;
    use crate::telemetry::metrics::Figures;

    fn moment(at_s: i64, lag: i64, figures: Figures) -> Moment {
        let at = UtcMillis::new(1_795_147_200_000 + at_s * SECOND_MS);
        Moment { at, figures, lag, ends: at_s + 1, behind_ms: Some(0), late: 0 }
    }

    fn names(moments: &[Moment]) -> Vec<&'static str> {
        on(moments, choose(Some("en"), None).operations()).into_iter().map(|alarm| alarm.name).collect()
    }

    fn well() -> Figures {
        Figures { is_ready: true, ..Figures::default() }
    }

    #[test]
    fn a_service_that_is_well_has_no_alarm() {
        assert_eq!(names(&[]), Vec::<&str>::new());
        assert_eq!(names(&[moment(0, 0, well()), moment(1_800, LAG_MAX, well())]), Vec::<&str>::new());
    }

    #[test]
    fn each_alarm_is_a_rule_and_goes_on() {
        let bad = Figures {
            is_ready: false,
            is_poisoned: true,
            is_fenced: true,
            is_answer_log_stopped: true,
            is_paused: true,
            clock_jumps: 1,
            kafka_errors: 1,
            unreadable: 1,
            unrated: 1,
            answers_changed: 1,
            seal_failures: 1,
            seals: 1,
            is_reader_behind: true,
            ..Figures::default()
        };
        let mut last = moment(1_000, LAG_MAX + 1, bad);
        (last.behind_ms, last.late, last.ends) = (Some(BEHIND_MAX_MS + 1), 1, 101);
        let names = names(&[moment(0, 0, well()), moment(100, 0, well()), last]);
        assert_eq!(names.len(), 17, "{names:?}");
        let rules = include_str!("../../../../ops/prometheus/alerts.yml");
        for name in names {
            assert!(rules.contains(&format!("- alert: {name}\n")), "{name} is no rule");
        }
    }

    #[test]
    fn what_rose_long_ago_is_over() {
        let jumped = Figures { clock_jumps: 3, ..well() };
        assert_eq!(names(&[moment(0, 0, well()), moment(15, 0, jumped.clone())]), ["CoverledgerClockJumped"]);
        let later: Vec<Moment> = (0..100).map(|nth| moment(15 + nth * 15, 0, jumped.clone())).collect();
        assert_eq!(names(&[&[moment(0, 0, well())], &later[..]].concat()), Vec::<&str>::new());
    }
}
