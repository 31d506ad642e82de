//! Who may ask: tokens of systems, accounts of people and their sessions, what each role may see, and how often it may ask.
//!
//! ```text
//! a secret (token, session cookie, password) -> Access -> Principal { name, role, scope }
//! a person at a provider -> oidc::Provider -> Access -> session cookie
//! ```
//!
//! [`AccessStore`] keeps tokens, accounts and sessions in a file of its own beside the ledger, and a log of every change of
//! them. [`Access`] is what a running service asks: it keeps the store's content in memory and notices within a second when a
//! command changed it. Time is an argument everywhere, so that expiry and lock-out are tested without waiting.

mod error;
mod form_proof;
mod guard;
mod lockout;
mod name;
pub mod oidc;
mod password;
mod principal;
mod pseudonym;
mod rate;
mod secret;
mod store;
#[cfg(test)]
mod tests;

pub use error::{AccessError, AccessResult};
pub use form_proof::FormProof;
pub use guard::{Access, Denied, SignInError, SignedIn, Terms};
pub use lockout::LockoutTerms;
pub use name::check_name;
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN};
pub use principal::{Principal, PrincipalKind, Role, check_scope};
pub use pseudonym::Pseudonyms;
pub use rate::RateTerms;
pub use secret::TOKEN_PREFIX;
pub use store::{AccessStore, Account, Change, NewAccount, NewToken, Person, STORE_FILE, Token, role_text};
