//! The record of a commit: when it was made, what it took in from where, and what was complete then.

use crate::domain::posting::ConfigNo;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::manifest::finality_history::FinalityChange;
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::Counts;

/// What a commit took in from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRange {
    /// The source.
    pub source: Source,
    /// First and last offset or line.
    pub offsets: (i64, i64),
    /// Kafka timestamps of the first and the newest record.
    pub timestamps: (Option<UtcMillis>, Option<UtcMillis>),
    /// What became of the records.
    pub counts: Counts,
}

/// A commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitRecord {
    /// When it was made; later than the one before.
    pub recorded_at: UtcMillis,
    /// Configuration in force.
    pub config: ConfigNo,
    /// Its sources, in the order in which their records took effect.
    pub consumed: Vec<ConsumedRange>,
    /// complete_through of every platform, as of this commit.
    pub complete_through: Vec<(String, UtcMillis)>,
    /// What an operator did, with the reason.
    pub notes: Vec<String>,
    /// What it changed of the facts that decide finality.
    pub finality: FinalityChange,
}

impl CommitRecord {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_signed(self.recorded_at.millis());
        out.put_varint(u64::from(self.config.0));
        out.put_len(self.consumed.len());
        for consumed in &self.consumed {
            encode_source(&consumed.source, &mut out);
            out.put_signed(consumed.offsets.0);
            out.put_signed(consumed.offsets.1);
            for at in [consumed.timestamps.0, consumed.timestamps.1] {
                out.put_option(at, |out, at| out.put_signed(at.millis()));
            }
            consumed.counts.iter().for_each(|&count| out.put_varint(count));
        }
        out.put_len(self.complete_through.len());
        for (platform, at) in &self.complete_through {
            out.put_prefixed(platform.as_bytes());
            out.put_signed(at.millis());
        }
        out.put_len(self.notes.len());
        self.notes.iter().for_each(|note| out.put_prefixed(note.as_bytes()));
        self.finality.encode(&mut out);
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let mut record = Self {
            recorded_at: UtcMillis::new(r.signed("instant")?),
            config: ConfigNo(r.number("configuration")?),
            ..Self::default()
        };
        for _ in 0..r.count(12, "sources")? {
            let source = decode_source(&mut r)?;
            let offsets = (r.signed("first offset")?, r.signed("last offset")?);
            let mut timestamp = || r.option("timestamp", |r| r.signed("timestamp").map(UtcMillis::new));
            let timestamps = (timestamp()?, timestamp()?);
            let mut counts = Counts::default();
            for count in &mut counts {
                *count = r.varint("count")?;
            }
            record.consumed.push(ConsumedRange { source, offsets, timestamps, counts });
        }
        for _ in 0..r.count(2, "platforms")? {
            let platform = r.text("platform")?.to_owned();
            record.complete_through.push((platform, UtcMillis::new(r.signed("instant")?)));
        }
        for _ in 0..r.count(1, "notes")? {
            record.notes.push(r.text("note")?.to_owned());
        }
        record.finality = FinalityChange::decode(&mut r)?;
        r.end("commit")?;
        Ok(record)
    }
}

/// Appends the stored form of a source; also its key in the manifest.
pub fn encode_source(source: &Source, out: &mut Vec<u8>) {
    match source {
        Source::Kafka { topic, partition } => {
            out.push(0);
            out.put_prefixed(topic.as_bytes());
            out.put_signed(i64::from(*partition));
        }
        Source::Files => out.push(1),
        Source::Redrive => out.push(2),
    }
}

/// Reads the stored form of a source.
pub fn decode_source(r: &mut Reader<'_>) -> Decoded<Source> {
    match r.u8("source")? {
        0 => {
            let topic = r.text("topic")?.to_owned();
            let partition =
                i32::try_from(r.signed("partition")?).map_err(|_| CodecError::Invalid("partition"))?;
            Ok(Source::Kafka { topic, partition })
        }
        1 => Ok(Source::Files),
        2 => Ok(Source::Redrive),
        _ => Err(CodecError::Invalid("source")),
    }
}
