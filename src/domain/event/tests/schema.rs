//! The schemas agree with the contract, and with each other.

use super::super::schema::{KIND, NAMES, SCHEMAS};
use super::verdict;

/// The rows of the contract's table of fields: the name, and whether a record may leave it out.
fn contract() -> Vec<(&'static str, bool)> {
    let text = include_str!("../../../../docs/contract.md");
    let (_, table) = text.split_once("| field | type | rule |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let name = row.split('`').nth(1).unwrap();
        (name, row.contains("string, optional |") || row.contains("| 0 when absent;"))
    })
    .collect()
}

#[test]
fn the_schema_of_orders_is_the_table_of_the_contract() {
    let order: Vec<(&str, bool)> =
        SCHEMAS[0].fields.iter().map(|field| (field.name, field.is_optional)).collect();
    assert_eq!(order, contract());
}

#[test]
fn every_kind_has_its_own_name_and_says_where_it_stands() {
    for (place, schema) in SCHEMAS.iter().enumerate() {
        assert!(SCHEMAS[..place].iter().all(|other| other.kind != schema.kind));
        assert!(schema.fields.iter().any(|field| field.name == KIND.name), "{}", schema.kind);
        // What only the default kind may leave out.
        let is_optional = schema.fields.iter().any(|field| field.name == KIND.name && field.is_optional);
        assert_eq!(is_optional, place == 0, "{}", schema.kind);
    }
}

#[test]
fn every_field_has_one_place() {
    let mut listed: Vec<&str> =
        SCHEMAS.iter().flat_map(|schema| schema.fields).map(|field| field.name).collect();
    listed.sort_unstable();
    listed.dedup();
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(names, listed);
}

#[test]
fn an_unknown_kind_is_told_which_there_are() {
    let (reason, detail) = verdict(&[("kind", "\"refund\"")]);
    assert_eq!(reason, "unknown_kind");
    assert!(detail.ends_with(": is neither `order` nor `complete`"), "{detail}");
}
