//! When a record arrived, by the only clocks that can tell: the broker's and coverledger's own.

use super::time::UtcMillis;

/// A record's Kafka timestamp, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Timestamp {
    /// The record has none.
    #[default]
    Missing,
    /// `CreateTime`: whatever the producer wrote. It may be the time of an event, seconds for milliseconds, or a month old.
    Producer(UtcMillis),
    /// `LogAppendTime`: when the broker appended the record.
    Broker(UtcMillis),
}

impl Timestamp {
    /// The instant, from the producer or the broker.
    pub const fn instant(self) -> Option<UtcMillis> {
        match self {
            Self::Missing => None,
            Self::Producer(at) | Self::Broker(at) => Some(at),
        }
    }

    /// When the record arrived, as far as anything can tell: the broker's stamp, else between `read_after`, up to which every
    /// record of the partition had been read before, and `read_by`, when the record was taken in.
    pub fn arrival(self, read_after: Option<UtcMillis>, read_by: UtcMillis) -> Arrived {
        match self {
            Self::Broker(at) => Arrived { after: at, by: at },
            Self::Producer(_) | Self::Missing => {
                Arrived { after: read_after.unwrap_or(UtcMillis::MIN).min(read_by), by: read_by }
            }
        }
    }
}

/// A record arrived in Kafka between two instants; both are the same where the broker stamped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrived {
    /// Not before.
    pub after: UtcMillis,
    /// Not later.
    pub by: UtcMillis,
}

impl Arrived {
    /// Nothing is known yet.
    pub const UNKNOWN: Self = Self { after: UtcMillis::MIN, by: UtcMillis::MAX };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_brokers_stamp_is_a_time_of_arrival() {
        let [old, before, now] = [1, 500, 1_000].map(UtcMillis::new);
        assert_eq!(Timestamp::Broker(old).arrival(Some(before), now), Arrived { after: old, by: old });
        for timestamp in [Timestamp::Producer(old), Timestamp::Missing] {
            assert_eq!(timestamp.arrival(Some(before), now), Arrived { after: before, by: now });
            assert_eq!(timestamp.arrival(None, now), Arrived { after: UtcMillis::MIN, by: now });
            // A clock that was set back makes no window that ends before it begins.
            assert_eq!(timestamp.arrival(Some(now), before), Arrived { after: before, by: before });
        }
    }
}
