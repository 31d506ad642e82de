//! The answer that follows from a sealed rider-day.

use super::document::{Answer, Part, Stretch};
use crate::domain::verdict::Verdict;
use crate::domain::window::{Window, subtract, union_within};
use crate::seal::instant;

/// The answer about `asked`; `None` when a time has no text.
pub fn answer(asked: Window, cover: &[Window], undetermined: &[Window]) -> Option<Answer> {
    let covered = union_within(cover.iter().copied(), asked);
    let open: Vec<Window> = union_within(undetermined.iter().copied(), asked)
        .into_iter()
        .flat_map(|window| subtract(window, &covered))
        .collect();
    let known = [covered.as_slice(), &open].concat();
    let mut parts: Vec<(Window, Verdict)> = Vec::new();
    parts.extend(covered.into_iter().map(|window| (window, Verdict::Covered)));
    parts.extend(open.into_iter().map(|window| (window, Verdict::Undetermined)));
    parts.extend(subtract(asked, &known).into_iter().map(|window| (window, Verdict::NotCovered)));
    parts.sort_unstable();
    let has = |verdict| parts.iter().any(|(_, found)| *found == verdict);
    let verdict = match parts.as_slice() {
        [(_, first), rest @ ..] if rest.iter().all(|(_, verdict)| verdict == first) => *first,
        _ if has(Verdict::Undetermined) => Verdict::Undetermined,
        _ => Verdict::PartlyCovered,
    };
    let part = |(window, verdict): (Window, Verdict)| -> Option<Part> {
        let Stretch { from, until } = stretch(window)?;
        Some(Part { from, until, verdict: verdict.as_str().to_owned() })
    };
    let parts = parts.into_iter().map(part).collect::<Option<Vec<Part>>>()?;
    Some(Answer { verdict: verdict.as_str().to_owned(), parts })
}

/// A window in text; `None` when a time has none.
pub(super) fn stretch(window: Window) -> Option<Stretch> {
    Some(Stretch { from: instant::to_text(window.from)?, until: instant::to_text(window.until)? })
}

/// Windows in text.
pub(super) fn stretches(windows: &[Window]) -> Option<Vec<Stretch>> {
    windows.iter().map(|window| stretch(*window)).collect()
}
