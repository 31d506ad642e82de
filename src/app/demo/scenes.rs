//! What the riders did lately: what is worth asking about.

use super::accidents::Record;
use crate::domain::time::UtcMillis;
use crate::generate::{Label, LiveEvent};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Orders remembered of each sort.
const REMEMBERED: usize = 400;

/// An order to which nothing happened but its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The rider's identifier.
    pub rider_id: String,
    /// When it was accepted.
    pub accepted_at: UtcMillis,
    /// When it ended or will end.
    pub ended_at: UtcMillis,
}

/// What is known at a moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Everything up to here was sent; `None` before the first time.
    pub through: Option<UtcMillis>,
    /// Whether the demo's time is the real one by now.
    pub is_present: bool,
    /// Records sent.
    pub records: u64,
    /// Orders accepted.
    pub orders: u64,
    /// Riders who ever accepted one.
    pub riders: usize,
    /// Riders with a running order.
    pub riders_under_way: usize,
    /// Ended orders, the latest last.
    pub ended: Vec<Order>,
}

/// Shared by the riders and the thread that reports on them. Locked for a few instructions.
#[derive(Debug, Default)]
pub struct Scenes {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    seen: Seen,
    ended: VecDeque<Order>,
    /// Records that the riders' platforms shall send besides.
    wanted: Vec<Record>,
    /// Running orders of every rider.
    running: HashMap<u64, u32>,
    under_way: usize,
}

impl Scenes {
    /// What is known now.
    pub fn seen(&self) -> Seen {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            riders: inner.running.len(),
            riders_under_way: inner.under_way,
            ended: inner.ended.iter().cloned().collect(),
            ..inner.seen.clone()
        }
    }

    /// Has a record sent.
    pub fn send(&self, record: Record) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).wanted.push(record);
    }

    /// The records to send, each once.
    pub(super) fn take_wanted(&self) -> Vec<Record> {
        std::mem::take(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).wanted)
    }

    /// Notes events that were sent.
    pub(super) fn note(&self, events: &[LiveEvent]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().for_each(|event| inner.note(event));
    }

    /// Notes that everything up to `through` was sent.
    pub(super) fn note_through(&self, through: UtcMillis, is_present: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.seen.through = Some(through);
        inner.seen.is_present = is_present;
    }
}

impl Inner {
    fn note(&mut self, event: &LiveEvent) {
        self.seen.records += 1;
        let running = self.running.entry(event.rider).or_default();
        match event.label {
            Label::Open => {
                self.seen.orders += 1;
                self.under_way += usize::from(*running == 0);
                *running += 1;
            }
            Label::Order => {
                *running = running.saturating_sub(1);
                self.under_way = self.under_way.saturating_sub(usize::from(*running == 0));
                remember(&mut self.ended, event);
            }
            _ => {}
        }
    }
}

fn remember(orders: &mut VecDeque<Order>, event: &LiveEvent) {
    if !event.is_plain {
        return;
    }
    if orders.len() >= REMEMBERED {
        orders.pop_front();
    }
    orders.push_back(Order {
        rider_id: event.rider_id.clone(),
        accepted_at: event.accepted_at,
        ended_at: event.ended_at,
    });
}
