//! Errors as RFC 9457 problem documents: the only place where an error meets a status.

use crate::coverage::question::QuestionError;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// The media type of problem documents.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What can be wrong. The names are part of the contract: `urn:coverledger:problem:NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The query string, the path or the body cannot be read.
    BadRequest,
    /// A parameter that is needed is absent.
    MissingParameter,
    /// A parameter that this resource does not have.
    UnknownParameter,
    /// A parameter with a value that it cannot have.
    BadParameter,
    /// A time that cannot be read.
    BadTime,
    /// An interval without anything inside.
    EmptyInterval,
    /// An interval beyond the limit.
    IntervalTooLong,
    /// A page token that was not given out for this question.
    BadPageToken,
    /// Nothing under this path.
    NotFound,
    /// No such order.
    OrderUnknown,
    /// No such platform.
    PlatformUnknown,
    /// The path exists, not with this method.
    MethodNotAllowed,
    /// None of the accepted media types can be given.
    NotAcceptable,
    /// The request did not arrive in time.
    SlowRequest,
    /// The body is beyond the limit.
    BodyTooLarge,
    /// More lines than the limit.
    BatchTooLong,
    /// A body of another media type.
    UnsupportedMediaType,
    /// A compressed body, or one in another encoding of text.
    UnsupportedEncoding,
    /// A transfer coding other than chunked.
    UnsupportedTransferCoding,
    /// An expectation other than 100-continue.
    UnsupportedExpectation,
    /// The target of the request is beyond the limit.
    UriTooLong,
    /// The head of the request is beyond the limit.
    HeadTooLarge,
    /// The request is addressed to another host.
    Misdirected,
    /// A page of another site asks.
    CrossSite,
    /// It is not known who asks.
    Unauthorized,
    /// The role does not allow it.
    Forbidden,
    /// The asker must say why.
    ReasonMissing,
    /// One asker asks too often.
    TooManyRequests,
    /// More orders of one rider on a day than are read.
    TooManyOrders,
    /// An earlier state that cannot be shown.
    StateUnknown,
    /// Days are not sealed here.
    SealingOff,
    /// The day is not sealed yet, or not as it is now.
    NotSealed,
    /// No such entry of the answer log.
    AnswerUnknown,
    /// The answer could not be logged.
    AnswerNotLogged,
    /// A defect.
    Internal,
    /// Storage failed.
    Storage,
    /// Too many requests at a time.
    Overloaded,
    /// The answer took too long.
    TimedOut,
    /// The service is not ready.
    NotReady,
}

impl Kind {
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        type S = StatusCode;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Self::MissingParameter => (S::BAD_REQUEST, "missing-parameter", "A parameter is missing"),
            Self::UnknownParameter => (S::BAD_REQUEST, "unknown-parameter", "There is no such parameter"),
            Self::BadParameter => (S::BAD_REQUEST, "bad-parameter", "A parameter has a value it cannot have"),
            Self::BadTime => (S::BAD_REQUEST, "bad-time", "A time cannot be read"),
            Self::EmptyInterval => (S::BAD_REQUEST, "empty-interval", "The interval is empty"),
            Self::IntervalTooLong => (S::BAD_REQUEST, "interval-too-long", "The interval is too long"),
            Self::BadPageToken => (S::BAD_REQUEST, "bad-page-token", "The page token does not fit"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "There is nothing here"),
            Self::OrderUnknown => (S::NOT_FOUND, "order-unknown", "Nothing is stored of this order"),
            Self::PlatformUnknown => (S::NOT_FOUND, "platform-unknown", "There is no such platform"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not allowed here")
            }
            Self::NotAcceptable => {
                (S::NOT_ACCEPTABLE, "not-acceptable", "No accepted media type can be given")
            }
            Self::SlowRequest => (S::REQUEST_TIMEOUT, "slow-request", "The request did not arrive in time"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::BatchTooLong => (S::PAYLOAD_TOO_LARGE, "batch-too-long", "The batch has too many lines"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body has another media type")
            }
            Self::UnsupportedEncoding => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding", "The body is no plain text in UTF-8")
            }
            Self::UnsupportedTransferCoding => {
                (S::NOT_IMPLEMENTED, "unsupported-transfer-coding", "There is no such transfer coding here")
            }
            Self::UnsupportedExpectation => {
                (S::EXPECTATION_FAILED, "unsupported-expectation", "The expectation cannot be met")
            }
            Self::UriTooLong => (S::URI_TOO_LONG, "uri-too-long", "The target of the request is too long"),
            Self::HeadTooLarge => {
                (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The head of the request is too large")
            }
            Self::Misdirected => (S::MISDIRECTED_REQUEST, "misdirected", "The request names another host"),
            Self::CrossSite => (S::FORBIDDEN, "cross-site", "A page of another site asks"),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "It is not known who asks"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "The role of the asker does not allow this"),
            Self::ReasonMissing => (S::BAD_REQUEST, "reason-missing", "A reason or case number is missing"),
            Self::TooManyRequests => {
                (S::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests of one asker")
            }
            Self::TooManyOrders => {
                (S::UNPROCESSABLE_ENTITY, "too-many-orders", "Too many orders name this rider")
            }
            Self::StateUnknown => {
                (S::NOT_FOUND, "state-unknown", "The earlier state that was asked for cannot be shown")
            }
            Self::SealingOff => (S::NOT_FOUND, "sealing-off", "No days are sealed here"),
            Self::NotSealed => (S::CONFLICT, "not-sealed", "The day is not sealed yet"),
            Self::AnswerUnknown => (S::NOT_FOUND, "answer-unknown", "There is no such answer"),
            Self::AnswerNotLogged => {
                (S::SERVICE_UNAVAILABLE, "answer-not-logged", "The answer could not be logged")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "The service has a defect"),
            Self::Storage => (S::INTERNAL_SERVER_ERROR, "storage", "Storage failed"),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Too many requests at a time"),
            Self::TimedOut => (S::SERVICE_UNAVAILABLE, "timed-out", "The answer took too long"),
            Self::NotReady => (S::SERVICE_UNAVAILABLE, "not-ready", "The service is not ready"),
        }
    }

    /// The status that goes with it.
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }
}

/// An error that the client sees. It says what to do, and nothing about the inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: Kind,
    /// For a person.
    pub detail: String,
    /// The parameter that is wrong.
    pub parameter: Option<Cow<'static, str>>,
}

/// An error, as RFC 9457 describes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// `urn:coverledger:problem:` and a stable name.
    r#type: String,
    /// The type in words.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What is wrong, and what to do.
    detail: &'a str,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: None }
    }

    pub(super) fn of(kind: Kind, parameter: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: Some(parameter.into()) }
    }

    /// The document, as JSON.
    pub(super) fn document(&self) -> Vec<u8> {
        let (status, name, title) = self.kind.facts();
        let document = Document {
            r#type: format!("urn:coverledger:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            parameter: self.parameter.as_deref(),
        };
        // Texts and a number: writing them to memory does not fail.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// A storage failure: the log names the cause, the client only learns that there is one.
    pub(super) fn storage(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "Failed to answer: the storage cannot be read");
        Self::new(Kind::Storage, "Failed to read the ledger: the log of the service has the cause")
    }
}

impl From<QuestionError> for Problem {
    fn from(error: QuestionError) -> Self {
        let (kind, parameter) = match &error {
            QuestionError::NoRider => (Kind::MissingParameter, "rider_id"),
            QuestionError::BadRider => (Kind::BadParameter, "rider_id"),
            QuestionError::TooMany { field } => (Kind::BadParameter, *field),
            QuestionError::When => (Kind::MissingParameter, "at"),
            QuestionError::Time { field, .. } => (Kind::BadTime, *field),
            QuestionError::EmptyInterval => (Kind::EmptyInterval, "to"),
            QuestionError::BadPlatform => (Kind::BadParameter, "platform"),
            QuestionError::BadReference => (Kind::BadParameter, "reference"),
        };
        Self::of(kind, parameter, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut response = (status, self.document()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no resource {}", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(Kind::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}
