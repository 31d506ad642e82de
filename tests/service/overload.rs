//! More than can be done: memory stays bounded, answers are given, and ingest continues.

use super::tests::{config, order};
use crate::testkit::http;
use crate::testkit::mock;
use crate::testkit::orders::{TOPIC, send_to};
use crate::testkit::program::Program;
use crate::testkit::wait::{delay, poll_until};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Between two bytes of a slow client.
const SLOW: Duration = Duration::from_millis(20);

/// How many clients are slow: `COVERLEDGER_SLOW_CLIENTS`, by default 1,000.
fn slow_clients() -> usize {
    std::env::var("COVERLEDGER_SLOW_CLIENTS").map_or(1_000, |text| text.parse().unwrap())
}

/// Adds to tables of the configuration.
fn with(config: &Path, table: &str, lines: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    let header = format!("[{table}]");
    let text = if text.contains(&header) {
        text.replace(&header, &format!("{header}\n{lines}"))
    } else {
        format!("{text}\n{header}\n{lines}\n")
    };
    std::fs::write(config, text).unwrap();
}

/// Orders of one rider, one a minute from noon on.
fn orders(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers
        .map(|n| {
            let (day, hour, minute) = (10 + n / 1_440, n / 60 % 24, n % 60);
            let start = format!("2025-07-{day}T{hour:02}:{minute:02}:00+08:00");
            let end = format!("2025-07-{day}T{hour:02}:{minute:02}:30+08:00");
            order(&format!("o{n}"), &start, &end)
        })
        .collect()
}

fn send_all(brokers: &str, lines: &[String]) {
    let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    send_to(brokers, 0, &lines);
}

/// What a slow client begins with; none of them is ever whole, or ever read.
const BEGINNINGS: [&str; 4] = [
    "",
    "GET /v1/coverage?rider_id=R1&at=2025-07-10T12:00:00Z HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "POST /v1/coverage/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n",
    "GET /v1/riders/R1/timeline?from=2025-07-01T00:00:00Z&to=2025-08-01T00:00:00Z HTTP/1.1\r\nHost: localhost\r\n\r\n",
];

/// Keeps `count` clients connected that send a byte now and then, until `over`; one that is thrown out comes back.
fn drip(address: &str, count: usize, over: &AtomicBool, connected: &AtomicBool) {
    let connect = |n: usize| {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nonblocking(true).ok()?;
        (&stream).write_all(BEGINNINGS[n % BEGINNINGS.len()].as_bytes()).ok()?;
        Some(stream)
    };
    let mut streams: Vec<Option<TcpStream>> = (0..count).map(connect).collect();
    connected.store(true, Ordering::Release);
    while !over.load(Ordering::Acquire) {
        for (n, slot) in streams.iter_mut().enumerate() {
            let Some(mut stream) = slot.as_ref() else {
                *slot = connect(n);
                continue;
            };
            // The last kind has asked and does not read; the others continue asking.
            let sent = if n % BEGINNINGS.len() == 3 { Ok(0) } else { stream.write(b"x") };
            if sent.is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
                *slot = None;
            }
        }
        delay(SLOW);
    }
}

#[test]
fn slow_clients_delay_no_other_answer() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    // Fewer places than slow clients, and no deadline that would ever end by itself.
    with(&config, "http", "concurrent_requests_max = 100\ntimeout = \"10m\"");
    send_all(&brokers, &orders(0..2_000));
    let mut program = Program::serve(&config, &[]);
    program.applied(2_000);
    let address = program.address();
    let (over, connected) = (AtomicBool::new(false), AtomicBool::new(false));
    let before = program.resident().0;
    std::thread::scope(|scope| {
        // Whatever happens below, the clients end.
        let _end = OnDrop(|| over.store(true, Ordering::Release));
        scope.spawn(|| drip(&address, slow_clients(), &over, &connected));
        poll_until("the slow clients are there", || connected.load(Ordering::Acquire).then_some(()));
        for n in 0..4 {
            // Between waiting for a place and being shed there is an answer in the end.
            let path = "/v1/coverage?rider_id=R1&at=2025-07-10T12:07:15%2B08:00";
            let answer = poll_until("an answer", || program.if_answered(path));
            assert_eq!(answer["verdict"], "covered", "{answer}");
            send_all(&brokers, &orders(2_000 + n..2_001 + n));
        }
        poll_until("ingest continues", || {
            let progress = program.if_answered("/v1/progress")?;
            progress["partitions"][0]["position"].as_i64().filter(|position| *position >= 2_004)
        });
    });
    let grown = program.resident().1.saturating_sub(before);
    assert!(grown < 200 * MIB, "{} MiB for slow clients", grown / MIB);
    assert_eq!(program.terminate(), Some(0));
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// An order with a field that no consumer reads, 8 KB long.
fn padded(n: usize) -> String {
    let order = order(&format!("p{n}"), "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
    let order = order.replace("\"R1\"", &format!("\"R{n}\""));
    format!("{},\"note\":\"{}\"}}", order.strip_suffix('}').unwrap(), "x".repeat(8_000))
}

#[test]
fn a_backlog_waits_in_kafka_and_not_in_memory() {
    // Some 200 MB, which the broker keeps compressed.
    const RECORDS: usize = 24_000;
    let cluster = mock::cluster(&[(TOPIC, 2)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    let text = std::fs::read_to_string(&config).unwrap();
    let small = "options = { \"queued.max.messages.kbytes\" = \"4096\", \"queued.min.messages\" = \"100\", ";
    std::fs::write(&config, text.replace("options = { ", small)).unwrap();
    with(&config, "ingest", "batch_records = 200\nbatch_bytes = \"2MiB\"");
    for partition in 0..2 {
        let lines: Vec<String> = (0..RECORDS / 2).map(|n| padded(n * 2 + partition)).collect();
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        send_to(&brokers, i32::try_from(partition).unwrap(), &lines);
    }
    let mut program = Program::serve(&config, &[]);
    program.address();
    let before = program.resident().0;
    let mut behind = 0;
    poll_until("the backlog is worked off, and questions are answered meanwhile", || {
        let answer = program.get("/v1/coverage?rider_id=R7&at=2025-07-10T12:07:00%2B08:00");
        let progress = program.get("/v1/progress");
        let lines = progress["partitions"].as_array().unwrap();
        let sum = |key: &str| lines.iter().filter_map(|line| line[key].as_i64()).sum::<i64>();
        behind = behind.max(sum("lag"));
        let done = sum("position") == i64::try_from(RECORDS).unwrap();
        assert!(
            !done
                || answer["verdict"] == "covered"
                || answer["as_of"]["commit"] != progress["as_of"]["commit"]
        );
        done.then_some(())
    });
    assert!(behind > 1_000, "there was no backlog: {behind}");
    let grown = program.resident().1.saturating_sub(before);
    assert!(grown < 100 * MIB, "{} MiB for a backlog of 200 MB", grown / MIB);
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_huge_timeline_comes_in_pages_and_whole() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    with(&config, "http", "page_rows_max = 700");
    send_all(&brokers, &orders(0..12_000));
    let mut program = Program::serve(&config, &[]);
    program.applied(12_000);
    let (mut seen, mut pages, mut token) = (BTreeSet::new(), 0, String::new());
    loop {
        let path = "/v1/riders/R1/timeline?from=2025-01-01T00:00:00Z&to=2025-12-31T00:00:00Z";
        let page = program.get(&format!("{path}{token}"));
        let orders = page["orders"].as_array().unwrap();
        assert!(orders.len() <= 700 && page["cover"].as_array().unwrap().len() <= 700, "{}", orders.len());
        let new = orders.iter().filter(|order| seen.insert(order["order_id"].as_str().unwrap().to_owned()));
        assert_eq!(new.count(), orders.len(), "an order is reported once");
        pages += 1;
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (12_000, 18));
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_placeholder_instead_of_a_rider_is_refused_and_bounds_what_a_question_costs() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    let noon = "2025-07-10T12:00:00+08:00";
    let of = |rider: &str, id: &str| {
        order(id, noon, "2025-07-10T12:30:00+08:00").replace("\"R1\"", &format!("\"{rider}\""))
    };
    let mut records: Vec<String> = (0..20_000).map(|n| of("unknown", &format!("o{n}"))).collect();
    send_all(&brokers, &records);
    let mut program = Program::serve(&config, &[]);
    program.applied(20_000);
    let path = "/v1/coverage?rider_id=unknown&at=2025-07-10T12:07:00%2B08:00";
    // As many as a question reads are answered,
    assert_eq!(program.get(path)["windows"].as_array().unwrap().len(), 20_000);
    records = vec![of("unknown", "one more"), of("R1", "another")];
    send_all(&brokers, &records);
    program.applied(20_002);
    // one more is refused, alone and among others, with a word on what it is.
    let address = program.address();
    let reply = http::get(&address, path, "").unwrap();
    assert!(
        reply.status == 422 && reply.body.contains("urn:coverledger:problem:too-many-orders"),
        "{reply:?}"
    );
    let said = &reply.body;
    assert!(said.contains("more than 20000 stored versions") && !said.contains("unknown\""), "{said}");
    let line = |rider: &str| format!("{{\"rider_id\":\"{rider}\",\"at\":\"2025-07-10T12:07:00+08:00\"}}\n");
    let answers = program.post("/v1/coverage/batch", &(line("unknown") + &line("R1")));
    assert!(
        answers[0]["error"].as_str().unwrap().starts_with("Failed to answer: more than 20000"),
        "{answers:?}"
    );
    assert_eq!((answers[0]["line"].as_i64(), answers[1]["verdict"].as_str()), (Some(1), Some("covered")));
    assert_eq!(program.terminate(), Some(0));
}
