//! The examples of embedders as processes, with the peer that checks the embedding contract.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel_driver::{Config, Conn, Error, Reader, Service, Writer};
use diesel_proto::tls::{Connector, ServerName};
use diesel_tests::embedder::Embedder;
use diesel_tests::{Program, Running, Signal, connect};

/// The default of `Deadlines::head`.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

struct Started {
    program: Program,
    embedder: Embedder,
    /// Where it listens besides.
    others: Vec<SocketAddr>,
}

/// Starts a program that listens on an address for each of these options, too.
fn start(name: &str, options: &[&str]) -> Started {
    let arguments: Vec<_> = options.iter().flat_map(|option| [*option, "127.0.0.1:0"]).collect();
    let (mut program, http) = Program::serve(name, &arguments);
    let mut others = Vec::new();
    for _ in options {
        let line = program.line();
        let address = line.strip_prefix("listening on ").and_then(|text| text.parse().ok());
        others.push(address.unwrap_or_else(|| panic!("{name} says {line:?}")));
    }
    let process = Some(program.id());
    let chat = others.first().copied();
    let head_deadline = Some(HEAD_DEADLINE);
    let embedder = Embedder { chat, process, head_deadline, ..Embedder::at(http) };
    Started { program, embedder, others }
}

/// Everything that is asked of a program.
fn check(name: &str, options: &[&str]) {
    let running = start(name, options);
    let report = running.embedder.check();
    assert!(report.broken.is_empty(), "{name}:\n{report}");
    vectors(running.embedder.http, &[]);
    ends_in_time(running);
}

/// SIGTERM ends it within five seconds, although one client is idle, one is in the middle of a
/// request, and one takes no answers.
fn ends_in_time(running: Started) {
    let Started { program, embedder: Embedder { http, .. }, .. } = running;
    let mut idle = connect(http);
    let within = connect(http);
    let stalled = connect(http);
    stalled.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let write = |mut stream: &std::net::TcpStream, text: &str| {
        std::io::Write::write_all(&mut stream, text.as_bytes())
    };
    write(&idle, get).unwrap();
    idle.read_exact(&mut [0; 20]).unwrap();
    write(&within, "GET / HT").unwrap();
    while write(&stalled, &get.repeat(1000)).is_ok() {}
    let start = Instant::now();
    program.signal(Signal::TERM);
    let (_, errors, code) = program.finish();
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("the end, not a reset");
}

/// The requests of other projects' test suites, if `DIESEL_SHARED` names a folder with them.
fn vectors(http: SocketAddr, more: &[&str]) {
    let Some(shared) = std::env::var_os("DIESEL_SHARED") else {
        return println!("skipped: DIESEL_SHARED names no folder with h1cases");
    };
    let folder = PathBuf::from(shared).join("h1cases");
    if !folder.join("h1check.py").exists() {
        return println!("skipped: there is no {}", folder.display());
    }
    let mut python = Command::new("python3");
    python.arg(folder.join("h1check.py")).args([http.ip().to_string(), http.port().to_string()]);
    python.arg("--cases").arg(folder.join("cases.json")).args(more);
    let Ok(output) = python.args(["--split", "none"]).output() else {
        return println!("skipped: there is no python3");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for kind in ["MUST", "SHOULD"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(kind)).unwrap_or("");
        assert!(line.contains("weak 0   fail 0"), "{text}");
    }
}

#[test]
fn the_driver() {
    let Started { program: _program, embedder, .. } = start("http", &[]);
    let stop_within = Some(Duration::from_secs(10));
    let report = Embedder { stop_within, ..embedder }.check();
    assert!(report.broken.is_empty(), "{report}");
    // There is no chat.
    assert_eq!(report.skipped.len(), 1, "{report}");
}

#[test]
fn mio() {
    check("embed_mio", &["--chat"]);
}

#[test]
fn calloop() {
    check("embed_calloop", &["--chat"]);
}

#[test]
fn core() {
    check("embed_core", &[]);
}

#[test]
fn threads() {
    check("embed_threads", &[]);
}

#[test]
fn tokio() {
    let mut slow = None;
    let running = start("embed_tokio", &["--chat", "--slow"]);
    if let [_, address] = running.others[..] {
        slow = Some(address);
    }
    // A handler that awaits a timer of tokio.
    let mut client = connect(slow.expect("it listens there"));
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello at last!"), "{answer}");
    drop(running);
    check("embed_tokio", &["--chat", "--slow"]);
}

/// The program speaks TLS: the vectors are passed through it, where they are, and the peer speaks to
/// it through a relay.
#[test]
fn rustls() {
    let certificate = |name: &str| {
        format!("{}/../diesel-proto/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
    };
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    let (program, http) = Program::serve("embed_rustls", &["--tls-cert", &cert, "--tls-key", &key]);
    vectors(http, &["--tls", &certificate("authority.pem")]);

    let roots = std::fs::read(certificate("authority.pem")).unwrap();
    let relay = Running::start(Config::default(), move |app| {
        let connector = Connector::from_pem(&roots).map_err(std::io::Error::other)?;
        let service = Service::new(async move |conn| relay(conn, http, connector.clone()).await);
        app.add_service(service, "127.0.0.1:0")
    });
    let (process, head_deadline) = (Some(program.id()), Some(HEAD_DEADLINE));
    let embedder = Embedder { process, head_deadline, ..Embedder::at(relay.address) };
    let report = embedder.check();
    assert!(report.broken.is_empty(), "{report}");
    drop(relay);

    // A client that is not done with its handshake does not delay the end.
    let within = connect(http);
    program.signal(Signal::TERM);
    let (_, errors, code) = program.finish();
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    drop(within);
}

/// Forwards a connection over TLS: its ends as ends, its reset as a reset.
async fn relay(conn: Conn, target: SocketAddr, connector: Connector) -> Result<(), Error> {
    async fn pass_on(mut from: Reader, mut to: Writer) -> Result<(), Error> {
        loop {
            match from.some().await {
                Ok(bytes) => to.write(bytes).await?,
                Err(Error::Closed) => return Ok(()),
                Err(error) => {
                    to.cut();
                    return Err(error);
                }
            }
        }
    }
    let name = ServerName::try_from("localhost").map_err(Error::application)?;
    let connect = conn.ctx().connect(target);
    let there = connect.layer(move |ctx, inner| connector.layer(name, ctx, inner)).await?;
    let ctx = conn.ctx();
    let ((from_peer, to_peer), (from_target, to_target)) = (conn.split(), there.split());
    let back = ctx.spawn(pass_on(from_target, to_peer))?;
    pass_on(from_peer, to_target).await?;
    back.await?
}

/// Where the kernel refuses io_uring, the program says so.
#[test]
fn uring() {
    let mut program = Program::start("embed_uring", &["--listen", "127.0.0.1:0"]);
    let line = program.line();
    if line.starts_with("this kernel refuses io_uring") {
        assert_eq!(program.finish().2, Some(0));
        return println!("skipped: {line}");
    }
    drop(program);
    check("embed_uring", &[]);
}

#[test]
fn stdio() {
    let mut child = Program::talk("embed_stdio", &["--patience", "0.3"]);
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"ann\nb").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    std::io::Write::write_all(&mut input, b"ob\n").unwrap();
    // The handler's deadline passes while nothing comes.
    let ended = child.wait_with_output().unwrap();
    let said = "name? hello ann\nname? hello bob\nname? \nis anybody there?\n";
    assert_eq!(
        (String::from_utf8_lossy(&ended.stdout).as_ref(), ended.status.code()),
        (said, Some(0))
    );
    drop(input);

    let mut child = Program::talk("embed_stdio", &[]);
    let mut input = child.stdin.take().unwrap();
    // More than both pipes hold: the program must pause reading while its output is not taken.
    let lines = b"x\n".repeat(50_000);
    std::thread::spawn(move || std::io::Write::write_all(&mut input, &lines).unwrap());
    let ended = child.wait_with_output().unwrap();
    let said = "name? hello x\n".repeat(50_000) + "name? ";
    assert!(ended.stdout == said.as_bytes(), "{} bytes", ended.stdout.len());
    assert_eq!(ended.status.code(), Some(0));
}
