//! Passwords: hashed with Argon2id, checked without telling whether an account exists.

use super::error::{AccessError, AccessResult};
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

/// Shortest password, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Longest password, in bytes: hashing a longer text would only cost time.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// A password may not contain its account's name of so many bytes or more.
const NAME_BYTES_COMPARED: usize = 3;

/// Memory (KiB), passes and lanes: the first choice of OWASP's password storage sheet for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

fn hasher() -> AccessResult<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| AccessError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Refuses a password that is too easily guessed, or too long.
///
/// # Errors
/// [`AccessError::Refused`]
pub(super) fn check_password(name: &str, password: &str) -> AccessResult<()> {
    let refused = |text: String| Err(AccessError::Refused(text));
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return refused(format!("The password is too short: it needs {PASSWORD_CHARACTERS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return refused(format!("The password is too long: it may have {PASSWORD_BYTES_MAX} bytes"));
    }
    // Many words contain a shorter one.
    if name.len() >= NAME_BYTES_COMPARED && password.to_lowercase().contains(name) {
        return refused("The password contains the name of the account: choose another".to_owned());
    }
    Ok(())
}

/// The hash of a password in PHC form, with a random salt.
///
/// # Errors
/// [`AccessError::Hash`]
pub(super) fn hash_password(password: &str) -> AccessResult<String> {
    let hash = hasher()?.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| AccessError::Hash(error.to_string()))
}

/// Whether a password has that hash. Without a hash it takes as long, so that the time does not tell which names have accounts.
///
/// # Errors
/// [`AccessError::Hash`] for a hash that cannot be read.
pub(super) fn verify_password(password: &str, hash: Option<&str>) -> AccessResult<bool> {
    let Some(hash) = hash else {
        hash_password(password)?;
        return Ok(false);
    };
    let parsed = PasswordHash::new(hash).map_err(|error| AccessError::Hash(error.to_string()))?;
    Ok(hasher()?.verify_password(password.as_bytes(), &parsed).is_ok())
}
