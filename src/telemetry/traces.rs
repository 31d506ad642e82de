//! Spans of commits and questions for an OpenTelemetry collector, in a program that was built with the feature `otel`; in any other
//! nothing. No span is about a single order, and none names a rider.

#[cfg(feature = "otel")]
mod otlp;

use std::time::Duration;

/// Where the collector is: the usual variables of OpenTelemetry.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// A commit that is durable and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CommitSpan {
    /// Its number.
    pub commit: u64,
    /// Records that it decided about.
    pub records: u64,
    /// Rows that it wrote.
    pub rows: u64,
    /// Bytes that it wrote.
    pub bytes: u64,
    /// Time to decide.
    pub decide: Duration,
    /// Time to write blocks.
    pub write: Duration,
    /// Time to make them durable.
    pub sync: Duration,
    /// Time of all.
    pub total: Duration,
}

/// A question that was answered over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionSpan<'a> {
    /// The template of the route.
    pub route: &'a str,
    /// The method.
    pub method: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// To the head of the answer.
    pub took: Duration,
    /// The header `traceparent` of the asker, whose trace the span continues.
    pub parent: Option<&'a str>,
}

/// Sends spans. Clones share the connection.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otel")]
    otlp: Option<std::sync::Arc<otlp::Otlp>>,
}

impl Traces {
    /// Traces to the collector that the environment names; none where it names none.
    ///
    /// # Errors
    /// What the environment says cannot be used, or this program has no traces: in words.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let named = ENDPOINTS.iter().find(|name| env(name).is_some_and(|value| !value.is_empty()));
        let Some(name) = named else { return Ok(Self::default()) };
        #[cfg(feature = "otel")]
        {
            let otlp = otlp::Otlp::new(env).map_err(|problem| {
                format!("Failed to set up traces to the collector of {name}: {problem}; correct the variables OTEL_*")
            })?;
            Ok(Self { otlp: Some(std::sync::Arc::new(otlp)) })
        }
        #[cfg(not(feature = "otel"))]
        Err(format!(
            "{name} is set, but this program sends no traces: use one that was built with the feature `otel`"
        ))
    }

    /// Whether spans are sent.
    pub const fn is_on(&self) -> bool {
        #[cfg(feature = "otel")]
        let is_on = self.otlp.is_some();
        #[cfg(not(feature = "otel"))]
        let is_on = false;
        is_on
    }

    /// A commit is durable.
    pub fn commit(&self, span: &CommitSpan) {
        #[cfg(feature = "otel")]
        self.otlp.iter().for_each(|otlp| otlp.commit(span));
        #[cfg(not(feature = "otel"))]
        let _ = span;
    }

    /// A question was answered.
    pub fn question(&self, span: &QuestionSpan<'_>) {
        #[cfg(feature = "otel")]
        self.otlp.iter().for_each(|otlp| otlp.question(span));
        #[cfg(not(feature = "otel"))]
        let _ = span;
    }

    /// Sends what waits; waits for the collector a few seconds at most.
    pub fn finish(&self) {
        #[cfg(feature = "otel")]
        self.otlp.iter().for_each(|otlp| otlp.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_endpoint_nothing_is_sent() {
        let traces = Traces::from_env(&|_| None).unwrap();
        assert!(!traces.is_on());
        traces.commit(&CommitSpan::default());
        traces.finish();
        assert!(!Traces::from_env(&|_| Some(String::new())).unwrap().is_on());
    }

    #[cfg(not(feature = "otel"))]
    #[test]
    fn an_endpoint_that_nothing_would_be_sent_to_is_told() {
        let told = Traces::from_env(&|_| Some("http://127.0.0.1:4318".to_owned())).unwrap_err();
        assert!(told.contains("built with the feature `otel`"), "{told}");
    }
}
