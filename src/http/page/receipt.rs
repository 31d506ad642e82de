//! The receipt of a case: where it is and what its print carries, or why there is none; and the receipt as a file.

use super::file_copy::FileCopy;
use super::frame::{Frame, respond, words};
use super::messages::Words;
use crate::coverage::answer::Answer;
use crate::coverage::question::{Question, QuestionText, When};
use crate::domain::view::KnownAt;
use crate::http::access::Asker;
use crate::http::backend::{NoReceipt, SealFile, Source, ViewError};
use crate::http::coverage::{answer_with_receipt, within_limits};
use crate::http::problem::{Kind, Problem};
use crate::http::query::{Query, UNRESERVED};
use crate::http::receipt::Wanted;
use crate::http::state::HttpState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use axum::response::Response;
use percent_encoding::utf8_percent_encode;

/// What the address of a receipt may contain.
const PARAMETERS: &[&str] = &["lang", "rider_id", "at", "from", "to", "reference"];

/// The receipt of an answer, as its page shows it.
#[derive(Debug)]
pub(super) struct ReceiptShown {
    /// Where it is; `None` where there is none.
    pub(super) file: Option<FileShown>,
    /// Why there is none.
    pub(super) why_not: Option<&'static str>,
    /// What a print carries; on a screen, nothing of it.
    pub(super) copy: Option<FileCopy>,
}

/// Where a receipt is, and the command that verifies it.
#[derive(Debug)]
pub(super) struct FileShown {
    pub(super) address: String,
    pub(super) command: String,
}

impl ReceiptShown {
    /// None, and nothing to be said about it.
    pub(super) const NONE: Self = Self { file: None, why_not: None, copy: None };

    /// Of an answer from a state. `is_paper`: what is printed has the digest of the receipt, so that it has to be made.
    pub(super) fn of<S: Source>(
        (state, asker, view): (&HttpState<S>, &Asker, &S::View),
        (question, known_at): (&Question, Option<KnownAt>),
        answer: &Answer,
        is_paper: bool,
        w: &'static Words,
    ) -> Result<Self, ViewError<S>> {
        let none = |why_not| Ok(Self { file: None, why_not: Some(why_not), copy: None });
        if let Some(why_not) = unfit(asker, question, known_at, answer, w) {
            return none(why_not);
        }
        let window = question.when.window();
        let day = state.zone().rfc3339(window.from).get(..10).unwrap_or_default().to_owned();
        let made = state.source().is_sealed(view, window).and_then(|()| {
            let keys = state.source().seal_file(SealFile::Keys)?.unwrap_or_default();
            let file = is_paper.then(|| Wanted::Answer.of(state, view, question)).transpose()?;
            Ok((keys, file))
        });
        match made {
            Ok((keys, made)) => {
                let keys = String::from_utf8_lossy(&keys);
                let keys: String = keys.lines().map(|key| format!(" --key {key}")).collect();
                let address = format!("{}&lang={}", address(answer, state, question), w.short_lang);
                let command = format!("coverledger verify-receipt receipt-{day}.json{keys}");
                let copy = made.map(|file| FileCopy::of_digest(&file.digest));
                Ok(Self { file: Some(FileShown { address, command }), why_not: None, copy })
            }
            Err(NoReceipt::Off) => none(w.no_receipt_off),
            Err(NoReceipt::NotSealed(_)) => none(w.no_receipt_not_sealed),
            Err(NoReceipt::Unanswerable(_)) => none(w.no_receipt_days),
            Err(NoReceipt::Storage(error)) => Err(error),
            Err(NoReceipt::Failed(cause)) => {
                tracing::error!(cause, "Failed to make a receipt");
                none(w.no_receipt_failed)
            }
        }
    }
}

/// Why no receipt can be about an answer, whatever is sealed.
fn unfit(
    asker: &Asker,
    question: &Question,
    known_at: Option<KnownAt>,
    answer: &Answer,
    w: &'static Words,
) -> Option<&'static str> {
    let reasons = [
        (!asker.scope().is_all(), w.no_receipt_limited),
        (question.rider_ids.len() != 1, w.no_receipt_riders),
        (question.platforms.is_some(), w.no_receipt_platforms),
        (known_at.is_some(), w.no_receipt_known_at),
        (!answer.settled, w.no_receipt_open),
    ];
    reasons.into_iter().find(|(applies, _)| *applies).map(|(_, text)| text)
}

/// Where the receipt of an answer is.
fn address<S: Source>(answer: &Answer, state: &HttpState<S>, question: &Question) -> String {
    let window = question.when.window();
    let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let riders: Vec<String> = answer.rider_id.iter().map(|id| format!("rider_id={}", encoded(id))).collect();
    let time = |at| encoded(&state.zone().rfc3339(at));
    let time = match question.when {
        When::Instant(at) => format!("&at={}", time(at)),
        _ => format!("&from={}&to={}", time(window.from), time(window.until)),
    };
    let reference = answer.reference.as_deref().map(|text| format!("&reference={}", encoded(text)));
    format!("/receipt?{}{time}{}", riders.join("&"), reference.unwrap_or_default())
}

#[derive(Template)]
#[template(path = "receipt_refused.html")]
struct Refused {
    w: &'static Words,
    frame: Frame,
    fault: &'static str,
}

/// Why there is no file, in a sentence.
fn fault(problem: &Problem, w: &'static Words) -> &'static str {
    match problem.kind {
        Kind::SealingOff => w.no_receipt_off,
        Kind::NotSealed => w.no_receipt_not_sealed,
        Kind::Forbidden => w.no_receipt_limited,
        Kind::ReasonMissing => w.error_reason_missing,
        kind if kind.status().is_server_error() => w.no_receipt_failed,
        _ => w.error_address,
    }
}

pub(in crate::http) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    match file(&state, &asker, raw.as_deref()).await {
        Ok(response) => response,
        Err(problem) => {
            let w = words(&Query::lenient(raw.as_deref()).unwrap_or_default(), &headers);
            let frame = Frame::new(&state, &asker, "/receipt", format!("/?lang={}", w.other_lang), w);
            respond(problem.kind.status(), w, &Refused { w, frame, fault: fault(&problem, w) })
        }
    }
}

/// The receipt as a file, and as an answer that is logged.
async fn file<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    raw: Option<&str>,
) -> Result<Response, Problem> {
    let query = Query::strict(raw, PARAMETERS)?;
    let question = Question::parse(QuestionText {
        rider_ids: query.all("rider_id"),
        at: query.time("at")?.as_deref(),
        from: query.time("from")?.as_deref(),
        to: query.time("to")?.as_deref(),
        platforms: Vec::new(),
        reference: query.one("reference")?.map(str::to_owned),
    })?;
    asker.check_reason(question.reference.as_deref())?;
    let wanted = Wanted::Answer.check(asker, &question, None)?;
    let question = within_limits(question, state)?;
    let day = state.zone().rfc3339(question.when.window().from).get(..10).unwrap_or_default().to_owned();
    let (receipt, given) = answer_with_receipt(state, asker, question, wanted).await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"receipt-{day}.json\"")),
    ];
    Ok(given.with((headers, receipt.text)))
}
