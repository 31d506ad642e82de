//! What spreadsheet programs do to identifiers: a damaged one names another person, or none.

/// Digits that a spreadsheet keeps of a number.
const DIGITS_KEPT: usize = 15;

/// What a spreadsheet writes where a formula failed.
const FAILED: [&str; 11] = [
    "#REF!",
    "#N/A",
    "#NAME?",
    "#VALUE!",
    "#NUM!",
    "#NULL!",
    "#DIV/0!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#GETTING_DATA",
];

/// How a spreadsheet damaged an identifier, if it looks as if one did.
pub fn damage(identifier: &str) -> Option<&'static str> {
    let text = identifier.trim();
    if FAILED.iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Some("it is the mark of a formula that failed");
    }
    if !text.is_empty() && text.bytes().all(|byte| byte == b'#') {
        return Some("a spreadsheet shows this where a column is too narrow");
    }
    if text.starts_with('=') {
        return Some("it is a formula");
    }
    if text.strip_prefix('\'').is_some_and(is_digits) {
        return Some("a spreadsheet's mark for text precedes it");
    }
    if is_scientific(text) {
        return Some("it was turned into a number with an exponent, and digits are lost");
    }
    if text.split_once('.').is_some_and(|(whole, rest)| is_digits(whole) && is_zeros(rest)) {
        return Some("it was turned into a decimal number");
    }
    if is_grouped(text) {
        return Some("separators were put between its digits");
    }
    let is_rounded = is_digits(text) && text.len() >= DIGITS_KEPT + 3;
    if is_rounded && text.get(DIGITS_KEPT..).is_some_and(is_zeros) {
        return Some("all of its digits after the fifteenth are 0, as a spreadsheet leaves them");
    }
    None
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zeros(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'0')
}

/// `3.10115E+17`, `3,10115e17`, `3E+17`; not `12e45678`, which may be a hash in hexadecimal.
fn is_scientific(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let unsigned = exponent.strip_prefix(['+', '-']);
    let fraction = mantissa.split_once(['.', ',']);
    let is_number = match fraction {
        Some((whole, rest)) => is_digits(whole) && is_digits(rest),
        None => is_digits(mantissa),
    };
    is_number && is_digits(unsigned.unwrap_or(exponent)) && (fraction.is_some() || unsigned.is_some())
}

/// `310,115,200,000`, with any mark that spreadsheets put between groups of three.
fn is_grouped(text: &str) -> bool {
    let marks = [',', '\'', '\u{a0}', '\u{2009}', '\u{202f}'];
    let mut groups = text.split(marks);
    let first = groups.next().unwrap_or_default();
    let mut others = 0_usize;
    let are_three = groups.all(|group| {
        others += 1;
        group.len() == 3 && is_digits(group)
    });
    (1..=3).contains(&first.len()) && is_digits(first) && others >= 2 && are_three
}

#[cfg(test)]
mod tests {
    use super::damage;

    #[test]
    fn damaged_identifiers_are_seen() {
        for identifier in [
            "3.10115E+17",
            "3.10115e17",
            "3,10115E+17",
            "3E+17",
            "3.1e+5",
            "-3.1E+17",
            " 3.10115E+17 ",
            "310115200000000123.0",
            "12.00",
            "#REF!",
            "#N/A",
            "#n/a",
            "########",
            "=\"310115\"",
            "=A2",
            "'310115",
            "310,115,200,000,000,123",
            "310\u{a0}115\u{a0}200",
            "310115199001010000",
        ] {
            assert!(damage(identifier).is_some(), "{identifier}");
        }
    }

    #[test]
    fn identifiers_of_systems_are_left_alone() {
        for identifier in [
            "R1",
            "",
            "310115199001011234",
            "100",
            "1000000000000000",
            "12e45678",
            "1e5",
            "9f86d081884c7d65",
            "a.0",
            "1.2.3",
            "12.50",
            "#17",
            "'R1",
            "1,2",
            "E+17",
            "550e8400-e29b-41d4-a716-446655440000",
            "+8613800000000",
        ] {
            assert_eq!(damage(identifier), None, "{identifier}");
        }
    }
}
