//! Examples that serve TLS, as processes, with common clients.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use diesel_tests::{Program, Signal};

fn certificate(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diesel-proto/tests/certificates");
    folder.join(name).to_str().unwrap().to_owned()
}

fn serve(name: &str, arguments: &[&str]) -> (Program, SocketAddr) {
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    Program::serve(name, &[&["--tls-cert", &cert, "--tls-key", &key], arguments].concat())
}

/// Runs a client. If it is missing, prints that and returns `None`.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match child {
        Ok(mut child) => {
            child.stdin.take().unwrap().write_all(input).unwrap();
            Some(child.wait_with_output().unwrap())
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

fn curl(address: SocketAddr, arguments: &[&str], path: &str) -> Option<Output> {
    let url = format!("https://localhost:{}{path}", address.port());
    let authority = certificate("authority.pem");
    let common = ["-sS", "--max-time", "20", "--cacert", &authority];
    run("curl", &[&common, arguments, &[&url]].concat(), b"")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn curl_gets_pages_over_each_version() {
    let (program, address) = serve("http", &[]);
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let version: Vec<_> = version.split('=').collect();
        let Some(output) = curl(address, &version, "/") else { return };
        assert_eq!(text(&output), "Hello, World!");
    }
    // An authority that it does not know, and no TLS at all.
    let stranger = certificate("stranger.pem");
    assert!(!curl(address, &["--cacert", &stranger], "/").unwrap().status.success());
    let plain = format!("http://{address}/");
    let output = run("curl", &["-sS", "--max-time", "20", "--http0.9", &plain], b"").unwrap();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("HTTP"), "{output:?}");
    program.signal(Signal::TERM);
    assert_eq!(program.finish().2, Some(0));
}

#[test]
fn large_bodies_go_both_ways() {
    let (_program, address) = serve("httpbin", &[]);
    let path: PathBuf = std::env::temp_dir().join(format!("diesel-tls-{}", std::process::id()));
    let bytes: Vec<u8> =
        (0..10_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let upload = format!("@{}", path.display());
    let output = curl(address, &["--data-binary", &upload], "/echo");
    std::fs::remove_file(&path).unwrap();
    let Some(output) = output else { return };
    assert!(output.status.success() && output.stdout == bytes, "{}", output.stdout.len());
}

#[test]
fn the_header_of_a_proxy_comes_before_the_handshake() {
    let (_program, address) = serve("httpbin", &["--proxy-protocol"]);
    let Some(output) = curl(address, &["--haproxy-protocol"], "/peer") else { return };
    assert!(text(&output).contains("\"peer\": \"127.0.0.1:"));
    assert!(!curl(address, &[], "/get").unwrap().status.success());
}

#[test]
fn openssl_talks_to_the_echo_through_the_proxy() {
    let (_echo, target) = Program::serve("echo", &[]);
    let (_proxy, address) = serve("proxy", &["--to", &target.to_string()]);
    let (address, authority) = (address.to_string(), certificate("authority.pem"));
    let arguments = ["s_client", "-quiet", "-connect", &address, "-CAfile", &authority];
    let arguments =
        [&arguments[..], &["-verify_return_error", "-servername", "localhost"]].concat();
    let Some(output) = run("openssl", &arguments, b"hello\nquit\n") else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "you said: hello\n");
}

#[test]
fn wrong_options_are_named() {
    let cert = certificate("server.pem");
    let (_, errors, code) = Program::start("echo", &["--tls-cert", &cert]).finish();
    assert_eq!((errors.trim(), code), ("Error: --tls-cert and --tls-key belong together", Some(1)));
    let (_, errors, _) =
        Program::start("echo", &["--tls-cert", &cert, "--tls-key", &cert]).finish();
    assert!(errors.contains("are the files swapped?"), "{errors}");
    let (_, errors, _) =
        Program::start("chat", &["--tls-cert", &cert, "--tls-key", "/nowhere"]).finish();
    assert!(errors.contains("/nowhere"), "{errors}");
}
