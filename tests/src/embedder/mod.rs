//! A peer that tests the event loop of an embedder, over real sockets: each check drives it through
//! something that happens to every server (stalls, short writes, pauses, deadlines, resets,
//! half-closes), and names the line of the embedding contract that the loop broke.
//!
//! The loop serves HTTP (`GET /` is answered with a short text, `POST /echo` with the body) and, if
//! it has a hub, the chat of the examples. The lines are those of
//! [`hub::embed`](diesel_driver::hub::embed); loops around an
//! [`Endpoint`](diesel_driver::Endpoint) have similar ones.

mod answers;

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use diesel_driver::http1::HttpDate;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, SockRef, Socket, Type};

use self::answers::{answer, ask, connect, head, rest};

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
    /// Within which time it ends after SIGTERM, if it is to get one: that is the last check.
    pub stop_within: Option<Duration>,
    /// Whether connections that are open when that time is over are reset, as a hub's are. The end
    /// of a process may close them.
    pub resets_the_rest: bool,
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

/// What came of the checks.
#[derive(Debug, Default)]
pub struct Report {
    /// The checks that passed.
    pub passed: Vec<&'static str>,
    /// Those that failed.
    pub broken: Vec<Broken>,
    /// Those that were not run, and why.
    pub skipped: Vec<(&'static str, &'static str)>,
}

/// The checks that failed, a line for each, and how many there were.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.broken.iter().try_for_each(|broken| writeln!(f, "{broken}"))?;
        self.skipped.iter().try_for_each(|(check, why)| writeln!(f, "skipped: {check}: {why}"))?;
        let [passed, broken, skipped] = [self.passed.len(), self.broken.len(), self.skipped.len()];
        write!(f, "{passed} checks passed, {broken} failed, {skipped} were skipped")
    }
}

struct Check {
    what: &'static str,
    /// By which lines of the contract it works.
    lines: &'static str,
    /// Why it cannot run, if it cannot.
    skips: fn(&Embedder) -> Option<&'static str>,
    run: fn(&Embedder) -> Result<(), String>,
}

const fn check(
    what: &'static str,
    lines: &'static str,
    run: fn(&Embedder) -> Result<(), String>,
) -> Check {
    Check { what, lines, skips: |_| None, run }
}

const CHECKS: [Check; 12] = [
    check("a request that arrives byte by byte", "4, 8 or 10", byte_by_byte),
    check("the date of an answer", "1 or 6", date),
    check("many connections at once", "4 or 10", many_at_once),
    check("a client that half-closes", "8 or 11", half_close),
    check("a last answer, and its end", "11 or 12", last_answer),
    check("a refusal, and its end", "11 or 12", refusal),
    check("a client that takes its answers late", "7, 9 or 10", stalled),
    check("clients that reset", "4, 8, 9 or 12", resets),
    Check {
        skips: |it| it.chat.is_none().then_some("it is not known where a chat is (--chat)"),
        ..check("a chat", "2, 4 or 10", chat)
    },
    Check {
        skips: |it| it.head_deadline.is_none().then_some("no deadline is given (--head-deadline)"),
        ..check(DEADLINE, "3", deadline)
    },
    Check {
        skips: |it| it.open_descriptors().is_none().then_some("no process is given (--process)"),
        ..check("descriptors after all that", "12", descriptors)
    },
    Check {
        skips: |it| match (it.process, it.stop_within) {
            (Some(_), Some(_)) => None,
            _ => Some("it is not asked for (--process and --stop-within)"),
        },
        ..check("a signal to stop", "5 or 12", stops)
    },
];

const DEADLINE: &str = "a head that never ends";

impl Embedder {
    /// A loop that serves HTTP there, and nothing else is known.
    pub fn at(http: SocketAddr) -> Self {
        Embedder {
            http,
            chat: None,
            process: None,
            head_deadline: None,
            stop_within: None,
            resets_the_rest: true,
        }
    }

    /// Runs the checks. Once the loop serves no one, the others are skipped.
    pub fn check(&self) -> Report {
        let mut report = Report::default();
        // It takes long, so it begins now. But what others send would wake a loop that forgot the
        // deadline: if it ends while they do, it is run again.
        let mut slow = self.head_deadline.map(|_| {
            let this = *self;
            thread::spawn(move || (deadline(&this), Instant::now()))
        });
        let mut serves = true;
        for Check { what, lines, skips, run } in CHECKS {
            let skipped = match serves {
                true => skips(self),
                false => Some("no one is served any more"),
            };
            if let Some(why) = skipped {
                report.skipped.push((what, why));
                continue;
            }
            let quiet = Instant::now() + QUIET;
            let result = match slow.take_if(|_| what == DEADLINE).map(thread::JoinHandle::join) {
                Some(Ok((Ok(()), ended))) if ended < quiet => run(self),
                Some(Ok((result, _))) => result,
                Some(Err(_)) => Err("the check panicked".to_string()),
                None => run(self),
            };
            match result {
                Ok(()) => report.passed.push(what),
                Err(error) => {
                    report.broken.push(Broken { check: what, lines, what: error });
                    if let Err(error) = self.serves_others() {
                        serves = false;
                        let check = "another client, after that";
                        report.broken.push(Broken { check, lines: "4 or 10", what: error });
                    }
                }
            }
        }
        report
    }

    fn connect(&self) -> Result<TcpStream, String> {
        connect(self.http)
    }

    /// Another client is served meanwhile, and soon.
    fn serves_others(&self) -> Result<(), String> {
        let start = Instant::now();
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(SOON)).map_err(|error| error.to_string())?;
        ask(&mut stream, GET, 1).map_err(|error| format!("another client: {error}"))?;
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
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than a loop that does not block takes, on a busy machine.
const SOON: Duration = Duration::from_secs(2);
/// How long no one else may send anything before a deadline passes.
const QUIET: Duration = Duration::from_secs(1);
/// How much the date of an answer may be off.
const DATE_OFF: Duration = Duration::from_secs(5);
/// Less than a loop lingers by default before it closes a stream whose peer waits for the end.
const PROMPT: Duration = Duration::from_millis(1500);
/// How much more memory a loop may take for one client.
const MEMORY: u64 = 16 << 20;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn date(embedder: &Embedder) -> Result<(), String> {
    let mut stream = embedder.connect()?;
    stream.write_all(GET.as_bytes()).map_err(|error| error.to_string())?;
    let (_, fields) = head(&mut BufReader::new(stream))?;
    let date = fields.iter().find(|(name, _)| name == "date");
    let (_, date) = date.ok_or("an answer has no Date: the time of day was not reported")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let (now, off) = (now.as_secs(), DATE_OFF.as_secs());
    let is = |seconds| HttpDate::from_unix(seconds).as_str().eq_ignore_ascii_case(date);
    match (now - off..=now + off).any(is) {
        true => Ok(()),
        false => Err(format!("{date:?} is not the time of day")),
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
    // A busy machine may be late once, or twice.
    let took = (0..3).map(|_| last_answer_took(embedder)).collect::<Result<Vec<_>, _>>()?;
    match took.iter().all(|took| *took > PROMPT) {
        true => Err(format!("the end of our side came {took:?} after the answer was asked for")),
        false => Ok(()),
    }
}

fn last_answer_took(embedder: &Embedder) -> Result<Duration, String> {
    let mut stream = embedder.connect()?;
    // What follows the last request is not read, and must not turn the close into a reset.
    let text = [LAST, &GET.repeat(100)].concat();
    let start = Instant::now();
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    thread::sleep(Duration::from_millis(50));
    let rest = rest(&mut stream)?;
    match rest.matches(" 200 ").count() {
        1 => Ok(start.elapsed()),
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
    let late = after + SOON;
    stream.set_read_timeout(Some(late)).map_err(|error| error.to_string())?;
    stream.write_all(b"GET / HTTP/1.1\r\nHo").map_err(|error| error.to_string())?;
    // Each byte is something that happens, but none completes the head. After half the time nothing
    // happens, so that nothing but the deadline wakes the loop.
    while start.elapsed() < after / 2 && stream.write_all(b"o").is_ok() {
        thread::sleep(Duration::from_millis(500).min(after / 4));
    }
    let left = late.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
    let rest = rest(&mut stream);
    let took = start.elapsed();
    match rest {
        Err(_) if took >= late => Err(format!("it did not give up within {took:?}")),
        Err(error) => Err(error),
        Ok(rest) if took < after => Err(format!("it gave up after {took:?}: {rest:?}")),
        Ok(rest) if !rest.is_empty() && !rest.starts_with("HTTP/1.1 408 ") => Err(rest),
        Ok(_) => Ok(()),
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

/// SIGTERM: a client that is idle gets the end, one within a request a reset when the time is over, and
/// the process ends.
fn stops(embedder: &Embedder) -> Result<(), String> {
    let (Some(id), Some(within)) = (embedder.process, embedder.stop_within) else { return Ok(()) };
    let mut idle = embedder.connect()?;
    ask(&mut idle, GET, 1)?;
    let mut busy = embedder.connect()?;
    let half = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    busy.write_all(half.as_bytes()).map_err(|error| error.to_string())?;
    // Both are read.
    embedder.serves_others()?;
    thread::sleep(Duration::from_millis(100));
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("no process has this number")?;
    kill_process(id, Signal::TERM).map_err(|error| format!("no signal: {error}"))?;
    let start = Instant::now();
    for stream in [&idle, &busy] {
        stream.set_read_timeout(Some(within)).map_err(|error| error.to_string())?;
    }
    let rest_of_idle = rest(&mut idle).map_err(|error| format!("an idle client: {error}"))?;
    if !rest_of_idle.is_empty() {
        return Err(format!("an idle client got {rest_of_idle:?}"));
    }
    let rest_of_busy = rest(&mut busy);
    if let Ok(rest) = rest_of_busy
        && embedder.resets_the_rest
    {
        return Err(format!("a client whose request was cut got the end, not a reset: {rest:?}"));
    }
    while is_running(id) {
        if start.elapsed() > within {
            return Err(format!("it goes on after {:?}", start.elapsed()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Not for one that has ended, and that its parent did not wait for yet.
fn is_running(id: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}
