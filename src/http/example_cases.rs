//! Ready questions that the first page offers. A demo sets them; other services have none.

use crate::domain::time::UtcMillis;
use crate::domain::verdict::Verdict;
use std::sync::{Arc, Mutex, PoisonError};

/// A ready question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleCase {
    /// The verdict that it has.
    pub verdict: Verdict,
    /// Whether it had another verdict when it was answered first.
    pub is_changed: bool,
    /// The identifier of the rider.
    pub rider_id: String,
    /// The instant of the accident.
    pub at: UtcMillis,
    /// The case number.
    pub reference: String,
}

/// The ready questions of a service. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ExampleCases {
    cases: Arc<Mutex<Arc<[ExampleCase]>>>,
}

impl ExampleCases {
    /// Offers these from now on.
    pub fn set(&self, cases: Vec<ExampleCase>) {
        *self.cases.lock().unwrap_or_else(PoisonError::into_inner) = cases.into();
    }

    /// What is offered.
    pub(super) fn all(&self) -> Arc<[ExampleCase]> {
        Arc::clone(&self.cases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
