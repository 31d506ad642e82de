//! `coverledger compare`: whether two ledgers of the same events seal the same, or where they first differ.

use super::reading::Opened;
use super::seal::{ASK_A_BACKUP, book_of, secrets_of};
use super::{Ending, load_config};
use crate::domain::time::LocalDay;
use crate::seal::compare::{Difference, first_difference};
use crate::seal::instant;
use crate::seal::rider_day::RiderDay;
use crate::seal::secret::{SealingSecret, Tag};
use crate::sealing::{SealBook, SealingError};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example: coverledger compare a.toml b.toml --secrets seal.secrets

Compares what every sealed day of both ledgers contains, rider by rider, whatever their sealing secrets are. Exit code 0 only if
nothing differs. The first difference is named by its day and the rider's tag.")]
pub struct CompareArgs {
    /// The configuration file of the one ledger.
    first: PathBuf,
    /// The configuration file of the other.
    second: PathBuf,
    /// The file with the secrets of sealing, which give the tag; that of `[seal]` of the first configuration where none is named.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
}

/// Compares.
///
/// # Errors
/// Secrets or ledgers that cannot be read.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.first)?;
    let secrets = secrets_of(args.secrets.as_deref(), &config)?;
    let first = Opened::read(config, ASK_A_BACKUP)?;
    let second = Opened::read(load_config(&args.second)?, ASK_A_BACKUP)?;
    let (one, other) = (first.snapshot(), second.snapshot());
    let (one, other) = (book_of(&one, &first)?, book_of(&other, &second)?);
    let days: BTreeSet<LocalDay> = one.log().days().chain(other.log().days()).collect();
    let (mut same, mut alone) = (0_u64, 0_u64);
    for day in days {
        if one.log().newest(day).is_none() || other.log().newest(day).is_none() {
            alone += 1;
            continue;
        }
        if let Some(difference) = differs(&one, &other, day)? {
            let said = report(&difference, day, secrets.sealing());
            writeln!(out, "{said}")?;
            return Ok(Ending::DoesNotHold);
        }
        same += 1;
    }
    writeln!(out, "{}", json!({"same": true, "days": same, "sealed_in_one_only": alone}))?;
    Ok(Ending::Holds)
}

fn differs(
    one: &SealBook<'_>,
    other: &SealBook<'_>,
    day: LocalDay,
) -> Result<Option<Difference>, SealingError> {
    let all = |book: &SealBook<'_>| book.rider_days(day)?.collect::<Result<Vec<RiderDay>, SealingError>>();
    Ok(first_difference(all(one)?, all(other)?))
}

/// Names the difference without the rider's identifier.
fn report(difference: &Difference, day: LocalDay, secret: &SealingSecret) -> serde_json::Value {
    let (rider_id, what) = match difference {
        Difference::OnlyFirst(rider_day) => (&rider_day.rider_id, "only the first ledger has the rider"),
        Difference::OnlySecond(rider_day) => (&rider_day.rider_id, "only the second ledger has the rider"),
        Difference::Other(both) => (&both.0.rider_id, parts_of(&both.0, &both.1)),
    };
    let tag = secret.output(rider_id, day).and_then(|output| Tag::of_output(&output, day));
    json!({
        "same": false,
        "day": instant::day_text(day),
        "rider_tag": tag.map(|tag| tag.to_string()),
        "difference": what,
    })
}

fn parts_of(one: &RiderDay, other: &RiderDay) -> &'static str {
    if one.orders != other.orders {
        "the orders differ"
    } else if one.refused != other.refused {
        "the refused records differ"
    } else {
        "the undetermined time differs"
    }
}
