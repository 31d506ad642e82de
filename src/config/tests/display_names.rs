//! `display_name` of a platform.

use super::*;

#[test]
fn a_display_name_is_one_text_or_one_for_each_language() {
    let text = "[platform.a]\nrecords_from = 2025-07-01\ndisplay_name = { zh = \"甲\", en = \"Alpha\" }\n\
                [platform.b]\nrecords_from = 2025-07-01\ndisplay_name = \"B\"\n[platform.c]\nrecords_from = 2025-07-01\n";
    let config = with_files(&[("c.toml", text)]).unwrap();
    let names: Vec<(&str, &str, &str)> = config
        .display_names
        .iter()
        .map(|(code, name)| (code.as_str(), name.zh.as_str(), name.en.as_str()))
        .collect();
    assert_eq!(names, [("a", "甲", "Alpha"), ("b", "B", "B")]);
    // It changes no promise.
    let bare = with_files(&[("c.toml", "[platform.a]\nrecords_from = 2025-07-01\n")]).unwrap();
    assert_eq!(config.platforms.get("a"), bare.platforms.get("a"));
}

#[test]
fn a_wrong_display_name_is_a_problem() {
    for (value, says) in [
        ("7", "write it as a string"),
        ("\"\"", "must not be empty"),
        ("{ zh = \"甲\" }", "it has no `en`: add it"),
        ("{ zh = \"甲\", en = \"A\", fr = \"A\" }", "it has no key `fr`"),
        ("\"123456789012345678901234567890123\"", "at most 32 characters"),
    ] {
        let text = format!("[platform.a]\nrecords_from = 2025-07-01\ndisplay_name = {value}\n");
        expect(&problems(&text), &[("c.toml:3", says)]);
    }
}
