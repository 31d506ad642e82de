//! Keys that resemble the name of a field.

use super::schema::NAMES;

/// Longer keys resemble no field.
const RESEMBLING_BYTES_MAX: usize = 40;

/// Letters from which on one wrong letter still resembles a name: `log` is another word than `leg`.
const LETTERS_FOR_TYPO_MIN: usize = 6;

/// The field that `key`, which is none itself, resembles: the same letters in another case or with other blanks, `_`
/// and `-` between them, or one letter too many, missing, another or exchanged with its neighbour.
///
/// At most [`RESEMBLING_BYTES_MAX`] steps for each of the names, without allocation.
pub(super) fn resembled(key: &str) -> Option<&'static str> {
    if key.len() > RESEMBLING_BYTES_MAX {
        return None;
    }
    let key = Letters::of(key);
    let same = NAMES.into_iter().find(|name| Letters::of(name).as_bytes() == key.as_bytes());
    same.or_else(|| NAMES.into_iter().find(|name| is_typo(Letters::of(name).as_bytes(), key.as_bytes())))
}

/// The letters and digits of a short text in lower case; a character outside ASCII counts as one strange letter.
struct Letters {
    bytes: [u8; RESEMBLING_BYTES_MAX],
    length: usize,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut letters = Self { bytes: [0; RESEMBLING_BYTES_MAX], length: 0 };
        let kept = text.chars().filter(|character| !matches!(character, '_' | '-' | ' '));
        for (place, character) in letters.bytes.iter_mut().zip(kept) {
            *place = u8::try_from(character)
                .ok()
                .filter(u8::is_ascii)
                .map_or(0xff, |byte| byte.to_ascii_lowercase());
            letters.length += 1;
        }
        letters
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether one edit makes `key` from `name`.
fn is_typo(name: &[u8], key: &[u8]) -> bool {
    if name.len() < LETTERS_FOR_TYPO_MIN || name.len().abs_diff(key.len()) > 1 {
        return false;
    }
    let same = name.iter().zip(key).take_while(|(a, b)| a == b).count();
    let (name, key) = (name.get(same..).unwrap_or_default(), key.get(same..).unwrap_or_default());
    match (name, key) {
        ([], _) | (_, []) => true,
        ([a, b, name @ ..], [c, d, key @ ..]) if a == d && b == c && name == key => true,
        ([_, after_name @ ..], [_, after_key @ ..]) => {
            after_name == after_key || after_name == key || name == after_key
        }
    }
}
