//! `coverledger verify-receipt`: checks a receipt with a public key; no ledger, no configuration, no network.

use super::input::Input;
use super::{Ending, WrongUsage};
use crate::domain::check_numbers::check_numbers;
use crate::seal::instant;
use crate::seal::note::PublicKey;
use crate::seal::receipt::document::RECEIPT_BYTES_MAX;
use crate::seal::receipt::{Verified, verify_receipt};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::io::{Read as _, Write};
use std::path::PathBuf;

/// Arguments of `verify-receipt`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  coverledger verify-receipt receipt.json --key ledger.example/seal+6b41dc99+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs

Exit code 0 only if the receipt is valid. docs/receipts.md says what that proves, and how to write another verifier.")]
pub struct VerifyReceiptArgs {
    /// The receipt; `-` is standard input.
    file: PathBuf,
    /// A public key of the log, or of a witness: NAME+IDENTIFIER+BASE64. May be repeated; one of the log must be among them.
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Checks a receipt and says what it proves, or where it is wrong.
///
/// # Errors
/// A malformed key, or a file that cannot be read.
pub fn run(args: &VerifyReceiptArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let key = |text: &String| {
        PublicKey::parse(text.trim())
            .map_err(|error| WrongUsage(format!("--key {}: {error}", text.escape_debug())))
    };
    let keys = args.keys.iter().map(key).collect::<Result<Vec<PublicKey>, WrongUsage>>()?;
    let mut file = Vec::new();
    let limit = u64::try_from(RECEIPT_BYTES_MAX)?.saturating_add(1);
    let input = Input::open(&args.file)?;
    input.take(limit).read_to_end(&mut file).with_context(|| format!("reading {}", args.file.display()))?;
    match verify_receipt(&file, &keys) {
        Ok(verified) if args.json => writeln!(out, "{}", as_json(&verified))?,
        Ok(verified) => write_text(&verified, out)?,
        Err(refused) => {
            if args.json {
                writeln!(out, "{}", json!({"valid": false, "at": refused.at, "problem": refused.problem}))?;
            } else {
                writeln!(out, "{refused}")?;
            }
            return Ok(Ending::DoesNotHold);
        }
    }
    Ok(Ending::Holds)
}

fn as_json(verified: &Verified) -> serde_json::Value {
    let Verified { receipt, entry, checkpoint, witnesses } = verified;
    json!({
        "valid": true,
        "question": receipt.question,
        "answer": receipt.answer,
        "day": instant::day_text(entry.day),
        "zone": entry.zone,
        "generation": entry.generation,
        "platforms": entry.platforms,
        "log": checkpoint.origin,
        "log_size": checkpoint.size,
        "log_root": checkpoint.root.to_string(),
        "entry": receipt.log.index,
        "witnesses": witnesses,
        "digest": receipt.digest,
        "check_numbers": check_numbers(&receipt.digest_bytes()),
    })
}

fn write_text(verified: &Verified, out: &mut dyn Write) -> std::io::Result<()> {
    let Verified { receipt, entry, checkpoint, witnesses } = verified;
    let question = &receipt.question;
    writeln!(out, "valid: {}", receipt.answer.verdict)?;
    writeln!(out, "rider: {}", question.rider_id.escape_debug())?;
    for part in &receipt.answer.parts {
        writeln!(out, "  {} to {}: {}", part.from, part.until, part.verdict)?;
    }
    let day = instant::day_text(entry.day).unwrap_or_default();
    writeln!(out, "day: {day} ({}), generation {}", entry.zone.escape_debug(), entry.generation)?;
    writeln!(out, "platforms: {}", entry.platforms.join(", ").escape_debug())?;
    match &receipt.leaf {
        Some(leaf) => {
            writeln!(out, "behind it: {} orders, {} refused records", leaf.orders.count, leaf.refused.count)?
        }
        None => writeln!(out, "behind it: no leaf of this rider between its two neighbours")?,
    }
    if receipt.rider_day.is_some() {
        writeln!(out, "the receipt has all of them")?;
    }
    writeln!(out, "log: {}, entry {} of {}", checkpoint.origin, receipt.log.index, checkpoint.size)?;
    if !witnesses.is_empty() {
        writeln!(out, "witnesses: {}", witnesses.join(", "))?;
    }
    writeln!(out, "digest: {}", receipt.digest)?;
    writeln!(out, "check numbers: {}", check_numbers(&receipt.digest_bytes()))
}
