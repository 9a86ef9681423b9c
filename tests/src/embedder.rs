//! A peer that tests the event loop of an embedder, over real sockets: each check drives it through
//! something that happens to every server (stalls, short writes, pauses, deadlines, resets,
//! half-closes), and names the line of the embedding contract that the loop broke.
//!
//! The loop serves HTTP (`GET /` is answered with a short text, `POST /echo` with the body) and, if
//! it has a hub, the chat of the examples. The lines are those of
//! [`hub::embed`](diesel_driver::hub::embed); loops around an
//! [`Endpoint`](diesel_driver::Endpoint) have similar ones.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// The loop under test.
#[derive(Clone, Copy, Debug)]
pub struct Embedder {
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it serves the chat, if it does.
    pub chat: Option<SocketAddr>,
    /// Its process: its memory and its descriptors are looked at. Only on Linux.
    pub process: Option<u32>,
    /// After how long it gives up on the head of a request, if that is to be checked.
    pub head_deadline: Option<Duration>,
}

/// What a loop did wrong.
#[derive(Debug)]
pub struct Broken {
    /// What the check was about.
    pub check: &'static str,
    /// The lines of the contract that make it pass.
    pub lines: &'static str,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { check, lines, what } = self;
        write!(f, "{check}: {what} (see line {lines} of the contract)")
    }
}

type Check = fn(&Embedder) -> Result<(), String>;

/// What is checked, and by which lines of the contract it works.
const CHECKS: [(&str, &str, Check); 10] = [
    ("a request that arrives byte by byte", "4, 8 or 10", byte_by_byte),
    ("many connections at once", "4 or 10", many_at_once),
    ("a client that half-closes", "8 or 11", half_close),
    ("a last answer, and its end", "11 or 12", last_answer),
    ("a refusal, and its end", "11 or 12", refusal),
    ("a client that takes its answers late", "7, 9 or 10", stalled),
    ("clients that reset", "4, 8, 9 or 12", resets),
    ("a head that never ends", "3", deadline),
    ("a chat", "2, 4 or 10", chat),
    ("descriptors after all that", "12", descriptors),
];

impl Embedder {
    /// Runs all checks, and returns what was broken.
    pub fn check(&self) -> Vec<Broken> {
        let slow = {
            let this = *self;
            thread::spawn(move || deadline(&this))
        };
        let mut slow = Some(slow);
        let run = |(check, lines, run): (&'static str, &'static str, Check)| {
            let result = match slow.take_if(|_| lines == "3") {
                Some(slow) => slow.join().unwrap_or_else(|_| Err("the check panicked".into())),
                None => run(self),
            };
            result.err().map(|what| Broken { check, lines, what })
        };
        CHECKS.into_iter().filter_map(run).collect()
    }

    fn connect(&self) -> Result<TcpStream, String> {
        connect(self.http)
    }

    /// Another client is served meanwhile, and soon.
    fn serves_others(&self) -> Result<(), String> {
        let start = Instant::now();
        ask(&mut self.connect()?, GET, 1).map_err(|error| format!("another client: {error}"))?;
        match start.elapsed() {
            took if took < SOON => Ok(()),
            took => Err(format!("another client waited for {took:?}")),
        }
    }

    /// A number of `/proc`.
    fn process(&self, read: impl Fn(&str) -> Option<u64>) -> Option<u64> {
        read(&format!("/proc/{}", self.process?))
    }

    fn memory(&self) -> Option<u64> {
        self.process(|folder| {
            let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
            let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some(kib.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
        })
    }

    fn open_descriptors(&self) -> Option<u64> {
        self.process(|folder| Some(std::fs::read_dir(format!("{folder}/fd")).ok()?.count() as u64))
    }
}

/// The longest that a check waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a loop that does not block takes, on a busy machine.
const SOON: Duration = Duration::from_secs(2);
/// How much more memory a loop may take for one client.
const MEMORY: u64 = 16 << 20;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE);
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let set = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true));
    set.map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Sends a text, and reads `n` answers.
fn ask(stream: &mut TcpStream, text: &str, n: usize) -> Result<(), String> {
    stream.write_all(text.as_bytes()).map_err(|error| format!("not taken: {error}"))?;
    let mut reader = BufReader::new(stream);
    (0..n).try_for_each(|_| answer(&mut reader).map(drop))
}

/// Reads one answer, and returns its body.
fn answer(reader: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let (mut status, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => return Err("the end instead of an answer".to_string()),
            Ok(_) => {}
            Err(error) => return Err(format!("no answer: {error}")),
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(n) = line.strip_prefix("content-length: ") {
            length = n.parse().map_err(|_| format!("{line:?}"))?;
        }
        if status.is_empty() {
            status = line;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|error| format!("half an answer: {error}"))?;
    match status.contains(" 200 ") {
        true => Ok(body),
        false => Err(status),
    }
}

/// Everything up to the end. A reset is an error.
fn rest(stream: &mut TcpStream) -> Result<String, String> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("{} bytes, and then no end: {error}", bytes.len())),
    }
}

fn byte_by_byte(embedder: &Embedder) -> Result<(), String> {
    let mut stream = embedder.connect()?;
    for byte in GET.bytes() {
        stream.write_all(&[byte]).map_err(|error| format!("not taken: {error}"))?;
        thread::sleep(Duration::from_micros(200));
    }
    ask(&mut stream, "", 1)?;
    ask(&mut stream, &GET.repeat(3), 3)
}

fn many_at_once(embedder: &Embedder) -> Result<(), String> {
    let mut streams = (0..200).map(|_| embedder.connect()).collect::<Result<Vec<_>, _>>()?;
    for (nth, stream) in streams.iter_mut().enumerate() {
        ask(stream, GET, 1).map_err(|error| format!("the {nth}th connection: {error}"))?;
    }
    Ok(())
}

fn half_close(embedder: &Embedder) -> Result<(), String> {
    for (text, answers) in [("", 0), (GET, 1)] {
        let mut stream = embedder.connect()?;
        // The bytes and the end may arrive together.
        stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        stream.shutdown(Shutdown::Write).map_err(|error| error.to_string())?;
        let rest = rest(&mut stream)?;
        if rest.matches(" 200 ").count() != answers {
            return Err(format!("{answers} answers were due before the end: {rest:?}"));
        }
    }
    Ok(())
}

fn last_answer(embedder: &Embedder) -> Result<(), String> {
    let mut stream = embedder.connect()?;
    // What follows the last request is not read, and must not turn the close into a reset.
    let text = [LAST, &GET.repeat(100)].concat();
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    thread::sleep(Duration::from_millis(50));
    let rest = rest(&mut stream)?;
    match rest.matches(" 200 ").count() {
        1 => Ok(()),
        n => Err(format!("{n} answers, but 1 was asked for")),
    }
}

fn refusal(embedder: &Embedder) -> Result<(), String> {
    let mut stream = embedder.connect()?;
    let text = format!("GET / HTTP/1.1\r\nBad header\r\n\r\n{}", "x".repeat(10_000));
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    thread::sleep(Duration::from_millis(50));
    let rest = rest(&mut stream)?;
    match rest.starts_with("HTTP/1.1 400 ") {
        true => Ok(()),
        false => Err(format!("a 400 was due: {rest:?}")),
    }
}

/// Megabytes of requests whose answers are read late, and slowly at first.
fn stalled(embedder: &Embedder) -> Result<(), String> {
    const REQUESTS: usize = 600;
    let before = embedder.memory();
    let socket = Socket::new(Domain::for_address(embedder.http), Type::STREAM, None);
    let set = socket.and_then(|socket| {
        socket.set_recv_buffer_size(16 << 10)?;
        socket.connect(&embedder.http.into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(TcpStream::from(socket))
    });
    let stream = set.map_err(|error| format!("no connection: {error}"))?;
    let body = |nth: usize| -> Vec<u8> { (0..50_000).map(|at| ((nth + at) % 251) as u8).collect() };
    let mut writer = stream.try_clone().map_err(|error| error.to_string())?;
    let sender = thread::spawn(move || -> io::Result<()> {
        for nth in 0..REQUESTS {
            let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n";
            writer.write_all(&[head.as_bytes(), &body(nth)].concat())?;
        }
        Ok(())
    });
    thread::sleep(Duration::from_millis(500));
    if sender.is_finished() {
        return Err("30 MB of requests were taken while no answer was".to_string());
    }
    if let (Some(before), Some(after)) = (before, embedder.memory())
        && after > before + MEMORY
    {
        return Err(format!("it took {} MiB for one client", (after - before) >> 20));
    }
    embedder.serves_others()?;
    let mut reader = BufReader::with_capacity(4 << 10, &stream);
    for nth in 0..REQUESTS {
        if nth < 20 {
            thread::sleep(Duration::from_millis(2));
        }
        if answer(&mut reader).map_err(|error| format!("answer {nth}: {error}"))? != body(nth) {
            return Err(format!("answer {nth} differs from what was sent"));
        }
    }
    drop(reader);
    sender.join().map_err(|_| "the check panicked")?.map_err(|error| format!("not taken: {error}"))
}

/// Clients that reset: while they are idle, within a request, and while much is sent to them.
fn resets(embedder: &Embedder) -> Result<(), String> {
    let much = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{}",
        "x".repeat(60_000)
    );
    for text in ["", "GET / HT", GET, &much.repeat(100)].into_iter().cycle().take(20) {
        let mut stream = embedder.connect()?;
        let limit = Some(Duration::from_millis(50));
        stream.set_write_timeout(limit).map_err(|error| error.to_string())?;
        // The last text is more than is taken while no answer is read.
        let _ = stream.write_all(text.as_bytes());
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        drop(stream);
        embedder.serves_others()?;
    }
    Ok(())
}

fn deadline(embedder: &Embedder) -> Result<(), String> {
    let Some(after) = embedder.head_deadline else { return Ok(()) };
    let start = Instant::now();
    let mut stream = embedder.connect()?;
    stream.set_read_timeout(Some(after + SOON)).map_err(|error| error.to_string())?;
    stream.write_all(b"GET / HTTP/1.1\r\nHo").map_err(|error| error.to_string())?;
    let mut drip = stream.try_clone().map_err(|error| error.to_string())?;
    // Each byte counts as something that happens, but none as a head.
    let dripping = thread::spawn(move || {
        while start.elapsed() < after + SOON && drip.write_all(b"o").is_ok() {
            thread::sleep(Duration::from_millis(500));
        }
    });
    let rest = rest(&mut stream)?;
    let took = start.elapsed();
    dripping.join().map_err(|_| "the check panicked")?;
    match took {
        took if took < after => Err(format!("it gave up after {took:?}: {rest:?}")),
        _ if !rest.is_empty() && !rest.starts_with("HTTP/1.1 408 ") => Err(rest),
        _ => Ok(()),
    }
}

fn chat(embedder: &Embedder) -> Result<(), String> {
    let Some(address) = embedder.chat else { return Ok(()) };
    let (mut ann, mut bob) = (BufReader::new(connect(address)?), BufReader::new(connect(address)?));
    let say = |user: &mut BufReader<TcpStream>, text: &str| {
        user.get_mut().write_all(text.as_bytes()).map_err(|error| error.to_string())
    };
    let hear = |user: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        user.read_line(&mut line).map(|_| line).map_err(|error| format!("nothing heard: {error}"))
    };
    say(&mut ann, "ann\r\n")?;
    say(&mut bob, "bob\r\n")?;
    // It is not known which of them joins first: ann repeats it until bob hears it.
    let short = Some(Duration::from_millis(100));
    bob.get_ref().set_read_timeout(short).map_err(|error| error.to_string())?;
    let mut tries = 0;
    while hear(&mut bob).is_err() {
        say(&mut ann, "hi bob\r\n")?;
        tries += 1;
        if tries > 100 {
            return Err("bob hears nothing".to_string());
        }
    }
    say(&mut bob, "hi ann\r\n")?;
    match hear(&mut ann)?.as_str() {
        "<bob> hi ann\r\n" => Ok(()),
        other => Err(format!("ann hears {other:?}")),
    }
}

/// All clients are gone, and so are the descriptors for them.
fn descriptors(embedder: &Embedder) -> Result<(), String> {
    let start = Instant::now();
    // The process's own, and some that linger.
    while let Some(open) = embedder.open_descriptors().filter(|open| *open > 30) {
        if start.elapsed() > PATIENCE {
            return Err(format!("{open} descriptors are open"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
