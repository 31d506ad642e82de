//! Who asks, and whether they may: before every handler, by the one table of [`super::routes`].
//!
//! ```text
//! token or session cookie -> Principal -> rule of the route -> rate -> reason -> Asker, which the handler reads
//! ```

mod asker;
mod authorize;
mod cookies;

pub(super) use asker::Asker;
pub(super) use authorize::check;
pub(super) use cookies::Cookies;

use crate::access::{Access, Role};
use crate::config::AccessSettings;
use crate::telemetry::clock::Clock;
use std::sync::Arc;

/// What the service needs to know of those who ask; absent where everyone on the machine may ask.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) access: Arc<Access>,
    pub(super) clock: Clock,
    reason_required: Vec<Role>,
}

impl Guard {
    pub(super) fn new(access: Arc<Access>, clock: Clock, settings: &AccessSettings) -> Self {
        let roles = settings.reason_required.iter().filter_map(|role| Role::parse(role));
        Self { access, clock, reason_required: roles.collect() }
    }

    fn must_state_reason(&self, role: Role) -> bool {
        self.reason_required.contains(&role)
    }
}
