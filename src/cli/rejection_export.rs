//! Kept records in files: whole, or to be mended and sent again.

use super::mended::PlainLine;
use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use super::rejections::{json_line, visit};
use crate::coverage::rejection::RejectionLine;
use crate::coverage::rejection_filter::RejectionFilter;
use crate::redrive::is_whole;
use data_encoding::BASE64;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// A record with everything that is kept of it.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    line: RejectionLine,
    key_base64: Option<String>,
    headers: Vec<Header>,
    raw_base64: String,
}

#[derive(Serialize)]
struct Header {
    name: String,
    value_base64: String,
}

/// Writes records with raw bytes, key and headers.
pub(super) fn raw(
    path: &Path,
    opened: &Opened,
    filter: &RejectionFilter,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut sink = OutputFile::create(path, &Inputs::of_config(&opened.config), out)?;
    let (state, known) = (opened.snapshot(), opened.platforms());
    visit(&state, filter, &mut |record, recorded_at| {
        let raw = state.rejected().raw(state.store(), &record).map_err(io::Error::other)?;
        let key_base64 = record.key.as_deref().map(|key| BASE64.encode(key));
        let headers = record.headers.iter();
        let headers =
            headers.map(|(name, value)| Header { name: name.clone(), value_base64: BASE64.encode(value) });
        let headers = headers.collect();
        let line = RejectionLine::new(
            record.rejection,
            recorded_at,
            &opened.config.zone,
            (&opened.config.platforms, &known),
        );
        json_line(&Exported { line, key_base64, headers, raw_base64: BASE64.encode(&raw) }, &mut sink)
    })?;
    sink.commit()
}

/// Writes unresolved records to be mended; reports how many there are, and how many are not kept whole and left out.
pub(super) fn plain(
    path: &Path,
    opened: &Opened,
    filter: &RejectionFilter,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut sink = OutputFile::create(path, &Inputs::of_config(&opened.config), out)?;
    let (state, known) = (opened.snapshot(), opened.platforms());
    let filter = RejectionFilter { unresolved: true, ..filter.clone() };
    let (mut written, mut truncated) = (0_u64, 0_u64);
    visit(&state, &filter, &mut |record, recorded_at| {
        let raw = state.rejected().raw(state.store(), &record).map_err(io::Error::other)?;
        if !is_whole(&record.rejection, &raw) {
            truncated += 1;
            return Ok(());
        }
        written += 1;
        let line = RejectionLine::new(
            record.rejection,
            recorded_at,
            &opened.config.zone,
            (&opened.config.platforms, &known),
        );
        let reason = line.reason.unwrap_or("conflict");
        PlainLine { rejection: line.id, reason, detail: &line.detail, origin: &line.origin }
            .write(&raw, &mut sink)
    })?;
    eprintln!("{written} records written to {}", sink.name());
    if truncated > 0 {
        eprintln!(
            "{truncated} records are kept in part only (raw_truncated) and not in the file: send them anew from where they \
             came, or resolve them"
        );
    }
    sink.commit()
}
