//! A server for testing HTTP clients: it describes the request, and answers as the request asks. Its
//! pages are those of httpbin (<https://httpbin.org>), and some more.
//!
//! ```text
//! $ cargo run --release --example httpbin
//! listening on 127.0.0.1:8089
//!
//! $ curl 'http://localhost:8089/get?a=b'
//! $ curl -F 'notes=@notes.txt' http://localhost:8089/post
//! $ curl -L -c jar -b jar 'http://localhost:8089/cookies/set?a=b'
//! $ curl --digest -u ada:secret http://localhost:8089/digest-auth/auth/ada/secret/SHA-256
//! $ curl -T big.iso -X POST http://localhost:8089/echo | cmp - big.iso
//! ```
//!
//! ```text
//!   echo            what a request says: /get, /post, /anything, /headers, /delay, /echo, ..
//!   multipart       forms with files
//!   redirects       /redirect, /redirect-to, ..
//!   cookies         /cookies, /cookies/set, /cookies/delete
//!   authentication  /basic-auth, /bearer; digest: /digest-auth
//!   caching         /cache, /etag, /response-headers
//!   documents       pages that are always the same: /html, /image, /gzip, /links, ..
//!   streams         content that takes a while, or is long: /bytes, /stream, /drip, /range, ..
//!   status          /status
//! ```
//!
//! Where the original breaks a rule of HTTP, this server does not: tags (`ETag`) are quoted, a
//! `Location` is a URI reference, HEAD and OPTIONS are answered everywhere. What only the original's
//! own deployment needs (`X-Forwarded-For`, `show_env`) is not there; nor are `/brotli` and pictures
//! in JPEG and WebP, which would have to be encoded.

mod authentication;
mod caching;
mod cookies;
mod digest;
mod documents;
mod echo;
mod multipart;
mod redirects;
mod status;
mod streams;

use diesel_driver::http1::{IntoResponse, Limits, Request, Response, Service, Status};
use diesel_driver::proxy_protocol::{self, HeaderConfig};
use diesel_driver::web::{InvalidRoute, Next, Router, Routes, get};
use diesel_driver::{Application, Ctx};
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, switch, tls_acceptor,
};
use serde::Deserialize;
use serde_json::Value;

const PAGES: &str = "\
the request    /get /post /put /patch /delete /anything /headers /ip /peer /user-agent /delay/SECONDS /echo
redirects      /redirect/N /relative-redirect/N /absolute-redirect/N /redirect-to?url=URL&status_code=CODE
cookies        /cookies /cookies/set?NAME=VALUE /cookies/set/NAME/VALUE /cookies/delete?NAME
authentication /basic-auth/USER/PASSWORD /hidden-basic-auth/USER/PASSWORD /bearer
               /digest-auth/QOP/USER/PASSWORD[/ALGORITHM[/STALE_AFTER]]
caches         /cache /cache/SECONDS /etag/TAG /response-headers?NAME=VALUE
documents      /html /json /xml /robots.txt /deny /forms/post /encoding/utf8 /image /image/png /image/svg
               /gzip /deflate /uuid /base64/TEXT /links/N/OFFSET
streams        /bytes/N /chunked/N /stream-bytes/N /stream/N /range/N /drip
status         /status/CODE[:WEIGHT][,CODE[:WEIGHT]..]
";

/// The longest page, in bytes or lines.
const MOST: usize = 100 << 20;

/// The longest body that is described rather than echoed.
const LONGEST_BODY: usize = 16 << 20;

/// How many bytes, lines or hops a path asks for.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "usize")]
struct Count(usize);

impl TryFrom<usize> for Count {
    type Error = String;

    fn try_from(n: usize) -> Result<Self, String> {
        match n <= MOST {
            true => Ok(Count(n)),
            false => Err(format!("{n} is more than {MOST}")),
        }
    }
}

/// A page in JSON, for people to read.
struct Page(Value);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        Response::text(pretty(&self.0)).content_type("application/json")
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// An answer to a request that makes no sense.
fn bad_request(why: &'static str) -> Response {
    (Status::BAD_REQUEST, format!("{why}\n")).into_response()
}

/// Random bytes, as hexadecimal digits.
fn random_hex<const N: usize>(ctx: &Ctx) -> String {
    hex(&ctx.random::<N>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Middleware that lets pages of any origin read the answers (CORS).
async fn cors(request: Request, next: Next) -> Response {
    let Some(origin) = request.header_str("Origin").map(str::to_owned) else {
        return next.run(request).await;
    };
    let preflight = request.header_str("Access-Control-Request-Method").is_some();
    let response = match preflight && request.method() == "OPTIONS" {
        true => {
            let asked = request.header_str("Access-Control-Request-Headers").unwrap_or_default();
            let response = Response::empty()
                .header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, PATCH, OPTIONS")
                .header("Access-Control-Max-Age", "3600");
            match asked {
                "" => response,
                asked => response.header("Access-Control-Allow-Headers", asked),
            }
        }
        false => next.run(request).await,
    };
    response
        .header("Access-Control-Allow-Origin", origin)
        .header("Access-Control-Allow-Credentials", "true")
        .header("Vary", "Origin")
}

/// All pages.
///
/// # Errors
///
/// None, unless a route is wrong.
pub fn routes() -> Result<Routes, InvalidRoute> {
    Router::new()
        .route("/", get(|| PAGES))
        .merge(echo::pages())
        .merge(redirects::pages())
        .merge(cookies::pages())
        .merge(authentication::pages())
        .merge(caching::pages())
        .merge(documents::pages())
        .merge(streams::pages())
        .merge(status::pages())
        .body_limit(LONGEST_BODY)
        .layer(cors)
        .build()
}

/// The service, without a limit on the size of bodies that are echoed.
pub fn service(routes: &Routes) -> Service {
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    Service::from(routes).limits(limits).named("httpbin").access_notices(true)
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
    let mut service = diesel_driver::Service::from(service(&routes()?));
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
