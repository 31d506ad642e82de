//! Requests over HTTP.

use super::Metrics;
use super::make::{LOOKUP_S, Made, Maker};
use axum::http::StatusCode;
use prometheus::{HistogramVec, IntCounter, IntCounterVec};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Http {
    requests: IntCounterVec,
    seconds: HistogramVec,
    shed: IntCounter,
}

impl Http {
    pub(super) fn new(m: &Maker) -> Made<Self> {
        Ok(Self {
            requests: m.counters(
                "http_requests_total",
                "Requests by route, method and status.",
                &["route", "method", "status"],
            )?,
            seconds: m.histograms(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
                LOOKUP_S,
                &["route", "status"],
            )?,
            shed: m.counter("http_requests_shed_total", "Requests refused: too many at a time.")?,
        })
    }
}

impl Metrics {
    /// A request was answered: by which route, of which method, with which status. Route and method come from small sets.
    pub fn requested(&self, route: &str, method: &str, status: StatusCode, took: Duration) {
        let http = &self.inner.http;
        http.requests.with_label_values(&[route, method, status.as_str()]).inc();
        http.seconds.with_label_values(&[route, status.as_str()]).observe(took.as_secs_f64());
    }

    /// A request was refused whose head could not be read: nothing is known of it.
    pub fn refused_head(&self, status: StatusCode) {
        self.inner.http.requests.with_label_values(&["unread", "other", status.as_str()]).inc();
    }

    /// A request was refused because too many others were being answered.
    pub fn request_shed(&self) {
        self.inner.http.shed.inc();
    }
}
