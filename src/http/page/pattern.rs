//! How the orders of a platform are filled in a picture: a pattern and a letter, so that no colour has to be told apart.

use super::names::Names;
use std::collections::BTreeSet;

/// Lines of a tile of 8 by 8 units; of more platforms, patterns come again and the letters tell them apart.
const TILES: [&str; 8] = [
    "",
    "M-2 2l4-4M0 8l8-8M6 10l4-4",
    "M2 2h1M6 6h1",
    "M0 2h8M0 6h8",
    "M-2 6l4 4M0 0l8 8M6-2l4 4",
    "M2 0v8M6 0v8",
    "M0 4h8M4 0v8",
    "M0 6l4-4 4 4",
];
const LETTERS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A platform's pattern and letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) number: usize,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) letter: String,
    pub(super) tile: &'static str,
}

/// One pattern for each platform, by its code.
pub(super) fn patterns<'a>(platforms: impl Iterator<Item = &'a str>, names: &Names) -> Vec<Pattern> {
    let platforms: BTreeSet<&str> = platforms.collect();
    let pattern = |(number, code): (usize, &str)| Pattern {
        number,
        code: code.to_owned(),
        name: names.platform(code).text,
        letter: letter(number),
        tile: TILES.get(number % TILES.len()).copied().unwrap_or_default(),
    };
    platforms.into_iter().enumerate().map(pattern).collect()
}

/// A to Z, then A2 and so on.
fn letter(number: usize) -> String {
    let letter = LETTERS.get(number % LETTERS.len()).map_or('?', |letter| char::from(*letter));
    match number / LETTERS.len() {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_letter_of_its_own() {
        let letters: BTreeSet<String> = (0..100).map(letter).collect();
        assert_eq!(letters.len(), 100);
        assert_eq!((letter(0), letter(25), letter(26)), ("A".to_owned(), "Z".to_owned(), "A2".to_owned()));
        assert_eq!(TILES.iter().collect::<BTreeSet<_>>().len(), TILES.len());
    }
}
