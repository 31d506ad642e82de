//! What one rider did on one day, as it is sealed: the orders, the refused records, and the cover that follows from them.
//! Nothing of commits or recording times is in it.

use super::day_order::DayOrder;
use super::frames::Frames;
use super::hash::Hash;
use super::instant;
use super::secret::SealingSecret;
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};
use crate::domain::time::LocalDay;
use crate::domain::window::{Window, union};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// A sealed order: the current version of it. Texts as in answers; what is absent is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedOrder {
    /// When it was accepted.
    pub accepted_at: String,
    /// Platform.
    pub platform: String,
    /// Order number.
    pub order_id: String,
    /// Leg.
    pub leg: u8,
    /// `open` or `ended`.
    pub phase: String,
    /// Revision.
    pub revision: u64,
    /// Category.
    pub category: String,
    /// Six digits.
    pub region: String,
    /// When it ended; empty while open.
    pub ended_at: String,
    /// Outcome; empty while open.
    pub outcome: String,
    /// Order value in yuan; empty when none was given.
    pub fare: String,
    /// Start of the cover window; empty when the order has none.
    pub starts_at: String,
    /// End of the cover window; empty when the order has none.
    pub ends_at: String,
}

impl SealedOrder {
    /// The cover window; `None` when there is none or a text is no instant.
    pub fn window(&self) -> Option<Window> {
        Some(Window::new(instant::from_text(&self.starts_at)?, instant::from_text(&self.ends_at)?))
    }

    pub(super) fn push_to(&self, fields: &mut Frames) {
        let (leg, revision) = (self.leg.to_string(), self.revision.to_string());
        let texts: [&str; 13] = [
            &self.accepted_at,
            &self.platform,
            &self.order_id,
            &leg,
            &self.phase,
            &revision,
            &self.category,
            &self.region,
            &self.ended_at,
            &self.outcome,
            &self.fare,
            &self.starts_at,
            &self.ends_at,
        ];
        texts.iter().for_each(|text| fields.push(text.as_bytes()));
    }
}

/// A sealed refused record: a rejected or conflicting one that names the rider. Texts as in answers; what is absent is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRefusal {
    /// The rejection reason, or `conflict`.
    pub reason: String,
    /// Platform as far as it can be read.
    pub platform: String,
    /// Order number as far as it can be read.
    pub order_id: String,
    /// SHA-256 of the record, hexadecimal.
    pub record_sha256: String,
    /// Length of the record in bytes.
    pub record_bytes: u64,
    /// `kafka TOPIC PARTITION OFFSET`, `file`, or `redrive`.
    pub origin: String,
    /// `unresolved`, `event` or `operator`.
    pub resolved_by: String,
}

impl SealedRefusal {
    /// The refused record of a kept one.
    pub fn of(record: &Rejection) -> Self {
        let reason = match record.kept {
            Kept::Rejected(reason) => reason.as_str(),
            Kept::Conflict => "conflict",
        };
        let origin = match &record.origin {
            Origin::Kafka { topic, partition, offset, .. } => format!("kafka {topic} {partition} {offset}"),
            // Where a line lies depends on how files were cut, not on what happened.
            Origin::File { .. } => "file".to_owned(),
            Origin::Redrive { .. } => "redrive".to_owned(),
        };
        let resolved_by = match record.resolution {
            None => "unresolved",
            Some(Resolution::Event { .. }) => "event",
            Some(Resolution::Operator { .. }) => "operator",
        };
        Self {
            reason: reason.to_owned(),
            platform: record.readable.platform.clone().unwrap_or_default(),
            order_id: record.readable.order_id.clone().unwrap_or_default(),
            record_sha256: HEXLOWER.encode(&record.raw_sha256),
            record_bytes: record.raw_len,
            origin,
            resolved_by: resolved_by.to_owned(),
        }
    }

    fn push_to(&self, fields: &mut Frames) {
        let length = self.record_bytes.to_string();
        let texts: [&str; 7] = [
            &self.reason,
            &self.platform,
            &self.order_id,
            &self.record_sha256,
            &length,
            &self.origin,
            &self.resolved_by,
        ];
        texts.iter().for_each(|text| fields.push(text.as_bytes()));
    }
}

/// The digest of a list, and how long the list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListDigest {
    /// Members.
    pub count: u64,
    /// SHA-256 over nonce, label, count and members.
    pub digest: Hash,
}

fn digest_of(nonce: &[u8; 32], fields: &Frames, count: u64) -> ListDigest {
    ListDigest { count, digest: Hash::of(&[nonce, fields.as_bytes()]) }
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn order_fields(orders: usize, mut push: impl FnMut(&mut Frames) -> Option<()>) -> Option<Frames> {
    let mut fields = Frames::of("coverledger/orders/1");
    fields.push_number(u64::try_from(orders).unwrap_or(u64::MAX));
    push(&mut fields)?;
    Some(fields)
}

fn refusal_fields(refused: &[SealedRefusal]) -> Frames {
    let mut fields = Frames::of("coverledger/refused/1");
    fields.push_number(length(refused));
    refused.iter().for_each(|record| record.push_to(&mut fields));
    fields
}

/// The digest of the orders under a nonce.
pub fn orders_digest(nonce: &[u8; 32], orders: &[SealedOrder]) -> ListDigest {
    let fields = order_fields(orders.len(), |fields| {
        orders.iter().for_each(|order| order.push_to(fields));
        Some(())
    });
    digest_of(nonce, &fields.unwrap_or_default(), length(orders))
}

/// The digest of the refused records under a nonce.
pub fn refused_digest(nonce: &[u8; 32], refused: &[SealedRefusal]) -> ListDigest {
    digest_of(nonce, &refusal_fields(refused), length(refused))
}

/// One rider on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiderDay {
    /// The rider.
    pub rider_id: String,
    /// The local day.
    pub day: LocalDay,
    /// Its instants.
    pub span: Window,
    /// Orders whose window touches the day, and orders without a window that were accepted on it; in the order in which they are
    /// sealed, each once.
    pub orders: Vec<DayOrder>,
    /// Refused records that name the rider and may concern the day; sorted, each once.
    pub refused: Vec<SealedRefusal>,
    /// Time of the day that an open order or an unresolved record of the rider keeps undetermined; ascending, apart.
    pub undetermined: Vec<Window>,
}

impl RiderDay {
    /// Puts everything in its order.
    pub fn new(rider_id: &str, day: LocalDay, span: Window) -> Self {
        let (orders, refused, undetermined) = (Vec::new(), Vec::new(), Vec::new());
        Self { rider_id: rider_id.to_owned(), day, span, orders, refused, undetermined }
    }

    /// The same, sorted and without repetitions, as it is sealed.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.orders.sort_unstable_by(DayOrder::cmp_sealed);
        self.orders.dedup_by(|one, other| one.cmp_sealed(other).is_eq());
        self.refused.sort_unstable();
        self.refused.dedup();
        let span = self.span;
        self.undetermined = union(self.undetermined.iter().filter_map(|window| window.cut(span)).collect());
        self
    }

    /// Whether nothing is to be sealed of the rider.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.refused.is_empty() && self.undetermined.is_empty()
    }

    /// The merged cover of the day.
    pub fn cover(&self) -> Vec<Window> {
        let windows = self.orders.iter().filter_map(|order| order.window);
        union(windows.filter_map(|window| window.cut(self.span)).collect())
    }

    /// The orders as texts. `None` when a time has none: it lies outside the years 0000 to 9999.
    pub fn sealed_orders(&self) -> Option<Vec<SealedOrder>> {
        self.orders.iter().map(DayOrder::to_text).collect()
    }

    /// The content of the leaf with its nonces. `None` when a time has no text.
    pub fn opening(&self, secret: &SealingSecret) -> Option<Opening> {
        let orders = order_fields(self.orders.len(), |fields| {
            self.orders.iter().try_for_each(|order| order.push_to(fields))
        })?;
        let refused = refusal_fields(&self.refused);
        let orders_nonce = secret.nonce(self.scoped(&orders).as_bytes());
        let refused_nonce = secret.nonce(self.scoped(&refused).as_bytes());
        let content = Content {
            cover: self.cover(),
            undetermined: self.undetermined.clone(),
            orders: digest_of(&orders_nonce, &orders, length(&self.orders)),
            refused: digest_of(&refused_nonce, &refused, length(&self.refused)),
        };
        let fields = content.fields(&self.rider_id, self.day)?;
        let nonce = secret.nonce(fields.as_bytes());
        let commitment = Hash::of(&[&nonce, fields.as_bytes()]);
        Some(Opening { nonce, content, commitment, orders_nonce, refused_nonce })
    }

    /// Equal lists of two riders or days have different nonces.
    fn scoped(&self, fields: &Frames) -> Frames {
        let day = instant::day_text(self.day).unwrap_or_default();
        let Hash(hash) = Hash::of(&[fields.as_bytes()]);
        Frames::default().with(self.rider_id.as_bytes()).with(day.as_bytes()).with(&hash)
    }
}

/// The merged cover windows of orders, cut to `span`.
pub fn cover_of(orders: &[SealedOrder], span: Window) -> Vec<Window> {
    union(orders.iter().filter_map(SealedOrder::window).filter_map(|window| window.cut(span)).collect())
}

/// What a leaf commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Merged cover of the day, ascending, apart.
    pub cover: Vec<Window>,
    /// Time that the rider's own open orders and unresolved records keep undetermined, ascending, apart.
    pub undetermined: Vec<Window>,
    /// The orders.
    pub orders: ListDigest,
    /// The refused records.
    pub refused: ListDigest,
}

impl Content {
    /// The bytes that are committed to; `None` when a time has no text.
    pub fn fields(&self, rider_id: &str, day: LocalDay) -> Option<Frames> {
        let mut fields = Frames::of("coverledger/rider-day/1");
        fields.push(rider_id.as_bytes());
        fields.push(instant::day_text(day)?.as_bytes());
        for windows in [&self.cover, &self.undetermined] {
            fields.push_number(length(windows));
            for window in windows {
                fields.push_instant(window.from)?;
                fields.push_instant(window.until)?;
            }
        }
        for list in [self.orders, self.refused] {
            fields.push_number(list.count);
            fields.push(&list.digest.0);
        }
        Some(fields)
    }

    /// The commitment under a nonce; `None` when a time has no text.
    pub fn commitment(&self, nonce: &[u8; 32], rider_id: &str, day: LocalDay) -> Option<Hash> {
        Some(Hash::of(&[nonce, self.fields(rider_id, day)?.as_bytes()]))
    }
}

/// The content of a leaf with the nonces that open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Opens the commitment.
    pub nonce: [u8; 32],
    /// What is committed to.
    pub content: Content,
    /// The commitment to it.
    pub commitment: Hash,
    /// Opens the digest of the orders.
    pub orders_nonce: [u8; 32],
    /// Opens the digest of the refused records.
    pub refused_nonce: [u8; 32],
}
