//! A service that seals days and answers over TLS: alarms of the seal log, of its certificate, and of more requests than it takes.

use super::service::ago;
use crate::testkit::cases::Bench;
use crate::testkit::cluster::{RealKafka, three_free_ports};
use crate::testkit::power::Fault;
use crate::testkit::program::Program;
use crate::testkit::prometheus::Prometheus;
use crate::testkit::sealed::{configure, events, ledger};
use crate::testkit::tls;
use crate::testkit::wait::poll_until;
use coverledger::domain::time::{DAY_MS, SECOND_MS};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

const TOPIC: &str = "seal.checkpoints";
const DAY_S: i64 = DAY_MS / SECOND_MS;
/// Clients that ask at the same time, of a service that answers one of them.
const CLIENTS: usize = 3;

/// Seven days of 2013 are sealed, the broker is away, and the certificate expires within days.
#[test]
fn each_alarm_of_the_seal_log_the_certificate_and_the_load_fires_while_its_cause_is_there_and_clears() {
    let kafka = RealKafka::start();
    kafka.create_topic(TOPIC, 1);
    kafka.stop();
    let (bench, port) = (ledger(&events(), 1000), three_free_ports());
    settings(&bench, &kafka.brokers(), port);
    tls::write_certificate_for(bench.folder.path(), 5);
    let mut program = serve(&bench, 0);
    let prometheus = Prometheus::start_over_tls(&program.address());
    for alarm in ["CoverledgerSealsLate", "CoverledgerCertificateExpires", "CoverledgerCheckpointsFail"] {
        prometheus.fires(alarm);
    }
    kafka.start_again();
    holds(&prometheus, "coverledger_checkpoints_published_total > 0");
    prometheus.clears("CoverledgerCheckpointsFail");
    // The service notices a new certificate.
    let trusted = tls::write_certificate_for(bench.folder.path(), 50);
    prometheus.clears("CoverledgerCertificateExpires");
    assert_eq!(program.terminate(), Some(0));
    a_day_of_this_week(&bench);
    program = serve(&bench, 50);
    // The alarm clears already when a service that is stopped has no series any more.
    holds(&prometheus, "time() - coverledger_sealed_through_seconds < 4 * 86400");
    prometheus.clears("CoverledgerSealsLate");
    let address = program.address();
    too_many_ask(&prometheus, || {
        let path = "/v1/coverage?rider_id=R1&at=2013-03-05T11:20:00Z";
        // One that is refused, or meets a service that closes connections, asks again.
        drop(tls::get(&address, path, "", &trusted));
    });
    assert_eq!(program.terminate(), Some(0));
}

fn holds(prometheus: &Prometheus, condition: &str) {
    poll_until(condition, || (!prometheus.query(condition).is_empty()).then_some(()));
}

/// TLS, one request at a time, and a topic for checkpoints.
fn settings(bench: &Bench, brokers: &str, port: u16) {
    configure(bench, &format!("name = \"ledger.example/seal\"\ncheckpoint_topic = \"{TOPIC}\"\n"));
    let path = bench.path("flights.toml");
    let more = format!(
        "listen = \"127.0.0.1:{port}\"\nconcurrent_requests_max = 1\n\
         [http.tls]\ncertificate = \"service.crt\"\nkey = \"service.key\"\n\
         [kafka]\nbrokers = \"{brokers}\"\noptions = {{ \"reconnect.backoff.max.ms\" = \"200\" }}\n"
    );
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("listen = \"127.0.0.1:0\"\n", &more, 1)).unwrap();
}

/// Each fsync takes so many milliseconds, and so does each answer, which is logged before it is sent.
fn serve(bench: &Bench, sync_ms: u64) -> Program {
    let data = bench.path("data");
    Program::serve_with(&bench.path("flights.toml"), &[], &mut |command| {
        Fault::SlowToSync(sync_ms).enter(&data, command);
    })
}

/// An order of three days ago, and completeness through the last hour: its day is sealed by the next start.
fn a_day_of_this_week(bench: &Bench) {
    let (from, to) = (ago(3 * DAY_S), ago(3 * DAY_S - 600));
    let order = format!(
        r#"{{"platform":"aa","order_id":"of-this-week","rider_id":"R1","category":"ride_hailing","region":"310000","accepted_at":"{from}","ended_at":"{to}"}}"#
    );
    fs::write(bench.path("in.jsonl"), order + "\n").unwrap();
    bench.ok("ingest", &["--complete-through", &ago(3_600), "in.jsonl"]);
}

/// Some ask again and again until the alarm fires.
fn too_many_ask(prometheus: &Prometheus, ask: impl Fn() + Sync) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    ask();
                }
            });
        }
        // Whether it fires or the test gives up, the clients end.
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        prometheus.fires("CoverledgerRequestsShed");
    });
    prometheus.clears("CoverledgerRequestsShed");
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
