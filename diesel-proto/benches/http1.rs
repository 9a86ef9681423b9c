//! The heads of a request and of a response, beside `httparse` alone.
//!
//! ```text
//! cargo bench -p diesel-proto --bench http1               # each by itself
//! cargo bench -p diesel-proto --bench http1 -- --ratio    # in turns; fails above the limit
//! ```

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::time::Instant as Clock;

use diesel_proto::http1::{FieldSpans, Limits, ResponseLimits, parse_request, parse_response};

/// What a usable, validated head may take of the time that `httparse` takes to find its parts, as
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
fn request() -> Vec<u8> {
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

/// What a server sends: 700 bytes in 13 fields.
fn response() -> Vec<u8> {
    let mut head = concat!(
        "HTTP/1.1 200 OK\r\n",
        "Date: Thu, 26 Nov 2026 10:00:00 GMT\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "Content-Length: 13\r\n",
        "Connection: keep-alive\r\n",
        "Server: example/1.0\r\n",
        "Cache-Control: private, max-age=0, must-revalidate\r\n",
        "ETag: W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n",
        "Last-Modified: Wed, 25 Nov 2026 10:00:00 GMT\r\n",
        "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n",
        "Content-Security-Policy: default-src 'self'; img-src *; script-src 'self'\r\n",
        "X-Content-Type-Options: nosniff\r\n",
        "Vary: Accept-Encoding, Cookie\r\n",
        "Set-Cookie: session=",
    )
    .as_bytes()
    .to_vec();
    head.resize(700 - 4, b'0');
    head.extend_from_slice(b"\r\n\r\n");
    head
}

#[divan::bench]
fn a_request_by_httparse(bencher: divan::Bencher<'_, '_>) {
    let head = request();
    bencher.bench_local(|| httparse_request(black_box(&head)));
}

#[divan::bench]
fn a_validated_request(bencher: divan::Bencher<'_, '_>) {
    let (head, limits) = (request(), Limits::default());
    let mut spans = FieldSpans::new();
    bencher.bench_local(|| our_request(black_box(&head), &limits, &mut spans));
}

#[divan::bench]
fn a_response_by_httparse(bencher: divan::Bencher<'_, '_>) {
    let head = response();
    bencher.bench_local(|| httparse_response(black_box(&head)));
}

#[divan::bench]
fn a_validated_response(bencher: divan::Bencher<'_, '_>) {
    let (head, limits) = (response(), ResponseLimits::default());
    let mut spans = FieldSpans::new();
    bencher.bench_local(|| our_response(black_box(&head), &limits, &mut spans));
}

fn httparse_request(head: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&request).headers.len(),
        _ => 0,
    }
}

fn httparse_request_uninitialised(head: &[u8]) -> usize {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&request).headers.len(),
        _ => 0,
    }
}

fn our_request(head: &[u8], limits: &Limits, spans: &mut FieldSpans) -> usize {
    match parse_request(head, limits, spans) {
        Ok(Some(head)) => black_box(&head).len() + head.fields().len(),
        _ => 0,
    }
}

fn httparse_response(head: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&response).headers.len(),
        _ => 0,
    }
}

fn httparse_response_uninitialised(head: &[u8]) -> usize {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, head, &mut headers) {
        Ok(httparse::Status::Complete(len)) => len + black_box(&response).headers.len(),
        _ => 0,
    }
}

fn our_response(head: &[u8], limits: &ResponseLimits, spans: &mut FieldSpans) -> usize {
    match parse_response(head, limits, spans) {
        Ok(Some(head)) => black_box(&head).len() + head.fields().len(),
        _ => 0,
    }
}

fn ratio() -> ExitCode {
    let (limits, mut spans) = (Limits::default(), FieldSpans::new());
    let head = request();
    println!("a request of {} bytes", head.len());
    let requests = compare([
        &mut || httparse_request(black_box(&head)),
        &mut || httparse_request_uninitialised(black_box(&head)),
        &mut || our_request(black_box(&head), black_box(&limits), &mut spans),
    ]);
    let (limits, mut spans) = (ResponseLimits::default(), FieldSpans::new());
    let head = response();
    println!("a response of {} bytes", head.len());
    let responses = compare([
        &mut || httparse_response(black_box(&head)),
        &mut || httparse_response_uninitialised(black_box(&head)),
        &mut || our_response(black_box(&head), black_box(&limits), &mut spans),
    ]);
    if requests.max(responses) > LIMIT {
        println!("more than {LIMIT} times");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Times httparse, the same with uninitialised headers, and ours. Returns the ratio of ours to the
/// first.
fn compare(mut parsers: [&mut dyn FnMut() -> usize; 3]) -> f64 {
    let time = |run: &mut dyn FnMut() -> usize| {
        let start = Clock::now();
        (0..HEADS).for_each(|_| {
            black_box(run());
        });
        start.elapsed().as_secs_f64() / HEADS as f64 * 1e9
    };
    let mut runs: Vec<[f64; 3]> =
        (0..RUNS).map(|_| parsers.each_mut().map(|run| time(*run))).collect();
    let mut median = |of: fn(&[f64; 3]) -> f64| {
        runs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&runs[RUNS / 2])
    };
    let times = [median(|run| run[0]), median(|run| run[1]), median(|run| run[2])];
    let (ratio, uninitialised) = (median(|run| run[2] / run[0]), median(|run| run[2] / run[1]));
    println!("  httparse {:.0} ns, uninitialised {:.0} ns", times[0], times[1]);
    println!("  ours {:.0} ns: {ratio:.2} times, {uninitialised:.2} times", times[2]);
    ratio
}
