//! The model test: seeded random histories run through the pipeline and the ledger, and through a naive model that was
//! written from the contract alone. `COVERLEDGER_MODEL_SEEDS` sets how many, from `COVERLEDGER_MODEL_FROM` on;
//! `COVERLEDGER_MODEL_SEED` replays one; `COVERLEDGER_MODEL_STORAGE` says where: `memory`, `local`, or `both` (the default).

#[cfg(test)]
#[path = "model/bad.rs"]
mod bad;
#[cfg(test)]
#[path = "model/check.rs"]
mod check;
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
#[path = "model/engine.rs"]
mod engine;
#[cfg(test)]
#[path = "model/event.rs"]
mod event;
#[cfg(test)]
#[path = "model/finality_history.rs"]
mod finality_history;
#[cfg(test)]
#[path = "model/naive.rs"]
mod naive;
#[cfg(test)]
#[path = "model/pending.rs"]
mod pending;
#[cfg(test)]
#[path = "model/random.rs"]
mod random;
#[cfg(test)]
#[path = "model/shown.rs"]
mod shown;
#[cfg(test)]
#[path = "model/terms.rs"]
mod terms;
#[cfg(test)]
#[path = "model/world.rs"]
mod world;

#[cfg(test)]
mod histories {
    use crate::drive::Drive;
    use crate::engine::Engine;
    use crate::shown::Shown;
    use std::ops::Range;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Histories that run side by side: most of their time is waiting for the disk.
    const LANES: usize = 4;
    /// After so many of them a long run says how far it is.
    const TELL_EVERY: u64 = 500;

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    /// Where histories are stored: `memory`, `local`, or `both`, which is the default.
    fn engines() -> Vec<Engine> {
        let all = [Engine::Memory, Engine::Local];
        match std::env::var("COVERLEDGER_MODEL_STORAGE").as_deref() {
            Err(_) | Ok("both") => all.into(),
            Ok(name) => {
                let chosen: Vec<_> = all.into_iter().filter(|engine| engine.name() == name).collect();
                assert!(!chosen.is_empty(), "COVERLEDGER_MODEL_STORAGE={name}: memory, local or both");
                chosen
            }
        }
    }

    #[test]
    fn the_ledger_is_what_a_naive_model_says() {
        let seeds = match number("COVERLEDGER_MODEL_SEED") {
            Some(seed) => seed..seed + 1,
            None => {
                let from = number("COVERLEDGER_MODEL_FROM").unwrap_or(1);
                from..from + number("COVERLEDGER_MODEL_SEEDS").unwrap_or(200)
            }
        };
        engines().into_iter().for_each(|engine| run_all(seeds.clone(), engine));
    }

    fn run_all(seeds: Range<u64>, engine: Engine) {
        let next = AtomicU64::new(seeds.start);
        let (shown, failed) = (Mutex::new(Shown::default()), Mutex::new(Vec::new()));
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
                                history.counts.iter().for_each(|(what, times)| shown.count(what, *times));
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
        println!(
            "{} histories on {}: {:?}",
            seeds.end - seeds.start,
            engine.name(),
            shown.into_inner().unwrap().counts
        );
        assert!(
            failed.is_empty(),
            "{} seeds failed on {}, among them {:?}",
            failed.len(),
            engine.name(),
            &failed[..failed.len().min(20)]
        );
    }

    #[test]
    fn a_seed_replays_exactly() {
        for engine in engines() {
            let run = |seed| Drive::new(seed, engine).run();
            for seed in 1..=3 {
                let (once, again) = (run(seed), run(seed));
                assert!(once.counts["records"] > 0 && once.trace != 0);
                assert_eq!((once.trace, once.counts), (again.trace, again.counts), "seed {seed}");
            }
            assert_ne!(run(1).trace, run(2).trace);
        }
    }
}
