use super::*;

fn shown(text: &str) -> String {
    Ident::new(text).to_string()
}

#[test]
fn what_cannot_be_seen_is_marked() {
    assert_eq!(shown("R1"), "R1");
    assert_eq!(shown("张 三"), "张 三");
    assert_eq!(shown(" R  1 "), "⟨␣⟩R⟨␣⟩⟨␣⟩1⟨␣⟩");
    for (c, name) in [
        ('\u{200b}', "U+200B"),
        ('\u{200d}', "U+200D"),
        ('\u{a0}', "U+00A0"),
        ('\u{202e}', "U+202E"),
        ('\u{2066}', "U+2066"),
        ('\u{feff}', "U+FEFF"),
        ('\u{ad}', "U+00AD"),
        ('\u{3000}', "U+3000"),
        ('\u{2003}', "U+2003"),
        ('\u{fe0f}', "U+FE0F"),
        ('\u{e0041}', "U+E0041"),
        ('\u{3164}', "U+3164"),
        ('\u{7}', "U+0007"),
    ] {
        assert_eq!(shown(&format!("R{c}1")), format!("R⟨{name}⟩1"));
    }
}

#[test]
fn what_is_typed_is_told_for_what_it_is() {
    assert_eq!(findings("骑手-7e2"), []);
    assert_eq!(findings(" R2"), [Finding::EdgeBlanks]);
    assert_eq!(findings("R2, R3"), [Finding::Several]);
    assert_eq!(findings("R\u{200b}2"), [Finding::Unseen(vec!["U+200B".to_owned()])]);
    assert_eq!(findings("Ｒ２"), [Finding::Width("２Ｒ".to_owned())]);
    assert_eq!(findings("Rene\u{301}"), [Finding::NotNfc]);
    assert_eq!(findings("RO0"), [Finding::EasilyConfused("0O".to_owned())]);
    let alike = |text: &str| match findings(text).as_slice() {
        [Finding::Lookalikes(letters), ..] => {
            letters.iter().map(|l| format!("{}>{}", l.script, l.looks_like)).collect::<Vec<_>>().join(" ")
        }
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(alike("Т\u{415}ST"), "Cyrillic>E Cyrillic>T");
    assert_eq!(alike("ΑB"), "Greek>A");
    assert_eq!(alike("Ꭱ7"), "Cherokee>R");
    assert_eq!(alike("Ӏ7"), "Cyrillic>I");
    for sign in ["O’7", "O‘7", "R‐7", "R−7", "R∕7"] {
        let found = findings(sign);
        assert!(
            found.iter().any(|found| matches!(found, Finding::SignsAlike(signs) if signs.len() == 1)),
            "{sign}"
        );
        assert!(!found.iter().any(|found| matches!(found, Finding::Lookalikes(_))), "{sign}: {found:?}");
    }
}

#[test]
fn what_may_have_been_meant_is_offered() {
    let meant = |text: &str| others(text).meant;
    assert_eq!(meant("R7"), Vec::<String>::new());
    assert_eq!(meant(" R7 "), ["R7"]);
    assert_eq!(meant("Ｒ７\u{200b}"), ["R7"]);
    assert_eq!(meant("\u{a0}R7\u{3000}"), ["R7"]);
    assert_eq!(meant("Rene\u{301}"), ["René"]);
    assert_eq!(meant("Т7"), ["T7"]);
    assert_eq!(meant("R½"), ["R1/2"]);
    assert!(others("René").forms.contains(&"Rene\u{301}".to_owned()));
    assert!(others("R7").forms.contains(&"Ｒ７".to_owned()));
    for (typed, other) in [("RO7", "R07"), ("R07", "RO7"), ("Rl7", "R17"), ("RI7", "Rl7"), ("ra", "RA")] {
        assert!(others(typed).confusable.contains(&other.to_owned()), "{typed}");
    }
}

#[test]
fn a_field_of_several_is_cut_at_blanks_and_commas() {
    assert_eq!(parts(" a b,c，d、e\r\nf\u{3000}g;h "), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(parts("a\u{a0}b"), ["a\u{a0}b"]);
}
