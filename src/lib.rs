//! coverledger: the order-level occupational-injury coverage ledger for gig platforms.
//!
//! Platforms stream order events to Kafka. For every order the ledger charges the premium that the tariff in force says,
//! and remembers the window during which that order covered its rider. Later it answers, from committed state only,
//! whether a rider was covered at an instant, and what each platform owes for a month.
//!
//! The binary is a thin shell around this library: `main.rs` parses arguments and turns an error into an exit code.
//! `docs/contract.md` says what is promised, `docs/architecture.md` how it is kept.
//!
//! # Layout
//!
//! In the order in which an order event meets them:
//!
//! * [`config`]: the configuration, read and checked as a whole before anything else happens; all problems at once.
//! * [`app`]: the running service. It starts the threads, notices the first that ends, and ends the others. `role` opens the ledger to
//!   write, to follow, or to follow until it takes over. `reader` polls
//!   Kafka, `end_offset_poller` asks where partitions end, `writer` commits. [`app::demo`] is the same service with an embedded broker.
//! * [`ingest`]: the edges where records come in. [`ingest::kafka`] reads partitions from the ledger's positions and stops,
//!   with a message, where they cannot be continued exactly; [`ingest::file`] cuts files into lines.
//! * [`pipeline`]: the main line in one page. [`pipeline::receive`] decodes a record into a batch.
//! * [`domain`]: the rules, pure. [`domain::event`] decodes, [`domain::tariff`] prices, [`domain::decide`] decides between an
//!   event and the stored version, [`domain::completeness`] and [`domain::finality`] say what an absence of records means.
//! * [`ledger`]: one commit from a batch to a published state, and what every stored byte means.
//! * [`storage`]: the seam below it: values and an atomic root, in a directory or in memory. Only `storage::local::kv` names the
//!   embedded key-value store.
//! * [`coverage`]: the read model, from a question and one committed state to an answer.
//! * [`http`]: answers over HTTP and the pages for people. It only reads the ledger.
//! * [`answers`]: the log of the answers that were given, durable before they are sent.
//! * [`access`]: who may ask: tokens, accounts, sessions and roles, in a store of their own.
//!
//! Beside the line:
//!
//! * [`cli`]: the commands, one file each.
//! * [`backfill`]: files through the same pipeline into the ledger; [`redrive`]: rejected records through it again.
//! * [`seal`]: sealed days and receipts: proofs that a stranger checks without the ledger; [`sealing`] makes them of a ledger.
//! * [`doctor`]: what around a ledger is not as it should be: disk, clock, Kafka, certificates, backups.
//! * [`generate`]: deterministic synthetic events for tests, demonstrations and benchmarks.
//! * [`telemetry`]: the clock, the metrics, the log. [`certificate`]: when certificates expire. [`wait`]: the only place where a thread sleeps; it uses no other module.
//!
//! # Dependencies
//!
//! They point one way; `tests/dependencies.rs` holds the imports against this table.
//!
//! | module | uses |
//! |---|---|
//! | `domain` | nothing |
//! | `wait` | nothing |
//! | `certificate` | `domain` |
//! | `storage` | `wait` |
//! | `config` | `domain` |
//! | `generate` | `domain` |
//! | `telemetry` | `domain` |
//! | `access` | `domain` |
//! | `seal` | `domain` |
//! | `ingest` | `config`, `domain` |
//! | `ledger` | `config`, `domain`, `storage`, `wait` |
//! | `coverage` | `domain`, `seal` |
//! | `answers` | `access`, `coverage`, `domain` |
//! | `http` | `access`, `answers`, `config`, `coverage`, `domain`, `telemetry` |
//! | `pipeline` | `config`, `domain`, `ledger` |
//! | `backfill` | `domain`, `ingest`, `ledger`, `pipeline` |
//! | `redrive` | `backfill`, `config`, `domain`, `ledger`, `pipeline` |
//! | `sealing` | `coverage`, `domain`, `ledger`, `seal` |
//! | `app` | `access`, `answers`, `certificate`, `config`, `coverage`, `domain`, `generate`, `http`, `ingest`, `ledger`, `pipeline`, `seal`, `sealing`, `storage`, `telemetry`, `wait` |
//! | `doctor` | `certificate`, `config`, `domain`, `http`, `ingest`, `ledger`, `storage`, `telemetry` |
//! | `cli` | `access`, `answers`, `app`, `backfill`, `config`, `coverage`, `doctor`, `domain`, `generate`, `http`, `ingest`, `ledger`, `pipeline`, `redrive`, `seal`, `sealing`, `storage`, `telemetry`, `wait` |
pub mod access;
pub mod answers;
pub mod app;
pub mod backfill;
pub mod certificate;
pub mod cli;
pub mod config;
pub mod coverage;
pub mod doctor;
pub mod domain;
pub mod generate;
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod pipeline;
pub mod redrive;
pub mod seal;
pub mod sealing;
pub mod storage;
pub mod telemetry;
pub mod wait;
