//! The program `http_client`, as a process, against the program `httpbin` and scripted servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::mpsc;
use std::thread;

use diesel_tests::{Program, Signal};

fn asks(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Program::run("http_client", arguments);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Serves one connection: sends `answer` when a head has arrived, and closes. Returns the head.
fn serves(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        head
    });
    (address, server)
}

/// Serves one connection, and never answers. Its URL, and what tells when a head has arrived.
fn serves_slowly() -> (mpsc::Receiver<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        sender.send(()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    (receiver, url)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn certificate(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diesel-proto/tests/certificates");
    folder.join(name).to_str().unwrap().to_owned()
}

/// The path of a file of this process.
fn scratch(name: &str) -> String {
    let file = format!("diesel-http-client-{}-{name}", std::process::id());
    std::env::temp_dir().join(file).to_str().unwrap().to_owned()
}

#[test]
fn it_prints_answers_and_exits_by_their_status() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let url = |path: &str| format!("http://{address}{path}");

    let whole = Program::run("http_client", &[&url("/bytes/100000")]);
    assert_eq!((whole.status.code(), whole.stdout.len()), (Some(0), 100_000));
    let (code, out, _) = asks(&["-i", &url("/status/404")]);
    assert!(code == 22 && out.starts_with("HTTP/1.1 404 Not Found\r\n"), "{code} {out}");
    let (code, out, _) = asks(&["-d", "a=b", "-H", "X-Test: yes", &url("/anything")]);
    assert!(code == 0 && out.contains("\"a\": \"b\"") && out.contains("yes"), "{out}");
    // Two URLs, one of which is refused.
    let (code, out, _) = asks(&[&url("/status/500"), &url("/bytes/10")]);
    assert!(code == 22 && out.len() >= 10, "{code} {out}");

    let file = scratch("output");
    let (code, out, _) = asks(&["-o", &file, &url("/chunked/5000")]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!(std::fs::read(&file).unwrap().len(), 5000);
    std::fs::remove_file(&file).unwrap();

    let (code, _, err) = asks(&["--max-time", "0.2", &url("/delay/5")]);
    assert!(code == 1 && err.contains("timed out after 200ms"), "{code} {err}");
}

#[test]
fn what_is_not_whole_is_an_error_and_surplus_is_not() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", 0, ""),
        ("HTTP/1.0 200 OK\r\n\r\nhello", 0, ""),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            1,
            "the end of the stream within a body",
        ),
        (
            "HTTP/1.1 500 OK\r\nContent-Length: 9\r\n\r\nhello",
            1,
            "the end of the stream within a body",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            1,
            "more than one Content-Length",
        ),
    ];
    for (answer, expected, cause) in cases {
        let (address, server) = serves(answer);
        let (code, _, err) = asks(&[&format!("http://{address}/")]);
        assert_eq!(code, expected, "{answer:?}: {err}");
        assert!(err.contains(cause), "{err}");
        let head = server.join().unwrap();
        assert!(head.starts_with(&format!("GET / HTTP/1.1\r\nHost: {address}\r\n")), "{head}");
    }
}

#[test]
fn heads_uploads_and_methods() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let url = |path: &str| format!("http://{address}{path}");
    let (code, out, _) = asks(&["-I", &url("/bytes/100")]);
    assert!(code == 0 && out.contains("Content-Length: 100\r\n"), "{code} {out}");
    assert!(out.ends_with("\r\n\r\n"), "{out}");

    let file = scratch("upload");
    let text = "0123456789".repeat(30_000);
    std::fs::write(&file, &text).unwrap();
    for how in [&["-T", &file][..], &["-d", &format!("@{file}")]] {
        for expects in [&[][..], &["--expect"]] {
            let to = url("/echo");
            let (code, out, err) = asks(&[how, expects, &["-X", "POST", &to]].concat());
            assert_eq!((code, err.as_str()), (0, ""), "{how:?} {expects:?}");
            assert!(out == text, "{how:?} {expects:?}: {} bytes", out.len());
        }
    }
    let (code, out, _) = asks(&["-T", &file, "--expect", &url("/anything")]);
    assert!(code == 0 && out.contains("\"method\": \"PUT\""), "{code} {out:.200}");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn only_servers_that_the_authorities_know() {
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    let (_program, address) = Program::serve("http", &["--tls-cert", &cert, "--tls-key", &key]);
    let (authority, stranger) = (certificate("authority.pem"), certificate("stranger.pem"));
    let url = format!("https://localhost:{}/", address.port());
    let (code, out, err) = asks(&["--cacert", &authority, &url, &url]);
    assert_eq!((code, out.as_str()), (0, "Hello, World!Hello, World!"), "{err}");
    let untrusted = "TLS: the peer's certificate is not issued by a trusted authority";
    for arguments in [&["--cacert", &stranger, &url][..], &[&url]] {
        let (code, out, err) = asks(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
        // A system may have no authorities at all.
        let has_none = arguments.len() == 1 && err.contains("no settings for TLS");
        assert!(err.contains(untrusted) || has_none, "{err}");
    }
    let plain = format!("http://{address}/");
    let (code, out, _) = asks(&[&plain]);
    assert_eq!((code, out.as_str()), (1, ""));
}

/// What comes behind an answer belongs to no answer: the next call has another connection.
#[test]
fn surplus_bytes_never_answer_the_next_request() {
    const SURPLUS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
                           HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for answer in [SURPLUS, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"] {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            // It stays open until the client closes it. A reset is an end, too.
            let _ = stream.read(&mut [0]);
        }
    });
    let (code, out, err) = asks(&[&url, &url]);
    assert_eq!((code, out.as_str()), (0, "hellogood"), "{err}");
    server.join().unwrap();
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let url = format!("http://{address}/bytes/100000");
    for (arguments, cause) in [
        (&["-o", "/nowhere/file", &url][..], "/nowhere/file: "),
        (&["-o", "/dev/full", &url], "/dev/full: "),
        (&["-d", "@/nowhere/file", &url], "/nowhere/file: "),
        (&["-T", "/nowhere/file", &url], "/nowhere/file: "),
        (&["-T", "/", &url], "the body of the request failed: /: "),
        (&["--cacert", "/nowhere/file", &url], "/nowhere/file: "),
        (&["--cacert", "/dev/null", &url], "/dev/null: no certificate"),
    ] {
        let (code, out, err) = asks(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
        assert!(err.contains(cause), "{arguments:?}: {err}");
    }
}

#[test]
fn a_signal_ends_it_without_an_answer() {
    let (head, url) = serves_slowly();
    let mut program = Program::start("http_client", &["-i", &url]);
    head.recv().unwrap();
    program.signal(Signal::INT);
    assert_eq!(program.line(), "");
    let (_, err, code) = program.finish();
    assert_eq!((err.as_str(), code), ("http_client: shutting down\n", Some(1)));
}

#[test]
fn redirects_are_followed_if_asked() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 2\r\n\r\nno";
    let (address, server) = serves(answer);
    let (code, out, _) = asks(&[&format!("http://{address}/")]);
    assert_eq!((code, out.as_str()), (0, "no"));
    server.join().unwrap();

    let (address, server) = serves(answer);
    let (code, _, err) = asks(&["-L", &format!("http://{address}/")]);
    // The server is gone then.
    assert!(code == 1 && !err.is_empty(), "{code} {err}");
    server.join().unwrap();
}

#[test]
fn wrong_arguments_and_servers_that_are_not_there() {
    for (arguments, cause) in [
        (&[][..], "no URL"),
        (&["--what"], "invalid option '--what'"),
        (&["-H", "no colon", "http://127.0.0.1:1/"], "-H needs a name, a colon and a value"),
        (&["gopher://127.0.0.1/"], "is not of the scheme http or https"),
        (&["http://127.0.0.1:1/"], "cannot connect to 127.0.0.1:1: connection refused"),
    ] {
        let (code, out, err) = asks(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
        assert!(err.contains(cause), "{err}");
    }
}
