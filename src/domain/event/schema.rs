//! The kinds of events that the contract knows: what each schema says of its kind, and the list of them.
//!
//! Everything else in this folder serves all kinds alike. A new kind is a file beside [`order`], a line in [`SCHEMAS`] and a
//! variant of [`Event`].

use super::EventRules;
use super::check::{self, Fault};
use super::fields::Fields;
use super::salvage::Salvaged;
use super::{Event, complete, order};
use crate::domain::reject::{Readable, Reason};
use std::borrow::Cow;

/// One kind of event.
pub(super) struct Schema {
    /// The value of `kind` in its records.
    pub(super) kind: &'static str,
    /// Every field that its records may have, in the order of the contract's table.
    pub(super) fields: &'static [FieldSpec],
    /// Judges a record of the kind: every rule in the order of checks, so that a refusal names the first one broken.
    pub(super) decode: for<'a> fn(&Fields<'a>, &EventRules) -> Result<Event<'a>, Fault<'a>>,
    /// Whether a refused record may hold an event of the kind although it names another.
    pub(super) may_be_in: fn(&Salvaged<'_>) -> bool,
    /// What a refused record of the kind still says, and thereby whom it concerns.
    pub(super) readable: fn(&Salvaged<'_>, &EventRules) -> Readable,
}

/// Every kind. The first is [`DEFAULT`]: its fields come first wherever fields of several kinds are searched.
pub(super) const SCHEMAS: &[Schema] = &[order::SCHEMA, complete::SCHEMA];

/// The kind of a record that names none. Nearly every record is of it, so it alone has a fast path: [`scan_in_order`] reads its
/// fields where they stand in the order of its table, [`decode_ordinary`] judges what is in no way unusual.
pub(super) const DEFAULT: Schema = order::SCHEMA;
pub(super) use order::{decode_ordinary, scan_in_order};

/// A field as the schema of a kind lists it.
pub(super) struct FieldSpec {
    pub(super) name: &'static str,
    /// A record without the field is valid: misspelt, it goes unnoticed and changes what is booked.
    pub(super) is_optional: bool,
}

/// A field: its name, and its place among the values of a record.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) place: usize,
}

impl Field {
    /// The field of that name. For constants: a name that no schema lists does not compile.
    pub(super) const fn named(name: &'static str) -> Self {
        match place_of(&NAMES, name) {
            Some(place) => Self { name, place },
            None => panic!("no schema lists this field"),
        }
    }
}

/// The field that says which kind a record is; every schema lists it.
pub(super) const KIND: Field = Field::named("kind");

/// The name of every field of every kind, each once.
pub(super) const NAMES: [&str; NAME_COUNT] = {
    let mut names = [""; NAME_COUNT];
    collect(&mut names);
    names
};

/// More names than there are, while the compiler counts them.
const NAMES_MAX: usize = 64;

const NAME_COUNT: usize = collect(&mut [""; NAMES_MAX]);

/// Writes the names of all fields to the start of `names`; returns how many there are.
const fn collect(names: &mut [&'static str]) -> usize {
    let mut count = 0;
    let mut schemas = SCHEMAS;
    while let [schema, other_schemas @ ..] = schemas {
        let mut fields = schema.fields;
        while let [field, other_fields @ ..] = fields {
            if place_of(names, field.name).is_none() {
                let (_, free) = names.split_at_mut(count);
                match free {
                    [place, ..] => *place = field.name,
                    [] => panic!("there are more names than NAMES_MAX"),
                }
                count += 1;
            }
            fields = other_fields;
        }
        schemas = other_schemas;
    }
    count
}

/// Where `name` stands among `names`.
const fn place_of(names: &[&str], name: &str) -> Option<usize> {
    let mut rest = names;
    while let [first, others @ ..] = rest {
        if is_same(first.as_bytes(), name.as_bytes()) {
            return Some(names.len() - rest.len());
        }
        rest = others;
    }
    None
}

const fn is_same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) {
        if *first_a != *first_b {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty() && b.is_empty()
}

/// Declares the fields of a kind, in the order of the contract's table: a constant for each, and `FIELDS`, the list for
/// its schema. With `scan_in_order` also the function of that name, which reads the fields of a record for as long as they stand
/// in this order: an expected key costs one comparison.
macro_rules! fields {
    ($($constant:tt = $name:literal $presence:ident;)*) => {
        $(const $constant: Field = Field::named($name);)*
        const FIELDS: &[FieldSpec] = &[
            $(FieldSpec { name: $name, is_optional: $crate::domain::event::schema::is_optional!($presence) },)*
        ];
    };
    (scan_in_order; $($constant:tt = $name:literal $presence:ident;)*) => {
        $crate::domain::event::schema::fields! { $($constant = $name $presence;)* }

        #[inline]
        pub(super) fn scan_in_order<'a>(
            fields: &mut Fields<'a>,
            scanner: &mut Scanner<'a>,
        ) -> Result<Next, Malformed> {
            $(
                if scanner.takes(concat!("\"", $name, "\":").as_bytes()) {
                    fields.put_expected($constant, scanner)?;
                    if scanner.peek() != Some(b',') {
                        return Ok(Next::Separator);
                    }
                    scanner.take();
                    scanner.little_space();
                }
            )*
            Ok(Next::Key)
        }
    };
}

macro_rules! is_optional {
    (optional) => {
        true
    };
    (required) => {
        false
    };
}

pub(super) use {fields, is_optional};

/// Judges a record by the schema of its kind.
pub(super) fn decode<'a>(fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Fault<'a>> {
    let kind = fields.named(KIND);
    if !kind.1.is_given() {
        return (DEFAULT.decode)(fields, rules);
    }
    let name = check::string(kind)?;
    match of_kind(&name) {
        Some(schema) => (schema.decode)(fields, rules),
        None => {
            let what = Cow::Owned(no_kind());
            Err(Fault { reason: Reason::UnknownKind, field: KIND.name, value: kind.1, what })
        }
    }
}

/// What can still be read of a refused record. It counts as one of the kind that it names only where it can be of no other:
/// the name may be what is wrong with it.
pub(super) fn readable(salvaged: &Salvaged<'_>, rules: &EventRules) -> Readable {
    let kind = salvaged.value(KIND.name).and_then(|kind| kind.text());
    let named = kind.and_then(|kind| of_kind(&kind)).unwrap_or(&DEFAULT);
    let is_certain = !SCHEMAS.iter().any(|other| other.kind != named.kind && (other.may_be_in)(salvaged));
    let schema = if is_certain { named } else { &DEFAULT };
    (schema.readable)(salvaged, rules)
}

/// The optional fields of all kinds.
pub(super) fn optional_fields() -> impl Iterator<Item = &'static str> {
    let fields = SCHEMAS.iter().flat_map(|schema| schema.fields);
    fields.filter(|field| field.is_optional).map(|field| field.name)
}

fn of_kind(kind: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.kind == kind)
}

/// What is wrong with an unknown kind: "is neither `a` nor `b`", "is none of `a`, `b`, `c`".
fn no_kind() -> String {
    let kinds: Vec<&str> = SCHEMAS.iter().map(|schema| schema.kind).collect();
    match kinds.as_slice() {
        [a, b] => format!("is neither `{a}` nor `{b}`"),
        kinds => format!("is none of `{}`", kinds.join("`, `")),
    }
}
