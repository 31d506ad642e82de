use super::world::*;
use crate::config::HttpSettings;
use crate::http::{HttpState, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::test]
async fn too_many_requests_are_shed_and_watchers_are_not() {
    let state = state();
    let places = state.requests();
    let all = places.acquire_many(256).await.unwrap();
    let reply = get(&state, "/v1/progress").await;
    reply.is_problem(503, "overloaded");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(get(&state, "/livez").await.status, 200);
    assert!(get(&state, "/metrics").await.body.contains("coverledger_http_requests_shed_total 1"));
    drop(all);
    assert_eq!(get(&state, "/v1/progress").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let (open, gate) = mpsc::channel();
    let world = World { gate: Some(Mutex::new(gate)), ..world() };
    let state = state_with(world, HttpSettings { timeout: Duration::from_millis(1), ..settings() });
    get(&state, "/v1/progress").await.is_problem(503, "timed-out");
    assert_eq!(get(&state, "/livez").await.status, 200);
    drop(open);
}

#[tokio::test]
async fn batches_have_limits() {
    let small = HttpSettings { body_bytes_max: 100, batch_lines_max: 3, ..settings() };
    let state = state_with(world(), small);
    post(&state, "text/plain", "x").await.is_problem(415, "unsupported-media-type");
    post(&state, "application/x-ndjson", "x\n".repeat(60)).await.is_problem(413, "body-too-large");
    post(&state, "application/x-ndjson", "x\nx\nx\nx\n").await.is_problem(413, "batch-too-long");
    assert_eq!(post(&state, "application/x-ndjson", "x\n\nx\n\n\nx\n").await.body.lines().count(), 3);
    assert_eq!(post(&state, "application/x-ndjson", "").await.body, "");
}

/// Serves on a free port while `client` runs on a thread of its own.
pub(super) async fn with_server<T: Send + 'static>(
    settings: HttpSettings,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    with_state(state_with(world(), settings), client).await
}

/// The same, with a state of its own.
pub(super) async fn with_state<T: Send + 'static>(
    state: HttpState<World>,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve((listener, None), state, usize::MAX, async {
        stopped.await.ok();
    });
    let client = async {
        let result = tokio::task::spawn_blocking(move || client(address)).await.unwrap();
        stop.send(()).unwrap();
        result
    };
    let (served, result) = tokio::join!(server, client);
    served.unwrap();
    result
}

/// Sends `bytes`, then reads until the server has had enough.
fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut reply = Vec::new();
    // A reset is an end as well.
    stream.read_to_end(&mut reply).ok();
    String::from_utf8(reply).unwrap()
}

#[tokio::test]
async fn slow_clients_lose_their_place() {
    let settings = HttpSettings { timeout: Duration::from_millis(100), ..settings() };
    let replies = with_server(settings, |address| {
        [
            exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
            exchange(
                address,
                "POST /v1/coverage/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
            ),
            exchange(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ]
    })
    .await;
    assert!(!replies[0].contains("200 OK"), "{}", replies[0]);
    assert!(replies[1].starts_with("HTTP/1.1 408 "), "{}", replies[1]);
    assert!(replies[1].contains("urn:coverledger:problem:slow-request"));
    // Idle after its answer: closed too.
    assert!(replies[2].starts_with("HTTP/1.1 200 OK") && replies[2].ends_with("ok\n"), "{}", replies[2]);
}
