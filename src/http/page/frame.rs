//! What surrounds every page: title, ways to the other pages, who is signed in, the other language.

use super::bar::Bar;
use super::identifier::Ident;
use super::messages::{self, Words};
use crate::http::access::Asker;
use crate::http::answer_log::GivenAnswer;
use crate::http::backend::Source;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::routes;
use crate::http::state::HttpState;
use askama::Template;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, VARY};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// Its name on a page.
type NameOf = fn(&Words) -> &'static str;

/// Where the navigation leads.
const PLACES: [(&str, NameOf); 6] = [
    ("/", |w| w.nav_case),
    ("/bulk", |w| w.nav_bulk),
    ("/rider", |w| w.nav_rider),
    ("/order", |w| w.nav_order),
    ("/access-log", |w| w.nav_access_log),
    ("/operations", |w| w.operations().title),
];

/// The frame of a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) bar: Bar,
    pub(super) nav: Vec<Way>,
    /// The same page in the other language.
    pub(super) other_language: String,
    pub(super) zone: String,
    pub(super) version: &'static str,
    /// Whether it is shown as it will be on paper: the answer alone.
    pub(super) is_paper: bool,
    /// Whether the asker has to give a case reference or a reason.
    pub(super) needs_reference: bool,
    /// That nothing about the present is final here.
    pub(super) behind: Option<&'static str>,
}

/// A way to another page.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) text: &'static str,
    pub(super) address: String,
    pub(super) is_here: bool,
}

impl Frame {
    /// Of the page under `here`; offers the pages that the asker's role allows.
    pub(super) fn new<S: Source>(
        state: &HttpState<S>,
        asker: &Asker,
        here: &str,
        other_language: String,
        w: &'static Words,
    ) -> Self {
        let may = |path: &str| {
            routes::rule_of(path, &Method::GET).is_some_and(|rule| rule.may.allows(asker.principal.role))
        };
        let nav = PLACES.into_iter().filter(|(path, _)| may(path)).map(|(path, text)| Way {
            text: text(w),
            address: format!("{path}?lang={}", w.short_lang),
            is_here: path == here,
        });
        Self {
            bar: Bar::of(asker, w),
            nav: nav.collect(),
            other_language,
            zone: state.zone().name().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            is_paper: false,
            needs_reference: state.guard().is_some_and(|guard| guard.must_state_reason(asker.principal.role)),
            behind: state.source().behind().map(|_| w.reader_behind),
        }
    }
}

/// The parameters of a page's address, its language, and what is wrong with them.
pub(super) struct Asking {
    pub(super) query: Query,
    pub(super) w: &'static Words,
    pub(super) fault: Option<Problem>,
}

impl Asking {
    /// Reads an address that may have the `known` parameters, all but the `repeated` ones once: a mistake never becomes
    /// another question.
    pub(super) fn read(
        raw: Option<&str>,
        headers: &HeaderMap,
        known: &[&'static str],
        repeated: &[&str],
    ) -> Self {
        let (query, fault) = match Query::lenient(raw) {
            Ok(query) => {
                let once = known.iter().filter(|name| !repeated.contains(name));
                let fault = query.check_names(known);
                let fault =
                    fault.and_then(|()| once.into_iter().try_for_each(|name| query.one(name).map(drop)));
                (query, fault.err())
            }
            Err(problem) => {
                // An error is still reported in the language that was asked for.
                let lang = raw.and_then(|raw| raw.split('&').find(|pair| pair.starts_with("lang=")));
                (Query::lenient(lang).unwrap_or_default(), Some(problem))
            }
        };
        let w = words(&query, headers);
        Self { query, w, fault }
    }

    /// The only value of a parameter, without blanks around it; empty where there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.query.all(name).first().map(|value| value.trim().to_owned()).unwrap_or_default()
    }
}

/// The language that an address or a browser asks for.
pub(super) fn words(query: &Query, headers: &HeaderMap) -> &'static Words {
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    messages::choose(query.all("lang").first().map(String::as_str), accepted)
}

/// What is wrong with an address, in words.
pub(super) fn address_fault(problem: &Problem, w: &Words) -> String {
    let text = match problem.kind {
        Kind::UnknownParameter => w.error_parameter_unknown,
        Kind::BadParameter => w.error_parameter_twice,
        _ => w.error_address,
    };
    let parameter = Ident::new(problem.parameter.as_deref().unwrap_or_default()).to_string();
    messages::fill(text, &[&parameter])
}

/// A page that shows what is stored as of a commit: the answer log has it before it is sent.
pub(super) fn respond_stored(
    status: StatusCode,
    w: &Words,
    page: &impl Template,
    commit: Option<u64>,
) -> Response {
    let response = respond(status, w, page);
    match commit {
        Some(commit) => GivenAnswer::to_request(commit).with(response),
        None => response,
    }
}

/// A page as a response.
pub(super) fn respond(status: StatusCode, w: &Words, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let headers = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CONTENT_LANGUAGE, w.lang),
                (VARY, "Accept-Language"),
            ];
            (status, headers, html).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "Failed to render the page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
