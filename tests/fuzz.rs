//! Fuzzing: valid stored values, events, configurations and files, mutated by seed. Whatever comes out is an error or a
//! value, never a panic, and never an allocation larger than the input warrants.
//!
//! `COVERLEDGER_FUZZ_ROUNDS` sets how many mutants each target gets, `COVERLEDGER_FUZZ_SEED` where they begin. The targets
//! run in a process of their own whose address space is bounded: an allocation that a corrupt length asked for ends it.

#[cfg(test)]
#[path = "fuzz/corpus.rs"]
mod corpus;
#[cfg(test)]
#[path = "fuzz/mutate.rs"]
mod mutate;
#[cfg(test)]
#[path = "fuzz/targets.rs"]
mod targets;
#[cfg(test)]
mod testkit;

#[cfg(test)]
mod runs {
    use crate::corpus::Corpus;
    use crate::mutate::Mutator;
    use crate::targets::TARGETS;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::Command;

    /// Set in the bounded process.
    const BOUNDED: &str = "COVERLEDGER_FUZZ_BOUNDED";
    /// KiB of address space there: the program itself, its threads' stacks, and what inputs of a few hundred KiB warrant.
    const ADDRESS_KIB: u64 = 400 << 10;

    fn number(name: &str, default: u64) -> u64 {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    }

    #[test]
    fn mutants_are_errors_or_values_and_take_no_more_memory_than_they_warrant() {
        if std::env::var_os(BOUNDED).is_some() {
            return fuzz();
        }
        let own = std::env::current_exe().unwrap();
        let script = format!("ulimit -v {ADDRESS_KIB} && exec \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, "sh", own.to_str().unwrap(), "--exact", "--nocapture"])
            .arg("runs::mutants_are_errors_or_values_and_take_no_more_memory_than_they_warrant")
            .env(BOUNDED, "1")
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        println!("{said}");
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
        for (name, _) in TARGETS {
            assert!(said.contains(&format!("{name}: ")), "{name} was not run: {said}");
        }
    }

    /// What the bound is worth: an allocation that nothing warrants does end a process.
    #[test]
    fn the_bound_holds() {
        if std::env::var_os(BOUNDED).is_some() {
            let huge = vec![1_u8; 1 << 30];
            println!("{}", huge.iter().filter(|&&byte| byte == 1).count());
            return;
        }
        let own = std::env::current_exe().unwrap();
        let script = format!("ulimit -v {ADDRESS_KIB} && exec \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, "sh", own.to_str().unwrap(), "--exact", "runs::the_bound_holds"])
            .env(BOUNDED, "1")
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("memory allocation of"), "{output:?}");
    }

    fn fuzz() {
        let corpus = Corpus::make();
        let (rounds, first) = (number("COVERLEDGER_FUZZ_ROUNDS", 3_000), number("COVERLEDGER_FUZZ_SEED", 1));
        for (name, target) in TARGETS {
            let (mut refused, mut failed) = (0, Vec::new());
            for seed in first..first + rounds {
                let mut mutator = Mutator::new(name, seed);
                let run = || target(&corpus, &mut mutator);
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(is_refused) => refused += u64::from(is_refused),
                    Err(_) => failed.push(seed),
                }
                if failed.len() >= 5 {
                    break;
                }
            }
            println!("{name}: {rounds} mutants, {refused} refused");
            assert!(failed.is_empty(), "{name} fails: COVERLEDGER_FUZZ_SEED and ROUNDS=1 of {failed:?}");
            // Mutants that are all refused, or none, would show that a target looks at nothing.
            assert!(rounds < 1_000 || (refused > 0 && refused < rounds), "{name}: {refused} refused");
        }
    }
}
