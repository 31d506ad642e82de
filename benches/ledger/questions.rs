//! Questions about random riders and instants: to a ledger at rest, and to one that commits.

use crate::compacting::Compacting;
use crate::support::random::Random;
use crate::support::wait::delay;
use crate::support::{
    Figures, Side, flag, nanos_each, option, per_second, percentile, rfc3339, stolen, thread_cpu,
    thread_fetched, thread_waited,
};
use crate::{Feed, Sums, forget_pages, memory, now};
use coverledger::app::threads::Urgency;
use coverledger::config::Config;
use coverledger::coverage::Terms;
use coverledger::coverage::question::{Question, QuestionText};
use coverledger::coverage::resolve::resolve;
use coverledger::domain::time::{DAY_MS, LocalDay, UtcMillis};
use coverledger::domain::view::{KnownAt, LedgerView};
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::maintenance::cache_warmup::CacheWarmup;
use coverledger::ledger::{Batch, CommitExtras};
use coverledger::ledger::{Ledger, Published};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Questions are put so often while orders are committed, whether or not the one before is answered.
const QUESTION_EVERY: Duration = Duration::from_millis(1);

/// Lookups from one thread: cold, warm, and while another one commits.
pub(crate) fn lookups(
    ledger: &mut Ledger,
    feed: &mut Feed<'_>,
    compacting: &mut Compacting,
    (orders, days): (u64, u32),
    figures: &mut Figures,
) {
    let mut asker = Asker {
        riders: std::mem::take(&mut feed.riders),
        span_ms: u64::from(days) * DAY_MS.unsigned_abs(),
        from: GeneratorSettings::default().from,
        numbers: Random::new(1),
        covered: 0,
        asks_earlier: false,
        slow: Slow::default(),
        published: ledger.published(),
        config: feed.config,
    };
    idle(ledger, &mut asker, figures);
    // Many seconds of it: one moment in which a shared machine stalls is then no hundredth of them.
    let load = option("load", orders.clamp(1_000_000, 8_000_000));
    // Others than those that a run before this one left in a ledger that is kept.
    let seed = orders + asker.published.current().root().commit;
    let settings = GeneratorSettings { orders: load, days, seed, ..GeneratorSettings::default() };
    feed.generator = Generator::new(&settings).expect("the settings make a stream");
    beside_ingest(ledger, &batches(feed), compacting, &mut asker, figures);
    figures.tell("lookups answered covered", asker.covered);
    if flag("rss") {
        memory(ledger, figures);
    }
}

fn idle(ledger: &Ledger, asker: &mut Asker<'_>, figures: &Figures) {
    let count = option("lookups", 20_000);
    forget_pages(&ledger.options().storage.folder().expect("it lies in a folder").join(".."));
    let mut cold = asker.ask(count / 10);
    tell("lookup, idle, cold", &mut cold, figures);
    let cpu = thread_cpu();
    let mut warm = asker.ask(count);
    let each = nanos_each(count, thread_cpu() - cpu) / 1_000;
    figures.tell("lookup, idle, warm: CPU each", format!("{each} us"));
    tell("lookup, idle, warm", &mut warm, figures);
    asker.asks_earlier = true;
    let cpu = thread_cpu();
    let mut earlier = asker.ask(count);
    asker.asks_earlier = false;
    let each = nanos_each(count, thread_cpu() - cpu) / 1_000;
    figures.tell("lookup of an earlier state, idle, warm: CPU each", format!("{each} us"));
    tell("lookup of an earlier state, idle, warm", &mut earlier, figures);
}

/// The rest of the stream, decoded before anything is measured.
fn batches(feed: &mut Feed<'_>) -> Vec<Batch> {
    std::iter::from_fn(|| {
        let mut batch = Batch::default();
        feed.fill(&mut batch).then_some(batch)
    })
    .collect()
}

/// As after a start: the first batch, for which the filter of days is read from the disk, while the newest orders are read
/// into memory. Then a quarter of the others with nothing in memory, beside questions at a steady rate, most of which read
/// from the disk; a quarter beside the same with the newest orders in memory; a quarter beside questions about earlier states;
/// the rest beside as many questions as one thread can put: that one takes a core from those who write.
fn beside_ingest(
    ledger: &mut Ledger,
    batches: &[Batch],
    compacting: &mut Compacting,
    asker: &mut Asker<'_>,
    figures: &mut Figures,
) {
    let (first, others) = batches.split_at(1.min(batches.len()));
    let (cold, others) = others.split_at(others.len().div_ceil(4));
    let (warm, others) = others.split_at(others.len().div_ceil(3));
    let (earlier, rest) = others.split_at(others.len().div_ceil(2));
    let mut beside = |ledger: &mut Ledger, part, pace, figures: &Figures| {
        beside_part(ledger, part, (&mut *compacting, &mut *asker, pace), figures)
    };
    let (cache_warmup, stop) = (ledger.cache_warmup(), AtomicBool::new(false));
    let mut first = std::thread::scope(|scope| {
        scope.spawn(|| warm_up(&cache_warmup, &stop, figures));
        let first = beside(ledger, first, Some(QUESTION_EVERY), figures);
        stop.store(true, Ordering::Release);
        first
    });
    forget_pages(&ledger.options().storage.folder().expect("it lies in a folder").join(".."));
    let mut cold = beside(ledger, cold, Some(QUESTION_EVERY), figures);
    std::thread::scope(|scope| {
        scope.spawn(|| warm_up(&cache_warmup, &AtomicBool::new(false), figures)).join()
    })
    .expect("it is read");
    let mut warm = beside(ledger, warm, Some(QUESTION_EVERY), figures);
    asker.asks_earlier = true;
    let mut earlier =
        beside_part(ledger, earlier, (&mut *compacting, &mut *asker, Some(QUESTION_EVERY)), figures);
    asker.asks_earlier = false;
    let mut busy = beside_part(ledger, rest, (compacting, asker, None), figures);
    tell("lookup, first commit after a start, 1,000 a second", &mut first, figures);
    for (name, samples) in [("cold", &mut cold), ("warm", &mut warm), ("earlier states", &mut earlier)] {
        tell(&format!("lookup, ingest at full speed, 1,000 a second, {name}"), samples, figures);
        figures.judge("  its p99", percentile(samples, 990) / 1_000, Side::AtMost, 1_000, "ms");
        figures.judge("  its p99.9", percentile(samples, 999) / 1_000, Side::AtMost, 10_000, "ms");
    }
    tell("lookup, ingest, one after the other without pause", &mut busy, figures);
}

/// As the service does after a start.
fn warm_up(cache_warmup: &CacheWarmup, stop: &AtomicBool, figures: &Figures) {
    Urgency::Background.apply();
    let started = Instant::now();
    if let Some(bytes) = cache_warmup.run(stop).expect("the store can be read") {
        let took = started.elapsed().as_millis();
        figures.tell("the newest orders read into memory, in", format!("{} MiB, {took} ms", bytes >> 20));
    }
}

/// Commits some batches; nanoseconds of each answer meanwhile.
fn beside_part(
    ledger: &mut Ledger,
    part: &[Batch],
    (compacting, asker, pace): (&mut Compacting, &mut Asker<'_>, Option<Duration>),
    figures: &Figures,
) -> Vec<u64> {
    let (mut sums, before) = (Sums::default(), stolen());
    asker.slow = Slow::default();
    let took = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            Urgency::Ingest.apply();
            for batch in part {
                sums.add(
                    &ledger.commit(batch, &CommitExtras::default(), now()).expect("the batch is committed"),
                );
                compacting.step(ledger, LocalDay(i32::MIN));
            }
        });
        let took = asker.ask_at(pace, || writing.is_finished());
        writing.join().expect("the writer ends well");
        took
    });
    figures.tell("commit beside lookups", format!("{} /s", per_second(sums.records, sums.total)));
    figures.tell("  stolen from this machine meanwhile", format!("{:?}", stolen() - before));
    let Slow { questions, waiting, fetching, fetched } = asker.slow;
    let slow = format!("{questions}, {waiting}, {fetching} ({} KiB)", fetched >> 10);
    figures.tell("  questions above 1 ms, that waited for a core, read the disk", slow);
    took
}

fn tell(name: &str, samples: &mut [u64], figures: &Figures) {
    let at = |samples: &mut [u64], thousandths| percentile(samples, thousandths) / 1_000;
    let (p50, p99, p999) = (at(samples, 500), at(samples, 990), at(samples, 999));
    let text = format!("{p50} / {p99} / {p999} us, n = {}", samples.len());
    figures.tell(&format!("{name}: p50 / p99 / p99.9"), text);
}

/// Questions above a millisecond.
#[derive(Clone, Copy, Default)]
struct Slow {
    questions: u32,
    /// Those that mostly waited for a core.
    waiting: u32,
    /// Those that read from the disk, and how much.
    fetching: u32,
    fetched: u64,
}

/// Puts the questions.
struct Asker<'a> {
    riders: Vec<String>,
    span_ms: u64,
    from: UtcMillis,
    numbers: Random,
    covered: u64,
    /// Whether each question is about the state as of a random commit of before instead of the newest.
    asks_earlier: bool,
    slow: Slow,
    published: Arc<Published>,
    config: &'a Config,
}

impl Asker<'_> {
    /// Nanoseconds of each of so many answers, one after the other.
    fn ask(&mut self, count: u64) -> Vec<u64> {
        (0..count).map(|_| self.answer(Instant::now())).collect()
    }

    /// Nanoseconds of each answer until it is `over`. With a pace a question is due at its time, and its answer's time counts
    /// from then: one that waits for those before it waits for them in the figure, too.
    fn ask_at(&mut self, pace: Option<Duration>, over: impl Fn() -> bool) -> Vec<u64> {
        let (mut took, mut due) = (Vec::new(), Instant::now());
        while !over() {
            let (waited, fetched) = (thread_waited(), thread_fetched());
            match pace {
                Some(pace) => {
                    due += pace;
                    delay(due.saturating_duration_since(Instant::now()));
                }
                None => due = Instant::now(),
            }
            let nanos = self.answer(due);
            if nanos > 1_000_000 {
                let waited = (thread_waited() - waited).as_nanos();
                let fetched = thread_fetched() - fetched;
                self.slow.questions += 1;
                self.slow.waiting += u32::from(waited * 2 > u128::from(nanos));
                self.slow.fetching += u32::from(fetched > 0);
                self.slow.fetched += fetched;
            }
            took.push(nanos);
        }
        took
    }

    /// Answers a question about a random rider and instant; nanoseconds since `due`.
    fn answer(&mut self, due: Instant) -> u64 {
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        let nth = self.numbers.below(u64::try_from(self.riders.len()).unwrap_or(1));
        let rider = self.riders.get(usize::try_from(nth).unwrap_or(0)).cloned().unwrap_or_default();
        let after_ms = i64::try_from(self.numbers.below(self.span_ms)).unwrap_or(0);
        let at = rfc3339(self.from.plus(after_ms));
        let text = QuestionText { rider_ids: vec![rider], at: Some(&at), ..QuestionText::default() };
        let question = Question::parse(text).expect("a question");
        let newest = self.published.current();
        let answer = if self.asks_earlier {
            let commit = 1 + self.numbers.below(newest.root().commit.max(1));
            let earlier = newest.known_at(KnownAt::Commit(commit)).expect("an earlier state");
            resolve(&earlier, terms, &question)
        } else {
            resolve(&*newest, terms, &question)
        };
        let answer = answer.expect("an answer");
        self.covered += u64::from(!answer.windows.is_empty());
        u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
