//! `http` and `httpbin` as processes, with common clients.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use diesel_tests::{Program, Signal, connect};

/// Runs curl. If there is no curl, prints that and returns `None`.
fn curl(address: SocketAddr, arguments: &[&str], path: &str) -> Option<Output> {
    let url = format!("http://{address}{path}");
    match Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).arg(url).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: curl: {error}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file of `len` pseudo-random bytes.
fn file(name: &str, len: usize) -> PathBuf {
    let path = std::env::temp_dir().join(format!("diesel-{}-{name}", std::process::id()));
    let bytes: Vec<u8> = (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(&path, bytes).unwrap();
    path
}

/// The peak memory of the server, in KiB.
fn most_memory(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn hello_world() {
    let (program, address) = Program::serve("http", &[]);
    if let Some(output) = curl(address, &["-i"], "/any/path") {
        let text = text(&output);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{text}");
        assert!(text.ends_with("\r\n\r\nHello, World!"), "{text}");
    }
    program.signal(Signal::TERM);
    assert_eq!(program.finish().2, Some(0));
}

/// Proxies of both versions, and a client without a header.
#[test]
fn behind_a_proxy_the_client_is_whom_the_header_names() {
    let (_program, address) = Program::serve("httpbin", &["--proxy-protocol"]);
    let ask = |header: &[u8]| {
        let mut stream = connect(address);
        stream.write_all(header).unwrap();
        stream.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        (String::from_utf8(answer).unwrap(), read)
    };
    let client = "\"peer\": \"192.0.2.7:56324\"";
    let text = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    let binary =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb";
    for header in [&text[..], binary] {
        let (answer, _) = ask(header);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(client), "{answer}");
    }
    let local = ask(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").0;
    assert!(local.contains("\"peer\": \"127.0.0.1:"), "{local}");
    let (answer, read) = ask(b"");
    assert_eq!((answer.as_str(), read.is_err()), ("", true), "it is reset");

    let Some(output) = curl(address, &["--haproxy-protocol"], "/peer") else { return };
    let page = self::text(&output);
    assert!(page.contains("\"peer\": \"127.0.0.1:"), "{page}");
    let without = curl(address, &[], "/get").unwrap();
    assert!(!without.status.success(), "it is refused");
}

#[test]
fn curl_asks_in_every_way() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let Some(output) = curl(address, &["-I"], "/get") else { return };
    let head = text(&output);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");

    let get = |arguments: &[&str], path: &str| text(&curl(address, arguments, path).unwrap());
    assert!(get(&["-0", "-i"], "/get").contains("\r\nConnection: close\r\n"), "HTTP/1.0");
    assert!(get(&["-H", "X-Test: yes"], "/headers").contains("\"X-Test\": \"yes\""));
    assert!(get(&[], "/get?a=b").contains("\"a\": \"b\""));
    let size = |path: &str| get(&["-o", "/dev/null", "-w", "%{size_download}"], path);
    assert_eq!(size("/bytes/100000"), "100000");
    assert_eq!(size("/chunked/100000"), "100000");
    assert_eq!(get(&[], "/stream/3").lines().count(), 3);
    let code = |arguments: &[&str], path: &str| {
        get(&[&["-o", "/dev/null", "-w", "%{http_code}"], arguments].concat(), path)
    };
    assert_eq!(code(&[], "/status/418"), "418");
    assert_eq!(code(&[], "/nowhere"), "404");
    assert_eq!(code(&["-X", "DELETE"], "/get"), "405");
    assert_eq!(code(&["-X", "BREW"], "/get"), "501");
    assert_eq!(code(&[], "/delay/0.01"), "200");

    assert!(get(&["-i"], "/status/401").contains("\r\nWWW-Authenticate: "));
    assert!(get(&["-i", "-X", "PUT"], "/get").contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"));

    // Two requests over one connection.
    let second = format!("http://{address}/status/204");
    let kept = ["-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects}", &second];
    assert_eq!(get(&kept, "/get"), "10", "one connection, then none");
}

#[test]
fn curl_gets_back_what_it_sends() {
    let (program, address) = Program::serve("httpbin", &[]);
    let path = file("upload", 1 << 20);
    let upload = path.to_str().unwrap();
    for arguments in [
        &["-H", "Expect:"][..],
        &["-H", "Expect: 100-continue"],
        &["-H", "Transfer-Encoding: chunked"],
        &["-0"],
    ] {
        let arguments = [&["-X", "POST", "-T", upload], arguments].concat();
        let Some(output) = curl(address, &arguments, "/echo") else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == fs::read(&path).unwrap(), "{arguments:?}");
    }
    fs::remove_file(path).unwrap();
    drop(program);
}

/// Only a small part of an echoed body is in memory, whatever its size.
#[test]
fn an_upload_is_echoed_as_it_comes() {
    echoes_in_little_memory(32 << 20);
}

#[test]
#[ignore = "takes most of a minute: .ci/long runs it"]
fn an_upload_of_a_gibibyte_is_echoed_as_it_comes() {
    echoes_in_little_memory(1 << 30);
}

fn echoes_in_little_memory(len: usize) {
    let (program, address) = Program::serve("httpbin", &[]);
    let mut upload = connect(address);
    let mut download = upload.try_clone().unwrap();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    );
    upload.write_all(head.as_bytes()).unwrap();
    let block: Vec<u8> = (0..1 << 16).map(|n: u32| (n >> 3) as u8).collect();
    let sent = block.clone();
    let sender = std::thread::spawn(move || {
        (0..len >> 16).for_each(|_| upload.write_all(&sent).unwrap());
    });
    let mut echoed = 0;
    let mut buffer = vec![0; 1 << 16];
    let (mut head, mut is_body) = (Vec::new(), false);
    // Counts the data of the chunks, without their size lines.
    let mut sizes = 0;
    loop {
        let n = download.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        if !is_body {
            head.extend_from_slice(&buffer[..n]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                is_body = true;
                sizes += head.len() - end - 4;
            }
        } else {
            sizes += n;
        }
        echoed += n;
    }
    sender.join().unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(sizes > len && echoed > len, "{sizes} bytes of {len} came back");
    let most = most_memory(&program);
    println!("{len} bytes echoed with {most} KiB at most");
    assert!(most < 32 << 10, "{most} KiB");
}

#[test]
fn requests_may_be_pipelined() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let mut stream = connect(address);
    let one = "GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(99);
    let last = "GET /status/418 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all((one + last).as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 204 ").count(), 99);
    assert_eq!(answers.matches("HTTP/1.1 418 ").count(), 1);
}

#[test]
fn pythons_client_keeps_its_connection() {
    let (_program, address) = Program::serve("httpbin", &[]);
    let script = "
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1])
for n in range(3):
    c.request('POST', '/echo', body=b'x' * 100000)
    r = c.getresponse()
    assert r.status == 200 and r.read() == b'x' * 100000
    c.request('GET', '/chunked/5000')
    assert len(c.getresponse().read()) == 5000
    c.request('HEAD', '/get')
    assert c.getresponse().read() == b''
c.request('POST', '/echo', body=iter([b'a', b'b']), encode_chunked=True)
assert c.getresponse().read() == b'ab'
print('good')
";
    match Command::new("python3").args(["-c", script, &address.to_string()]).output() {
        Ok(output) => assert_eq!(text(&output), "good\n"),
        Err(error) => println!("skipped: python3: {error}"),
    }
}

#[test]
fn a_request_that_is_under_way_is_answered_before_the_end() {
    let (program, address) = Program::serve("httpbin", &[]);
    let mut idle = connect(address);
    idle.write_all(b"GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).unwrap();
    let mut busy = connect(address);
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").unwrap();
    // The server has received it: a later request on another connection was answered.
    let mut other = connect(address);
    other.write_all(b"GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    other.read_exact(&mut byte).unwrap();
    program.signal(Signal::TERM);
    let mut rest = String::new();
    idle.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("\r\n\r\n"), "closed, with nothing more to say: {rest}");
    drop((idle, other));
    busy.write_all(b"b").unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("ab"), "{answer}");
    drop(busy);
    assert_eq!(program.finish().2, Some(0));
}

#[test]
fn a_client_that_dies_midway_affects_no_other() {
    let (_program, address) = Program::serve("httpbin", &[]);
    for request in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome of it",
        "GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /delay/10 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut stream = connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    let mut stream = connect(address);
    stream.write_all(b"GET /status/204 HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

/// The cases of other suites, replayed by a separate runner.
#[test]
fn every_case_is_answered_over_a_socket_as_well() {
    let Some(shared) = std::env::var_os("DIESEL_SHARED") else {
        return println!("skipped: DIESEL_SHARED names no folder with h1cases");
    };
    let runner = PathBuf::from(shared).join("h1cases/h1check.py");
    if !runner.exists() {
        return println!("skipped: there is no {}", runner.display());
    }
    let (_program, address) = Program::serve("httpbin", &[]);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let arguments = ["--split", "all", "--timeout", "4"];
    let output =
        match Command::new("python3").arg(runner).args([host, port]).args(arguments).output() {
            Ok(output) => text(&output),
            Err(error) => return println!("skipped: python3: {error}"),
        };
    println!("{output}");
    assert!(!output.contains("FAIL") && output.contains("MISMATCH 0"), "{output}");
}
