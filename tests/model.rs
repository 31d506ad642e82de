//! The model test: seeded random histories run through the pipeline and the ledger, and through a naive model that was
//! written from the contract alone. `COVERLEDGER_MODEL_SEEDS` sets how many, from `COVERLEDGER_MODEL_FROM` on;
//! `COVERLEDGER_MODEL_SEED` replays one; `COVERLEDGER_MODEL_STORAGE` says where: `memory`, `local`, `object`, or `all` (the default; on `object` fewer).

#[cfg(test)]
#[path = "model/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "model/bad.rs"]
mod bad;
#[cfg(test)]
#[path = "model/check.rs"]
mod check;
#[cfg(test)]
#[path = "model/commit.rs"]
mod commit;
#[cfg(test)]
#[path = "model/complete.rs"]
mod complete;
#[cfg(test)]
#[path = "model/crash.rs"]
mod crash;
#[cfg(test)]
#[path = "model/drive.rs"]
mod drive;
#[cfg(test)]
#[path = "model/event.rs"]
mod event;
#[cfg(test)]
#[path = "model/explained.rs"]
mod explained;
#[cfg(test)]
#[path = "model/finality_history.rs"]
mod finality_history;
#[cfg(test)]
#[path = "model/follow.rs"]
mod follow;
#[cfg(test)]
#[path = "model/known_at.rs"]
mod known_at;
#[cfg(test)]
#[path = "model/naive.rs"]
mod naive;
#[cfg(test)]
#[path = "model/pending.rs"]
mod pending;
#[cfg(test)]
#[path = "model/periods.rs"]
mod periods;
#[cfg(test)]
#[path = "model/sealed.rs"]
mod sealed;
#[cfg(test)]
#[path = "model/shown.rs"]
mod shown;
#[cfg(test)]
#[path = "model/terms.rs"]
mod terms;
#[cfg(test)]
mod testkit;
#[cfg(test)]
#[path = "model/world.rs"]
mod world;

#[cfg(test)]
mod histories {
    use crate::drive::Drive;
    use crate::testkit::engine::Engine;
    use crate::testkit::random::number;
    use std::collections::BTreeMap;
    use std::ops::Range;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Histories that run side by side: most of their time is waiting for the disk.
    const LANES: usize = 4;
    /// After so many of them a long run says how far it is.
    const TELL_EVERY: u64 = 500;
    /// So many histories show everything in [`SHOWN`].
    const MANY: u64 = 100;
    /// What must happen in some history, or the test tests less than it says.
    const SHOWN: [&str; 45] = [
        "records",
        "commits",
        "accepted",
        "amended",
        "duplicate",
        "covered",
        "not_covered",
        "undetermined",
        "runs compacted",
        "compactions begun beside another",
        "reopened",
        "configurations changed",
        "resolved by an operator",
        "answers of older states",
        "facts of earlier commits",
        "answers given again",
        "logged answers asked again",
        "logged answers changed",
        "crashes before the witness",
        "orphans left by crashes",
        "days sealed",
        "receipts",
        "explanations",
        "final since a known commit",
        "why window ended_order",
        "why window open_order",
        "why window not_ended",
        "why by completeness_record",
        "why by delivery_delay",
        "why by stated_completeness",
        "why rule ended_orders",
        "why rule announced_orders",
        "why open before_records",
        "why open gap",
        "why open incomplete",
        "why open order_open",
        "why open rejected_record",
        "why open unreadable_record",
        "why open conflicting_record",
        "why gap late_start",
        "why waits_for partition",
        "why waits_for listing",
        "why waits_for completeness_record",
        "why waits_for newest_event",
        "why waits_for statement",
    ];

    /// Histories on a bucket by default: its requests go through threads of their own, and cost more than a disk.
    const OBJECT_SEEDS: u64 = 30;

    /// Where histories are stored: `memory`, `local`, `object`, or `all`, which is the default.
    fn engines() -> Vec<Engine> {
        match std::env::var("COVERLEDGER_MODEL_STORAGE").as_deref() {
            Err(_) | Ok("all") => Engine::all(),
            Ok(name) => {
                let chosen: Vec<_> =
                    Engine::all().into_iter().filter(|engine| engine.name() == name).collect();
                assert!(!chosen.is_empty(), "COVERLEDGER_MODEL_STORAGE={name}: memory, local, object or all");
                chosen
            }
        }
    }

    #[test]
    fn the_ledger_is_what_a_naive_model_says() {
        let seeds = match number("COVERLEDGER_MODEL_SEED", u64::MAX) {
            u64::MAX => {
                let from = number("COVERLEDGER_MODEL_FROM", 1);
                from..from + number("COVERLEDGER_MODEL_SEEDS", 200)
            }
            seed => seed..seed + 1,
        };
        let engines = engines();
        let is_chosen = engines.len() == 1;
        for engine in engines {
            let is_short = engine.name() == "object" && !is_chosen;
            let end = if is_short { seeds.end.min(seeds.start + OBJECT_SEEDS) } else { seeds.end };
            run_all(seeds.start..end, engine);
        }
    }

    fn run_all(seeds: Range<u64>, engine: Engine) {
        let next = AtomicU64::new(seeds.start);
        let (shown, failed) = (Mutex::new(BTreeMap::<String, u64>::new()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..LANES {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let begun = seed - seeds.start;
                        if begun > 0 && begun.is_multiple_of(TELL_EVERY) {
                            println!("{begun} of {} histories begun", seeds.end - seeds.start);
                        }
                        match catch_unwind(AssertUnwindSafe(|| Drive::new(seed, engine).run())) {
                            Ok(history) => {
                                let mut shown = shown.lock().unwrap();
                                for (what, times) in history.counts {
                                    *shown.entry(what).or_default() += times;
                                }
                            }
                            Err(_) => {
                                println!(
                                    "replay: COVERLEDGER_MODEL_STORAGE={} COVERLEDGER_MODEL_SEED={seed} cargo test --test model",
                                    engine.name()
                                );
                                failed.lock().unwrap().push(seed);
                            }
                        }
                    }
                });
            }
        });
        let mut failed = failed.into_inner().unwrap();
        failed.sort_unstable();
        let shown = shown.into_inner().unwrap();
        println!("{} histories on {}: {shown:?}", seeds.end - seeds.start, engine.name());
        assert!(
            failed.is_empty(),
            "{} seeds failed on {}, among them {:?}",
            failed.len(),
            engine.name(),
            &failed[..failed.len().min(20)]
        );
        if engine.name() == "object" && seeds.end - seeds.start >= OBJECT_SEEDS {
            let beside = ["commits followed", "states followed", "taken over"];
            assert!(beside.iter().all(|what| shown.get(*what).is_some_and(|times| *times > 0)), "{shown:?}");
        }
        if seeds.end - seeds.start >= MANY {
            let missing: Vec<&str> =
                SHOWN.into_iter().filter(|what| shown.get(*what).is_none_or(|times| *times == 0)).collect();
            assert!(missing.is_empty(), "no history shows {missing:?}");
        }
    }

    #[test]
    fn a_seed_replays_exactly() {
        for engine in engines() {
            let run = |seed| Drive::new(seed, engine).run();
            for seed in 1..=3 {
                let (once, again) = (run(seed), run(seed));
                assert!(once.counts["records"] > 0 && once.counts["commits"] > 0);
                for (nth, (line, same)) in once.log.iter().zip(&again.log).enumerate() {
                    assert_eq!(line, same, "seed {seed}, line {nth}");
                }
                assert_eq!((once.log.len(), once.counts), (again.log.len(), again.counts), "seed {seed}");
            }
            assert_ne!(run(1).log, run(2).log);
        }
    }
}
