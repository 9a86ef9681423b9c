//! Sends a request to routes: paths, queries, cookies, forms, JSON, conditions and ranges, and what is
//! accepted of gzip. No request makes a handler fail, and what a parameter of the path decodes to is
//! what a decoder written for this check makes of it.
//!
//! The input is a request with bare line ends, and without `Host` and `Content-Length`.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel_proto::Hub;
use diesel_proto::http1::{
    FieldSpans, Headers, IntoResponse, Request, Response, ResponseLimits, Status, parse_response,
};
use diesel_proto::testkit::net::Network;
use diesel_proto::web::{
    ContentRange, Cookies, EntityTag, Form, Json, Path, Precondition, Query, RangeRequest, Router,
    Routes, SetCookie, Validators, get, gzip, post,
};

type Pairs = Vec<(String, String)>;

fn routes() -> Routes {
    Router::new()
        .route("/files/{*rest}", get(|Path(rest): Path<String>| rest))
        .route("/n/{n}.txt", get(|Path(n): Path<i16>| n.to_string()))
        .route("/two/{a}/{b}", get(|Path(both): Path<(String, Option<char>)>| format!("{both:?}")))
        .route("/map/{a}/{b}", get(|Path(map): Path<BTreeMap<String, String>>| format!("{map:?}")))
        .route("/query", get(|Query(pairs): Query<Pairs>| format!("{pairs:?}")))
        .route("/cookies", get(cookies))
        .route("/form", post(|Form(pairs): Form<Pairs>| format!("{pairs:?}")))
        .route("/json", post(|Json(map): Json<BTreeMap<String, Vec<f64>>>| Json(map)))
        .route("/text", get(text).put(text))
        .body_limit(1000)
        .layer(gzip)
        .build()
        .expect("no conflict")
}

/// Sets each cookie again.
fn cookies(cookies: Cookies) -> Response {
    cookies.iter().fold(Response::empty(), |response, (name, value)| {
        match SetCookie::new(name, value).into_value() {
            Some(value) => response.header("Set-Cookie", value),
            None => response,
        }
    })
}

fn text(request: Request) -> Response {
    let text = "0123456789".repeat(200);
    let validators = Validators { etag: EntityTag::strong("7").ok(), modified: Some(784_111_777) };
    match Precondition::of(request.method(), request.headers(), Some(&validators)) {
        Precondition::NotModified => return Response::new(Status::NOT_MODIFIED),
        Precondition::Failed => return Response::new(Status::PRECONDITION_FAILED),
        Precondition::Met => {}
    }
    let len = text.len() as u64;
    let (method, fields) = (request.method(), request.headers());
    match RangeRequest::of(method, fields, len, &validators, None) {
        RangeRequest::Parts(parts) => {
            let mut sum = 0;
            for part in &parts {
                assert!(part.start < part.end && part.end <= len);
                sum += part.end - part.start;
            }
            assert!(sum <= len);
            (Status::PARTIAL_CONTENT, format!("{parts:?}")).into_response()
        }
        RangeRequest::Unsatisfiable => Response::new(Status::RANGE_NOT_SATISFIABLE)
            .header("Content-Range", ContentRange::unsatisfied(len).to_string()),
        RangeRequest::Whole => Response::text(text),
    }
}

/// Takes a request with bare line ends.
pub fn web(data: &[u8]) {
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match at {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|&byte| byte == b'\n');
    let mut request = lines.next().unwrap_or_default().to_vec();
    request.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    let answer = answer(&request);
    let mut spans = FieldSpans::new();
    let mut rest = &answer[..];
    let (status, fields) = loop {
        let head = parse_response(rest, &ResponseLimits::default(), &mut spans);
        let head = head.expect("a valid response").expect("a whole response");
        rest = &rest[head.len()..];
        if !head.status().is_informational() {
            break (head.status(), Headers::from(head.fields()));
        }
    };
    assert!(status != Status::INTERNAL_SERVER_ERROR, "{}", answer.escape_ascii());
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if let Some(target) = line.strip_prefix(b"GET /files/")
        && matches!(status, Status::OK)
        && fields.get("content-encoding").is_none()
    {
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        assert_eq!(rest, decoded(path), "{}", path.escape_ascii());
    }
}

fn answer(request: &[u8]) -> Vec<u8> {
    let mut hub = Hub::default();
    let service = hub.add_service(routes());
    let mut network = Network::new(0);
    let host = network.lone_host(hub);
    let peer = network.connect_to(host, service);
    network.send(peer, request);
    // What is incomplete is answered when its time is over.
    network.run_for(Duration::from_secs(200)).expect("it comes to rest");
    network.got(peer).to_vec()
}

/// Percent-decoding (URL Standard, 1.3).
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [first, rest @ ..] = text {
        let digit = |at: usize| rest.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                text = &rest[2..];
            }
            _ => {
                bytes.push(*first);
                text = rest;
            }
        }
    }
    bytes
}
