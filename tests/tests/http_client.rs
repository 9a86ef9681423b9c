//! The program `http_client`, as a process, against the program `httpbin` and scripted servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;

use diesel_tests::Program;

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
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, server)
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
    assert!(code == 0 && out.contains("a=b") && out.contains("yes"), "{out}");
    // Two URLs, one of which is refused.
    let (code, out, _) = asks(&[&url("/status/500"), &url("/bytes/10")]);
    assert!(code == 22 && out.len() >= 10, "{code} {out}");

    let file = std::env::temp_dir().join(format!("diesel-http-client-{}", std::process::id()));
    let (code, out, _) = asks(&["-o", file.to_str().unwrap(), &url("/chunked/5000")]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!(std::fs::read(&file).unwrap().len(), 5000);
    std::fs::remove_file(&file).unwrap();

    let (code, _, err) = asks(&["--max-time", "0.2", &url("/delay/5000")]);
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
