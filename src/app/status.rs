//! State that the threads share and report to clients: readiness, partitions, positions.

use crate::http::ServiceRole;
use crate::ingest::kafka::TopicPartition;
use crate::ledger::FreeSpace;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is known of a partition's ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The offset that the next record will get.
    pub end: Option<i64>,
}

/// Shared by the threads of a service. Locks are held for a few instructions and never across I/O.
#[derive(Debug, Default)]
pub struct Status {
    role: Mutex<ServiceRole>,
    assigned: AtomicBool,
    poisoned: AtomicBool,
    stopping: AtomicBool,
    paused: AtomicBool,
    free: Mutex<FreeSpace>,
    partitions: Mutex<BTreeMap<TopicPartition, PartitionStatus>>,
}

impl Status {
    /// Of a service that has begun.
    pub fn new(role: ServiceRole) -> Self {
        Self { role: Mutex::new(role), ..Self::default() }
    }

    /// What the process does with its ledger.
    pub fn role(&self) -> ServiceRole {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A standby became the writer: partitions are not read yet.
    pub fn set_role(&self, role: ServiceRole) {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner) = role;
        self.assigned.store(false, Ordering::Release);
    }

    /// Partitions are being read (or there are none to read).
    pub fn set_assigned(&self) {
        self.assigned.store(true, Ordering::Release);
    }

    /// Whether they are.
    pub fn is_assigned(&self) -> bool {
        self.assigned.load(Ordering::Acquire)
    }

    /// A write or an fsync failed.
    pub fn set_poisoned(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// Whether one did.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// The service was asked to stop.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether it was.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Records the free space on the disk.
    pub fn set_free(&self, free: FreeSpace) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = free;
    }

    /// The free space on the disk.
    pub fn free(&self) -> FreeSpace {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is read for lack of disk space, and all that was read is on its way to the ledger.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Notes a partition that is read, or where it ends.
    pub fn note(&self, place: &TopicPartition, end: Option<i64>) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let status = partitions.entry(place.clone()).or_default();
        status.end = end.or(status.end);
    }

    /// Every partition that is read.
    pub fn partitions(&self) -> BTreeMap<TopicPartition, PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
