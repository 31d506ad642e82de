//! The log as files: what is acknowledged stays, what is damaged is found and named, what a crash tears is cut off.

mod damage;
mod faults;

use super::asked::*;
use super::entry::*;
use super::index::Filter;
use super::log::{AnswerLog, LogTerms};
use super::segment::Disk;
use super::*;
use crate::access::Principal;
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::wait::poll_until;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;

/// A log with its thread, as a service has it.
struct Running {
    log: AnswerLog,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn open(answers: &Path) -> AnswerLogResult<Self> {
        Self::with(answers, "main", None, Disk::default())
    }

    fn with(answers: &Path, name: &str, retention_ms: Option<i64>, disk: Disk) -> AnswerLogResult<Self> {
        let terms = LogTerms { name: name.to_owned(), retention_ms };
        let (log, worker, preparer) = AnswerLog::open_on(answers, terms, disk)?;
        let start = |work: Box<dyn FnOnce() + Send>| Builder::new().spawn(work).unwrap();
        let threads = vec![start(Box::new(|| worker.run())), start(Box::new(|| preparer.run()))];
        Ok(Self { log, threads })
    }

    fn append(&self, draft: Draft) -> AnswerLogResult<u64> {
        self.log.append_blocking(draft).map(|logged| logged.number)
    }

    fn close(self) {
        drop(self.log);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn answer(rider: &str, reason: Option<&str>, at_ms: i64) -> Draft {
    let asked = CoverageAsked {
        rider_id: vec![rider.to_owned()],
        time: TimeForm::Instant,
        from_ms: 1_000,
        until_ms: 1_001,
        platform: None,
        reference: None,
        known_at: None,
    };
    let content = Content::Answer {
        principal: PrincipalLine::of(&Principal::loopback()),
        reason: reason.map(str::to_owned),
        question: Asked::Coverage(asked),
        status: 200,
        verdict: Some("not_covered".to_owned()),
        commit: 7,
        body_sha256: Some(Digest::of(rider.as_bytes())),
        open_orders: vec![OpenOrder { platform: "dada".to_owned(), order_id: "中 1".to_owned(), leg: 2 }],
    };
    Draft { at: UtcMillis::new(at_ms), content }
}

fn changed(answer: u64, verdict: &str) -> Draft {
    let event = Event::Completeness { platforms: vec!["dada".to_owned()], commit: 9 };
    Draft { at: UtcMillis::new(5), content: Content::Changed { answer, verdict: verdict.to_owned(), event } }
}

/// The log `main` with some entries, closed.
fn log_with(entries: i64) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let running = Running::open(dir.path()).unwrap();
    (1..=entries).for_each(|n| assert!(running.append(answer("R1", None, n)).is_ok()));
    running.close();
    let folder = dir.path().join("main");
    (dir, folder)
}

/// The newest file of a log.
fn newest(folder: &Path) -> PathBuf {
    segment::list(folder).unwrap().pop().unwrap().1
}

#[test]
fn what_is_appended_is_there_after_every_start_and_the_chain_goes_on() {
    let dir = TempDir::new().unwrap();
    for start in 0..3_u64 {
        let running = Running::open(dir.path()).unwrap();
        assert_eq!((running.log.last(), running.log.cut_bytes()), (start * 2, 0));
        for n in 1..=2 {
            let number = start * 2 + n;
            let draft = answer(&format!("R{number}"), Some("case"), 10);
            assert_eq!(running.append(draft.clone()).unwrap(), number);
            let entry = running.log.entry(number).unwrap().unwrap();
            assert_eq!((entry.number, entry.at_ms, &entry.content), (number, 10, &draft.content));
        }
        assert_eq!(running.log.entry(0).unwrap(), None);
        assert_eq!(running.log.entry(start * 2 + 3).unwrap(), None);
        assert_eq!(running.log.take_watchables().len(), usize::try_from(start * 2 + 2).unwrap());
        assert_eq!(running.log.take_watchables(), []);
        running.close();
    }
    let report = chain::verify(&dir.path().join("main")).unwrap();
    assert!(report.holds(), "{:?}", report.problems);
    assert_eq!((report.entries, report.first, report.last), (6, 1, 6));
    // A start without an answer leaves nothing behind.
    Running::open(dir.path()).unwrap().close();
    assert_eq!(segment::list(&dir.path().join("main")).unwrap().len(), 3);
}

#[test]
fn many_who_wait_share_an_fsync_and_each_gets_its_own_number() {
    let dir = TempDir::new().unwrap();
    let running = Running::open(dir.path()).unwrap();
    let numbers = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (running, numbers) = (&running, &numbers);
            scope.spawn(move || {
                for n in 0..50 {
                    let rider = format!("R{thread}-{n}");
                    let number = running.append(answer(&rider, None, 1)).unwrap();
                    let entry = running.log.entry(number).unwrap().unwrap();
                    assert_eq!(entry.content, answer(&rider, None, 1).content);
                    numbers.lock().unwrap().push(number);
                }
            });
        }
    });
    let mut numbers = numbers.into_inner().unwrap();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=400));
    running.close();
    let mut groups = std::collections::BTreeSet::new();
    chain::visit(&dir.path().join("main"), |entry, _| {
        groups.insert(entry.group);
    })
    .unwrap();
    assert!(groups.len() < 400, "every entry had an fsync of its own");
}

#[test]
fn a_log_belongs_to_one_process_and_several_lie_side_by_side() {
    let dir = TempDir::new().unwrap();
    let one = Running::open(dir.path()).unwrap();
    assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::InUse { .. })));
    let other = Running::with(dir.path(), "east-1", None, Disk::default()).unwrap();
    assert_eq!(
        (one.append(answer("R1", None, 1)).unwrap(), other.append(answer("R1", None, 1)).unwrap()),
        (1, 1)
    );
    one.close();
    other.close();
    let names: Vec<String> = logs_of(dir.path()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["east-1", "main"]);
    assert!(verify_logs(dir.path()).unwrap().iter().all(|report| report.chain.holds()));
}

/// A process whose folder was moved away leaves the one that another process made in its place as it is.
#[test]
fn a_replaced_folder_gets_nothing_of_the_process_that_had_the_one_before() {
    let dir = TempDir::new().unwrap();
    let (main, old) = (dir.path().join("main"), dir.path().join("old"));
    let before = Running::open(dir.path()).unwrap();
    before.append(answer("R1", None, 1)).unwrap();
    std::fs::rename(&main, &old).unwrap();
    let heir = Running::open(dir.path()).unwrap();
    heir.append(answer("R2", None, 1)).unwrap();
    // The heir writes its witness after it has told that the entry is durable.
    let witness = || main.join("witness").exists().then_some(());
    assert_eq!(poll_until(60_000, Duration::from_millis(1), witness), Some(()));
    let contents = || -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(&main).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        all.sort_unstable();
        all
    };
    let there = contents();
    assert!(matches!(before.log.write_file("checked", "7"), Err(AnswerLogError::Replaced { .. })));
    assert!(matches!(before.append(answer("R3", None, 2)), Err(AnswerLogError::Replaced { .. })));
    before.close();
    assert!(contents() == there, "the process before changed the folder of its heir");
    heir.close();
    assert_eq!(chain::verify(&old).unwrap().problems, Vec::<String>::new());
}

#[test]
fn lists_choose_by_reason_principal_kind_and_change() {
    let dir = TempDir::new().unwrap();
    let running = Running::open(dir.path()).unwrap();
    for draft in [answer("R1", Some("a"), 1), answer("R2", Some("b"), 1), answer("R3", Some("a"), 1)] {
        running.append(draft).unwrap();
    }
    let check = |log: &AnswerLog| {
        let list = |filter: Filter| log.list(&Filter { limit: filter.limit.max(2), ..filter });
        let of = |reason: &str| list(Filter { reason: Some(reason.to_owned()), ..Filter::default() }).numbers;
        assert_eq!((of("a"), of("b"), of("c")), (vec![1, 3], vec![2], vec![]));
        let all = list(Filter::default());
        assert_eq!((all.numbers, all.next_after), (vec![1, 2], Some(2)));
        let rest = list(Filter { after: 2, kind: Some("answer".to_owned()), ..Filter::default() });
        assert_eq!((rest.numbers, rest.next_after), (vec![3], None));
        let by = |name: &str| list(Filter { principal: Some(name.to_owned()), ..Filter::default() }).numbers;
        assert_eq!((by("loopback"), by("li")), (vec![1, 2], vec![]));
        let own = |kind: &str| {
            let own = Some((kind.to_owned(), "loopback".to_owned()));
            list(Filter { own, principal: Some("loopback".to_owned()), limit: 9, ..Filter::default() })
                .numbers
        };
        assert_eq!((own("loopback"), own("token")), (vec![1, 2, 3], vec![]));
    };
    check(&running.log);
    let changed_answers =
        |log: &AnswerLog| log.list(&Filter { only_changed: true, limit: 9, ..Filter::default() }).numbers;
    for (number, verdict, now) in
        [(2, "covered", vec![2]), (1, "undetermined", vec![1, 2]), (2, "not_covered", vec![1])]
    {
        running.append(changed(number, verdict)).unwrap();
        assert_eq!(changed_answers(&running.log), now);
    }
    assert_eq!(running.log.changed(1).unwrap().verdict, "undetermined");
    running.close();
    let again = Running::open(dir.path()).unwrap();
    check(&again.log);
    assert_eq!((changed_answers(&again.log), again.log.changed_count()), (vec![1], 1));
    let watchables = again.log.take_watchables();
    let verdicts: Vec<&str> = watchables.iter().map(|watchable| watchable.verdict_now.as_str()).collect();
    assert_eq!(verdicts, ["undetermined", "not_covered", "not_covered"]);
    again.close();
}

#[test]
fn retention_drops_whole_files_and_records_where_the_chain_begins() {
    let (dir, folder) = log_with(3);
    let open = || Running::with(dir.path(), "main", Some(DAY_MS), Disk::default()).unwrap();
    for at in [10, DAY_MS] {
        let running = open();
        running.append(answer("R2", None, at)).unwrap();
        running.close();
        assert_eq!(chain::verify(&folder).unwrap().first, 1, "nothing is old enough");
    }
    let running = open();
    assert_eq!(running.append(answer("R3", None, DAY_MS + 11)).unwrap(), 6);
    // Of the three older files, two are old enough: entries 1 to 4. Answers do not wait until they are gone.
    let look = || (running.log.first() == 5).then_some(());
    assert!(poll_until(60_000, Duration::from_millis(1), look).is_some(), "nothing is dropped");
    assert_eq!((running.log.first(), running.log.last()), (5, 7));
    assert_eq!(running.log.entry(4).unwrap(), None);
    assert_eq!(running.log.entry(5).unwrap().unwrap().at_ms, DAY_MS);
    let kinds: Vec<&str> =
        (5..=7).map(|number| running.log.entry(number).unwrap().unwrap().content.kind()).collect();
    assert_eq!(kinds, ["answer", "answer", "retention"]);
    running.close();
    let report = chain::verify(&folder).unwrap();
    assert!(report.holds(), "{:?}", report.problems);
    assert_eq!((report.first, report.last), (5, 7));
    open().close();
    // What is removed by hand is found.
    std::fs::remove_file(&segment::list(&folder).unwrap().first().unwrap().1).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("begins with entry 6")), "{problems:?}");
}

#[test]
fn a_copy_made_beside_the_log_holds_and_continues() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (answers, target) = (dir.path().join(ANSWERS_FOLDER), other.path().join(ANSWERS_FOLDER));
    let running = Running::open(&answers).unwrap();
    (0..20).for_each(|n| assert!(running.append(answer("R1", None, n)).is_ok()));
    copy_logs(&answers, &target).unwrap();
    running.append(answer("R1", None, 30)).unwrap();
    let report = verify_logs(&target).unwrap().pop().unwrap().chain;
    assert!(report.holds(), "{:?}", report.problems);
    assert_eq!(report.last, 20);
    let copy = Running::open(&target).unwrap();
    assert_eq!(copy.append(answer("R1", None, 31)).unwrap(), 21);
    copy.close();
    running.close();
    assert!(verify_logs(&target).unwrap().pop().unwrap().chain.holds());
    // Nothing to copy is no failure.
    copy_logs(&dir.path().join("elsewhere"), &target).unwrap();
}

#[test]
fn files_and_folders_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, folder) = log_with(1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(dir);
}

#[test]
fn an_entry_beyond_the_limit_is_refused_and_the_next_one_is_not() {
    let dir = TempDir::new().unwrap();
    let running = Running::open(dir.path()).unwrap();
    let large = answer(&"R".repeat(LINE_BYTES_MAX), None, 1);
    assert!(matches!(running.append(large), Err(AnswerLogError::TooLarge { .. })));
    assert_eq!(running.append(answer("R1", None, 1)).unwrap(), 1);
    running.close();
}
