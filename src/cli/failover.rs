//! `coverledger failover`: a planned change of the writer of a ledger in a bucket.

use super::{Ending, WrongUsage, load_config};
use crate::app::admin::{self, Answer, Request};
use crate::app::handover::{HandedOver, TakenOver};
use crate::config::Config;
use crate::ledger::LedgerOptions;
use crate::storage::{Acquire, Mode, Session};
use crate::wait::poll_until;
use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often it is looked whether a standby has taken over.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Looks in vain before it is said that none has: twenty seconds.
const LOOKS: u32 = 1_000;

/// Arguments of `failover`.
#[derive(Debug, Args)]
#[command(after_help = "Example: coverledger failover --config writer.toml

Asks the writer on this machine to commit what it has read and to end, with exit code 0; the standby takes over at once. Needs a
running `serve --standby` elsewhere. With --take-over the standby on this machine takes over at once, whatever the writer does: a
writer that still runs is fenced, and ends.")]
pub struct FailoverArgs {
    /// The configuration file of the writer, or with --take-over of the standby: on this machine.
    #[arg(long)]
    config: PathBuf,
    /// Let the standby of this configuration take over now.
    #[arg(long)]
    take_over: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Changes the writer.
///
/// # Errors
/// No process answers, or it could not do it.
pub fn run(args: &FailoverArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    if config.storage.is_none() {
        return Err(anyhow!(WrongUsage(
            "the ledger of this configuration lies in its data directory: a change of the writer needs a bucket ([storage])".to_owned()
        )));
    }
    if args.take_over {
        return match ask(&config, &Request::TakeOver)? {
            Answer::TakenOver(done) => told_taken_over(args.json, done, out),
            other => Err(unexpected(other)),
        };
    }
    let chain = follow(&config)?;
    let asked = Instant::now();
    match ask(&config, &Request::HandOver)? {
        Answer::HandedOver(done) => {
            let next = poll_until(LOOKS, LOOK_EVERY, || next_epoch(&chain, done.epoch));
            told_handed_over(args.json, done, next.map(|epoch| (epoch, millis(asked))), out)
        }
        other => Err(unexpected(other)),
    }
}

fn ask(config: &Config, request: &Request) -> anyhow::Result<Answer> {
    let data_dir = &config.ledger.data_dir;
    admin::ask(data_dir, request, |_, _| {}).with_context(|| {
        format!(
            "Failed to change the writer: no service answers in the data directory {}; run the command where the service runs, as \
             its user, with its configuration",
            data_dir.display()
        )
    })
}

fn unexpected(answer: Answer) -> anyhow::Error {
    match answer {
        Answer::Error(problem) => {
            anyhow!(problem).context("Failed to change the writer: the service reports")
        }
        _ => anyhow!(
            "Failed to change the writer: the service answered something else; it is of another version"
        ),
    }
}

/// A session that only looks.
fn follow(config: &Config) -> anyhow::Result<Session> {
    let LedgerOptions { storage, cache_bytes, .. } = LedgerOptions::new(config);
    Ok(storage.acquire(&Acquire { mode: Mode::Read, cache_bytes, index_bytes: 0 })?)
}

/// The epoch of a writer after this one, once there is one.
fn next_epoch(chain: &Session, epoch: u64) -> Option<u64> {
    // A look that fails is one in vain.
    let _looked = chain.follow();
    chain.writer_activity().map(|activity| activity.epoch).filter(|newest| *newest > epoch)
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn told_taken_over(is_json: bool, done: TakenOver, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let TakenOver { epoch, commit, milliseconds } = done;
    if is_json {
        writeln!(out, "{}", json!({ "epoch": epoch, "commit": commit, "taken_over_ms": milliseconds }))?;
    } else {
        writeln!(
            out,
            "taken over after {milliseconds} ms: this standby is the writer of epoch {epoch}, at commit {commit}"
        )?;
    }
    Ok(Ending::Holds)
}

fn told_handed_over(
    is_json: bool,
    done: HandedOver,
    next: Option<(u64, u64)>,
    out: &mut dyn Write,
) -> anyhow::Result<Ending> {
    let HandedOver { epoch, slot, commit, milliseconds } = done;
    if is_json {
        let line = json!({
            "epoch": epoch,
            "slot": slot,
            "commit": commit,
            "handed_over_ms": milliseconds,
            "next_epoch": next.map(|(epoch, _)| epoch),
            "taken_over_ms": next.map(|(_, milliseconds)| milliseconds),
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "handed over after {milliseconds} ms: the writer of epoch {epoch} ended with commit {commit}, slot {slot}"
        )?;
        match next {
            Some((epoch, milliseconds)) => {
                writeln!(out, "taken over after {milliseconds} ms: by the writer of epoch {epoch}")?;
            }
            None => writeln!(
                out,
                "no standby has taken over: start one with `coverledger serve --standby`, or the writer again"
            )?,
        }
    }
    Ok(if next.is_some() { Ending::Holds } else { Ending::DoesNotHold })
}
