//! The pages for people. Rendered here, they work without script, in Chinese and English.
//!
//! `case` answers one question, `bulk` a list of them, `rider` and `order` show what is stored of one, `answer` what was answered,
//! `access_log` who changed which account, `operations` how the service does. `receipt` gives receipts as files. `frame` is what surrounds each page.

mod access_log;
mod answer;
mod bar;
mod bulk;
mod case;
mod chart;
mod earlier;
mod examples;
mod file_copy;
mod form;
mod formatter;
mod frame;
mod identifier;
mod messages;
mod names;
mod note;
pub(super) mod oidc;
mod operations;
mod order;
mod own_form;
mod pattern;
mod receipt;
mod rider;
pub(super) mod sign_in;
mod view_model;
mod why;

pub(super) use bulk::Jobs;
pub(super) use sign_in::to_sign_in;

use super::backend::Source;
use super::state::HttpState;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};

const CSS: &str = include_str!("../../../assets/page.css");
const ICON: &str = include_str!("../../../assets/icon.svg");

const HOUR: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");

/// The style sheet; part of the program.
async fn css() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), HOUR], CSS)
}

/// The icon; part of the program.
async fn icon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml"), HOUR], ICON)
}

/// The handler of a page or of a part of it; `None` for a path that is none.
pub(super) fn handler<S: Source>(method: &str, path: &str) -> Option<MethodRouter<HttpState<S>>> {
    Some(match (method, path) {
        ("GET", "/") => get(case::get::<S>),
        ("GET", "/bulk") => get(bulk::get::<S>),
        ("POST", "/bulk") => post(bulk::post::<S>),
        ("GET", "/bulk/{job}") => get(bulk::job::<S>),
        ("POST", "/bulk/{job}/remove") => post(bulk::remove::<S>),
        ("GET", "/bulk/{job}/answers.csv") => get(bulk::csv::<S>),
        ("GET", "/bulk/{job}/answers.xlsx") => get(bulk::xlsx::<S>),
        ("GET", "/rider") => get(rider::get::<S>),
        ("GET", "/order") => get(order::get::<S>),
        ("GET", "/answer") => get(answer::get::<S>),
        ("GET", "/receipt") => get(receipt::get::<S>),
        ("GET", "/access-log") => get(access_log::get::<S>),
        ("GET", "/operations") => get(operations::get::<S>),
        ("GET", "/sign-in") => get(sign_in::get::<S>),
        ("GET", "/sign-in/oidc") => get(oidc::begin::<S>),
        ("GET", "/sign-in/oidc/callback") => get(oidc::callback::<S>),
        ("POST", "/sign-in") => post(sign_in::post::<S>),
        ("POST", "/sign-out") => post(sign_in::sign_out::<S>),
        ("GET", "/assets/page.css") => get(css),
        ("GET", "/assets/icon.svg") => get(icon),
        _ => return None,
    })
}
