//! The form of a list as a browser sends it: `multipart/form-data`, read whole into the bounded memory of request bodies.

use super::super::messages::{Words, choose, fill};
use crate::http::backend::Source;
use crate::http::batch;
use crate::http::in_flight;
use crate::http::problem::{Kind, Problem};
use crate::http::state::HttpState;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;

/// Bytes of a form.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The fields of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) proof: String,
    pub(super) lang: String,
    pub(super) reference: String,
    /// What was pasted.
    pub(super) list: Vec<u8>,
    /// What was uploaded.
    pub(super) file: Vec<u8>,
}

impl Sent {
    /// The language that the form names.
    pub(super) fn words(&self) -> Option<&'static Words> {
        (!self.lang.is_empty()).then(|| choose(Some(&self.lang), None))
    }
}

/// Why a form was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// For the client itself.
    Problem(Problem),
    /// For the person: the status, and what the page says.
    Form(StatusCode, String),
}

/// Reads the form of a request.
pub(super) async fn read<S: Source>(
    state: &HttpState<S>,
    request: Request,
    w: &Words,
) -> Result<Sent, Unread> {
    let b = w.bulk();
    let in_flight = in_flight::of(&request);
    let (parts, body) = request.into_parts();
    let whole = {
        let _receiving = in_flight.receiving();
        batch::body(state, Request::from_parts(parts.clone(), body), BYTES_MAX).await
    };
    let mut whole = whole.map_err(|problem| match problem.kind {
        Kind::BodyTooLarge => {
            let mebibytes = BYTES_MAX.min(state.settings().body_bytes_max) / (1024 * 1024);
            Unread::Form(problem.kind.status(), fill(b.error_large, &[&mebibytes.to_string()]))
        }
        _ => Unread::Problem(problem),
    })?;
    let unreadable = || Unread::Form(StatusCode::BAD_REQUEST, b.error_body.to_owned());
    let mut request = Request::from_parts(parts, Body::from(std::mem::take(&mut whole.bytes)));
    // The whole body is in memory already, and was bounded there.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| unreadable())?;
    let mut sent = Sent::default();
    let mut seen: Vec<String> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|_| unreadable())?.to_vec();
        // A field given twice could say two things.
        if seen.contains(&name) {
            return Err(unreadable());
        }
        let text = || String::from_utf8(bytes.clone()).map_err(|_| unreadable());
        match name.as_str() {
            "proof" => sent.proof = text()?,
            "lang" => sent.lang = text()?,
            "reference" => sent.reference = text()?.trim().to_owned(),
            "list" => sent.list = bytes,
            "file" => sent.file = bytes,
            _ => return Err(unreadable()),
        }
        seen.push(name);
    }
    Ok(sent)
}
