//! What a service says in `/metrics` about its requests to the store.

use super::support::Figures;
use super::support::http::Client;
use super::support::thousandths;

/// Series that are told: requests, and bytes put.
const SERIES: [&str; 6] = [
    "coverledger_store_requests_total",
    "coverledger_store_sent_bytes_total",
    "coverledger_store_received_bytes_total",
    "coverledger_store_cache_reads_total",
    "coverledger_commit_bytes_sum",
    "coverledger_compaction_bytes_total",
];

/// Tells them, in all and for a record.
pub(crate) fn tell(client: &mut Client, records: u64, figures: &Figures) {
    let Ok((200, body)) = client.get("/metrics") else { return };
    let text = String::from_utf8_lossy(body);
    for line in text.lines().filter(|line| SERIES.iter().any(|series| line.starts_with(series))) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<u64>() else { continue };
        if value == 0 {
            continue;
        }
        let each = thousandths(value.saturating_mul(1_000) / records.max(1));
        figures.tell(&format!("  {name}"), format!("{value}, {each} each"));
    }
}
