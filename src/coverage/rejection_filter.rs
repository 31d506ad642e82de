//! Which kept records are asked for.

use crate::domain::pending::{PendingKind, pending_kind};
use crate::domain::reject::Reason;
use crate::domain::rejection::{Kept, Origin, Rejection};
use crate::domain::time::UtcMillis;

/// One number, or all from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The first.
    pub first: u64,
    /// The last, inclusive.
    pub last: u64,
}

impl NumberRange {
    /// Reads `12` or `12-40`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        (first <= last).then_some(Self { first, last })
    }

    const fn holds(self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }
}

/// Reads the hash of a file's content up to the end of a line: 32 hexadecimal digits, as lists show it.
pub fn parse_content(text: &str) -> Option<[u8; 16]> {
    let text = text.to_ascii_lowercase();
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Reads for what a record is kept: one of the rejection reasons, or `conflict`.
///
/// # Errors
/// What may be written.
pub fn parse_kept(text: &str) -> Result<Kept, String> {
    if text == "conflict" {
        return Ok(Kept::Conflict);
    }
    Reason::parse(text).map(Kept::Rejected).ok_or_else(|| {
        let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("write conflict or one of {}", names.join(", "))
    })
}

/// A record must pass every part that is given; of several ranges one is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectionFilter {
    /// Numbers of records.
    pub ids: Vec<NumberRange>,
    /// Records that name this platform.
    pub platform: Option<String>,
    /// Records kept for this.
    pub kept: Option<Kept>,
    /// Recorded at or after this instant.
    pub from: Option<UtcMillis>,
    /// Recorded before this instant.
    pub to: Option<UtcMillis>,
    /// Only unresolved ones.
    pub unresolved: bool,
    /// Records that name this rider.
    pub rider_id: Option<String>,
    /// Rejected records in which no rider can be read: they concern every rider.
    pub unreadable: bool,
    /// Records whose detail holds this text.
    pub detail: Option<String>,
    /// Records of this topic.
    pub topic: Option<String>,
    /// Records of this partition.
    pub partition: Option<i32>,
    /// Records with these offsets.
    pub offsets: Vec<NumberRange>,
    /// Lines of files with these numbers.
    pub lines: Vec<NumberRange>,
    /// The line of a file whose content up to its end has this hash.
    pub content: Option<[u8; 16]>,
    /// Only records that are one platform's own; `None` = those of all.
    pub only: Option<OwnRecords>,
}

/// The records that belong to one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRecords {
    /// Records that name it belong to it.
    pub platform: String,
    /// Topics in which it alone speaks: records from there that name no platform belong to it, too.
    pub topics: Vec<String>,
}

impl OwnRecords {
    fn contains(&self, rejection: &Rejection) -> bool {
        match (&rejection.readable.platform, &rejection.origin) {
            (Some(platform), _) => *platform == self.platform,
            (None, Origin::Kafka { topic, .. }) => self.topics.contains(topic),
            (None, Origin::File { .. } | Origin::Redrive { .. }) => false,
        }
    }
}

impl RejectionFilter {
    /// The number from which on records may pass.
    pub fn first_id(&self) -> u64 {
        self.ids.iter().map(|range| range.first).min().unwrap_or(0)
    }

    /// Whether no record from this number on passes.
    pub fn ends_before(&self, id: u64) -> bool {
        self.ids.iter().map(|range| range.last).max().is_some_and(|last| last < id)
    }

    /// Whether a record passes, but for the time at which it was recorded.
    pub fn names(&self, rejection: &Rejection) -> bool {
        let readable = &rejection.readable;
        let is = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        self.only.as_ref().is_none_or(|own| own.contains(rejection))
            && any(&self.ids, Some(rejection.id))
            && is(&self.platform, &readable.platform)
            && is(&self.rider_id, &readable.rider_id)
            && self.kept.is_none_or(|kept| kept == rejection.kept)
            && (!self.unresolved || rejection.resolution.is_none())
            && (!self.unreadable || pending_kind(rejection) == Some(PendingKind::Unreadable))
            && self.detail.as_ref().is_none_or(|text| rejection.detail.contains(text))
            && self.comes_from(&rejection.origin)
    }

    /// Whether it was recorded in the time that is asked for.
    pub fn is_in_time(&self, recorded_at: UtcMillis) -> bool {
        self.from.is_none_or(|from| from <= recorded_at) && self.to.is_none_or(|to| recorded_at < to)
    }

    fn comes_from(&self, origin: &Origin) -> bool {
        let (topic, partition, offset) = match origin {
            Origin::Kafka { topic, partition, offset, .. } => {
                (Some(topic), Some(*partition), u64::try_from(*offset).ok())
            }
            Origin::File { .. } | Origin::Redrive { .. } => (None, None, None),
        };
        let (content, line) = match origin {
            Origin::File { content, line } => (Some(*content), Some(*line)),
            Origin::Kafka { .. } | Origin::Redrive { .. } => (None, None),
        };
        (self.topic.is_none() || self.topic.as_ref() == topic)
            && (self.partition.is_none() || self.partition == partition)
            && (self.content.is_none() || self.content == content)
            && any(&self.offsets, offset)
            && any(&self.lines, line)
    }
}

/// Whether one of the ranges holds the number; without ranges every record passes.
fn any(ranges: &[NumberRange], number: Option<u64>) -> bool {
    ranges.is_empty() || number.is_some_and(|number| ranges.iter().any(|range| range.holds(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::arrival::Timestamp;
    use crate::domain::reject::Readable;
    use crate::domain::rejection::Resolution;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(NumberRange::parse("7"), Some(NumberRange { first: 7, last: 7 }));
        assert_eq!(NumberRange::parse("7-9"), Some(NumberRange { first: 7, last: 9 }));
        for text in ["", "-", "7-", "-7", "9-7", "+7", "7-8-9", " 7", "x", "99999999999999999999"] {
            assert_eq!(NumberRange::parse(text), None, "{text}");
        }
        assert_eq!(parse_content(&"0A".repeat(16)), Some([10; 16]));
        assert!(parse_content("0a").is_none() && parse_content(&"zz".repeat(16)).is_none());
    }

    fn record(id: u64, kept: Kept, origin: Origin) -> Rejection {
        let readable = Readable {
            platform: Some("dada".to_owned()),
            rider_id: (id == 1).then(|| "R1".to_owned()),
            ..Readable::default()
        };
        Rejection {
            id,
            commit: 1,
            kept,
            detail: format!("line {id}: accepted_at is no time"),
            settled_by: None,
            origin,
            readable,
            raw_len: 0,
            raw_sha256: [0; 32],
            raw_truncated: false,
            resolution: (id == 4).then_some(Resolution::Event { commit: 1 }),
        }
    }

    /// Numbers of the records that pass.
    fn passing(change: impl FnOnce(&mut RejectionFilter)) -> Vec<u64> {
        let records = [
            record(
                1,
                Kept::Rejected(Reason::BadTime),
                Origin::kafka("orders.dada", 0, 5, Timestamp::Missing),
            ),
            record(2, Kept::Conflict, Origin::kafka("orders.dada", 1, 9, Timestamp::Missing)),
            record(3, Kept::Rejected(Reason::BadTime), Origin::File { content: [3; 16], line: 5 }),
            record(4, Kept::Rejected(Reason::BadField), Origin::File { content: [4; 16], line: 6 }),
        ];
        let mut filter = RejectionFilter::default();
        change(&mut filter);
        let named = records.iter().filter(|record| filter.names(record)).map(|record| record.id).collect();
        for record in &records {
            let is_outside = record.id < filter.first_id() || filter.ends_before(record.id);
            assert!(!is_outside || !filter.names(record), "{}", record.id);
        }
        named
    }

    #[test]
    fn every_part_of_a_filter_counts() {
        let range = |first, last| vec![NumberRange { first, last }];
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(passing(|_| ()), [1, 2, 3, 4]);
        assert_eq!(passing(|filter| filter.ids = range(2, 3)), [2, 3]);
        assert_eq!(passing(|filter| filter.platform = name("dada")), [1, 2, 3, 4]);
        assert_eq!(passing(|filter| filter.platform = name("aa")), [0; 0]);
        assert_eq!(passing(|filter| filter.kept = Some(Kept::Conflict)), [2]);
        assert_eq!(passing(|filter| filter.kept = Some(Kept::Rejected(Reason::BadTime))), [1, 3]);
        let own = |platform: &str, topic: &str| {
            Some(OwnRecords { platform: platform.to_owned(), topics: vec![topic.to_owned()] })
        };
        assert_eq!(passing(|filter| filter.only = own("dada", "x")), [1, 2, 3, 4]);
        assert_eq!(passing(|filter| filter.only = own("meituan", "orders.dada")), [0; 0]);
        assert_eq!(passing(|filter| filter.unresolved = true), [1, 2, 3]);
        assert_eq!(passing(|filter| filter.rider_id = name("R1")), [1]);
        assert_eq!(passing(|filter| filter.unreadable = true), [3, 4]);
        assert_eq!(passing(|filter| filter.detail = name("line 2: acc")), [2]);
        assert_eq!(passing(|filter| filter.topic = name("orders.dada")), [1, 2]);
        assert_eq!(passing(|filter| filter.partition = Some(1)), [2]);
        assert_eq!(passing(|filter| filter.offsets = range(5, 5)), [1]);
        assert_eq!(passing(|filter| filter.lines = range(5, 5)), [3]);
        assert_eq!(passing(|filter| filter.content = Some([4; 16])), [4]);
        assert_eq!(
            passing(|filter| {
                filter.lines = range(5, 6);
                filter.unresolved = true;
            }),
            [3]
        );
        let filter = RejectionFilter {
            from: Some(UtcMillis::new(5)),
            to: Some(UtcMillis::new(7)),
            ..RejectionFilter::default()
        };
        assert_eq!([4, 5, 6, 7].map(|at| filter.is_in_time(UtcMillis::new(at))), [false, true, true, false]);
    }
}
