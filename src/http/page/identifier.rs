//! What people cannot see in an identifier: characters without a shape, letters of another script, other normal forms.

use std::collections::BTreeSet;
use std::fmt;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_script::UnicodeScript;
use unicode_security::confusable_detection::skeleton;

/// An identifier as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ident {
    pub(super) pieces: Vec<Piece>,
}

/// A stretch of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Characters that can be seen.
    Plain(String),
    /// One that cannot, by its code point; a blank by a sign.
    Unseen(String),
}

impl Ident {
    /// Marks every character that cannot be seen, and blanks at an edge or beside another blank.
    pub(super) fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let blank = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_none_or(|&c| c == ' ');
        let mut pieces: Vec<Piece> = Vec::new();
        for (at, &c) in characters.iter().enumerate() {
            if is_unseen(c) {
                pieces.push(Piece::Unseen(code_point(c)));
            } else if c == ' ' && (blank(at.checked_sub(1)) || blank(at.checked_add(1))) {
                pieces.push(Piece::Unseen("␣".to_owned()));
            } else {
                match pieces.last_mut() {
                    Some(Piece::Plain(text)) => text.push(c),
                    _ => pieces.push(Piece::Plain(c.to_string())),
                }
            }
        }
        Self { pieces }
    }
}

/// For places with plain text only.
impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Plain(text) => f.write_str(text),
            Piece::Unseen(name) => write!(f, "⟨{name}⟩"),
        })
    }
}

/// `U+200B`.
fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether a character has no shape of its own, or that of a blank: controls, format and filler characters, selectors,
/// and every blank but the plain one.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{13455}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// What is seen in an identifier that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Blanks before or after it.
    EdgeBlanks,
    /// Blanks, commas or semicolons inside: perhaps several identifiers.
    Several,
    /// Characters that cannot be seen, by code point.
    Unseen(Vec<String>),
    /// Full-width or half-width forms, or other compatibility characters.
    Width(String),
    /// Another normal form than NFC.
    NotNfc,
    /// Letters of other scripts that look like plain ones: what each is and looks like.
    Lookalikes(Vec<Lookalike>),
    /// Other signs that look like plain ones, such as quotes.
    SignsAlike(Vec<Lookalike>),
    /// Plain characters that are easily taken for one another.
    EasilyConfused(String),
}

/// A letter that looks like a plain one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookalike {
    pub(super) letter: char,
    pub(super) script: &'static str,
    pub(super) code_point: String,
    pub(super) looks_like: String,
}

/// What a reader should know of an identifier, in the order in which the page reports it.
pub(super) fn findings(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if text.trim() != text {
        found.push(Finding::EdgeBlanks);
    }
    if parts(text).len() > 1 {
        found.push(Finding::Several);
    }
    let unseen: BTreeSet<String> = text.chars().filter(|&c| is_unseen(c)).map(code_point).collect();
    if !unseen.is_empty() {
        found.push(Finding::Unseen(unseen.into_iter().collect()));
    }
    let is_wide = |c: &char| !is_unseen(*c) && c.nfkc().ne(c.nfc());
    let wide: BTreeSet<char> = text.chars().filter(is_wide).collect();
    if !wide.is_empty() {
        found.push(Finding::Width(wide.into_iter().collect()));
    }
    if !is_nfc(text) {
        found.push(Finding::NotNfc);
    }
    let alike: BTreeSet<char> = text.chars().filter(|&c| plain_lookalike(c).is_some()).collect();
    let (letters, signs): (Vec<char>, Vec<char>) = alike.into_iter().partition(|c| c.is_alphanumeric());
    for (characters, finding) in
        [(letters, Finding::Lookalikes as fn(Vec<Lookalike>) -> Finding), (signs, Finding::SignsAlike)]
    {
        if !characters.is_empty() {
            found.push(finding(characters.into_iter().filter_map(lookalike).collect()));
        }
    }
    let confused: BTreeSet<char> = text.chars().filter(|c| "0Oo1lI".contains(*c)).collect();
    if !confused.is_empty() {
        found.push(Finding::EasilyConfused(confused.into_iter().collect()));
    }
    found
}

fn lookalike(letter: char) -> Option<Lookalike> {
    Some(Lookalike {
        letter,
        script: letter.script().full_name(),
        code_point: code_point(letter),
        looks_like: plain_lookalike(letter)?,
    })
}

/// The plain characters that a character of another script is easily taken for; full-width forms are reported elsewhere.
fn plain_lookalike(c: char) -> Option<String> {
    if c.is_ascii() || is_unseen(c) || c.nfkc().all(|c| c.is_ascii()) {
        return None;
    }
    let looks: String = skeleton(&c.to_string()).collect();
    let looks = if looks == "l" && c.is_uppercase() { "I".to_owned() } else { looks };
    (!looks.is_empty() && looks.bytes().all(|byte| byte.is_ascii_graphic())).then_some(looks)
}

/// Identifiers in a field of several, between blanks, commas and semicolons.
pub(super) fn parts(text: &str) -> Vec<String> {
    let separates =
        |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{3000}' | ',' | '，' | '、' | ';' | '；');
    text.split(separates).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Without blanks at the edges and characters that cannot be seen, and in plain width.
pub(super) fn plain(text: &str) -> String {
    let seen: String =
        text.chars().filter(|&c| c == ' ' || c == '\u{a0}' || c == '\u{3000}' || !is_unseen(c)).collect();
    // The parts of `½` come with a slash of their own, which no keyboard has.
    seen.nfkc().map(|c| if c == '\u{2044}' { '/' } else { c }).collect::<String>().trim().to_owned()
}

/// Other identifiers that look like this one, likeliest first, each once, this one not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// What may have been meant: offered whether or not anything is stored of them.
    pub(super) meant: Vec<String>,
    /// The same text in another normal form or width: reported where something is stored.
    pub(super) forms: Vec<String>,
    /// With characters in place of those they are easily taken for: reported where something is stored.
    pub(super) confusable: Vec<String>,
}

pub(super) fn others(text: &str) -> Others {
    let plain = plain(text);
    let nfc: String = text.nfc().collect();
    let latin: String = plain.chars().map(|c| plain_lookalike(c).unwrap_or_else(|| c.to_string())).collect();
    let swap = |pairs: &[(char, char)]| -> String {
        let swapped = |c: char| pairs.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
        latin.chars().map(swapped).collect()
    };
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
        c => c,
    };
    let meant = vec![plain.clone(), nfc, latin.clone()];
    let forms = vec![text.nfd().collect(), text.nfkc().collect(), text.chars().map(wide).collect()];
    let confusable = vec![
        swap(&[('O', '0'), ('o', '0')]),
        swap(&[('0', 'O')]),
        swap(&[('l', '1'), ('I', '1')]),
        swap(&[('1', 'l')]),
        swap(&[('1', 'I')]),
        swap(&[('l', 'I')]),
        swap(&[('I', 'l')]),
        latin.to_lowercase(),
        latin.to_uppercase(),
    ];
    let mut known = BTreeSet::from([text.to_owned(), String::new()]);
    let mut fresh = |texts: Vec<String>| -> Vec<String> {
        texts.into_iter().filter(|other| known.insert(other.clone())).collect()
    };
    Others { meant: fresh(meant), forms: fresh(forms), confusable: fresh(confusable) }
}

#[cfg(test)]
mod tests;
