//! An HTTP proxy between one process and the gateways of an object store. It delays requests, refuses them, loses replies, cuts the process
//! off, reports each creation as a success, or stops one request at a named point until the test lets it pass.

use super::random::Random;
use super::wait::{delay, poll_until};
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longest head of a request or reply.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The body of the slot of a heartbeat or a claim is shorter than this, that of a commit longer.
const COMMIT_BYTES_MIN: usize = 400;

/// Where a request is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A segment is on its way to the store.
    SegmentSent,
    /// A segment is in the store; the writer has no reply.
    SegmentStored,
    /// The slot of a commit is on its way.
    SlotSent,
    /// The slot of a commit is in the store; the writer has no reply.
    SlotStored,
    /// The writer has its slot, and asks for marks of collection.
    MarksAsked,
}

impl Point {
    pub(crate) const ALL: [Self; 5] =
        [Self::SegmentSent, Self::SegmentStored, Self::SlotSent, Self::SlotStored, Self::MarksAsked];

    fn is_before(self) -> bool {
        matches!(self, Self::SegmentSent | Self::SlotSent | Self::MarksAsked)
    }

    fn matches(self, request: &Message) -> bool {
        let is_commit = request.body.len() >= COMMIT_BYTES_MIN;
        match self {
            Self::SegmentSent | Self::SegmentStored => request.is("PUT", "/seg/"),
            Self::SlotSent | Self::SlotStored => request.is("PUT", "/slot/") && is_commit,
            // Marks are listed after each slot, of heartbeats too: a start asks for them before it is armed.
            Self::MarksAsked => request.is("GET", "gc%2F"),
        }
    }
}

/// A request that meets its point waits here.
#[derive(Default)]
struct Stopped {
    /// Where one stops, and how many pass before.
    at: Mutex<Option<(Point, u32)>>,
    is_there: AtomicBool,
    may_pass: AtomicBool,
}

/// What happens on the way, and what passed.
struct Way {
    /// One of so many requests meets a fault; 0 = none.
    one_of: u64,
    random: Mutex<Random>,
    is_cut: AtomicBool,
    /// Whether an object that exists is reported as created.
    reports_creations: AtomicBool,
    stopped: Stopped,
    faults: AtomicUsize,
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// What a request meets.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Delay(Duration),
    /// This status and body instead, without effect.
    Refused(&'static str, &'static str),
    /// It takes effect, and the connection ends without a reply.
    LostReply,
    /// It takes effect, and half of the reply comes.
    HalfReply,
    /// The connection ends, and it takes effect later.
    Late(Duration),
}

/// A proxy that ends with the test program.
pub(crate) struct StoreProxy {
    port: u16,
    way: Arc<Way>,
}

impl StoreProxy {
    /// Nothing happens on the way until the test asks for it.
    pub(crate) fn plain() -> Self {
        Self::with_faults(0, 0)
    }

    /// The same; one of so many requests meets a fault, which the seed chooses.
    pub(crate) fn with_faults(seed: u64, one_of: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(Way {
            one_of,
            random: Mutex::new(Random::new(seed)),
            is_cut: AtomicBool::new(false),
            reports_creations: AtomicBool::new(false),
            stopped: Stopped::default(),
            faults: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let shared = Arc::clone(&way);
        let serve = move || {
            for client in listener.incoming().map_while(Result::ok) {
                let way = Arc::clone(&shared);
                let serve = move || {
                    let _end = way.serve(&client);
                    let _end = client.shutdown(Shutdown::Both);
                };
                thread::Builder::new().spawn(serve).unwrap();
            }
        };
        // It ends with the test program.
        thread::Builder::new().spawn(serve).unwrap();
        Self { port, way }
    }

    /// What `HTTP_PROXY` names.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Cuts the process off from the store, or connects it again.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.way.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// From now on the replies are those of a store that does not heed `If-None-Match`.
    pub(crate) fn report_creations(&self) {
        self.way.reports_creations.store(true, Ordering::SeqCst);
    }

    /// A request that meets this point stops there, after so many that pass.
    pub(crate) fn stop_at(&self, point: Point, passing: u32) {
        *self.way.stopped.at.lock().unwrap() = Some((point, passing));
    }

    /// Whether one has stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.way.stopped.is_there.load(Ordering::SeqCst)
    }

    /// Lets the stopped one continue.
    pub(crate) fn pass(&self) {
        self.way.stopped.may_pass.store(true, Ordering::SeqCst);
    }

    /// Requests that met a fault.
    pub(crate) fn faults(&self) -> usize {
        self.way.faults.load(Ordering::SeqCst)
    }

    /// Requests that came, and bytes of their bodies and of those of the replies.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.way.requests.load(Ordering::SeqCst), self.way.bytes.load(Ordering::SeqCst))
    }
}

impl Way {
    fn serve(&self, mut client: &TcpStream) -> Result<()> {
        let (mut requests, mut server) = (BufReader::new(client), None);
        loop {
            let Some(request) = Message::read(&mut requests, false)? else { return Ok(()) };
            if self.is_cut.load(Ordering::SeqCst) {
                return Ok(());
            }
            self.count(&request);
            self.stop(&request, true);
            let fault = self.draw();
            match fault {
                Fault::Refused(status, text) => {
                    let length = text.len();
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{text}");
                    client.write_all(head.as_bytes())?;
                    continue;
                }
                Fault::Late(time) => {
                    client.shutdown(Shutdown::Both)?;
                    delay(time);
                    self.exchange(&mut server, &request)?;
                    return Ok(());
                }
                Fault::Delay(time) => delay(time),
                Fault::None | Fault::LostReply | Fault::HalfReply => {}
            }
            let Some(mut reply) = self.exchange(&mut server, &request)? else { return Ok(()) };
            if self.reports_creations.load(Ordering::SeqCst)
                && request.is("PUT", "")
                && reply.is("HTTP", " 412 ")
            {
                reply = Message::created();
            }
            self.bytes.fetch_add(u64::try_from(reply.body.len()).unwrap(), Ordering::SeqCst);
            self.stop(&request, false);
            if self.is_cut.load(Ordering::SeqCst) {
                return Ok(());
            }
            match fault {
                Fault::LostReply => return Ok(()),
                Fault::HalfReply => {
                    let whole = reply.bytes();
                    return client.write_all(&whole[..whole.len() / 2]);
                }
                _ => client.write_all(&reply.bytes())?,
            }
            if reply.says_close() {
                return Ok(());
            }
        }
    }

    fn count(&self, request: &Message) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(u64::try_from(request.body.len()).unwrap(), Ordering::SeqCst);
    }

    /// Sends a request to the store and returns its reply.
    fn exchange(&self, server: &mut Option<Server>, request: &Message) -> Result<Option<Message>> {
        let (gateway, bytes) = request.to_gateway();
        let server = match server.take_if(|server| server.gateway == gateway) {
            Some(known) => server.insert(known),
            None => {
                let stream = BufReader::new(TcpStream::connect(&gateway)?);
                server.insert(Server { gateway, stream })
            }
        };
        server.stream.get_mut().write_all(&bytes)?;
        Message::read(&mut server.stream, request.is("HEAD", ""))
    }

    /// Stops a request that meets the point that was chosen.
    fn stop(&self, request: &Message, is_before: bool) {
        let Stopped { at, is_there, may_pass } = &self.stopped;
        let stops = {
            let mut at = at.lock().unwrap();
            match *at {
                Some((point, passing)) if point.is_before() == is_before && point.matches(request) => {
                    *at = passing.checked_sub(1).map(|passing| (point, passing));
                    at.is_none()
                }
                _ => false,
            }
        };
        if stops {
            is_there.store(true, Ordering::SeqCst);
            poll_until("the stopped request may pass", || may_pass.load(Ordering::SeqCst).then_some(()));
        }
    }

    fn draw(&self) -> Fault {
        let mut random = self.random.lock().unwrap();
        if self.one_of == 0 || random.below(self.one_of) != 0 {
            return Fault::None;
        }
        self.faults.fetch_add(1, Ordering::SeqCst);
        let time = Duration::from_millis(random.below(300_u64));
        match random.below(12) {
            0..=2 => Fault::Delay(time),
            3 => Fault::Refused("500 Internal Server Error", ""),
            4 | 5 => Fault::Refused("503 Slow Down", ""),
            6 => Fault::Refused("409 Conflict", "<Error><Code>ConditionalRequestConflict</Code></Error>"),
            7 | 8 => Fault::LostReply,
            9 => Fault::HalfReply,
            _ => Fault::Late(time),
        }
    }
}

/// A connection to a gateway.
struct Server {
    gateway: String,
    stream: BufReader<TcpStream>,
}

/// A request or a reply of HTTP/1.1.
struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Message {
    /// The next one; `None` where the connection ends. A reply to HEAD has no body.
    fn read(from: &mut impl BufRead, has_no_body: bool) -> Result<Option<Self>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > HEAD_BYTES_MAX || from.read_until(b'\n', &mut head)? == 0 {
                return Ok(None);
            }
        }
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let is_empty = has_no_body || text.starts_with("http/1.1 204") || text.starts_with("http/1.1 304");
        let is_chunked = header("transfer-encoding").is_some_and(|value| value == "chunked");
        let mut body = Vec::new();
        match header("content-length") {
            _ if is_empty => {}
            _ if is_chunked => read_chunks(from, &mut body)?,
            Some(length) => {
                body = vec![0; length.parse().unwrap()];
                from.read_exact(&mut body)?;
            }
            None => {}
        }
        Ok(Some(Self { head, body }))
    }

    /// The reply to a creation.
    fn created() -> Self {
        let head = "HTTP/1.1 200 OK\r\nETag: \"created\"\r\nContent-Length: 0\r\n\r\n";
        Self { head: head.into(), body: Vec::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// The gateway that a request to a proxy names, and the request as the gateway expects it.
    fn to_gateway(&self) -> (String, Vec<u8>) {
        let head = String::from_utf8_lossy(&self.head);
        let (method, rest) = head.split_once(" http://").expect("a request to a proxy names the host");
        let (gateway, target) = rest.split_once('/').unwrap();
        let bytes = [format!("{method} /{target}").as_bytes(), &self.body].concat();
        (gateway.to_owned(), bytes)
    }

    /// Whether it is a request of this method whose target contains `part`, or a reply with such a first line.
    fn is(&self, method: &str, part: &str) -> bool {
        let text = String::from_utf8_lossy(&self.head);
        let line = text.lines().next().unwrap_or_default();
        line.starts_with(method) && line.contains(part)
    }

    fn says_close(&self) -> bool {
        String::from_utf8_lossy(&self.head).to_ascii_lowercase().contains("connection: close")
    }
}

/// Appends chunks as they are on the wire, the last one included.
fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        let length = String::from_utf8_lossy(&line);
        let length = usize::from_str_radix(length.trim().split(';').next().unwrap(), 16).unwrap();
        body.extend_from_slice(&line);
        let at = body.len();
        body.resize(at + length + 2, 0);
        from.read_exact(&mut body[at..])?;
        if length == 0 {
            return Ok(());
        }
    }
}
