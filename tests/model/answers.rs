//! Answers are logged on the way, and after each commit those whose verdict would now differ are exactly those that a naive model
//! finds by asking all of them again.

use super::drive::Drive;
use super::event::{DAY, HOUR, MINUTE};
use super::world::RIDERS;
use crate::testkit::random::Random;
use coverledger::access::{Principal, Role, check_scope};
use coverledger::answers::{
    AnswerLog, Asked, Content, CoverageAsked, Digest, Draft, Filter, LogTerms, OpenOrder, PrincipalLine,
};
use coverledger::app::answer_watch::AnswerWatch;
use coverledger::coverage::Terms;
use coverledger::coverage::answer::Answer;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::resolve;
use coverledger::coverage::scoped_view::ScopedView;
use coverledger::domain::time::UtcMillis;
use coverledger::domain::view::{KnownAt, LedgerView};
use coverledger::domain::window::Window;
use coverledger::ledger::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tempfile::TempDir;

/// Of so many histories one logs answers: each log is made durable again and again.
const EVERY: u64 = 4;
/// Answers after a commit.
const ANSWERS: usize = 6;

/// An answer that was logged.
struct Given {
    principal: PrincipalLine,
    question: Question,
    verdict: String,
    commit: u64,
}

/// The answers of a history.
pub(crate) struct LoggedAnswers {
    dir: TempDir,
    random: Random,
    given: BTreeMap<u64, Given>,
    open: Option<(AnswerLog, AnswerWatch, Vec<JoinHandle<()>>)>,
}

impl LoggedAnswers {
    /// Of a history that logs answers.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        let dir = seed.is_multiple_of(EVERY).then(|| TempDir::new().unwrap())?;
        Some(Self { dir, random: Random::new(seed.wrapping_add(77)), given: BTreeMap::new(), open: None })
    }

    fn question(&mut self, platforms: &[String], now: i64) -> Question {
        let count = if self.random.percent(20) { 2 } else { 1 };
        let riders: Vec<String> = (0..count).map(|_| (*self.random.pick(&RIDERS)).to_owned()).collect();
        let from = self.random.between(now - 5 * DAY, now + 2 * HOUR);
        let window = |length: i64| Window::new(UtcMillis::new(from), UtcMillis::new(from + length));
        let when = match self.random.below(4) {
            0 => When::Minute(window(MINUTE)),
            1 => When::Interval(window(self.random.between(1, 12 * DAY))),
            _ => When::Instant(UtcMillis::new(from)),
        };
        let narrowed = self.random.percent(25).then(|| vec![self.random.pick(platforms).clone()]);
        Question::about(riders, when).unwrap().with_platforms(narrowed.unwrap_or_default()).unwrap()
    }

    fn principal(&mut self, platforms: &[String]) -> PrincipalLine {
        let (role, platform, regions) = match self.random.below(4) {
            0 => (Role::Platform, Some(self.random.pick(platforms).as_str()), Vec::new()),
            1 => (Role::Claims, None, vec!["31".to_owned(), "4401".to_owned()]),
            _ => return PrincipalLine::of(&Principal::loopback()),
        };
        let scope = check_scope(role, platform, &regions).unwrap();
        let mut line = PrincipalLine::of(&Principal { scope, role, ..Principal::loopback() });
        (line.name, line.kind) = ("somebody".to_owned(), "token".to_owned());
        line
    }
}

impl Drive {
    /// A process opens the log.
    pub(crate) fn open_answers(&mut self) {
        let Some(answers) = &mut self.answers else { return };
        let terms = LogTerms { name: "main".to_owned(), retention_ms: None };
        let (log, worker, preparer) = AnswerLog::open(answers.dir.path(), terms).unwrap();
        let start = |work: Box<dyn FnOnce() + Send>| Builder::new().spawn(work).unwrap();
        let threads = vec![start(Box::new(|| worker.run())), start(Box::new(|| preparer.run()))];
        let watch = AnswerWatch::new(log.clone(), self.config.platforms.clone(), self.config.zone.clone());
        answers.open = Some((log, watch, threads));
    }

    /// The process ends, in good order or not.
    pub(crate) fn close_answers(&mut self) {
        let Some(answers) = &mut self.answers else { return };
        let Some((log, mut watch, threads)) = answers.open.take() else { return };
        match answers.random.below(3) {
            0 => watch.finish().unwrap(),
            1 => drop(std::fs::remove_file(log.file("checked"))),
            _ => {}
        }
        drop((log, watch));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    /// After a commit: logged answers are looked at, and more are given.
    pub(crate) fn answers_follow(&mut self) {
        let (newest, now) = (self.ledger().published().current(), self.now);
        let Some(mut answers) = self.answers.take() else { return };
        let Some((log, mut watch, threads)) = answers.open.take() else { return };
        // Now and then several commits are looked at together.
        if answers.random.percent(80) {
            let asked = watch.step(&newest, UtcMillis::new(now)).unwrap();
            self.shown.count("logged answers asked again", u64::try_from(asked).unwrap());
            self.compare_changed(&log, &answers, &newest);
        }
        let platforms =
            newest.completeness().platforms_known(&self.config.platforms, newest.platforms_stored());
        for _ in 0..ANSWERS {
            let (question, principal) = (answers.question(&platforms, now), answers.principal(&platforms));
            let answer = self.ask_as(&newest, &principal, &question);
            let commit = newest.as_of().commit;
            let verdict = answer.verdict.as_str().to_owned();
            let content = Content::Answer {
                principal: principal.clone(),
                reason: None,
                question: Asked::Coverage(CoverageAsked::of(&question, None)),
                status: 200,
                verdict: Some(verdict.clone()),
                commit,
                body_sha256: Some(Digest::default()),
                open_orders: OpenOrder::of(&answer.open_near),
            };
            let logged = log.append_blocking(Draft { at: UtcMillis::new(now), content }).unwrap();
            answers.given.insert(logged.number, Given { principal, question, verdict, commit });
        }
        answers.open = Some((log, watch, threads));
        self.answers = Some(answers);
    }

    /// An answer as a principal sees it.
    fn ask_as(&self, state: &Arc<Snapshot>, principal: &PrincipalLine, question: &Question) -> Answer {
        let platforms = state.earlier_promises().unwrap_or(&self.config.platforms);
        let scope = principal.scope().unwrap();
        let own = scope.platform().map(|name| platforms.only(name));
        let view = ScopedView::new(Arc::clone(state), &scope, platforms);
        let terms = Terms { platforms: own.as_ref().unwrap_or(platforms), zone: &self.config.zone };
        resolve(&view, terms, question).unwrap()
    }

    fn compare_changed(&mut self, log: &AnswerLog, answers: &LoggedAnswers, newest: &Arc<Snapshot>) {
        let mut expected = BTreeMap::new();
        for (number, given) in &answers.given {
            let verdict = self.ask_as(newest, &given.principal, &given.question).verdict.as_str();
            if verdict != given.verdict {
                expected.insert(*number, verdict.to_owned());
            }
        }
        let filter = Filter { only_changed: true, limit: usize::MAX, ..Filter::default() };
        let listed = log.list(&filter).numbers;
        let told: BTreeMap<u64, String> =
            listed.iter().map(|number| (*number, log.changed(*number).unwrap().verdict)).collect();
        if told != expected {
            for number in told.keys().chain(expected.keys()) {
                let Given { principal, question, verdict, commit } = &answers.given[number];
                let (was, now) = (told.get(number), expected.get(number));
                println!(
                    "{number} of commit {commit}: {principal:?} {question:?} {verdict}: told {was:?}, asked {now:?}"
                );
            }
            panic!(
                "answers that differ as of commit {}: told {told:?}, asked again {expected:?}",
                newest.as_of().commit
            );
        }
        self.shown.count("logged answers changed", u64::try_from(told.len()).unwrap());
        self.check_events(log, answers, newest, &listed);
    }

    /// The commit that is named for a change is one since which the verdict is the other one, and right before which it was not.
    fn check_events(
        &mut self,
        log: &AnswerLog,
        answers: &LoggedAnswers,
        newest: &Arc<Snapshot>,
        changed: &[u64],
    ) {
        for number in changed {
            let (given, changed) = (&answers.given[number], log.changed(*number).unwrap());
            let commit = changed.event.commit();
            assert!(given.commit < commit && commit <= newest.as_of().commit, "{changed:?}");
            let at = |commit: u64| {
                let state = Arc::new(newest.known_at(KnownAt::Commit(commit)).unwrap());
                self.ask_as(&state, &given.principal, &given.question).verdict.as_str()
            };
            assert_eq!(at(commit), changed.verdict, "{number}: {changed:?}");
            assert_ne!(at(commit - 1), changed.verdict, "{number}: {changed:?}");
        }
    }
}
