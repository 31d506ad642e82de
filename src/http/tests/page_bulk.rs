//! The pages of lists: from the form to the files, and what they refuse.

use super::access::sign_in::{Cookies, proof};
use super::answers::open_log;
use super::named_world::named;
use super::world::*;
use crate::answers::{Asked, Content, Digest};
use crate::domain::time::UtcMillis;
use crate::http::HttpState;
use crate::telemetry::clock::Clock;
use crate::wait::poll_until;
use axum::body::Body;
use axum::http::Request;
use std::io::{Cursor, Read};
use std::time::Duration;
use tempfile::TempDir;

const LIST: &str = "rider_id,at,reference\n\
    3f9c-rider-7e21,2026-11-20 12:07:31,c-1\n\
    3f9c-rider-7e21,2026-11-18 15:00:00,c-2\n\
    3f9c-rider-7e21,2026-11-20 14:10:00,c-3\n\
    nobody,2026-11-18 15:00:00,c-4\n\
    3f9c-rider-7e21,11/20/2026,c-5\n";

/// A form of `multipart/form-data`, as browsers send it.
pub(super) fn multipart(fields: &[(&str, &str)]) -> (&'static str, String) {
    let mut body = String::new();
    for (name, value) in fields {
        let file = if *name == "file" { "; filename=\"list.csv\"\r\nContent-Type: text/csv" } else { "" };
        body.push_str(&format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--edge--\r\n");
    ("multipart/form-data; boundary=edge", body)
}

async fn sent(state: &HttpState<World>, cookies: &str, fields: &[(&str, &str)]) -> Reply {
    let (media_type, body) = multipart(fields);
    let request = Request::post("/bulk?lang=en").header("content-type", media_type).header("cookie", cookies);
    send(state, request.body(body.into()).unwrap()).await
}

async fn opened(state: &HttpState<World>, cookies: &str, uri: &str) -> Reply {
    send(state, Request::get(uri).header("cookie", cookies).body(Body::empty()).unwrap()).await
}

/// The cookie and the proof of the form.
async fn form(state: &HttpState<World>) -> (String, String) {
    let page = get(state, "/bulk?lang=en").await;
    let mut cookies = Cookies::default();
    cookies.take(&page);
    (cookies.header(), proof(&page))
}

/// The page of a list that was taken, once it is done.
async fn done(state: &HttpState<World>, taken: &Reply) -> (String, Reply) {
    assert_eq!(taken.status, 303, "{}", taken.body);
    let address = taken.header("location").to_owned();
    let path = address.split('?').next().unwrap().to_owned();
    // The work has a thread of its own.
    let ended = || state.jobs().all_ended().then_some(());
    assert_eq!(poll_until(6_000, Duration::from_millis(10), ended), Some(()));
    (path, get(state, &address).await)
}

#[tokio::test]
async fn a_list_is_answered_and_downloaded() {
    let state = named();
    let (cookies, proof) = form(&state).await;
    let fields = [("proof", proof.as_str()), ("lang", "zh"), ("reference", ""), ("list", LIST), ("file", "")];
    let (path, page) = done(&state, &sent(&state, &cookies, &fields).await).await;
    assert_eq!((page.status.as_u16(), page.header("refresh")), (200, ""), "{}", page.body);
    for text in [
        "已答 5 / 5 行",
        "有保障",
        "无保障",
        "暂不能确定",
        "查无此人",
        "分不清月和日",
        "达达 DD-20261120-0093",
    ] {
        assert!(page.body.contains(text), "`{text}` is not in {}", page.body);
    }
    let case = "/?lang=zh&#38;rider_id=3f9c-rider-7e21&#38;at=2026-11-20%2012%3A07%3A31&#38;reference=c-1";
    assert!(page.body.contains(case) && page.body.matches("打开案件</a>").count() == 4, "{}", page.body);
    let csv = get(&state, &format!("{path}/answers.csv?lang=en")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").starts_with("attachment; filename=\"coverage-"));
    let lines: Vec<&str> = csv.body.lines().collect();
    assert_eq!(lines.len(), 6, "{}", csv.body);
    for (line, cells) in [
        (
            1,
            "2,3f9c-rider-7e21,2026-11-20 12:07:31,c-1,Covered,covered,no,Dada DD-20261120-0093; Meituan 8830021175020,",
        ),
        (2, "3,3f9c-rider-7e21,2026-11-18 15:00:00,c-2,Not covered,not_covered,yes,,,,,2"),
        (3, "4,3f9c-rider-7e21,2026-11-20 14:10:00,c-3,Cannot be said yet,undetermined,no,,"),
        (4, "5,nobody,2026-11-18 15:00:00,c-4,No record of this identifier,no_record,yes,,,,,2"),
        (5, "6,3f9c-rider-7e21,11/20/2026,c-5,No answer,,,,,,"),
    ] {
        assert!(lines[line].starts_with(cells), "`{cells}` does not begin {}", lines[line]);
    }
    let request = Request::get(format!("{path}/answers.xlsx?lang=zh")).header("host", "localhost");
    let response =
        tower::ServiceExt::oneshot(crate::http::router(state.clone()), request.body(Body::empty()).unwrap());
    let bytes = axum::body::to_bytes(response.await.unwrap().into_body(), usize::MAX).await.unwrap();
    let mut workbook = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut texts = String::new();
    workbook.by_name("xl/sharedStrings.xml").unwrap().read_to_string(&mut texts).unwrap();
    for text in ["骑手标识", "3f9c-rider-7e21", "查无此人", "not_covered", "美团 8830021175020"] {
        assert!(texts.contains(text), "`{text}` is not in {texts}");
    }
}

#[tokio::test]
async fn a_form_without_its_proof_or_with_mistakes_starts_nothing() {
    let state = named();
    let (cookies, proof) = form(&state).await;
    let proof = proof.as_str();
    let rows = format!("rider_id,at\n{}", "R1,2026-11-20\n".repeat(20_001));
    let large = "x".repeat(5 * 1024 * 1024);
    for (fields, cookie, status, says) in [
        (vec![("list", LIST)], cookies.as_str(), 403, "The form had expired"),
        (vec![("proof", "AAAA"), ("list", LIST)], &cookies, 403, "The form had expired"),
        (vec![("proof", proof), ("list", LIST)], "", 403, "The form had expired"),
        (vec![("proof", proof), ("list", " "), ("file", "")], &cookies, 400, "Paste a list or choose a file"),
        (vec![("proof", proof), ("list", LIST), ("file", LIST)], &cookies, 400, "not both"),
        (vec![("proof", proof), ("list", LIST), ("list", LIST)], &cookies, 400, "cannot be read"),
        (vec![("proof", proof), ("extra", "1")], &cookies, 400, "cannot be read"),
        (
            vec![("proof", proof), ("list", "name,at\nR1,2026-11-20\n")],
            &cookies,
            400,
            "The first line must name",
        ),
        (vec![("proof", proof), ("list", rows.as_str())], &cookies, 400, "at most 20000 lines"),
        (vec![("proof", proof), ("list", large.as_str())], &cookies, 413, "at most 4 MiB"),
    ] {
        let fields: Vec<(&str, &str)> = fields.into_iter().chain([("lang", "en")]).collect();
        let reply = sent(&state, cookie, &fields).await;
        assert_eq!(reply.status.as_u16(), status, "{says}: {}", reply.body);
        assert!(reply.body.contains(says), "`{says}` is not in {}", reply.body);
    }
    let request = Request::post("/bulk").header("content-type", "text/plain").body(LIST.into()).unwrap();
    assert_eq!(send(&state, request).await.status, 400);
    assert!(get(&state, "/bulk?lang=en").await.body.contains("None yet."));
    // What was pasted comes back to be mended.
    let mistaken = [("proof", proof), ("lang", "en"), ("list", "name,at\nR<1>,2026-11-20\n")];
    assert!(
        sent(&state, &cookies, &mistaken)
            .await
            .body
            .contains(">name,at\nR&#60;1&#62;,2026-11-20\n</textarea>")
    );
}

#[tokio::test]
async fn a_file_is_taken_and_lists_are_bounded_and_removed() {
    let state = named();
    let (cookies, proof) = form(&state).await;
    let fields = [("proof", proof.as_str()), ("lang", "en"), ("list", ""), ("file", LIST)];
    let mut paths = Vec::new();
    for _ in 0..5 {
        paths.push(done(&state, &sent(&state, &cookies, &fields).await).await.0);
    }
    let refused = sent(&state, &cookies, &fields).await;
    assert_eq!(refused.status, 429);
    assert!(refused.body.contains("You have 5 lists"), "{}", refused.body);
    let remove = async |proof: &str| {
        let request = Request::post(format!("{}/remove", paths[0])).header("cookie", &cookies);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        send(&state, request.body(format!("proof={proof}&lang=en").into()).unwrap()).await
    };
    assert_eq!(remove("AAAA").await.status, 403);
    assert_eq!(opened(&state, &cookies, &paths[0]).await.status, 200);
    let removed = remove(&proof).await;
    assert_eq!((removed.status.as_u16(), removed.header("location")), (303, "/bulk?lang=en"));
    for gone in [paths[0].clone(), format!("{}/answers.csv", paths[0]), "/bulk/x".to_owned()] {
        assert_eq!(opened(&state, &cookies, &gone).await.status, 404, "{gone}");
    }
    assert_eq!(sent(&state, &cookies, &fields).await.status, 303);
}

#[tokio::test]
async fn progress_is_shown_while_a_list_is_answered() {
    let (open, gate) = std::sync::mpsc::channel();
    let world = World { gate: Some(std::sync::Mutex::new(gate)), ..world() };
    let state = state_with(world, settings());
    let (cookies, proof) = form(&state).await;
    let fields = [("proof", proof.as_str()), ("lang", "en"), ("list", LIST)];
    let taken = sent(&state, &cookies, &fields).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let address = taken.header("location").to_owned();
    let page = get(&state, &address).await;
    assert_eq!(page.header("refresh"), "2", "{}", page.body);
    assert!(page.body.contains("0 of 5 lines are answered") && page.body.contains("Stop refreshing"));
    let paused = get(&state, &format!("{address}&watch=off")).await;
    assert_eq!(paused.header("refresh"), "");
    assert!(paused.body.contains("Refresh now"), "{}", paused.body);
    // Its files are not there yet.
    let path = address.split('?').next().unwrap();
    assert_eq!(get(&state, &format!("{path}/answers.csv")).await.status, 303);
    drop(open);
    let (_, page) = done(&state, &taken).await;
    assert!(page.body.contains("5 of 5 lines are answered"), "{}", page.body);
}

/// A person asked each row: every answer is an entry of its own, with the digest of the answer that the interface gives.
#[tokio::test]
async fn each_answer_of_a_list_is_in_the_log_before_it_is_shown() {
    let dir = TempDir::new().unwrap();
    let log = open_log(&dir);
    let state = named().with_answer_log(log.clone(), Clock::start());
    let (cookies, proof) = form(&state).await;
    let fields = [("proof", proof.as_str()), ("lang", "en"), ("reference", ""), ("list", LIST), ("file", "")];
    let (_, page) = done(&state, &sent(&state, &cookies, &fields).await).await;
    assert!(page.body.contains("5 of 5 lines are answered"), "{}", page.body);
    let mut given = Vec::new();
    for number in 1..=4 {
        let Content::Answer { reason, question: Asked::Coverage(asked), verdict, body_sha256, .. } =
            log.entry(number).unwrap().unwrap().content
        else {
            panic!("entry {number}")
        };
        let (rider, at) = (&asked.rider_id[0], shanghai().rfc3339(UtcMillis::new(asked.from_ms)));
        let at = at.replace('+', "%2B");
        let uri = format!("/v1/coverage?rider_id={rider}&at={at}&reference={}", reason.clone().unwrap());
        let answer = get(&named(), &uri).await;
        assert_eq!(body_sha256, Some(Digest::of(answer.body.as_bytes())), "{uri}");
        given.push((reason.unwrap(), verdict.unwrap()));
    }
    let expected =
        [("c-1", "covered"), ("c-2", "not_covered"), ("c-3", "undetermined"), ("c-4", "not_covered")];
    assert_eq!(given, expected.map(|(reason, verdict)| (reason.to_owned(), verdict.to_owned())));
    // Changes of the ledger are compared with them.
    assert_eq!(log.take_watchables().len(), 4);
    let case = get(&state, "/?rider_id=3f9c-rider-7e21&at=2026-11-20+12:07:31&reference=c-2&lang=en").await;
    assert!(case.body.contains("Earlier answers in this case") && case.body.contains(">main/2</a>"));
}

#[tokio::test]
async fn a_list_whose_answers_cannot_be_logged_shows_none() {
    let dir = TempDir::new().unwrap();
    let state = named().with_answer_log(open_log(&dir), Clock::start());
    let (cookies, proof) = form(&state).await;
    std::fs::rename(dir.path().join("main"), dir.path().join("aside")).unwrap();
    let fields = [("proof", proof.as_str()), ("lang", "en"), ("reference", ""), ("list", LIST), ("file", "")];
    let (_, page) = done(&state, &sent(&state, &cookies, &fields).await).await;
    assert!(page.body.contains("what is not logged is not shown"), "{}", page.body);
    assert!(!page.body.contains("chip covered") && !page.body.contains("DD-2026"), "{}", page.body);
}
