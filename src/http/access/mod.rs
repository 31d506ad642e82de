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
pub use cookies::SESSION_COOKIE;

use crate::access::oidc::{Grant, OidcTerms, Provider};
use crate::access::{Access, Role};
use crate::config::{AccessSettings, OidcGrant, OidcSettings, is_safe_address};
use crate::telemetry::clock::Clock;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What the service needs to know of those who ask; absent where everyone on the machine may ask.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) access: Arc<Access>,
    pub(super) clock: Clock,
    reason_required: ArcSwap<Vec<Role>>,
    /// Where people sign in by OpenID Connect, and what the page calls it.
    pub(super) oidc: Option<(Provider, String)>,
}

fn provider(settings: &OidcSettings) -> Provider {
    let grant = |grant: &OidcGrant| {
        let role = Role::parse(grant.role)?;
        Some(Grant { value: grant.value.clone(), role, scope: grant.scope.clone() })
    };
    Provider::new(OidcTerms {
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        client_secret: settings.client_secret.expose().to_owned(),
        certificate_authorities: settings.certificate_authorities.clone(),
        scopes: settings.scopes.clone(),
        role_claim: settings.role_claim.clone(),
        grants: settings.grants.iter().filter_map(grant).collect(),
        is_safe_address,
    })
}

impl Guard {
    pub(super) fn new(access: Arc<Access>, clock: Clock, settings: &AccessSettings) -> Self {
        let reason_required = ArcSwap::from_pointee(roles(settings));
        let oidc = settings.oidc.as_ref().map(|oidc| (provider(oidc), oidc.display_name.clone()));
        Self { access, clock, reason_required, oidc }
    }

    /// Whether a role must say why it asks about a rider or an order.
    pub(super) fn must_state_reason(&self, role: Role) -> bool {
        self.reason_required.load().contains(&role)
    }

    /// From now on a reason is asked of these roles.
    pub(super) fn reload(&self, settings: &AccessSettings) {
        self.reason_required.store(Arc::new(roles(settings)));
    }
}

fn roles(settings: &AccessSettings) -> Vec<Role> {
    settings.reason_required.iter().filter_map(|role| Role::parse(role)).collect()
}
