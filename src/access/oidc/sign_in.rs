//! From a person whom the provider signed in to a session of the service.

use super::{Arrival, OidcError};
use crate::access::guard::{Access, SignedIn};
use crate::domain::time::UtcMillis;

impl Access {
    /// Begins a session for a person whom the provider signed in, instead of the one that the same browser had. The person's
    /// account is made or gets the granted role; a person without a role loses the sessions that an earlier role began.
    ///
    /// # Errors
    /// The person has no role, the account is disabled, or the store cannot be written.
    pub fn sign_in_person(
        &self,
        arrival: &Arrival,
        replaced: Option<&str>,
        now: UtcMillis,
    ) -> Result<SignedIn, OidcError> {
        let Some((role, scope)) = &arrival.granted else {
            self.store().end_sessions_of(&arrival.person, now)?;
            self.load(now)?;
            return Err(OidcError::NoRole);
        };
        let name = self.store().account_of(&arrival.person, (*role, scope), now)?;
        self.begin(&name, replaced, now)?.ok_or(OidcError::Disabled)
    }
}
