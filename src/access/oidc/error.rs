//! Why a person could not sign in at the provider.

use super::token::TokenFault;
use crate::access::error::AccessError;
use thiserror::Error;

/// Why a person could not sign in at the provider.
#[derive(Debug, Error)]
pub enum OidcError {
    /// The provider could not be asked.
    #[error(
        "Failed to ask the provider at {address}: {cause}; look at the provider and at the network between"
    )]
    Unreachable {
        /// What was asked.
        address: String,
        /// Why.
        cause: String,
    },
    /// What the provider says cannot be used.
    #[error(
        "Failed to use the answer of the provider at {address}: {fault}; compare [access.oidc] with its settings there"
    )]
    Answer {
        /// What was asked.
        address: String,
        /// What is wrong with the answer.
        fault: String,
    },
    /// The authorities of `certificate_authorities` cannot be read.
    #[error(
        "Failed to read the certificate authorities {file}: {cause}; look at `certificate_authorities` in [access.oidc]"
    )]
    Authorities {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
    /// The provider's ID token is not accepted.
    #[error(
        "Failed to accept the ID token: {0}; compare [access.oidc] with the provider's settings, and both clocks"
    )]
    Token(#[from] TokenFault),
    /// The answer does not belong to a sign-in that this browser began, or it comes too late or again.
    #[error(
        "the answer of the provider belongs to no sign-in that this browser began, or comes too late or again"
    )]
    Stale,
    /// The provider did not sign the person in.
    #[error("the provider did not sign the person in: {0}")]
    Refused(String),
    /// No value of the role claim means anything here.
    #[error("the person has no role here: no [[access.oidc.grant]] names a value of the role claim")]
    NoRole,
    /// The account of the person is disabled here.
    #[error("the account of the person is disabled")]
    Disabled,
    /// Too many people sign in at this moment.
    #[error("too many people sign in at this moment")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] AccessError),
}
