//! `coverledger receipt`: an answer about settled time with its proofs.

use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use super::seal::{ASK_A_BACKUP, book_of, read_secrets};
use super::{Ending, WrongUsage, load_config, typed};
use crate::coverage::question::check_rider;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `receipt`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger receipt --config coverledger.toml --secrets seal.secrets --rider R1 --at 2026-11-20T12:07:31+08:00 --out receipt.json
  coverledger receipt --config coverledger.toml --secrets seal.secrets --rider R1 --at 2026-11-20 --whole --out rider-day.json

The time must be within one sealed day; of several days or identifiers ask for a receipt each. Check it with
`coverledger verify-receipt`.")]
pub struct ReceiptArgs {
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// The file with the secrets of sealing.
    #[arg(long, value_name = "FILE")]
    secrets: PathBuf,
    /// The rider.
    #[arg(long)]
    rider: String,
    /// The instant; a whole minute without seconds, a whole day without a time of day.
    #[arg(long, value_name = "T", required_unless_present = "from")]
    at: Option<String>,
    /// Start of an interval.
    #[arg(long, value_name = "A", requires = "to", conflicts_with = "at")]
    from: Option<String>,
    /// End of the interval, exclusive.
    #[arg(long, value_name = "B", requires = "from")]
    to: Option<String>,
    /// With every order and refused record of the rider on that day.
    #[arg(long)]
    whole: bool,
    /// Where the receipt goes; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

/// Makes a receipt.
///
/// # Errors
/// A day that is not sealed; secrets or a ledger that cannot be read.
pub fn run(args: &ReceiptArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    check_rider(&args.rider).map_err(|error| WrongUsage(error.to_string()))?;
    let config = load_config(&args.config)?;
    let asked = match (&args.at, &args.from, &args.to) {
        (Some(at), ..) => typed::at(at, &config.zone)?.window(),
        (None, Some(from), Some(to)) => typed::interval(from, to, &config.zone)?,
        _ => return Err(WrongUsage("--at, or --from and --to, is needed".to_owned()).into()),
    };
    let secrets = read_secrets(&args.secrets)?;
    let inputs = Inputs::of_config(&config).with(Path::new(&args.secrets));
    let opened = Opened::read(config, ASK_A_BACKUP)?;
    let state = opened.snapshot();
    let receipt = book_of(&state, &opened)?.receipt(&secrets, &args.rider, asked, args.whole)?;
    let mut file = OutputFile::create(&args.out, &inputs, out)?;
    file.write_all(receipt.to_json()?.as_bytes())?;
    file.commit()?;
    Ok(Ending::Holds)
}
