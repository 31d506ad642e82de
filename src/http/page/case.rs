//! `GET /`: the coverage question of a case.

use super::chart::{self, Figure, Plan};
use super::earlier::{EarlierShown, Which, earlier};
use super::examples::{ExampleShown, examples};
use super::file_copy::FileCopy;
use super::form::{Asked, Form};
use super::frame::{Asking, Frame, address_fault, respond};
use super::identifier::Piece;
use super::messages::Words;
use super::names::Names;
use super::note::{Note, notes};
use super::receipt::ReceiptShown;
use super::view_model::{Beside, Shown};
use crate::coverage::answer::Answer;
use crate::coverage::explain;
use crate::coverage::question::Question;
use crate::coverage::rider_summary::rider_is_stored;
use crate::coverage::timeline::{Timeline, timeline};
use crate::http::access::Asker;
use crate::http::answer_log::GivenAnswer;
use crate::http::backend::{Source, ViewError};
use crate::http::coverage::within_limits;
use crate::http::problem::{Kind, Problem};
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::Lookup;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;
use percent_encoding::utf8_percent_encode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an address of the page may contain.
const PARAMETERS: &[&str] =
    &["lang", "riders", "rider_id", "at", "from", "to", "platform", "reference", "known_at", "zoom", "view"];
/// Parameters of which several values count.
const REPEATED: &[&str] = &["riders", "rider_id", "platform"];

#[derive(Template)]
#[template(path = "case.html")]
struct Page {
    w: &'static Words,
    frame: Frame,
    form: Form,
    shown: Option<Shown>,
    fault: Option<String>,
    /// What the picture may show: text, address, whether it does.
    zooms: Vec<(&'static str, String, bool)>,
    print_address: String,
    earlier: Vec<EarlierShown>,
    examples: Vec<ExampleShown>,
}

impl Page {
    /// Says what is wrong, beside its field where it has one.
    fn fail(&mut self, problem: &Problem) -> StatusCode {
        let status = problem.kind.status();
        match problem.parameter.as_deref() {
            Some("to") => self.form.to_error = Some(self.w.error_interval_long.to_owned()),
            Some("rider_id") => self.form.rider_error = Some(self.w.error_riders_many.to_owned()),
            Some("known_at") => self.form.known_at_error = Some(self.w.error_not_known.to_owned()),
            _ if problem.kind == Kind::TooManyOrders => {
                self.fault = Some(self.w.error_orders_many.to_owned());
            }
            _ if status.is_server_error() => self.fault = Some(self.w.error_service.to_owned()),
            _ => self.fault = Some(self.w.error_address.to_owned()),
        }
        status
    }
}

/// The page before anything is asked.
fn page<S: Source>(state: &HttpState<S>, asker: &Asker, asking: &Asking, form: Form) -> Page {
    let (w, lang) = (asking.w, asking.w.short_lang);
    let mut frame = Frame::new(state, asker, "/", form.address(w.other_lang), w);
    frame.is_paper = asking.text("view") == "print";
    let zooms = chart::ZOOMS.map(|zoom| {
        (w.zoom(zoom.name), form.address_zoomed(lang, zoom.name), form.zoom().is_some_and(|it| it == zoom))
    });
    let print_address = format!("{}&view=print", form.address(lang));
    Page {
        w,
        frame,
        form,
        shown: None,
        fault: None,
        zooms: zooms.into(),
        print_address,
        earlier: Vec::new(),
        examples: Vec::new(),
    }
}

/// Refuses a view or a section of time that the page does not have.
fn check_choices(asking: &Asking, form: &Form) -> Option<Problem> {
    let bad =
        |name: &'static str| Some(Problem::of(Kind::UnknownParameter, name, "the page has no such value"));
    if !matches!(asking.text("view").as_str(), "" | "print") {
        return bad("view");
    }
    if !form.zoom.is_empty() && form.zoom().is_none() {
        return bad("zoom");
    }
    None
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let mut asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, REPEATED);
    let w = asking.w;
    let (form, asked) = Form::read(&asking.query, state.zone(), w);
    asking.fault = asking.fault.take().or_else(|| check_choices(&asking, &form));
    let mut page = page(&state, &asker, &asking, form);
    let mut status = StatusCode::OK;
    let asked = match &asking.fault {
        Some(problem) => {
            page.fault = Some(address_fault(problem, w));
            status = problem.kind.status();
            state.metrics().looked_up(Lookup::Refused, Duration::ZERO);
            Asked::Nothing
        }
        None => asked,
    };
    let asked = match asked {
        Asked::Question(question) if asker.check_reason(question.reference.as_deref()).is_err() => {
            page.form.reference_error = Some(w.error_reason_missing.to_owned());
            Asked::Mistaken
        }
        asked => asked,
    };
    let mut given = None;
    match asked {
        Asked::Nothing => {}
        Asked::Mistaken => {
            status = StatusCode::BAD_REQUEST;
            state.metrics().looked_up(Lookup::Refused, Duration::ZERO);
        }
        Asked::Question(question) => match within_limits(question, &state) {
            Err(problem) => status = page.fail(&problem),
            Ok(question) => {
                match answer(&state, &asker, question, (&page.form, page.frame.is_paper), w).await {
                    Ok((shown, answered)) => (page.shown, given) = (Some(shown), Some(answered)),
                    Err(problem) => status = page.fail(&problem),
                }
            }
        },
    }
    let reference = page.form.reference.trim();
    let which = match (&page.shown, reference.is_empty()) {
        (Some(_), false) => Some(Which::OfCase(reference.to_owned())),
        (None, _) if status == StatusCode::OK => Some(Which::Changed),
        _ => None,
    };
    if matches!(which, Some(Which::Changed)) {
        page.examples = examples(&state, &asker, w);
    }
    if let Some(which) = which {
        page.earlier = earlier(&state, &asker, which, w).await;
    }
    // Without an answer there is nothing to be put on paper.
    page.frame.is_paper &= page.shown.is_some();
    let response = respond(status, w, &page);
    match given {
        Some(given) => given.with(response),
        None => response,
    }
}

/// What one state says.
struct Found {
    answer: Answer,
    receipt: ReceiptShown,
    explained: Option<explain::Words>,
    lines: Vec<Timeline>,
    notes: Vec<Note>,
    question: Question,
}

/// The answer and what surrounds it, from one state.
async fn answer<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    question: Question,
    (form, is_paper): (&Form, bool),
    w: &'static Words,
) -> Result<(Shown, GivenAnswer), Problem> {
    state.note_riders(asker, &question.rider_ids);
    let begun = Instant::now();
    let (typed, who) = (form.clone(), asker.clone());
    let within = chart::around(question.when.window(), form.zoom());
    let job = move |state: &HttpState<S>| -> Result<Found, ViewError<S>> {
        let view = state.view(typed.known)?;
        let seen = state.see_in(Arc::clone(&view), who.scope(), typed.known);
        let mut answer = seen.answer(&question, true)?;
        // The page shows the answer without it, as its digest is that of the answer alone.
        let explained = answer.why.take().map(|why| explain::words(&why, w.language()));
        // A reader that is behind looks at no order.
        let is_behind = seen.behind.is_some();
        let riders = question.rider_ids.iter().filter(|_| !is_behind);
        let lines = riders.map(|rider| timeline(&seen.view, seen.terms(), rider, within));
        let lines = lines.collect::<Result<_, _>>()?;
        let stored = |rider: &str| match is_behind {
            true => Ok(true),
            false => rider_is_stored(&seen.view, state.zone(), rider),
        };
        let notes = notes(&typed, &question.rider_ids, w, stored)?;
        let asked = (&question, typed.known);
        let receipt = ReceiptShown::of((state, &who, &*view), asked, &answer, is_paper, w)?;
        Ok(Found { answer, receipt, explained, lines, notes, question })
    };
    let done = state.read(job).await;
    let lookup = done.as_ref().map_or(Lookup::Failed, |found| Lookup::Answered(found.answer.verdict));
    state.metrics().looked_up(lookup, begun.elapsed());
    let Found { answer, receipt, explained, lines, notes, question } = done?;
    let given = GivenAnswer::of(&question, form.known, &answer);
    let names = Names::new(&state.display_names(), w);
    let plan = Plan {
        within,
        lines: &lines,
        platforms: question.platforms.as_deref(),
        asked: Some((question.when, &answer)),
        zone: state.zone(),
        names: &names,
        w,
    };
    let figures = [chart::WIDE, chart::NARROW].map(|frame| Figure::new(plan, frame));
    let bytes = serde_json::to_vec(&answer).map_err(|_| {
        Problem::new(Kind::Internal, "Failed to write the answer as JSON: this is a defect; report it")
    })?;
    let reference = utf8_percent_encode(&form.reference, UNRESERVED);
    let onward = format!("&lang={}&reference={reference}", w.short_lang);
    let now = Clock::start().now();
    let copy = FileCopy::of(&bytes);
    let beside = Beside { figures, notes, names: &names, copy, receipt, explained, onward, now };
    Ok((Shown::new(answer, question.when, beside, state.zone(), w), given))
}
