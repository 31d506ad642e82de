//! Events that come after their time was settled.

use super::*;

#[test]
fn late_is_what_adds_cover_to_settled_time() {
    let platforms = platforms(&["t"]);
    let mut state = Completeness::default();
    state.platform_mut("p").complete_through = Some(at(1_000));
    let line = PlatformFinality::new("p", &state, &platforms, CoverMargins::default());
    let none = Told::default();
    assert!(!is_late(&line, &order(900, Some(1_000)), none), "settled is only what lies before 900");
    assert!(is_late(&line, &order(900, Some(999)), none), "everything before 1000 was said to be there");
    assert!(is_late(&line, &order(899, Some(1_000)), none), "899 was settled");
    assert!(is_late(&line, &order(999, None), none));
    assert!(!is_late(&line, &order(1_000, None), none));
    let mut previous = order(500, Some(800));
    let told = Told { previous: Some(&previous), other_phase: None, kept_open: &[] };
    assert!(!is_late(&line, &order(500, Some(800)), told), "nothing is added");
    assert!(!is_late(&line, &order(600, Some(700)), told));
    assert!(is_late(&line, &order(500, Some(801)), told));
    previous.rider_id = "S".to_owned();
    let told = Told { previous: Some(&previous), other_phase: None, kept_open: &[] };
    assert!(is_late(&line, &order(600, Some(700)), told), "it covers another rider now");
    let open = order(850, None);
    let told = Told { previous: None, other_phase: Some(&open), kept_open: &[] };
    assert!(!is_late(&line, &order(850, Some(1_100)), told), "the open order kept it open");
    assert!(is_late(&line, &order(849, Some(1_100)), told));
    let ended = order(850, Some(950));
    assert!(is_late(&line, &ended, told), "its end was due before 1000");
    let in_time = [Window::new(at(900), at(1_000))];
    assert!(!is_late(&line, &ended, Told { kept_open: &in_time, ..told }), "a version of it came in time");
    let too_short = [Window::new(at(850), at(949))];
    assert!(is_late(&line, &ended, Told { kept_open: &too_short, ..told }), "949 was not kept open");
    assert!(is_late(&line, &ended, Told { kept_open: &in_time, ..none }), "850 was settled");
    let known = order(850, Some(880));
    let told = Told { previous: Some(&known), other_phase: Some(&open), kept_open: &[] };
    assert!(
        is_late(&line, &order(850, Some(1_000)), told),
        "the open order came after its end: 880 was settled"
    );
    let ended = order(850, Some(900));
    let told = Told { previous: None, other_phase: Some(&ended), kept_open: &[] };
    assert!(!is_late(&line, &order(850, None), told), "its end is known already");
    let unknown = PlatformFinality::new("q", &state, &platforms, CoverMargins::default());
    assert!(!is_late(&unknown, &order(1, Some(2)), none));
}
