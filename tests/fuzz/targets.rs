//! What is fuzzed: each target takes one mutant and says whether it was refused. What it must not do is panic.

use super::corpus::{CONFIG, Corpus, setup};
use super::mutate::Mutator;
use coverledger::config::Config;
use coverledger::coverage::question::QuestionLine;
use coverledger::domain::event::{decode, misspelt_optional_field};
use coverledger::domain::time::{UtcMillis, Zone};
use coverledger::ingest::file::LineReader;
use coverledger::ledger::codec::keys;
use coverledger::ledger::codec::{Packing, Reader, frame, unframe};
use coverledger::ledger::manifest::commit_record::CommitRecord;
use coverledger::ledger::manifest::state_codec::{PlatformStats, SourceFacts};
use coverledger::ledger::rejections::stored::{RejectedEntry, RejectedRun};
use coverledger::ledger::run::RunEntry;
use coverledger::ledger::run::block::{ROWS_MAX, Select, rows_of_orders, visit_block};
use coverledger::ledger::run::filter::Filter;
use coverledger::ledger::run::identity::{CHUNK_ENTRIES, IdentityHash, visit_chunk};
use coverledger::ledger::run::period_totals::PeriodTotals;
use coverledger::ledger::run::sparse::Sparse;
use coverledger::ledger::verify_dir;
use coverledger::pipeline::rules_for;
use coverledger::storage::Change;
use coverledger::storage::local::{Store, entry_key, head};
use std::cell::OnceCell;
use std::fs;
use std::io::Write;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// A target: whether it refused the mutant.
pub(crate) type Target = fn(&Corpus, &mut Mutator) -> bool;

pub(crate) const TARGETS: [(&str, Target); 17] = [
    ("event", event),
    ("salvage", salvage),
    ("question", question),
    ("configuration", configuration),
    ("block", block),
    ("identity chunk", identity_chunk),
    ("sparse index", sparse),
    ("filter", filter),
    ("totals", totals),
    ("rejected records", rejected),
    ("commit record", commit_record),
    ("run entry", |corpus, mutator| entry(corpus, mutator, b"mr", |r| RunEntry::decode(r).is_err())),
    ("rejected entry", |corpus, mutator| {
        entry(corpus, mutator, b"mx", |r| RejectedEntry::decode(r).is_err())
    }),
    ("counts", |corpus, mutator| {
        let source = entry(corpus, mutator, b"ms", |r| SourceFacts::decode(r).is_err());
        entry(corpus, mutator, b"mp", |r| PlatformStats::decode(r).is_err()) | source
    }),
    ("frame", framed),
    ("witness", witness),
    ("input file", input_file),
];

thread_local! {
    static CONFIGURED: OnceCell<Config> = const { OnceCell::new() };
}

fn zone() -> Zone {
    CONFIGURED.with(|config| config.get_or_init(|| Config::from_text(CONFIG).unwrap()).zone.clone())
}

fn event(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let bytes = mutator.mutant(&corpus.events);
    CONFIGURED.with(|config| {
        let config = config.get_or_init(|| Config::from_text(CONFIG).unwrap());
        let decoded = decode(&bytes, &rules_for(config, Some("orders"), None));
        // An independent reader of JSON says what is none.
        let read = serde_json::from_slice::<serde_json::Value>(&bytes);
        // Whether a number fits a float, and how deep values lie, is no question of grammar.
        let is_beyond = |error: &serde_json::Error| {
            let text = error.to_string();
            text.contains("number out of range") || text.contains("recursion limit")
        };
        if read.as_ref().is_err_and(is_beyond) {
            return decoded.is_err();
        }
        let is_json = read.is_ok_and(|json| json.is_object());
        if let Err(refusal) = &decoded {
            assert!(refusal.reason.as_str() != "malformed_json" || !is_json || repeats(&bytes), "{bytes:?}");
        } else {
            assert!(is_json, "{:?}", String::from_utf8_lossy(&bytes));
        }
        decoded.is_err()
    })
}

/// Defects in front of an event's fields, so that the mutant is refused and read leniently.
const DEFECTS: [&str; 6] = [
    "\u{feff}{",
    "{\"km\":NaN,",
    "{\"note\":\"\\ud83d\",",
    "{\"note\":\"\t\",",
    "{\"x\":{\"rider_id\":\"DECOY\"},,",
    "{\"a\":1,\"a\":[],",
];

/// Refused is what names no rider.
fn salvage(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let mut bytes = mutator.mutant(&corpus.events);
    if bytes.first() == Some(&b'{') {
        bytes.splice(..1, mutator.pick(&DEFECTS).bytes());
    }
    CONFIGURED.with(|config| {
        let config = config.get_or_init(|| Config::from_text(CONFIG).unwrap());
        let decoded = decode(&bytes, &rules_for(config, Some("orders"), None));
        assert!(misspelt_optional_field(&bytes).is_none_or(|name| name != "rider_id"));
        let Err(refusal) = decoded else { return false };
        assert!(refusal.detail.len() < 300, "{}", refusal.detail);
        let Some(rider) = refusal.readable.rider_id else { return true };
        assert!(!rider.contains("DECOY"), "{:?}", String::from_utf8_lossy(&bytes));
        // What an independent reader of JSON reads is no other rider.
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes) {
            let read = &json["rider_id"];
            // A number beyond 64 bits is a double to it.
            assert!(read.is_f64() || read.as_str().map_or_else(|| read.to_string(), str::to_owned) == rider);
        }
        false
    })
}

/// Whether an object names a key twice: the ledger refuses that, the other reader takes the last.
fn repeats(bytes: &[u8]) -> bool {
    struct Keys(bool);
    impl<'de> serde::de::Visitor<'de> for &mut Keys {
        type Value = ();
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = std::collections::HashSet::new();
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                self.0 |= !seen.insert(key);
            }
            Ok(())
        }
    }
    let mut keys = Keys(false);
    let read =
        serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_slice(bytes), &mut keys);
    read.is_ok() && keys.0
}

fn question(_: &Corpus, mutator: &mut Mutator) -> bool {
    let seeds: Vec<Vec<u8>> = [
        r#"{"rider_id": ["a", "b"], "at": "2026-11-20T12:07Z", "platform": ["y", "x"], "reference": "c-1"}"#,
        r#"{"rider_id": "R1", "from": "2026-11-20T12:07:00.5+08:00", "to": "2026-11-20T13:07:00Z"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    let bytes = mutator.mutant(&seeds);
    serde_json::from_slice::<QuestionLine>(&bytes).map_or(true, |line| line.parse().is_err())
}

fn configuration(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let bytes = mutator.mutant(&corpus.configs);
    let Ok(text) = String::from_utf8(bytes) else { return true };
    match Config::from_text(&text) {
        Ok(_) => false,
        Err(problems) => {
            assert!(!problems.to_string().is_empty());
            true
        }
    }
}

fn block(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let body = mutator.mutant(corpus.of(&[keys::DATA]));
    let (zone, mut rows, mut riders) = (zone(), 0, Vec::new());
    let all = visit_block(&body, Select::All, |row| {
        rows += 1;
        // What was read can be told.
        let _told = (zone.rfc3339(row.accepted_at), zone.day(row.accepted_at), format!("{row:?}"));
        riders.push(row.rider_id.to_owned());
        true
    });
    assert!(rows <= ROWS_MAX, "{rows} rows");
    riders.dedup();
    for rider in riders.iter().take(3).map(String::as_str).chain(["", "zzz"]) {
        drop(visit_block(&body, Select::Rider(rider), |row| row.rider_id == rider));
    }
    if let Ok(rows) = rows_of_orders(&body, |_| true) {
        let mut wanted = rows.iter().copied().step_by(2).collect::<Vec<_>>();
        wanted.push(mutator.below(2_000));
        drop(visit_block(&body, Select::Rows(&wanted), |_| true));
    }
    all.is_err()
}

fn identity_chunk(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let body = mutator.mutant(corpus.of(&[keys::IDENTITY]));
    let (mut entries, mut last) = (0, IdentityHash::default());
    let read = visit_chunk(&body, |(hash, _)| {
        entries += 1;
        assert!(hash >= last);
        last = hash;
        true
    });
    assert!(entries <= CHUNK_ENTRIES);
    read.is_err()
}

fn sparse(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    Sparse::decode(&mutator.mutant(corpus.of(&[keys::SPARSE]))).is_err()
}

fn filter(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let page = mutator.mutant(corpus.of(&[keys::RIDERS]));
    let Some(key) = IdentityHash::new(mutator.next() >> (64 - IdentityHash::BITS)) else { return true };
    drop(Filter::page_may_contain(&page, 3, key));
    let mut filter = Filter::default();
    filter.push_page(&page).map_or(true, |()| {
        let _answer = filter.may_contain(key);
        false
    })
}

fn totals(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let mutant = mutator.mutant(corpus.of(&[keys::TOTALS]));
    PeriodTotals::decode(&mutant).map_or(true, |totals| {
        let mut sum = PeriodTotals::decode(&mutant).unwrap();
        drop(sum.merge(&totals));
        false
    })
}

fn rejected(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let mutant = mutator.mutant(corpus.of(&[keys::REJECTED]));
    RejectedRun::decode(&mutant).map_or(true, |run| {
        assert_eq!(RejectedRun::decode(&run.encode()).unwrap(), run);
        false
    })
}

fn commit_record(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let bodies: Vec<Vec<u8>> =
        corpus.of(&[keys::COMMIT]).iter().map(|chained| chained[32..].to_vec()).collect();
    CommitRecord::decode(&mutator.mutant(&bodies)).map_or(true, |record| {
        assert_eq!(CommitRecord::decode(&record.encode()).unwrap(), record);
        false
    })
}

fn entry(
    corpus: &Corpus,
    mutator: &mut Mutator,
    kind: &[u8],
    refuses: impl Fn(&mut Reader<'_>) -> bool,
) -> bool {
    refuses(&mut Reader::new(&mutator.mutant(corpus.of(kind))))
}

/// Frames: changed with the checksum made right again, so that what lies behind it is met, and without.
fn framed(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let (key, value) = mutator.pick(&corpus.values).clone();
    let content = mutator.mutant(&[value[..value.len() - 8].to_vec()]);
    let checksum = xxh3_64(&[key.as_slice(), &content].concat()).to_be_bytes();
    let valid = [content.as_slice(), &checksum].concat();
    let read = unframe(&key, &valid);
    // lz4 packs 255 bytes into one at best.
    assert!(read.as_ref().map_or(0, |body| body.len()) <= 256 * content.len());
    let changed = mutator.mutant(std::slice::from_ref(&value));
    let unchanged = changed == value;
    assert_eq!(unframe(&key, &changed).is_ok(), unchanged, "a changed frame passes");
    if mutator.below(100) == 0 {
        whole_ledger(corpus, mutator);
    }
    read.is_err()
}

/// A value with changed content and a right checksum in a whole ledger: it is refused, or it verifies.
fn whole_ledger(corpus: &Corpus, mutator: &mut Mutator) {
    let dir = tempfile::tempdir_in(corpus.folder.path()).unwrap();
    copy(corpus.ledger.path(), dir.path());
    let (key, value) = mutator.pick(&corpus.values).clone();
    let body = unframe(&key, &value).unwrap().into_owned();
    let mutant = mutator.mutant(&[body]);
    let store = Store::open(dir.path(), 4 << 20, 1 << 20).unwrap();
    let value = frame(&key, &mutant, Packing::Lz4);
    if [keys::MANIFEST, keys::COMMIT].contains(&key[0]) {
        store.advance(&[Change::Put(entry_key(&key), value)]).unwrap();
    } else {
        let writing = store.begin(0);
        writing.put(&key, value).unwrap();
        writing.sync().unwrap();
    }
    drop(store);
    let verification = verify_dir(setup(dir.path()), &mut |_, _| {}).unwrap();
    let _answer = verification.holds();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn witness(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let whole = fs::read(head::path(corpus.ledger.path())).unwrap();
    let mutant = mutator.mutant(std::slice::from_ref(&whole));
    fs::write(head::path(corpus.folder.path()), &mutant).unwrap();
    let read = head::read(corpus.folder.path());
    assert_eq!(read.is_ok(), mutant == whole, "{}", String::from_utf8_lossy(&mutant));
    read.is_err()
}

fn input_file(corpus: &Corpus, mutator: &mut Mutator) -> bool {
    let (ending, seeds) = mutator.pick(&corpus.files);
    let mutant = mutator.mutant(seeds);
    let path = corpus.folder.path().join(format!("in.{ending}"));
    fs::File::create(&path).unwrap().write_all(&mutant).unwrap();
    let mut reader = match LineReader::open(&path) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.to_string().contains("in."), "{error}");
            return true;
        }
    };
    let mut lines = 0;
    loop {
        match reader.next_block() {
            Ok(Some(block)) => lines += block.line_count(),
            Ok(None) => return false,
            Err(error) => {
                assert!(error.to_string().contains("in."), "{error}");
                return true;
            }
        }
        assert!(lines <= 1 << 20, "{lines} lines of {} bytes", mutant.len());
    }
}

#[test]
fn every_instant_of_a_block_can_be_told() {
    let zone = zone();
    for at in [i64::MIN, i64::MIN + 1, -62_135_596_800_001, 0, 253_402_300_800_000, i64::MAX] {
        assert!(!zone.rfc3339(UtcMillis::new(at)).is_empty());
        let _day = zone.day(UtcMillis::new(at));
    }
}
