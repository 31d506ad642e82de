//! `coverledger receipt`: an answer about settled time with its proofs.

use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use super::remote::{Remote, Target};
use super::seal::{book_of, secrets_of};
use super::{Ending, WrongUsage, load_config, typed};
use crate::coverage::question::check_rider;
use crate::domain::time::Zone;
use crate::domain::window::Window;
use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use std::io::Write;
use std::path::PathBuf;

/// What to do while a service holds the ledger.
const ASK_THE_SERVICE: &str =
    "a running service with [seal] makes receipts too: ask it with --url http://HOST:PORT";

/// Arguments of `receipt`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger receipt --config coverledger.toml --rider R1 --at 2026-11-20T12:07:31+08:00 --out receipt.json
  coverledger receipt --config coverledger.toml --rider R1 --at 2026-11-20 --whole --out rider-day.json
  coverledger receipt --url http://127.0.0.1:8080 --rider R1 --at 2026-11-20T12:07:31+08:00 --reference case-7 --out receipt.json

The time must be within one sealed day; of several days or identifiers ask for a receipt each. Check it with
`coverledger verify-receipt`.")]
pub struct ReceiptArgs {
    /// The configuration file of the ledger.
    #[arg(long, required_unless_present = "url", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Ask a running service instead of the data directory.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file with the secrets of sealing; that of `[seal]` where none is named.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    secrets: Option<PathBuf>,
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
    /// The reason or case number, for a service that asks for one.
    #[arg(long, value_name = "TEXT", requires = "url")]
    reference: Option<String>,
    /// Where the receipt goes; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

/// Makes a receipt.
///
/// # Errors
/// A day that is not sealed; secrets, a ledger or a service that cannot be read.
pub fn run(args: &ReceiptArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    check_rider(&args.rider).map_err(|error| WrongUsage(error.to_string()))?;
    let (inputs, receipt) = match (&args.url, &args.config) {
        (Some(url), _) => (Inputs::default(), args.ask_service(&Remote::parse(url)?)?),
        (None, Some(path)) => {
            let config = load_config(path)?;
            let asked = args.asked(&config.zone)?;
            let secrets = secrets_of(args.secrets.as_deref(), &config)?;
            let configured = config.seal.as_ref().map(|seal| seal.secrets.clone());
            let read = args.secrets.iter().chain(&configured);
            let inputs = read.fold(Inputs::of_config(&config), |inputs, path| inputs.with(path));
            let opened = Opened::read(config, ASK_THE_SERVICE)?;
            let state = opened.snapshot();
            let receipt = book_of(&state, &opened)?.receipt(&secrets, &args.rider, asked, args.whole)?;
            (inputs, receipt.to_json()?)
        }
        (None, None) => return Err(WrongUsage("--config or --url is needed".to_owned()).into()),
    };
    let mut file = OutputFile::create(&args.out, &inputs, out)?;
    file.write_all(receipt.as_bytes())?;
    file.commit()?;
    Ok(Ending::Holds)
}

impl ReceiptArgs {
    fn asked(&self, zone: &Zone) -> Result<Window, WrongUsage> {
        match (&self.at, &self.from, &self.to) {
            (Some(at), ..) => Ok(typed::at(at, zone)?.window()),
            (None, Some(from), Some(to)) => typed::interval(from, to, zone),
            _ => Err(WrongUsage("--at, or --from and --to, is needed".to_owned())),
        }
    }

    /// The file as the service gives it, letter for letter.
    fn ask_service(&self, remote: &Remote) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct WithReceipt {
            receipt: String,
        }
        // Times without an offset, and days, are local times of the service's zone.
        let zone = remote.terms()?.zone;
        let asked = self.asked(&zone)?;
        let mut target = Target::new("/v1/coverage");
        target.put("rider_id", &self.rider);
        target.put("from", &zone.rfc3339(asked.from));
        target.put("to", &zone.rfc3339(asked.until));
        target.put("receipt", if self.whole { "whole" } else { "true" });
        self.reference.iter().for_each(|reference| target.put("reference", reference));
        let answer: WithReceipt = serde_json::from_slice(&remote.get(&target.finish())?)
            .context("Failed to read the receipt of the service: it is not of this version")?;
        Ok(answer.receipt)
    }
}
