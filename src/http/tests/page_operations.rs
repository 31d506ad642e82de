//! The page *Operations*.

use super::chromium::Browser;
use super::limits::with_state;
use super::page_browser::check;
use super::world::*;
use crate::domain::time::UtcMillis;
use crate::http::{HttpState, NotReady};
use crate::telemetry::history::Moment;
use crate::telemetry::metrics::{Figures, SealFacts};

/// A service that ran for some hours.
fn ran(state: &HttpState<World>, is_ill: bool) {
    for nth in 0..240_i64 {
        let at = UtcMillis::new(NOON - 3_600_000 + nth * 45_000);
        let wave = 1_000 + (nth * nth * 37) % 900;
        let count = |per_moment: i64| u64::try_from(nth * per_moment + wave).unwrap();
        let figures = Figures {
            is_ready: true,
            records: count(90_000),
            lookups: count(45),
            disk_bytes: count(30 << 20),
            disk_free_bytes: Some((400 << 30) - count(30 << 20)),
            ..Figures::default()
        };
        let (lag, behind_ms) = (wave * if is_ill { 200 } else { 1 }, Some(60_000 + wave * 30));
        state.history().note(Moment { at, figures, lag, ends: nth, behind_ms, late: 0 });
    }
    let metrics = state.metrics();
    metrics.disks(Some(350 << 30), is_ill.then_some(3 << 30));
    metrics.ingest_paused(is_ill);
    metrics.seal_log(&SealFacts { days: 41, entries: 43, through: Some(UtcMillis::new(NOON - 86_400_000)) });
    if is_ill {
        metrics.pending("dada", "unreadable_record", 1, None);
        metrics.clock_jumped(6_000);
        metrics.seals_due(2);
        metrics.seal_failed();
    }
}

#[tokio::test]
async fn it_shows_stream_completeness_seals_and_alarms() {
    let mut world = world();
    world.readiness = Err(NotReady::Unassigned);
    let state = state_with(world, settings());
    ran(&state, true);
    let page = get(&state, "/operations?lang=en").await.body;
    for part in [
        "The partitions are not assigned",
        "The disk is nearly full, so nothing is read: 0 MiB are free",
        "<code>CoverledgerNotReady</code>",
        "<code>CoverledgerIngestPaused</code>",
        "<code>CoverledgerClockJumped</code>",
        "<code>CoverledgerUnreadableRecords</code>",
        "<code>CoverledgerSealingFails</code>",
        "<td>orders.meituan</td><td>0</td><td class=\"money\">40</td><td class=\"money\">45</td><td class=\"money\">5</td>",
        "<td>orders.meituan</td><td>1</td><td class=\"money\">7</td><td class=\"money\">unknown</td>",
        "<td>dada</td>",
        "<dd>41</dd>",
        "Records a second",
        "Free on the disk of the data directory <b>350 GiB</b>",
        "Free on the disk of the answer log <b>3072 MiB</b>",
        "<polyline class=\"chart-line\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("CoverledgerLag"), "the newest lag is small: {page}");
    let page = get(&state, "/operations").await.body;
    assert!(page.contains("运行状况") && page.contains("磁盘将满"), "{page}");
    assert_eq!(get(&state, "/operations?page=2&lang=en").await.status, 400);
}

#[tokio::test]
async fn a_service_that_has_just_started_and_is_well_says_so() {
    let state = state();
    let page = get(&state, "/operations?lang=en").await.body;
    for part in ["<p class=\"now\">Ready</p>", "Too little to draw yet", "No day is sealed."] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("Free on the disk"), "nothing is known of a disk: {page}");
    // A moment of its own, as the service notes them.
    state.note_moment();
    assert_eq!(state.history().moments().len(), 1);
    let moment = state.history().moments().remove(0);
    assert_eq!((moment.lag, moment.ends, moment.figures.is_ready), (5, 45, true));
}

#[tokio::test]
async fn it_is_accessible_when_all_is_well_and_when_it_is_not() {
    for (name, is_ill) in [("operations-well", false), ("operations-ill", true)] {
        let mut world = world();
        if is_ill {
            world.readiness = Err(NotReady::Poisoned);
        }
        let state = state_with(world, settings());
        ran(&state, is_ill);
        with_state(state, move |address| {
            let mut browser = Browser::start();
            for lang in ["zh", "en"] {
                let page = format!("http://{address}/operations?lang={lang}");
                check(&mut browser, (&format!("{name}-{lang}"), &page), "");
            }
        })
        .await;
    }
}
