//! The usual world, whose platforms have names for people.

use super::world::*;
use crate::domain::platform::DisplayName;
use crate::http::HttpState;
use std::collections::BTreeMap;

pub(super) fn display_names() -> BTreeMap<String, DisplayName> {
    let names = [("dada", "达达", "Dada"), ("meituan", "美团", "Meituan")];
    let name = |(code, zh, en): (&str, &str, &str)| {
        (code.to_owned(), DisplayName { zh: zh.to_owned(), en: en.to_owned() })
    };
    names.map(name).into()
}

pub(super) fn named() -> HttpState<World> {
    state().with_display_names(display_names())
}
