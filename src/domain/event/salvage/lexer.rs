//! A lenient JSON lexer: it goes past defects that leave the structure of the record certain, and stops at others.
//!
//! Linear in the record's length, without recursion; it allocates one byte for each level of nesting, up to a bound.

use super::super::escape::resolve_escape;
use super::super::json::{Kind, Scanner, Value, next_special};

/// How deep a value may nest before the lexer gives up.
const NESTING_MAX: usize = 10_000;

/// Why the lexer cannot continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The record ends inside a token or a value.
    Cut,
    /// The text here leaves open what is text and what is structure: a bracket that closes nothing, text behind a
    /// closing quote, another kind of quotes.
    Doubt,
}

/// A value of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lenient<'a> {
    /// A value as JSON has it; of arrays and objects only the brackets are known to match.
    Sound(Value<'a>),
    /// A lone surrogate, a bad escape or a control character in a string, `NaN`, `01`, nothing at all.
    Defective,
}

impl<'a> Lenient<'a> {
    /// The text of a sound string.
    pub(super) fn text(self) -> Option<std::borrow::Cow<'a, str>> {
        match self {
            Self::Sound(value) => value.text(),
            Self::Defective => None,
        }
    }
}

/// A position in a record.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes before this position.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past `expected` if it is here.
    pub(super) fn takes(&mut self, expected: u8) -> bool {
        let matches = self.peek() == Some(expected);
        self.at += usize::from(matches);
        matches
    }

    /// Goes past blanks of any kind, control characters and byte order marks: between tokens they mean nothing.
    pub(super) fn blanks(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at = self.text.len() - rest.trim_start_matches(is_blank).len();
    }

    /// A string whose opening quote is here.
    pub(super) fn string(&mut self) -> Result<Lenient<'a>, Stop> {
        self.at += 1;
        let (start, bytes) = (self.at, self.text.as_bytes());
        let (mut kind, mut is_sound) = (Kind::Text, true);
        loop {
            self.at = next_special(bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(if is_sound {
                        Lenient::Sound(Value { kind, raw })
                    } else {
                        Lenient::Defective
                    });
                }
                Some(b'\\') => {
                    kind = Kind::EscapedText;
                    let escape = resolve_escape(bytes.get(self.at..).unwrap_or_default());
                    is_sound &= escape.is_some();
                    // A byte that is escaped wrongly ends no string either.
                    self.at += escape.map_or(2, |(_, length)| length);
                }
                Some(_) => {
                    is_sound = false;
                    self.at += 1;
                }
                None => return Err(Stop::Cut),
            }
        }
    }

    /// A value of the outermost object with the blanks behind it, and with what must follow it: a comma, the end
    /// of the object, or of the record.
    pub(super) fn value(&mut self) -> Result<Lenient<'a>, Stop> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => {
                self.nested()?;
                Lenient::Sound(Value {
                    kind: Kind::Other,
                    raw: self.text.get(start..self.at).unwrap_or_default(),
                })
            }
            _ => self.bare()?,
        };
        self.blanks();
        match self.peek() {
            None | Some(b',' | b'}') => Ok(value),
            Some(_) => Err(Stop::Doubt),
        }
    }

    /// A value without quotes, possibly of no length. At the end of the record it may be cut off.
    fn bare(&mut self) -> Result<Lenient<'a>, Stop> {
        let start = self.at;
        while self.peek().is_some_and(is_bare) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Err(Stop::Cut);
        }
        let mut strict = Scanner::new(self.text.get(start..self.at).unwrap_or_default());
        match strict.value() {
            Ok(value) if strict.peek().is_none() => Ok(Lenient::Sound(value)),
            _ => Ok(Lenient::Defective),
        }
    }

    /// Goes past an array or an object.
    fn nested(&mut self) -> Result<(), Stop> {
        // Whether each open level is an object, the innermost last.
        let mut open: Vec<bool> = Vec::new();
        let mut is_after_value = false;
        loop {
            self.blanks();
            match self.peek().ok_or(Stop::Cut)? {
                byte @ (b'{' | b'[') if !is_after_value && open.len() < NESTING_MAX => {
                    self.at += 1;
                    open.push(byte == b'{');
                }
                byte @ (b'}' | b']') if open.last() == Some(&(byte == b'}')) => {
                    self.at += 1;
                    open.pop();
                    if open.is_empty() {
                        return Ok(());
                    }
                    is_after_value = true;
                }
                b',' => {
                    self.at += 1;
                    is_after_value = false;
                }
                b':' if is_after_value && open.last() == Some(&true) => {
                    self.at += 1;
                    is_after_value = false;
                }
                b'"' if !is_after_value => {
                    self.string()?;
                    is_after_value = true;
                }
                byte if !is_after_value && is_bare(byte) => {
                    self.bare()?;
                    is_after_value = true;
                }
                _ => return Err(Stop::Doubt),
            }
        }
    }
}

/// Whether a character between two tokens means nothing.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || matches!(character, '\u{feff}' | '\u{200b}')
}

/// Whether a byte may occur in a value without quotes. No quote of any kind and nothing that could begin a comment:
/// what lies between two of those is text.
const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b':')
}
