//! Names of tokens and accounts: logs and lists show them.

use super::error::{AccessError, AccessResult};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Refuses a name that could be taken for something else in a log or a list.
///
/// # Errors
/// [`AccessError::Refused`] unless it has 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-` and `@`, and begins with a letter or digit.
pub fn check_name(name: &str) -> AccessResult<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: u8| is_plain(byte) || b"._-@".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(is_plain);
    if begins_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(AccessError::Refused(format!(
        "The name `{}` cannot be used: write 1 to {NAME_BYTES_MAX} characters of a-z, 0-9, ., _, - and @, the first a letter or digit",
        name.escape_default()
    )))
}
