//! Compresses responses with gzip, for clients that accept it (features `web` and `gzip`).
//!
//! ```text
//!   encoder   GzipEncoder: gzip, piece by piece
//! ```
//!
//! It must never know routes.

mod encoder;
#[cfg(all(test, feature = "testkit"))]
mod tests;

use alloc::string::String;

use crate::http1::{Request, Response, Status};
use crate::web::middleware::Next;

pub use encoder::GzipEncoder;

use super::accept_encoding::accepts_gzip;

/// The shortest content that [`gzip`] compresses, in bytes: about what fits into a packet anyway. A
/// stream of unknown length is compressed in any case.
///
/// Example: see [`gzip`].
pub const GZIP_MINIMUM: u64 = 1 << 10;

/// [Middleware](Next) that compresses responses with gzip, where that is right:
///
/// - the client accepts it: `Accept-Encoding`, with its weights (RFC 9110, 12.5.3);
/// - the type is text, or JSON, XML, JavaScript, SVG or WebAssembly: other types are compressed
///   already, or do not shrink;
/// - the content has [`GZIP_MINIMUM`] bytes or more;
/// - the response has no `Content-Encoding`, `Content-Range` or digest of its content, and no
///   `Cache-Control: no-transform`; it is not 206.
///
/// Then it has `Content-Encoding: gzip`, and a strong `ETag` becomes a weak one (RFC 9110, 8.8.3.3).
/// `Vary: Accept-Encoding` is added to each response that could be compressed. A stream stays a
/// stream: each piece can be decoded as soon as it arrives, so that few large pieces compress better
/// than many small ones.
///
/// If a response mixes a secret with what a client chooses, its compressed length tells about the
/// secret (the BREACH attack): do not compress those.
///
/// # Cost
///
/// Some 300 KiB of memory while a response is compressed: all at once, if the content is complete, so
/// compress large content before it is served, or write it as a stream.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Router, get, gzip};
///
/// let routes = Router::new().route("/", get(|| "hello ".repeat(1000))).layer(gzip).build()?;
/// let plain = Oneshot::get("/").send(&routes);
/// assert_eq!((plain.body.len(), plain.headers.get_str("Vary")), (6000, Some("Accept-Encoding")));
/// let short = Oneshot::get("/").header("Accept-Encoding", "br, gzip;q=0.8").send(&routes);
/// assert_eq!(short.headers.get_str("Content-Encoding"), Some("gzip"));
/// assert!(short.body.len() < 100);
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
pub async fn gzip(request: Request, next: Next) -> Response {
    let accepts = accepts_gzip(request.headers());
    compressed(next.run(request).await, accepts)
}

fn compressed(response: Response, accepts: bool) -> Response {
    if !may_compress(&response) {
        return response;
    }
    let mut response = with_vary(response);
    if !accepts {
        return response;
    }
    response.fields_mut().remove("accept-ranges");
    let strong = response.fields().get_str("etag").filter(|tag| !tag.starts_with("W/"));
    if let Some(weak) = strong.map(|tag| alloc::format!("W/{tag}")) {
        response.fields_mut().remove("etag");
        response = response.header("ETag", weak);
    }
    response.header("Content-Encoding", "gzip").encode(GzipEncoder::new())
}

/// Whether this response would be compressed, if the client accepts it.
fn may_compress(response: &Response) -> bool {
    const EXCLUDING: [&str; 5] =
        ["content-encoding", "content-range", "content-digest", "repr-digest", "digest"];
    let fields = response.fields();
    let is_long = match response.content_length() {
        None => false,
        Some(None) => true,
        Some(Some(length)) => length >= GZIP_MINIMUM,
    };
    let status = response.status_code();
    is_long
        && status != Status::PARTIAL_CONTENT
        && !status.never_has_content()
        && !EXCLUDING.iter().any(|name| fields.get(name).is_some())
        && !has_element(fields.get_all("cache-control"), "no-transform")
        && response.media_type().is_some_and(is_compressible)
}

fn is_compressible(media_type: &str) -> bool {
    let essence: String =
        media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            &*essence,
            "application/json"
                | "application/javascript"
                | "application/x-javascript"
                | "application/xml"
                | "application/wasm"
                | "application/manifest+json"
                | "image/bmp"
        )
}

fn with_vary(response: Response) -> Response {
    let names = |name| has_element(response.fields().get_all("vary"), name);
    match names("*") || names("accept-encoding") {
        true => response,
        false => response.header("Vary", "Accept-Encoding"),
    }
}

/// Whether a field that is a list has this element, case-insensitively.
fn has_element<'a>(mut values: impl Iterator<Item = &'a [u8]>, element: &str) -> bool {
    values.any(|value| {
        let mut elements = value.split(|&byte| byte == b',').map(|each| each.trim_ascii());
        elements.any(|each| each.eq_ignore_ascii_case(element.as_bytes()))
    })
}
