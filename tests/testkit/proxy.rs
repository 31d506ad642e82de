//! A connection to a broker that is slow, breaks, or damages what passes through it.

use super::wait::delay;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

/// Passes bytes on in both directions. Answers name the proxy in place of the broker, so that clients stay with it.
pub(crate) struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// What happens on the way.
struct Line {
    /// Where the broker listens, `127.0.0.1:PORT`.
    broker: String,
    /// Where the proxy does.
    port: u16,
    /// This text is damaged
    mark: &'static str,
    /// in so many more answers that contain it.
    damages: AtomicI64,
    /// After so many bytes of answers a connection breaks, in the middle of one; never when 0.
    breaks_after: usize,
    /// Connections that broke.
    broken: AtomicUsize,
    /// How long each piece of an answer is on its way.
    delay: Duration,
}

/// Bytes that a slow line passes on at a time.
const PIECE: usize = 4_096;

impl Proxy {
    /// In front of `broker` (`127.0.0.1:PORT`). The text `mark` is damaged in the next `damages` answers that contain it.
    pub(crate) fn damaging(broker: &str, mark: &'static str, damages: i64) -> Self {
        Self::start(broker, |line| Line { mark, damages: AtomicI64::new(damages), ..line })
    }

    /// In front of `broker`: every connection breaks after so many bytes of answers.
    pub(crate) fn breaking(broker: &str, breaks_after: usize) -> Self {
        Self::start(broker, |line| Line { breaks_after, ..line })
    }

    /// In front of `broker`: each 4 KiB of an answer take so long.
    pub(crate) fn slow(broker: &str, delay: Duration) -> Self {
        Self::start(broker, |line| Line { delay, ..line })
    }

    /// In front of `broker`, on a port that was bound before: clients that connected to it are answered from now on.
    pub(crate) fn answering(listener: TcpListener, broker: &str) -> Self {
        Self::start_on(listener, broker, |line| line)
    }

    fn start(broker: &str, set: impl FnOnce(Line) -> Line) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), broker, set)
    }

    fn start_on(listener: TcpListener, broker: &str, set: impl FnOnce(Line) -> Line) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (mark, damages, breaks_after) = ("", AtomicI64::new(0), 0);
        let (broker, broken, delay) = (broker.to_owned(), AtomicUsize::new(0), Duration::ZERO);
        let line = Arc::new(set(Line { broker, port, mark, damages, breaks_after, broken, delay }));
        let shared = Arc::clone(&line);
        // It ends with the test program.
        std::thread::Builder::new()
            .spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let Ok(server) = TcpStream::connect(&shared.broker) else { continue };
                    connect(client, server, &shared);
                }
            })
            .unwrap();
        Self { port, line }
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers that were damaged, of those that were to be.
    pub(crate) fn damages_left(&self) -> i64 {
        self.line.damages.load(Ordering::SeqCst)
    }

    /// Connections that broke.
    pub(crate) fn broken(&self) -> usize {
        self.line.broken.load(Ordering::SeqCst)
    }
}

fn connect(client: TcpStream, server: TcpStream, line: &Arc<Line>) {
    let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::Builder::new()
        .spawn(move || {
            let _end = std::io::copy(&mut asking, &mut asked);
            let _end = asked.shutdown(Shutdown::Both);
        })
        .unwrap();
    let line = Arc::clone(line);
    std::thread::Builder::new()
        .spawn(move || {
            let _end = line.pass_on(&server, &client);
            let _end = client.shutdown(Shutdown::Both);
            let _end = server.shutdown(Shutdown::Both);
        })
        .unwrap();
}

impl Line {
    /// Whole answers: four bytes of length, then that many.
    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
        let mut left = if self.breaks_after == 0 { usize::MAX } else { self.breaks_after };
        loop {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
            from.read_exact(&mut answer)?;
            self.change(&mut answer);
            let bytes = [&length[..], &answer].concat();
            for piece in bytes.chunks(PIECE) {
                if !self.delay.is_zero() {
                    delay(self.delay);
                }
                to.write_all(&piece[..piece.len().min(left)])?;
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    self.broken.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        }
    }

    fn change(&self, answer: &mut [u8]) {
        let (host, old_port) = self.broker.rsplit_once(':').unwrap();
        let old_port: u16 = old_port.parse().unwrap();
        let named = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        replace(answer, &named(old_port), &named(self.port));
        let Some((_, start)) = self.mark.as_bytes().split_last() else { return };
        let damaged = [start, b"\x07"].concat();
        if has(answer, self.mark.as_bytes()) && self.damages.fetch_sub(1, Ordering::SeqCst) > 0 {
            replace(answer, self.mark.as_bytes(), &damaged);
        }
    }
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
        }
        at += 1;
    }
}
