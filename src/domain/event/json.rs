//! A strict JSON scanner for one record: borrowed, single pass, without recursion and without allocation.
//!
//! It knows the grammar of RFC 8259 and nothing about orders. It refuses what `serde_json` refuses: lone surrogate
//! escapes, raw control characters in strings and nesting deeper than 127 levels.

use super::escape::{resolve_escape, unescape};
use std::borrow::Cow;

/// How deep values may nest below the object of the record.
const NESTING_MAX: u32 = 126;

const ONES: u64 = 0x0101_0101_0101_0101;
const LOWS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// What a value is.
///
/// As wide as a word: a value has no padding then, and is copied by words (a byte beside padding stalls the copy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    /// The key is not there.
    Absent,
    /// `null`: the key is there, the field is not.
    Null,
    /// A string without escapes.
    Text,
    /// A string with valid escapes.
    EscapedText,
    /// A number.
    Number,
    /// `true`, `false`, an array or an object.
    Other,
}

/// A value as the record holds it: strings without their quotes, escapes not yet resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) kind: Kind,
    pub(super) raw: &'a str,
}

impl<'a> Value<'a> {
    pub(super) const ABSENT: Self = Self { kind: Kind::Absent, raw: "" };

    /// Whether the field has a value (`null` counts as absent).
    pub(super) const fn is_given(&self) -> bool {
        !matches!(self.kind, Kind::Absent | Kind::Null)
    }

    /// The text of a string without escapes.
    pub(super) fn plain(&self) -> Option<&'a str> {
        (self.kind == Kind::Text).then_some(self.raw)
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::Text => Some(Cow::Borrowed(self.raw)),
            Kind::EscapedText => Some(Cow::Owned(unescape(self.raw))),
            _ => None,
        }
    }
}

/// The first place where a record stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Bytes before that place.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) what: &'static str,
}

/// A position in a record.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte, not yet taken.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past a byte that was peeked.
    pub(super) fn take(&mut self) {
        self.at += 1;
    }

    /// Goes past `expected` if it is here. Inlined, so that the length of a constant is known to the comparison.
    #[inline(always)]
    pub(super) fn takes(&mut self, expected: &[u8]) -> bool {
        let matches = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(expected));
        if matches {
            self.at += expected.len();
        }
        matches
    }

    /// Goes past white space where there is mostly none: one comparison then.
    #[inline]
    pub(super) fn little_space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.space();
        }
    }

    /// An error here.
    #[cold]
    pub(super) fn fail<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    /// Goes past white space.
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// A key with its colon and the white space around it; ends at the value.
    pub(super) fn key(&mut self) -> Result<Value<'a>, Malformed> {
        if self.peek() != Some(b'"') {
            return self.fail("a key in quotes is expected here");
        }
        self.at += 1;
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("a colon is expected here");
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Any value.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        if self.peek() == Some(b'"') {
            self.at += 1;
            self.string()
        } else {
            self.value_but_string()
        }
    }

    #[inline(never)]
    fn value_but_string(&mut self) -> Result<Value<'a>, Malformed> {
        if let Some(b'{' | b'[') = self.peek() { self.nested() } else { self.scalar() }
    }

    /// A number or a literal.
    fn scalar(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b'n') => self.literal("null", Kind::Null)?,
            Some(b't') => self.literal("true", Kind::Other)?,
            Some(b'f') => self.literal("false", Kind::Other)?,
            _ => return self.fail("a value is expected here"),
        };
        Ok(self.since(start, kind))
    }

    fn since(&self, start: usize, kind: Kind) -> Value<'a> {
        Value { kind, raw: self.text.get(start..self.at).unwrap_or_default() }
    }

    fn literal(&mut self, name: &'static str, kind: Kind) -> Result<Kind, Malformed> {
        if !self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(name.as_bytes())) {
            return self.fail("a value is expected here");
        }
        self.at += name.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Malformed> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail("a digit is expected here");
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// The rest of a string whose opening quote was taken.
    // Inlined where it is called, so that the processor learns how long each field is.
    #[inline(always)]
    fn string(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        self.at = next_special(self.text.as_bytes(), start);
        if self.peek() != Some(b'"') {
            return self.string_with_escapes(start);
        }
        let value = self.since(start, Kind::Text);
        self.at += 1;
        Ok(value)
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Result<Value<'a>, Malformed> {
        loop {
            self.at = next_special(self.text.as_bytes(), self.at);
            match self.peek() {
                Some(b'"') => {
                    let value = self.since(start, Kind::EscapedText);
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fail("a control character is in a string"),
                None => return self.fail("a string does not end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        match resolve_escape(rest) {
            Some((_, length)) => {
                self.at += length;
                Ok(())
            }
            None => self.fail("no such escape"),
        }
    }

    /// An array or an object, checked and skipped.
    fn nested(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        let mut open = Nesting::default();
        loop {
            let is_object = match self.peek() {
                Some(b'{') => true,
                Some(b'[') => false,
                Some(b'"') => {
                    self.at += 1;
                    self.string()?;
                    if self.close(&mut open)? {
                        return Ok(self.since(start, Kind::Other));
                    }
                    continue;
                }
                _ => {
                    self.scalar()?;
                    if self.close(&mut open)? {
                        return Ok(self.since(start, Kind::Other));
                    }
                    continue;
                }
            };
            if !open.push(is_object) {
                return self.fail("values nest too deeply");
            }
            self.at += 1;
            self.space();
            if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                self.at += 1;
                open.pop();
                if self.close(&mut open)? {
                    return Ok(self.since(start, Kind::Other));
                }
            } else if is_object {
                self.key()?;
            }
        }
    }

    /// After a value inside arrays and objects: closes what ends here and continues with the next value. True when
    /// everything is closed.
    fn close(&mut self, open: &mut Nesting) -> Result<bool, Malformed> {
        while let Some(in_object) = open.innermost_is_object() {
            self.space();
            match (self.peek(), in_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    self.space();
                    if in_object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    open.pop();
                }
                _ => return self.fail("a comma or the end is expected here"),
            }
        }
        Ok(true)
    }
}

/// Which of the open arrays and objects are objects, one bit a level, the innermost lowest.
#[derive(Default)]
struct Nesting {
    depth: u32,
    objects: u128,
}

impl Nesting {
    fn push(&mut self, is_object: bool) -> bool {
        if self.depth >= NESTING_MAX {
            return false;
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(is_object);
        true
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
    }

    fn innermost_is_object(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.objects & 1 == 1)
    }
}

/// The first `"`, `\` or control character at or after `from`, or the length; eight bytes at a time.
#[inline(always)]
pub(super) fn next_special(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_be_bytes(*chunk);
        // Exact for every byte (no borrow between them): the high bit is set where the byte is ordinary.
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let not_quote = ((quote & LOWS) + LOWS) | quote;
        let not_backslash = ((backslash & LOWS) + LOWS) | backslash;
        let not_control = ((word & LOWS) + ONES * 0x60) | word;
        let special = !(not_quote & not_backslash & not_control) & HIGHS;
        if special != 0 {
            return at + (special.leading_zeros() >> 3) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20).unwrap_or(rest.len())
}
