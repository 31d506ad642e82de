//! `/answer`: an entry of the answer log for people: what was answered, to whom and why, and what the question gives now.

use super::file_copy::FileCopy;
use super::formatter::{Time, human};
use super::frame::{Asking, Frame, address_fault, respond};
use super::identifier::{Ident, Piece};
use super::messages::{Words, fill};
use super::names::Names;
use super::receipt::ReceiptShown;
use crate::access::Role;
use crate::answers::asked::TimeForm;
use crate::answers::{Asked, Content, CoverageAsked, Event, PrincipalLine};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::verdict::Verdict;
use crate::domain::view::KnownAt;
use crate::http::access::Asker;
use crate::http::answers::{Beside, beside};
use crate::http::backend::Source;
use crate::http::problem::{Kind, Problem};
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use crate::telemetry::clock::Clock;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;
use percent_encoding::utf8_percent_encode;

const PARAMETERS: &[&str] = &["lang", "number", "view"];

/// A verdict, for its colour and in words.
type VerdictShown = (&'static str, &'static str);

#[derive(Template)]
#[template(path = "answer_entry.html")]
struct Page {
    w: &'static Words,
    frame: Frame,
    fault: Option<String>,
    shown: Option<Shown>,
}

/// An entry as the page shows it.
struct Shown {
    /// As the header of the response named it.
    id: String,
    at: Time,
    /// Name and role of the one who asked.
    asker: Option<String>,
    reference: Option<Ident>,
    riders: Vec<Ident>,
    time: Option<String>,
    then: Option<VerdictShown>,
    now: Option<VerdictShown>,
    is_same: bool,
    /// What changed the verdict, and the page of the order that did.
    event: Option<(String, Option<String>)>,
    commit: Option<u64>,
    /// The state of which the verdict of now is, and when it was recorded.
    now_as_of: Option<(u64, Time)>,
    /// When the page was made.
    shown_at: Time,
    /// The page of the case.
    case: Option<String>,
    json: String,
    /// This page, and how it looks on paper.
    page: String,
    print: String,
    /// Of the entry.
    copy: FileCopy,
    digest_text: String,
    /// The digest of what was sent.
    sent: Option<String>,
    /// Of the question, where its verdict is still the same.
    receipt: ReceiptShown,
}

pub(in crate::http) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, &[]);
    let (w, number) = (asking.w, asking.text("number"));
    let page = format!("/answer?number={}", utf8_percent_encode(&number, UNRESERVED));
    let is_paper = asking.text("view") == "print";
    let view = if is_paper { "&view=print" } else { "" };
    let other = format!("{page}&lang={}{view}", w.other_lang);
    let frame = Frame { is_paper, ..Frame::new(&state, &asker, "/answer", other, w) };
    let fault = |status: StatusCode, text: String| {
        let frame = Frame::new(&state, &asker, "/answer", format!("/?lang={}", w.other_lang), w);
        respond(status, w, &Page { w, frame, fault: Some(text), shown: None })
    };
    let is_view = is_paper || asking.text("view").is_empty();
    let unknown = || Problem::of(Kind::UnknownParameter, "view", "the page has no such value");
    if let Some(problem) = &asking.fault.or_else(|| (!is_view).then(unknown)) {
        return fault(problem.kind.status(), address_fault(problem, w));
    }
    match beside(&state, &asker, &number).await {
        Ok((found, given)) => {
            let receipt = match receipt(&state, &asker, &found, (is_paper, w)).await {
                Ok(receipt) => receipt,
                Err(problem) => return fault(problem.kind.status(), fault_text(&problem, w)),
            };
            let names = Names::new(&state.display_names(), w);
            let shown = Some(Shown::of(&found, (page, receipt), &names, state.zone(), w));
            given.with(respond(StatusCode::OK, w, &Page { w, frame, fault: None, shown }))
        }
        Err(problem) => fault(problem.kind.status(), fault_text(&problem, w)),
    }
}

fn fault_text(problem: &Problem, w: &'static Words) -> String {
    match problem.kind {
        Kind::AnswerUnknown | Kind::BadParameter => w.answer_unknown,
        Kind::NotFound => w.answer_log_off,
        Kind::StateUnknown => w.error_not_known,
        _ => w.error_service,
    }
    .to_owned()
}

/// The receipt of the question that an entry answered. One says what was answered only where the verdict is still the same, and where
/// the answer was not one of a limited view.
async fn receipt<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    found: &Beside,
    (is_paper, w): (bool, &'static Words),
) -> Result<ReceiptShown, Problem> {
    let Content::Answer { principal, question: Asked::Coverage(asked), .. } = &found.entry.entry.content
    else {
        return Ok(ReceiptShown::NONE);
    };
    let answer = found.now.clone().filter(|_| found.is_same_verdict == Some(true));
    let Some(answer) = answer else { return Ok(ReceiptShown::NONE) };
    if principal.scope().is_none_or(|scope| !scope.is_all()) {
        return Ok(ReceiptShown { why_not: Some(w.no_receipt_limited), ..ReceiptShown::NONE });
    }
    let (asker, question) = (asker.clone(), asked.question());
    let known_at = asked.known_at.map(KnownAt::from);
    let job = move |state: &HttpState<S>| {
        let view = state.view(known_at)?;
        ReceiptShown::of((state, &asker, &*view), (&question, known_at), &answer, is_paper, w)
    };
    state.read(job).await
}

impl Shown {
    /// What a print is compared by: the receipt where one was made, else the entry.
    fn compared(&self) -> &FileCopy {
        self.receipt.copy.as_ref().unwrap_or(&self.copy)
    }

    fn of(
        found: &Beside,
        (page, receipt): (String, ReceiptShown),
        names: &Names,
        zone: &Zone,
        w: &'static Words,
    ) -> Self {
        let entry = &found.entry.entry;
        let now = found.now.as_ref().map(|answer| (answer.verdict.as_str(), w.verdict(answer.verdict)));
        let event = found.entry.changed.as_ref().map(|changed| event(&changed.event, names, w));
        let mut shown = Self {
            id: found.entry.id.clone(),
            at: time_of(&found.entry.at),
            asker: None,
            reference: None,
            riders: Vec::new(),
            time: None,
            then: None,
            now,
            is_same: found.is_same_verdict.unwrap_or(true),
            event,
            commit: None,
            now_as_of: found.now.as_ref().map(|now| (now.as_of.commit, time_of(&now.as_of.recorded_at))),
            shown_at: time_of(&zone.rfc3339(Clock::start().now())),
            case: None,
            json: format!("/v1/answers/{}", entry.number),
            print: format!("{page}&lang={}&view=print", w.short_lang),
            page: format!("{page}&lang={}", w.short_lang),
            copy: FileCopy::of_digest(&found.digest.0),
            digest_text: fill(w.answer_digest_text, &[&found.entry.id]),
            sent: None,
            receipt,
        };
        let Content::Answer { principal, reason, question, verdict, commit, body_sha256, .. } =
            &entry.content
        else {
            return shown;
        };
        shown.sent = body_sha256.map(|digest| digest.to_string());
        shown.asker = Some(who(principal, w));
        shown.reference = reason.as_deref().map(Ident::new);
        shown.then = verdict.as_deref().and_then(|verdict| named(verdict, w));
        shown.commit = Some(*commit);
        if let Asked::Coverage(asked) = question {
            shown.riders = asked.rider_id.iter().map(|rider| Ident::new(rider)).collect();
            shown.time = Some(time(asked, zone));
            shown.case = Some(case(asked, reason.as_deref(), zone, w));
        }
        shown
    }
}

fn time_of(machine: &str) -> Time {
    Time { text: human(machine, ""), machine: machine.to_owned() }
}

fn who(principal: &PrincipalLine, w: &Words) -> String {
    let role = Role::parse(&principal.role).map_or("", |role| w.role(role));
    format!("{} · {role}", principal.name)
}

fn named(verdict: &str, w: &'static Words) -> Option<VerdictShown> {
    let verdicts = [Verdict::Covered, Verdict::NotCovered, Verdict::Undetermined, Verdict::PartlyCovered];
    let verdict = verdicts.into_iter().find(|known| known.as_str() == verdict)?;
    Some((verdict.as_str(), w.verdict(verdict)))
}

/// The time that was asked about.
fn time(asked: &CoverageAsked, zone: &Zone) -> String {
    let at = |ms| human(&zone.rfc3339(UtcMillis::new(ms)), "");
    match asked.time {
        TimeForm::Instant => at(asked.from_ms),
        TimeForm::Minute | TimeForm::Interval => format!("{} – {}", at(asked.from_ms), at(asked.until_ms)),
    }
}

/// The page of the case, which asks the newest state.
fn case(asked: &CoverageAsked, reason: Option<&str>, zone: &Zone, w: &Words) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let at = |ms| encoded(&zone.rfc3339(UtcMillis::new(ms)));
    let time = match asked.time {
        TimeForm::Instant => format!("&at={}", at(asked.from_ms)),
        TimeForm::Minute | TimeForm::Interval => {
            format!("&from={}&to={}", at(asked.from_ms), at(asked.until_ms))
        }
    };
    let riders: String = asked.rider_id.iter().map(|rider| format!("&rider_id={}", encoded(rider))).collect();
    let platforms = asked.platform.iter().flatten();
    let platforms: String = platforms.map(|name| format!("&platform={}", encoded(name))).collect();
    let reference = reason.map(|reason| format!("&reference={}", encoded(reason))).unwrap_or_default();
    format!("/?lang={}{riders}{time}{platforms}{reference}", w.short_lang)
}

/// What changed a verdict, in a sentence, and the page of the order that did.
fn event(event: &Event, names: &Names, w: &Words) -> (String, Option<String>) {
    let commit = event.commit().to_string();
    match event {
        Event::Order { platform, order_id, .. } => {
            let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
            let values = [&names.platform(platform).text, &Ident::new(order_id).to_string(), &commit];
            let page = format!(
                "/order?platform={}&order_id={}&lang={}",
                encoded(platform),
                encoded(order_id),
                w.short_lang
            );
            (fill(w.event_order, &values.map(String::as_str)), Some(page))
        }
        Event::Record { rejection, is_resolved, .. } => {
            let text = if *is_resolved { w.event_resolved } else { w.event_record };
            (fill(text, &[&rejection.to_string(), &commit]), None)
        }
        Event::Completeness { platforms, .. } => {
            let platforms: Vec<String> = platforms.iter().map(|name| names.platform(name).text).collect();
            (fill(w.event_completeness, &[&platforms.join(", "), &commit]), None)
        }
        Event::Configuration { .. } => (fill(w.event_configuration, &[&commit]), None),
        Event::Retention { .. } => (fill(w.event_retention, &[&commit]), None),
    }
}
