//! What is in memory of a log: where entries lie, who asked why, and which answers have changed. About 40 bytes an entry.

use super::asked::{Asked, OpenOrder};
use super::entry::{Content, Entry, Event};
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// Verdicts by their number in [`Located`]; 0 is none.
const VERDICTS: [&str; 5] = ["", "covered", "not_covered", "undetermined", "partly_covered"];

/// Where an entry lies, and what lists choose by.
#[derive(Clone, Copy, Debug)]
struct Located {
    segment: u32,
    at: u32,
    length: u32,
    /// Number of the principal's name.
    principal: u32,
    /// Number of the reason.
    reason: u32,
    kind: u8,
    verdict: u8,
}

/// Texts by number; 0 is the empty one.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(text.to_owned());
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }
}

/// A file of the log.
#[derive(Clone, Debug)]
pub(super) struct SegmentFacts {
    pub(super) path: PathBuf,
    /// The number and the instant of its last entry; the number before its first, while it has none.
    pub(super) last: u64,
    pub(super) last_at_ms: i64,
}

/// An answer that would now be another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAnswer {
    /// The entry that says so.
    pub entry: u64,
    /// The verdict that the question has now.
    pub verdict: String,
    /// What changed it.
    pub event: Event,
}

/// A logged question that can be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchable {
    /// The entry.
    pub number: u64,
    /// The commit of the state that answered.
    pub commit: u64,
    /// The time that it is about.
    pub window: Window,
    /// The identifiers.
    pub rider_ids: Vec<String>,
    /// The orders whose end may change the verdict.
    pub open_orders: Vec<OpenOrder>,
    /// The logged verdict.
    pub verdict: String,
    /// The verdict as of the newest entry about it.
    pub verdict_now: String,
    /// The first commit that is known to give it.
    pub commit_now: u64,
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<String>,
    /// Answers whose verdict would now differ.
    pub only_changed: bool,
    /// Of a token or account of this name.
    pub principal: Option<String>,
    /// Of this very principal: kind and name.
    pub own: Option<(String, String)>,
    /// With this reason or case number.
    pub reason: Option<String>,
    /// With a higher number.
    pub after: u64,
    /// So many at most.
    pub limit: usize,
}

/// Numbers that were wanted, and the one to continue after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Ascending.
    pub numbers: Vec<u64>,
    /// `None` at the end.
    pub next_after: Option<u64>,
}

/// The index.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The number before the first entry.
    before: u64,
    pub(super) segments: Vec<SegmentFacts>,
    entries: Vec<Located>,
    principals: Names,
    reasons: Names,
    changed: BTreeMap<u64, ChangedAnswer>,
    pub(super) settings: BTreeSet<String>,
    pub(super) access_through: u64,
    /// Files that retention removed.
    segments_dropped: u32,
}

fn principal_text(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

impl Index {
    /// An index that begins after an entry.
    pub(super) fn begin_after(&mut self, number: u64) {
        if self.entries.is_empty() {
            self.before = number;
        }
    }

    /// Takes an entry in, which lies in the last file.
    pub(super) fn add(&mut self, entry: &Entry, at: u64, length: usize) {
        let segment = u32::try_from(self.segments.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let segment = segment.saturating_add(self.segments_dropped);
        let mut located = Located {
            segment,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            length: u32::try_from(length).unwrap_or(u32::MAX),
            principal: 0,
            reason: 0,
            kind: number_of(&Content::KINDS, entry.content.kind()),
            verdict: 0,
        };
        match &entry.content {
            Content::Answer { principal, reason, verdict, .. } => {
                located.principal = self.principals.number(&principal_text(&principal.kind, &principal.name));
                located.reason = self.reasons.number(reason.as_deref().unwrap_or_default());
                located.verdict = number_of(&VERDICTS, verdict.as_deref().unwrap_or_default());
            }
            Content::Changed { answer, verdict, event } => self.change(entry.number, *answer, verdict, event),
            Content::Configuration { added, removed, .. } => {
                self.settings.retain(|line| !removed.contains(line));
                self.settings.extend(added.iter().cloned());
            }
            Content::Access { change, .. } => self.access_through = self.access_through.max(*change),
            Content::Retention { .. } | Content::BatchEnd { .. } => {}
        }
        self.entries.push(located);
        if let Some(last) = self.segments.last_mut() {
            (last.last, last.last_at_ms) = (entry.number, entry.at_ms);
        }
    }

    fn change(&mut self, entry: u64, answer: u64, verdict: &str, event: &Event) {
        if self.verdict(answer) == Some(verdict) {
            self.changed.remove(&answer);
        } else if answer > self.before {
            let changed = ChangedAnswer { entry, verdict: verdict.to_owned(), event: event.clone() };
            self.changed.insert(answer, changed);
        }
    }

    fn located(&self, number: u64) -> Option<&Located> {
        let at = number.checked_sub(self.before)?.checked_sub(1)?;
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The logged verdict of an answer.
    pub(super) fn verdict(&self, number: u64) -> Option<&'static str> {
        let verdict = self.located(number)?.verdict;
        VERDICTS.get(usize::from(verdict)).copied()
    }

    /// How an answer has changed.
    pub(super) fn changed(&self, number: u64) -> Option<&ChangedAnswer> {
        self.changed.get(&number)
    }

    /// Answers that would now be others.
    pub(super) fn changed_count(&self) -> usize {
        self.changed.len()
    }

    /// The file, place and length of an entry.
    pub(super) fn place(&self, number: u64) -> Option<(PathBuf, u64, usize)> {
        let located = self.located(number)?;
        let segment = located.segment.checked_sub(self.segments_dropped)?;
        let facts = self.segments.get(usize::try_from(segment).ok()?)?;
        Some((facts.path.clone(), u64::from(located.at), usize::try_from(located.length).ok()?))
    }

    /// The number of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.before.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// The number of the first entry.
    pub(super) const fn first(&self) -> u64 {
        self.before.saturating_add(1)
    }

    /// The numbers that a filter wants.
    pub(super) fn list(&self, filter: &Filter) -> Listed {
        let wanted = Wanted::of(self, filter);
        let mut listed = Listed::default();
        let mut take = |number: u64| {
            if listed.numbers.len() >= filter.limit {
                listed.next_after = listed.numbers.last().copied();
                return false;
            }
            listed.numbers.push(number);
            true
        };
        let is_wanted = |number: u64| self.located(number).is_some_and(|located| wanted.holds(located));
        if filter.only_changed {
            let after = filter.after.saturating_add(1);
            let mut numbers = self.changed.range(after..).map(|(number, _)| *number);
            let _all = numbers.all(|number| !is_wanted(number) || take(number));
            return listed;
        }
        let first = filter.after.saturating_add(1).max(self.first());
        let _all = (first..=self.last()).all(|number| !is_wanted(number) || take(number));
        listed
    }

    /// Forgets the entries up to a number, and the first files, which hold them.
    pub(super) fn drop_through(&mut self, number: u64, files: usize) {
        let count = usize::try_from(number.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.entries.drain(..count.min(self.entries.len()));
        self.segments.drain(..files.min(self.segments.len()));
        self.segments_dropped =
            self.segments_dropped.saturating_add(u32::try_from(files).unwrap_or(u32::MAX));
        self.before = self.before.max(number);
        self.changed = self.changed.split_off(&self.first());
    }
}

fn number_of(all: &[&str], text: &str) -> u8 {
    let at = all.iter().position(|name| *name == text).unwrap_or(0);
    u8::try_from(at).unwrap_or(0)
}

/// A filter in numbers.
struct Wanted {
    kind: Option<u8>,
    /// Only answers to this principal; `None` = to any.
    principals: Option<Vec<u32>>,
    /// `None`: whatever; `Some(None)`: a reason that nothing has.
    reason: Option<Option<u32>>,
}

impl Wanted {
    fn of(index: &Index, filter: &Filter) -> Self {
        let of_name = |name: &String| {
            let kinds = ["token", "account", "loopback"];
            let numbers = kinds.iter().filter_map(|kind| index.principals.find(&principal_text(kind, name)));
            numbers.collect::<Vec<_>>()
        };
        let own = filter.own.as_ref();
        let own = own.map(|(kind, name)| index.principals.find(&principal_text(kind, name)));
        let principals = match (filter.principal.as_ref().map(of_name), own) {
            (named, None) => named,
            (None, Some(own)) => Some(own.into_iter().collect()),
            (Some(named), Some(own)) => {
                Some(named.into_iter().filter(|number| Some(*number) == own).collect())
            }
        };
        Self {
            kind: filter.kind.as_deref().map(|kind| number_of(&Content::KINDS, kind)),
            principals,
            reason: filter.reason.as_deref().map(|reason| index.reasons.find(reason)),
        }
    }

    fn holds(&self, located: &Located) -> bool {
        self.kind.is_none_or(|kind| kind == located.kind)
            && self.principals.as_ref().is_none_or(|numbers| numbers.contains(&located.principal))
            && self.reason.is_none_or(|reason| reason == Some(located.reason))
    }
}

/// What can be asked again of an entry; `None` where time changes nothing.
pub(super) fn watchable(entry: &Entry) -> Option<Watchable> {
    let Content::Answer { question: Asked::Coverage(asked), verdict, commit, open_orders, .. } =
        &entry.content
    else {
        return None;
    };
    // What was known then does not change.
    if asked.known_at.is_some() {
        return None;
    }
    let verdict = verdict.clone()?;
    Some(Watchable {
        number: entry.number,
        commit: *commit,
        window: asked.window(),
        rider_ids: asked.rider_id.clone(),
        open_orders: open_orders.clone(),
        verdict_now: verdict.clone(),
        commit_now: *commit,
        verdict,
    })
}
