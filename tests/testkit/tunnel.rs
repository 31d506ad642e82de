//! An HTTP proxy that opens tunnels (`CONNECT`), as organisations have them for TLS. It finds every name on this machine.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Result, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy that ends with the test program.
pub(crate) struct Tunnel {
    port: u16,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Tunnel {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::default();
        let shared = Arc::clone(&asked);
        let serve = move || {
            for client in listener.incoming().map_while(Result::ok) {
                let asked = Arc::clone(&shared);
                let serve = move || {
                    let _end = connect(&client, &asked);
                    let _end = client.shutdown(Shutdown::Both);
                };
                thread::Builder::new().spawn(serve).unwrap();
            }
        };
        thread::Builder::new().spawn(serve).unwrap();
        Self { port, asked }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Each `HOST:PORT` to which tunnels were opened since the last look.
    pub(crate) fn take_asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn connect(client: &TcpStream, asked: &Mutex<BTreeSet<String>>) -> Result<()> {
    // The client sends nothing more before the answer.
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut back = client;
    let Some(target) = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return back.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    let port = target.rsplit_once(':').unwrap().1;
    let server = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    asked.lock().unwrap().insert(target.to_owned());
    back.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (client, &server);
            let _end = copy(&mut from, &mut to);
            let _end = server.shutdown(Shutdown::Both);
        });
        let mut from = &server;
        let _end = copy(&mut from, &mut back);
        let _end = client.shutdown(Shutdown::Both);
    });
    Ok(())
}
