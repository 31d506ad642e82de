//! A connection to a broker that damages what passes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Passes bytes on in both directions. Answers name the proxy in place of the broker, so that clients stay with it.
pub(crate) struct Proxy {
    port: u16,
    damages: Arc<AtomicI64>,
}

impl Proxy {
    /// In front of `broker` (`127.0.0.1:PORT`). The text `mark` is damaged in the next `damages` answers that hold it.
    pub(crate) fn start(broker: &str, mark: &'static str, damages: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, damages: Arc::new(AtomicI64::new(damages)) };
        let (broker, damages) = (broker.to_owned(), Arc::clone(&proxy.damages));
        // It ends with the test program.
        std::thread::Builder::new()
            .spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let Ok(server) = TcpStream::connect(&broker) else { continue };
                    connect(client, server, &broker, port, mark, &damages);
                }
            })
            .unwrap();
        proxy
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers that were damaged, of those that were to be.
    pub(crate) fn damages_left(&self) -> i64 {
        self.damages.load(Ordering::SeqCst)
    }
}

fn connect(
    client: TcpStream,
    server: TcpStream,
    broker: &str,
    port: u16,
    mark: &'static str,
    damages: &Arc<AtomicI64>,
) {
    let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::Builder::new()
        .spawn(move || {
            let _end = std::io::copy(&mut asking, &mut asked);
            let _end = asked.shutdown(Shutdown::Both);
        })
        .unwrap();
    let (host, old_port) = broker.rsplit_once(':').unwrap();
    let old_port: u16 = old_port.parse().unwrap();
    let named = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
    let (old, new, damages) = (named(old_port), named(port), Arc::clone(damages));
    std::thread::Builder::new()
        .spawn(move || {
            let _end = pass_on(server, &client, |answer| {
                replace(answer, &old, &new);
                let damaged = [&mark.as_bytes()[..mark.len() - 1], b"\x07"].concat();
                if has(answer, mark.as_bytes()) && damages.fetch_sub(1, Ordering::SeqCst) > 0 {
                    replace(answer, mark.as_bytes(), &damaged);
                }
            });
            let _end = client.shutdown(Shutdown::Both);
        })
        .unwrap();
}

/// Whole answers: four bytes of length, then that many.
fn pass_on(mut from: TcpStream, mut to: &TcpStream, change: impl Fn(&mut [u8])) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        from.read_exact(&mut answer)?;
        change(&mut answer);
        to.write_all(&[&length[..], &answer].concat())?;
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
