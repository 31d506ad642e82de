//! OTLP over HTTP, in protobuf, through the HTTP client that the program has anyway.

use super::{CommitSpan, QuestionSpan};
use crate::telemetry::clock::wall_time;
use async_trait::async_trait;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// How long the collector may take to answer, and spans to leave at the end.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The connection to a collector.
#[derive(Debug)]
pub(super) struct Otlp {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Otlp {
    /// By the variables `OTEL_*`, which the libraries read; `env` tells whether the service has a name by them.
    pub(super) fn new(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client(config.build().into()))
            .build()
            .map_err(|problem| problem.to_string())?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if env("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("coverledger");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("coverledger");
        Ok(Self { provider, tracer })
    }

    pub(super) fn commit(&self, span: &CommitSpan) {
        let (start, end) = ending_now(span.total);
        let attributes = [
            KeyValue::new("coverledger.commit", number(span.commit)),
            KeyValue::new("coverledger.records", number(span.records)),
            KeyValue::new("coverledger.rows", number(span.rows)),
            KeyValue::new("coverledger.bytes", number(span.bytes)),
        ];
        let whole = self.tracer.span_builder("commit").with_start_time(start).with_attributes(attributes);
        let inside = Context::new().with_span(whole.start_with_context(&self.tracer, &Context::new()));
        let mut from = start;
        for (name, took) in [("decide", span.decide), ("write", span.write), ("sync", span.sync)] {
            let until = from.checked_add(took).unwrap_or(from).min(end);
            let part = self.tracer.span_builder(name).with_start_time(from);
            part.start_with_context(&self.tracer, &inside).end_with_timestamp(until);
            from = until;
        }
        inside.span().end_with_timestamp(end);
    }

    pub(super) fn question(&self, question: &QuestionSpan<'_>) {
        let (start, end) = ending_now(question.took);
        let parent = question.parent.map_or_else(Context::new, |header| {
            let headers = HashMap::from([("traceparent".to_owned(), header.to_owned())]);
            TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
        });
        let builder = self
            .tracer
            .span_builder(format!("{} {}", question.method, question.route))
            .with_kind(SpanKind::Server)
            .with_start_time(start)
            .with_attributes([
                KeyValue::new("http.request.method", question.method),
                KeyValue::new("http.route", question.route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(question.status)),
            ]);
        let mut span = builder.start_with_context(&self.tracer, &parent);
        if question.status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(end);
    }

    pub(super) fn finish(&self) {
        if let Err(problem) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%problem, "Failed to send the last spans: the collector does not have them");
        }
    }
}

/// Both ends of what took so long and is over now.
fn ending_now(took: Duration) -> (SystemTime, SystemTime) {
    let end = wall_time();
    (end.checked_sub(took).unwrap_or(end), end)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The HTTP client of the program, blocking: spans are sent by a thread of their own.
#[derive(Debug)]
struct Client(ureq::Agent);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.0.run(request.map(|body| body.to_vec()))?;
        let (parts, mut body) = response.into_parts();
        Ok(Response::from_parts(parts, Bytes::from(body.read_to_vec()?)))
    }
}
