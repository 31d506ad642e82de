//! What can still be read of a refused record, without guessing.
//!
//! The strict scanner stops at the first defect; this reader goes past every defect that leaves certain which keys are
//! at the top of the record. A field is unreadable when its value holds the defect, when it is repeated with another
//! value, or when its name follows the place where the structure becomes doubtful. It runs on refused records only.

mod lexer;

use super::json::{Kind, Value};
use super::names::resembled;
use super::schema::NAMES;
use lexer::{Lenient, Lexer, Stop};

/// A known field as the record tells it.
#[derive(Clone, Copy, Debug)]
struct Slot<'a> {
    name: &'static str,
    /// The first value.
    value: Option<Value<'a>>,
    /// A value is defective, another one differs, or the name is where nothing is certain.
    is_unreadable: bool,
    /// A value other than `null` is there.
    is_given: bool,
    /// Whether it is given is open: one value is `null` and another is not, or a value cannot be read.
    is_given_open: bool,
    /// A key that resembles the name.
    misspelt: Option<Misspelt<'a>>,
}

/// A key that resembles the name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misspelt<'a> {
    /// The key as the record holds it, escapes not resolved.
    pub(super) key: &'a str,
    /// Bytes of the record before it.
    pub(super) at: usize,
}

/// Keys at the top of envelopes, in which an event is wrapped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EnvelopeKeys<'a> {
    pub(super) has_schema: bool,
    /// The value of `payload`.
    pub(super) payload: Option<&'a str>,
    /// `before` or `after`.
    pub(super) has_row: bool,
    pub(super) has_op: bool,
}

/// The fields of a refused record.
#[derive(Clone, Debug)]
pub(super) struct Salvaged<'a> {
    slots: [Slot<'a>; NAMES.len()],
    /// The object was read to its end and every key of it: what was not found is not there.
    is_whole: bool,
    pub(super) envelope: EnvelopeKeys<'a>,
}

impl<'a> Salvaged<'a> {
    /// Reads a record. One pass; nothing is read of what is not UTF-8 or has no object at its start.
    pub(super) fn of(record: &'a [u8]) -> Self {
        let slots = NAMES.map(|name| Slot {
            name,
            value: None,
            is_unreadable: false,
            is_given: false,
            is_given_open: false,
            misspelt: None,
        });
        let mut salvaged = Self { slots, is_whole: false, envelope: EnvelopeKeys::default() };
        let skipped = header_length(record);
        if let Some(text) = record.get(skipped..).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            salvaged.read(text, skipped);
        }
        salvaged
    }

    /// Reads the object of `text`, which follows `skipped` bytes of the record.
    fn read(&mut self, text: &'a str, skipped: usize) {
        let mut lexer = Lexer::new(text);
        lexer.blanks();
        if !lexer.takes(b'{') {
            return;
        }
        self.is_whole = true;
        loop {
            lexer.blanks();
            if lexer.takes(b',') {
                continue;
            }
            let start = lexer.at();
            if lexer.takes(b'}') {
                return self.behind_object(text.get(lexer.at()..).unwrap_or_default());
            }
            if self.field(&mut lexer, text, skipped).is_err() {
                return self.behind_doubt(text.get(start..).unwrap_or_default());
            }
        }
    }

    /// Reads a key and its value.
    fn field(&mut self, lexer: &mut Lexer<'a>, text: &'a str, skipped: usize) -> Result<(), Stop> {
        match lexer.peek() {
            Some(b'"') => {}
            Some(_) => return Err(Stop::Doubt),
            None => return Err(Stop::Cut),
        }
        let key_at = lexer.at() + 1;
        let key = lexer.string()?;
        let raw_key = text.get(key_at..lexer.at() - 1).unwrap_or_default();
        lexer.blanks();
        if !lexer.takes(b':') {
            return Err(Stop::Doubt);
        }
        lexer.blanks();
        let value = lexer.value()?;
        let Some(key) = key.text() else {
            // It may have been any of the fields that are not found.
            self.is_whole = false;
            return Ok(());
        };
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.name == key) {
            slot.put(value);
        } else if let Some(name) = resembled(&key) {
            let misspelt = Misspelt { key: raw_key, at: skipped + key_at };
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.name == name) {
                slot.misspelt.get_or_insert(misspelt);
            }
        } else {
            self.envelope.put(&key, value);
        }
        Ok(())
    }

    /// The object has ended: what follows it may be what its last brace cut off, or a second event.
    fn behind_object(&mut self, rest: &str) {
        if rest.contains('{') {
            self.slots.iter_mut().for_each(Slot::doubt);
        }
        // A name may be there in quotes of another kind, or in none.
        if rest.contains(['"', '{']) || self.slots.iter().any(|slot| rest.contains(slot.name)) {
            self.behind_doubt(rest);
        }
    }

    /// From here on nothing is certain: a field that is named here is not read from before either.
    fn behind_doubt(&mut self, rest: &str) {
        self.is_whole = false;
        // The letters and `_` of a name, written as escapes.
        let may_hide_names = ["\\u005", "\\u006", "\\u007"].iter().any(|escape| rest.contains(escape));
        for slot in &mut self.slots {
            if may_hide_names || names(rest, slot.name) {
                slot.doubt();
            }
        }
    }

    fn slot(&self, name: &str) -> Option<&Slot<'a>> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// The value of a field, absent where that is certain; `None` when it cannot be read.
    pub(super) fn value(&self, name: &str) -> Option<Value<'a>> {
        let slot = self.slot(name)?;
        match slot.value {
            _ if slot.is_unreadable => None,
            Some(value) => Some(value),
            None => (self.is_whole && slot.misspelt.is_none()).then_some(Value::ABSENT),
        }
    }

    /// Whether a field is given; `None` when that cannot be read.
    pub(super) fn is_given(&self, name: &str) -> Option<bool> {
        let slot = self.slot(name)?;
        if slot.is_given_open {
            return None;
        }
        if slot.is_given { Some(true) } else { self.value(name).map(|_| false) }
    }

    /// The key that resembles the name of a field that is not there.
    pub(super) fn misspelt(&self, name: &str) -> Option<Misspelt<'a>> {
        let slot = self.slot(name)?;
        slot.misspelt.filter(|_| slot.value.is_none() && !slot.is_unreadable)
    }
}

impl<'a> Slot<'a> {
    fn put(&mut self, value: Lenient<'a>) {
        let Lenient::Sound(value) = value else { return self.doubt() };
        let is_first = self.value.is_none();
        self.is_given_open |= !is_first && self.is_given != value.is_given();
        self.is_given |= value.is_given();
        if is_first {
            self.value = Some(value);
        } else if !self.is_unreadable {
            self.is_unreadable = !self.value.is_some_and(|first| is_same(first, value));
        }
    }

    fn doubt(&mut self) {
        (self.is_unreadable, self.is_given_open) = (true, true);
    }
}

impl<'a> EnvelopeKeys<'a> {
    fn put(&mut self, key: &str, value: Lenient<'a>) {
        match (key, value) {
            ("schema", _) => self.has_schema = true,
            ("payload", Lenient::Sound(value)) => self.payload = Some(value.raw),
            ("before" | "after", _) => self.has_row = true,
            ("op", _) => self.has_op = true,
            _ => {}
        }
    }
}

/// Whether two values of one key are the same. Texts whose lengths cannot agree are not unescaped, so that a key that
/// occurs many times costs no quadratic time.
fn is_same(first: Value<'_>, second: Value<'_>) -> bool {
    /// Bytes of the longest escape for one byte of text.
    const ESCAPE_BYTES_MAX: usize = 6;
    if first.raw == second.raw {
        return first.kind == second.kind;
    }
    let (shorter, longer) =
        if first.raw.len() < second.raw.len() { (first, second) } else { (second, first) };
    matches!(first.kind, Kind::Text | Kind::EscapedText)
        && longer.raw.len() <= shorter.raw.len() * ESCAPE_BYTES_MAX
        && first.text() == second.text()
}

/// The bytes of a schema registry's header, if an object follows it.
fn header_length(record: &[u8]) -> usize {
    match record {
        [0, _, _, _, _, b'{', ..] => 5,
        _ => 0,
    }
}

/// Whether `text` holds `name` as a word.
fn names(text: &str, name: &str) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_word(before) && !is_word(bytes.get(at + name.len()))
    })
}
