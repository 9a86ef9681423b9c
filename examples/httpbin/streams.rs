//! Content that is long, or takes its time.

use std::time::Duration;

use diesel_driver::Error;
use diesel_driver::http1::{BodyWriter, IntoResponse, Request, Response, Status};
use diesel_driver::web::{
    ContentRange, EntityTag, Path, Precondition, Query, RangeRequest, Router, Validators, get,
};
use serde::Deserialize;
use serde_json::Value;

use super::echo::{About, seconds_of};
use super::{Count, Page, bad_request};

/// Bytes of which nothing is known.
const OCTETS: &str = "application/octet-stream";

pub(super) fn pages() -> Router {
    Router::new()
        .route("/bytes/{n}", get(bytes))
        .route("/chunked/{n}", get(chunked))
        .route("/stream-bytes/{n}", get(stream_bytes))
        .route("/stream/{n}", get(lines))
        .route("/range/{n}", get(range))
        .route("/drip", get(drip))
}

#[derive(Deserialize)]
struct Noise {
    seed: Option<u64>,
    chunk_size: Option<usize>,
}

fn bytes(Path(Count(n)): Path<Count>, Query(noise): Query<Noise>) -> Response {
    let fill = async move |out: &mut BodyWriter| fill(out, n, 1024, noise.seed).await;
    Response::stream_exactly(n as u64, fill).content_type(OCTETS)
}

fn chunked(Path(Count(n)): Path<Count>, Query(noise): Query<Noise>) -> Response {
    let fill = async move |out: &mut BodyWriter| fill(out, n, 1024, noise.seed).await;
    Response::stream(fill).content_type(OCTETS)
}

fn stream_bytes(Path(Count(n)): Path<Count>, Query(noise): Query<Noise>) -> Response {
    let size = chunk_size(noise.chunk_size);
    let fill = async move |out: &mut BodyWriter| fill(out, n, size, noise.seed).await;
    Response::stream(fill).content_type(OCTETS)
}

/// Within what is in memory anyway.
fn chunk_size(asked: Option<usize>) -> usize {
    asked.unwrap_or(10 << 10).clamp(1, 1 << 20)
}

/// Writes `n` bytes, of which only a small part is in memory at a time.
async fn fill(out: &mut BodyWriter, n: usize, size: usize, seed: Option<u64>) -> Result<(), Error> {
    let mut noise = noise(seed.unwrap_or(0)).take(n);
    loop {
        let chunk: Vec<u8> = noise.by_ref().take(size).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        out.write(chunk).await?;
    }
}

/// Pseudo-random bytes, the same every time for a seed, which do not compress.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    // Zero would stay zero.
    let mut state = (0x9e37_79b9_7f4a_7c15 ^ seed).max(1);
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
}

fn lines(Path(Count(n)): Path<Count>, about: About) -> Response {
    let Page(mut line) = about.page();
    Response::stream(async move |out: &mut BodyWriter| {
        for id in 0..n {
            line["id"] = id.into();
            out.write((Value::to_string(&line), "\n")).await?;
        }
        Ok(())
    })
    .content_type("application/json")
}

#[derive(Deserialize)]
struct Pace {
    #[serde(default)]
    duration: f64,
    chunk_size: Option<usize>,
}

/// The alphabet, again and again. Of several ranges, none is answered: all of it is (RFC 9110, 14.2).
fn range(Path(Count(n)): Path<Count>, Query(pace): Query<Pace>, request: Request) -> Response {
    let (Ok(duration), 1..) = (seconds_of(pace.duration), n) else {
        return (Status::NOT_FOUND, "there is no such range\n").into_response();
    };
    let validators =
        Validators { etag: EntityTag::strong(format!("range{n}")).ok(), modified: None };
    let tagged = |response: Response| {
        let etag = validators.etag.iter().map(EntityTag::to_string);
        let response = response.header("Accept-Ranges", "bytes");
        etag.fold(response, |response, etag| response.header("ETag", etag))
    };
    let (method, fields) = (request.method(), request.headers());
    match Precondition::of(method, fields, Some(&validators)) {
        Precondition::Met => {}
        Precondition::NotModified => return tagged(Response::new(Status::NOT_MODIFIED)),
        Precondition::Failed => return tagged(Response::new(Status::PRECONDITION_FAILED)),
    }
    let len = n as u64;
    let (status, part) = match RangeRequest::of(method, fields, len, &validators, None) {
        RangeRequest::Parts(parts) if parts.len() == 1 => {
            (Status::PARTIAL_CONTENT, parts[0].clone())
        }
        RangeRequest::Whole | RangeRequest::Parts(_) => (Status::OK, 0..len),
        RangeRequest::Unsatisfiable => {
            let response = Response::new(Status::RANGE_NOT_SATISFIABLE);
            return tagged(
                response.header("Content-Range", ContentRange::unsatisfied(len).to_string()),
            );
        }
    };
    let content_range = ContentRange::part(&part, len).to_string();
    let (ctx, size) = (request.ctx(), chunk_size(pace.chunk_size));
    let stream =
        Response::stream_exactly(part.end - part.start, async move |out: &mut BodyWriter| {
            let mut letters = part.clone().map(|at| b'a' + (at % 26) as u8);
            loop {
                let chunk: Vec<u8> = letters.by_ref().take(size).collect();
                if chunk.is_empty() {
                    return Ok(());
                }
                let pause = duration.mul_f64(chunk.len() as f64 / len as f64);
                if !pause.is_zero() {
                    ctx.sleep(pause).await?;
                }
                out.write(chunk).await?;
            }
        });
    let response = tagged(stream.status(status).content_type(OCTETS));
    match status {
        Status::PARTIAL_CONTENT => response.header("Content-Range", content_range),
        _ => response,
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Drip {
    /// Over how many seconds, and after how many.
    duration: f64,
    delay: f64,
    numbytes: usize,
    code: u16,
}

impl Default for Drip {
    fn default() -> Self {
        Drip { duration: 2.0, delay: 0.0, numbytes: 10, code: 200 }
    }
}

/// Byte by byte.
async fn drip(Query(drip): Query<Drip>, request: Request) -> Result<Response, Error> {
    const MOST_BYTES: usize = 10 << 20;
    let (n, ctx) = (drip.numbytes.min(MOST_BYTES), request.ctx());
    let status = Status::new(drip.code).filter(|status| {
        // 204 and 205 have no body that could drip.
        !status.is_informational() && ![Status::NO_CONTENT, Status::RESET_CONTENT].contains(status)
    });
    let (Ok(duration), Ok(delay), Some(status), 1..) =
        (seconds_of(drip.duration), seconds_of(drip.delay), status, n)
    else {
        return Ok(bad_request(
            "duration, delay and numbytes are positive numbers, and code one of a response with a body",
        ));
    };
    if delay > Duration::ZERO {
        ctx.sleep(delay).await?;
    }
    let pause = duration.div_f64(n as f64);
    let stream = Response::stream_exactly(n as u64, async move |out: &mut BodyWriter| {
        for at in 0..n {
            if at > 0 {
                ctx.sleep(pause).await?;
            }
            out.write("*").await?;
        }
        Ok(())
    });
    Ok(stream.status(status).content_type(OCTETS))
}
