//! Replays the committed corpus of each fuzz target on the stable toolchain, so that every finding
//! is a regression test.

#[path = "../../fuzz/src/lib.rs"]
// They are public for the fuzz targets.
#[allow(unreachable_pub)]
mod fuzzed;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", corpus.display());
    for input in inputs {
        // Shown if it fails.
        println!("cargo +nightly fuzz run {target} {}", input.display());
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn buffer() {
    replay("buffer", fuzzed::buffer);
}

#[test]
fn chunked() {
    replay("chunked", fuzzed::chunked);
}

#[test]
fn head() {
    replay("head", fuzzed::head);
}

#[test]
fn server() {
    replay("server", fuzzed::server);
}

#[test]
fn response() {
    replay("response", fuzzed::response);
}

#[test]
fn client() {
    replay("client", fuzzed::client);
}

#[test]
fn exchange() {
    replay("exchange", fuzzed::exchange);
}

#[test]
fn pipeline() {
    replay("pipeline", fuzzed::pipeline);
}

#[test]
fn timers() {
    replay("timers", fuzzed::timers);
}

#[test]
fn proxy() {
    replay("proxy", fuzzed::proxy);
}

#[test]
fn fiber() {
    replay("fiber", fuzzed::fiber);
}

#[test]
fn hub() {
    replay("hub", fuzzed::hub);
}

#[test]
fn layers() {
    replay("layers", fuzzed::layers);
}

#[test]
fn tls() {
    replay("tls", fuzzed::tls);
}

#[test]
fn web() {
    replay("web", fuzzed::web);
}

#[test]
fn reverse_proxy() {
    replay("reverse_proxy", fuzzed::reverse_proxy);
}

#[test]
fn gunzip() {
    replay("gunzip", fuzzed::gunzip);
}

#[test]
fn jar() {
    replay("jar", fuzzed::jar);
}
