//! Receipts and the seal log, as HTTP asks for them.

use super::event_log::EventLog;
use crate::config::Config;
use crate::coverage::Terms;
use crate::domain::platform::Platforms;
use crate::domain::time::Zone;
use crate::domain::window::Window;
use crate::http::{NoReceipt, ReceiptFile, ReceiptRequest, SealFile};
use crate::ledger::{LedgerError, Snapshot};
use crate::seal::receipt::ReceiptError;
use crate::sealing::SealingError;
use crate::sealing::issuer::ReceiptIssuer;
use crate::sealing::secrets::Secrets;
use crate::telemetry::metrics::{ReceiptOutcome, SealFacts};
use std::sync::Arc;

/// Makes receipts of the days of one ledger. Clones share what they keep.
#[derive(Clone, Debug)]
pub struct Receipts {
    /// Makes them.
    pub issuer: Arc<ReceiptIssuer>,
    /// What platforms promise.
    pub platforms: Platforms,
    /// The zone of days.
    pub zone: Zone,
    /// Metrics and log.
    pub event_log: EventLog,
}

impl Receipts {
    pub(super) fn new(secrets: Arc<Secrets>, config: &Config, event_log: &EventLog) -> Self {
        Self {
            issuer: Arc::new(ReceiptIssuer::new(secrets)),
            platforms: config.platforms.clone(),
            zone: config.zone.clone(),
            event_log: event_log.clone(),
        }
    }

    pub(super) const fn terms(&self) -> Terms<'_> {
        Terms { platforms: &self.platforms, zone: &self.zone }
    }

    /// Whether receipts about a time can be asked for.
    pub(super) fn is_sealed(&self, state: &Snapshot, asked: Window) -> Result<(), NoReceipt<LedgerError>> {
        self.issuer.check_sealed(state, self.terms(), asked).map_err(no_receipt)
    }

    /// The receipt as its file.
    pub(super) fn receipt(
        &self,
        state: &Snapshot,
        request: &ReceiptRequest<'_>,
    ) -> Result<ReceiptFile, NoReceipt<LedgerError>> {
        let asked = (request.asked, request.is_whole);
        let made = self.issuer.receipt(state, self.terms(), request.rider_id, asked).map_err(no_receipt);
        let made = made.and_then(|receipt| {
            let text = receipt
                .to_json()
                .map_err(|error| NoReceipt::Failed(format!("Failed to write the receipt: {error}")))?;
            Ok(ReceiptFile { text, digest: receipt.digest_bytes() })
        });
        self.event_log.metrics.receipt(match &made {
            Ok(_) => ReceiptOutcome::Made,
            Err(NoReceipt::Off | NoReceipt::NotSealed(_) | NoReceipt::Unanswerable(_)) => {
                ReceiptOutcome::Refused
            }
            Err(NoReceipt::Storage(_) | NoReceipt::Failed(_)) => ReceiptOutcome::Failed,
        });
        made
    }

    /// A file of the log.
    pub(super) fn seal_file(
        &self,
        state: &Snapshot,
        file: SealFile<'_>,
    ) -> Result<Option<Vec<u8>>, NoReceipt<LedgerError>> {
        let found = match file {
            SealFile::Keys => Ok(Some(self.issuer.keys().into_bytes())),
            SealFile::Checkpoint => {
                self.issuer.checkpoint(state, self.terms()).map(|note| Some(note.into_bytes()))
            }
            SealFile::Tile(path) => self.issuer.tile(state, self.terms(), path),
        };
        found.map_err(no_receipt)
    }

    /// Brings the metrics of sealed days up to date.
    pub(super) fn sample(&self, state: &Snapshot) {
        // A log that cannot be read fails where it is asked for.
        let Ok(log) = self.issuer.log(state, self.terms()) else { return };
        let newest = log.days().next_back().and_then(|day| log.newest(day));
        self.event_log.metrics.seal_log(&SealFacts {
            days: u64::try_from(log.days().count()).unwrap_or(u64::MAX),
            entries: log.size(),
            through: newest.map(|(_, entry)| entry.span.until),
        });
    }
}

fn no_receipt(error: SealingError) -> NoReceipt<LedgerError> {
    let text = error.to_string();
    match error {
        SealingError::Ledger(error) => NoReceipt::Storage(error),
        SealingError::NotSettled { .. }
        | SealingError::NotSealed { .. }
        | SealingError::Receipt(ReceiptError::NotAsSealed) => NoReceipt::NotSealed(text),
        SealingError::Receipt(ReceiptError::NotWithinDay) => NoReceipt::Unanswerable(text),
        SealingError::Receipt(ReceiptError::OtherSecret)
        | SealingError::Log(_)
        | SealingError::Tree { .. }
        | SealingError::Unsealable { .. } => NoReceipt::Failed(text),
    }
}
