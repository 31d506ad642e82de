//! Traces as a collector gets them: OTLP over HTTP in protobuf. Commits and questions are spans; no span is about a single order,
//! and nothing names a rider.

#![cfg(test)]
#![cfg(feature = "otel")]

mod testkit;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use testkit::http;
use testkit::mock;
use testkit::orders::{TOPIC, config, order, send};
use testkit::program::Program;
use testkit::wait::poll_until;

/// A collector that keeps what it gets.
struct Collector {
    address: String,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<ExportTraceServiceRequest>>>::default();
        let kept = Arc::clone(&requests);
        // It ends with the test program.
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    serve(stream, &kept);
                }
            })
            .unwrap();
        Self { address, requests }
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let scopes =
            requests.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn service_name(&self) -> String {
        let requests = self.requests.lock().unwrap();
        let attributes = &requests[0].resource_spans[0].resource.as_ref().unwrap().attributes;
        text(attributes.iter().find(|attribute| attribute.key == "service.name").unwrap().value.clone())
    }
}

/// One request after the other on a connection.
fn serve(stream: TcpStream, kept: &Mutex<Vec<ExportTraceServiceRequest>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        kept.lock().unwrap().push(ExportTraceServiceRequest::decode(&body[..]).unwrap());
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn text(value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attribute(span: &Span, key: &str) -> String {
    text(
        span.attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .and_then(|attribute| attribute.value.clone()),
    )
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn commits_and_questions_are_spans_and_no_span_is_about_an_order() {
    let collector = Collector::start();
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers, "");
    let endpoint = format!("http://{}", collector.address);
    let mut program = Program::serve_with(&config, &[], &mut |command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    });
    send(&brokers, &(0..50).map(order).collect::<Vec<_>>());
    program.applied(50);
    let path = "/v1/coverage?rider_id=R1&at=2025-07-10T09:07:31%2B08:00";
    let header = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    assert_eq!(http::get(&program.address(), path, &header).unwrap().status, 200);
    assert_eq!(http::get(&program.address(), "/v1/coverage?at=x", "").unwrap().status, 400);
    assert_eq!(http::get(&program.address(), "/metrics", "").unwrap().status, 200);
    poll_until("the question is a span", || {
        collector.spans().iter().any(|span| span.name == "GET /v1/coverage").then_some(())
    });
    assert_eq!(program.terminate(), Some(0));
    let spans = collector.spans();
    // The question continues the trace of the asker.
    let asked: Vec<&Span> = spans.iter().filter(|span| span.name == "GET /v1/coverage").collect();
    assert_eq!(asked.len(), 2);
    let continued: Vec<&&Span> =
        asked.iter().filter(|span| data_encoding::HEXLOWER.encode(&span.trace_id) == TRACE).collect();
    assert_eq!(continued.len(), 1);
    assert_eq!(data_encoding::HEXLOWER.encode(&continued[0].parent_span_id), "00f067aa0ba902b7");
    assert_eq!(attribute(continued[0], "http.response.status_code"), "200");
    assert!(continued[0].end_time_unix_nano >= continued[0].start_time_unix_nano);
    assert!(!spans.iter().any(|span| span.name.contains("metrics")));
    // Each commit has its parts, and all commits together all records.
    let commits: Vec<&Span> = spans.iter().filter(|span| span.name == "commit").collect();
    let records: u64 =
        commits.iter().map(|span| attribute(span, "coverledger.records").parse::<u64>().unwrap()).sum();
    assert_eq!(records, 50);
    for commit in &commits {
        let parts: Vec<&str> = spans
            .iter()
            .filter(|span| span.parent_span_id == commit.span_id)
            .map(|span| span.name.as_str())
            .collect();
        assert_eq!(parts, ["decide", "write", "sync"]);
    }
    // A question, a commit and its parts are all there is, however many orders came.
    let questions = spans.iter().filter(|span| span.name.starts_with("GET /")).count();
    assert_eq!(spans.len(), questions + 4 * commits.len());
    for span in &spans {
        assert!(!format!("{span:?}").contains("R1") && !format!("{span:?}").contains("\"o1"), "{span:?}");
    }
    assert_eq!(collector.service_name(), "coverledger");
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_its_spans() {
    let (cluster, folder) = (mock::cluster(&[(TOPIC, 1)]), TempDir::new().unwrap());
    let brokers = cluster.bootstrap_servers();
    let config = config(&folder, &brokers, "");
    let mut program = Program::serve_with(&config, &[], &mut |command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    });
    send(&brokers, &[order(1)]);
    program.applied(1);
    assert_eq!(program.terminate(), Some(0));
}
