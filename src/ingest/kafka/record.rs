//! One record as librdkafka holds it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};

use super::digest::record_digest;
use crate::domain::arrival::Timestamp;
use crate::domain::time::UtcMillis;

/// A record in librdkafka's own buffer. It is given back when it is dropped; holding many holds memory.
pub struct Record<'a> {
    /// Which topic: an index for [`super::PartitionSource::topic`].
    pub topic: usize,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    message: BorrowedMessage<'a>,
}

impl<'a> Record<'a> {
    pub(super) fn new(topic: usize, message: BorrowedMessage<'a>) -> Self {
        Self { topic, partition: message.partition(), offset: message.offset(), message }
    }

    /// The record's timestamp, and whose it is.
    pub fn timestamp(&self) -> Timestamp {
        match self.message.timestamp() {
            rdkafka::Timestamp::NotAvailable => Timestamp::Missing,
            rdkafka::Timestamp::CreateTime(at) => Timestamp::Producer(UtcMillis::new(at)),
            rdkafka::Timestamp::LogAppendTime(at) => Timestamp::Broker(UtcMillis::new(at)),
        }
    }

    /// The key, if it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The value; a record without one (a tombstone) has an empty value.
    pub fn payload(&self) -> &[u8] {
        self.message.payload().unwrap_or_default()
    }

    /// Names and values of the headers, in order; empty when there are none. Parsed at this call, so only what needs
    /// headers pays for them.
    ///
    /// A header whose name is not UTF-8 is returned with the name `(not UTF-8)`.
    pub fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let Some(headers) = self.message.headers() else { return Vec::new() };
        (0..headers.count()).filter_map(|index| header(headers, index)).collect()
    }

    /// What tells this record from another one at the same offset.
    pub fn digest(&self) -> [u8; 16] {
        record_digest(self.key(), self.payload(), self.timestamp().instant())
    }
}

fn header(headers: &BorrowedHeaders, index: usize) -> Option<(String, Option<Vec<u8>>)> {
    // rdkafka 0.39 panics on a header name that is not UTF-8, and any producer may send one.
    let read = catch_unwind(AssertUnwindSafe(|| {
        headers.try_get(index).map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
    }));
    read.unwrap_or_else(|_| Some(("(not UTF-8)".to_owned(), None)))
}
