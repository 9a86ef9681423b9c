//! The head of a request, beside `httparse` alone.
//!
//! ```text
//! cargo bench -p diesel-proto --bench http1               # each by itself
//! cargo bench -p diesel-proto --bench http1 -- --ratio    # in turns; fails above the limit
//! ```

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::time::Instant as Clock;

use diesel_proto::http1::{FieldSpans, Limits, parse_request};

/// What a usable, validated request may take of the time that `httparse` takes to find its parts, as
/// it is commonly called. With uninitialised headers it takes a tenth less, which is printed too.
const LIMIT: f64 = 1.3;
const RUNS: usize = 31;
const HEADS: usize = if cfg!(debug_assertions) { 100 } else { 20_000 };

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--ratio") {
        return ratio();
    }
    divan::main();
    ExitCode::SUCCESS
}

/// What a browser sends: 700 bytes in 13 fields.
fn head() -> Vec<u8> {
    let mut head = concat!(
        "GET /articles/2026/11/state-machines?page=2 HTTP/1.1\r\n",
        "Host: www.example.com\r\n",
        "Connection: keep-alive\r\n",
        "sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n",
        "sec-ch-ua-mobile: ?0\r\n",
        "sec-ch-ua-platform: \"Linux\"\r\n",
        "Upgrade-Insecure-Requests: 1\r\n",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ",
        "Chrome/142.0.0.0 Safari/537.36\r\n",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Mode: navigate\r\n",
        "Accept-Encoding: gzip, deflate, br, zstd\r\n",
        "Accept-Language: en-GB,en;q=0.9\r\n",
        "Cookie: session=",
    )
    .as_bytes()
    .to_vec();
    head.resize(700 - 4, b'0');
    head.extend_from_slice(b"\r\n\r\n");
    head
}

#[divan::bench]
fn httparse_alone(bencher: divan::Bencher<'_, '_>) {
    let head = head();
    bencher.bench_local(|| with_httparse(black_box(&head)));
}

#[divan::bench]
fn httparse_alone_uninitialised(bencher: divan::Bencher<'_, '_>) {
    let head = head();
    bencher.bench_local(|| with_httparse_uninitialised(black_box(&head)));
}

#[divan::bench]
fn a_validated_request(bencher: divan::Bencher<'_, '_>) {
    let (head, limits) = (head(), Limits::default());
    let mut spans = FieldSpans::new();
    bencher.bench_local(|| with_ours(black_box(&head), &limits, &mut spans));
}

fn with_httparse(head: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&request).headers.len(),
        _ => 0,
    }
}

fn with_httparse_uninitialised(head: &[u8]) -> usize {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&request).headers.len(),
        _ => 0,
    }
}

fn with_ours(head: &[u8], limits: &Limits, spans: &mut FieldSpans) -> usize {
    match parse_request(head, limits, spans) {
        Ok(Some(head)) => black_box(&head).len() + head.fields().len(),
        _ => 0,
    }
}

fn ratio() -> ExitCode {
    let (head, limits) = (head(), Limits::default());
    let mut spans = FieldSpans::new();
    let time = |run: &mut dyn FnMut() -> usize| {
        let start = Clock::now();
        (0..HEADS).for_each(|_| {
            black_box(run());
        });
        start.elapsed().as_secs_f64() / HEADS as f64 * 1e9
    };
    let mut runs: Vec<[f64; 3]> = (0..RUNS)
        .map(|_| {
            [
                time(&mut || with_httparse(black_box(&head))),
                time(&mut || with_httparse_uninitialised(black_box(&head))),
                time(&mut || with_ours(black_box(&head), black_box(&limits), &mut spans)),
            ]
        })
        .collect();
    let mut median = |of: fn(&[f64; 3]) -> f64| {
        runs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&runs[RUNS / 2])
    };
    let times = [median(|run| run[0]), median(|run| run[1]), median(|run| run[2])];
    let (ratio, uninitialised) = (median(|run| run[2] / run[0]), median(|run| run[2] / run[1]));
    println!("{} bytes: httparse {:.0} ns, uninitialised {:.0} ns", head.len(), times[0], times[1]);
    println!("ours {:.0} ns: {ratio:.2} times, {uninitialised:.2} times", times[2]);
    if ratio > LIMIT {
        println!("more than {LIMIT} times");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
