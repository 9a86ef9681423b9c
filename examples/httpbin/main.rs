//! A server for testing HTTP clients: it describes the request, and answers as the request asks.
//!
//! ```text
//! $ cargo run --release --example httpbin
//! listening on 127.0.0.1:8089
//!
//! $ curl 'http://localhost:8089/get?a=b'
//! $ curl -T big.iso -X POST http://localhost:8089/echo | cmp - big.iso
//! ```

use std::time::Duration;

use diesel_driver::http1::{BodyWriter, Limits, Request, Response, Service, Status, Target};
use diesel_driver::proxy_protocol::{self, HeaderConfig};
use diesel_driver::{Application, Error};
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, switch, tls_acceptor,
};
use serde_json::map::Entry;
use serde_json::{Map, Value, json};

/// The page that a path names.
enum Page<'a> {
    Index,
    Get,
    Headers,
    Anything,
    Echo,
    Status(&'a str),
    Bytes(&'a str),
    Chunked(&'a str),
    Stream(&'a str),
    Delay(&'a str),
}

const PAGES: &str = "/get /headers /anything /echo (POST) /status/CODE /bytes/N /chunked/N \
                     /stream/N /delay/MS\n";

/// All methods that any page allows.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The host of a target URI if the client named none, as HTTP/1.0 allows.
const DEFAULT_HOST: &str = "localhost";

/// The longest page, in bytes or lines.
const MOST: usize = 100 << 20;

/// An echoed body is sent whole up to this size.
const SMALL: usize = 64 << 10;

impl<'a> Page<'a> {
    fn at(path: &'a str) -> Option<Self> {
        let (page, argument) = match path.strip_prefix('/')?.split_once('/') {
            Some((page, argument)) => (page, Some(argument)),
            None => (path.strip_prefix('/')?, None),
        };
        Some(match (page, argument) {
            ("", None) => Page::Index,
            ("get", None) => Page::Get,
            ("headers", None) => Page::Headers,
            ("anything", _) => Page::Anything,
            ("echo", None) => Page::Echo,
            ("status", Some(code)) => Page::Status(code),
            ("bytes", Some(n)) => Page::Bytes(n),
            ("chunked", Some(n)) => Page::Chunked(n),
            ("stream", Some(n)) => Page::Stream(n),
            ("delay", Some(ms)) => Page::Delay(ms),
            _ => return None,
        })
    }

    /// The methods that the page allows.
    fn methods(&self) -> &'static str {
        match self {
            Page::Echo => "POST, OPTIONS",
            Page::Anything | Page::Status(_) => METHODS,
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

/// Answers any request.
pub async fn httpbin(mut request: Request) -> Result<Response, Error> {
    let is_options = request.method() == "OPTIONS";
    let page = match Page::at(request.path()) {
        _ if !is_known(request.method()) => return Ok(plain(Status::NOT_IMPLEMENTED)),
        // `OPTIONS *` is about the server as a whole.
        None if is_options && request.path() == "*" => return Ok(options(METHODS)),
        None => return Ok(plain(Status::NOT_FOUND)),
        Some(page) => page,
    };
    let methods = page.methods();
    if is_options {
        return Ok(options(methods));
    }
    if !methods.split(", ").any(|method| method == request.method()) {
        return Ok(plain(Status::METHOD_NOT_ALLOWED).header("Allow", methods));
    }
    Ok(match page {
        Page::Index => Response::text(PAGES),
        Page::Get => page_of(&request, json!({})),
        Page::Headers => json_page(&json!({ "headers": headers(&request) })),
        Page::Anything => {
            let about = json!({ "method": request.method() });
            let data = request.body().read(1 << 20).await?;
            let mut page = about;
            page["data"] = String::from_utf8_lossy(&data).into();
            page_of(&request, page)
        }
        Page::Echo => echo(request).await?,
        Page::Status(code) => match code.parse().ok().and_then(Status::new) {
            Some(status) if !status.is_informational() => of_status(status, methods),
            _ => plain(Status::BAD_REQUEST),
        },
        Page::Bytes(n) => match number(n) {
            Some(n) => Response::stream_exactly(n as u64, async move |out| fill(out, n).await),
            None => plain(Status::BAD_REQUEST),
        },
        Page::Chunked(n) => match number(n) {
            Some(n) => Response::stream(async move |out| fill(out, n).await),
            None => plain(Status::BAD_REQUEST),
        },
        Page::Stream(n) => match number(n) {
            Some(n) => lines(n, about(&request)),
            None => plain(Status::BAD_REQUEST),
        },
        Page::Delay(ms) => match number(ms) {
            Some(ms) => {
                request.ctx().sleep(Duration::from_millis(ms as u64)).await?;
                page_of(&request, json!({}))
            }
            None => plain(Status::BAD_REQUEST),
        },
    })
}

/// The answer to OPTIONS (RFC 9110, 9.3.7).
fn options(methods: &str) -> Response {
    Response::new(Status::NO_CONTENT).header("Allow", methods)
}

/// An answer with this status, and with the field that RFC 9110 requires for it, if any. (The
/// library adds that of 426.)
fn of_status(status: Status, methods: &str) -> Response {
    const CHALLENGE: &str = "Basic realm=\"httpbin\"";
    let response = Response::new(status);
    match status.code() {
        206 => Response::bytes("h").status(status).header("Content-Range", "bytes 0-0/13"),
        300..=303 | 307 | 308 => response.header("Location", "/get"),
        401 => response.header("WWW-Authenticate", CHALLENGE),
        405 => response.header("Allow", methods),
        407 => response.header("Proxy-Authenticate", CHALLENGE),
        416 => response.header("Content-Range", "bytes */13"),
        _ => response,
    }
}

/// Echoes the body: a small one when it is complete, a larger one of any size while it arrives.
async fn echo(mut request: Request) -> Result<Response, Error> {
    let kind = request.header_str("content-type").unwrap_or("application/octet-stream").to_string();
    let mut start = Vec::new();
    while start.len() < SMALL {
        match request.body().some().await? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => return Ok(Response::bytes(start).content_type(kind)),
        }
    }
    let stream = Response::stream(async move |out| {
        out.write(start).await?;
        while let Some(chunk) = request.body().some().await? {
            out.write(chunk).await?;
        }
        Ok(())
    });
    Ok(stream.content_type(kind))
}

/// Writes `n` bytes, of which only a small part is in memory at a time.
async fn fill(out: &mut BodyWriter, n: usize) -> Result<(), Error> {
    let mut noise = noise().take(n);
    loop {
        let chunk: Vec<u8> = noise.by_ref().take(1024).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        out.write(chunk).await?;
    }
}

fn lines(n: usize, about: Map<String, Value>) -> Response {
    Response::stream(async move |out| {
        let mut line = about;
        for id in 0..n {
            line.insert("id".into(), id.into());
            out.write((serde_json::to_string(&line).unwrap_or_default(), "\n")).await?;
        }
        Ok(())
    })
    .content_type("application/json")
}

fn about(request: &Request) -> Map<String, Value> {
    let mut about = Map::new();
    about.insert("args".into(), arguments(request.query().unwrap_or_default()));
    about.insert("headers".into(), headers(request));
    about.insert("origin".into(), request.peer().to_string().into());
    about.insert("url".into(), target_uri(request).into());
    about
}

/// The target URI of the request, with scheme and host (RFC 9112, 3.3).
fn target_uri(request: &Request) -> String {
    let host = request.host().unwrap_or(DEFAULT_HOST);
    match request.target() {
        Target::Origin { .. } => format!("http://{host}{}", request.target_text()),
        Target::Asterisk => format!("http://{host}"),
        // The target is a URI already, or the authority of CONNECT.
        Target::Absolute { .. } | Target::Authority(_) => request.target_text().into(),
    }
}

fn page_of(request: &Request, more: Value) -> Response {
    let mut page = about(request);
    if let Value::Object(more) = more {
        page.extend(more);
    }
    json_page(&Value::Object(page))
}

fn json_page(value: &Value) -> Response {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    Response::text(text + "\n").content_type("application/json")
}

/// An answer whose text is the status.
fn plain(status: Status) -> Response {
    Response::text(format!("{status}\n")).status(status)
}

/// The fields of the request. Repeated fields are joined; names are compared without regard to
/// case.
fn headers(request: &Request) -> Value {
    let mut headers = Map::new();
    for (name, value) in request.headers().iter() {
        let value = String::from_utf8_lossy(value);
        match headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, Value::String(values))) => *values = format!("{values}, {value}"),
            _ => _ = headers.insert(name.into(), value.into()),
        }
    }
    Value::Object(headers)
}

/// The arguments of a query. A repeated one has a list of values.
fn arguments(query: &str) -> Value {
    let mut arguments = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = Value::from(decoded(value));
        match arguments.entry(decoded(name)) {
            Entry::Vacant(entry) => _ = entry.insert(value),
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = json!([first.take(), value]),
            },
        }
    }
    Value::Object(arguments)
}

/// Decodes form encoding: a plus is a space, `%41` is an A, and a `%` without two digits behind it
/// stands for itself (URL Standard, 5.1).
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        let (decoded, left) = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, &behind[2..]),
            _ => (byte, behind),
        };
        bytes.push(decoded);
        rest = left;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| *n <= MOST)
}

/// Pseudo-random bytes, the same every time, which do not compress.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
}

/// Whether RFC 9110, 9, or RFC 5789 defines the method.
fn is_known(method: &str) -> bool {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
        .contains(&method)
}

/// The service, without a limit on the size of bodies.
pub fn service() -> Service {
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    Service::new(httpbin).limits(limits).named("httpbin").access_notices(true)
}

fn main() -> Result<(), Failure> {
    let [listen, proxied, cert, key] = command_line(
        "Describes HTTP requests, and answers as they ask.",
        [
            address("listen", "127.0.0.1:8089", "address to listen on; port 0: any free port"),
            switch("proxy-protocol", "expect a PROXY header before each connection"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut service = diesel_driver::Service::from(service());
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    // The header comes before the handshake.
    if proxied.is_on() {
        let config = HeaderConfig::default();
        service = service
            .layer(move |machine_ctx, inner| proxy_protocol::layer(&config, machine_ctx, inner));
    }
    let mut app = Application::new();
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
