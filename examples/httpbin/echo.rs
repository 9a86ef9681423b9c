//! Pages that tell what a request says.

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel_driver::http1::{Request, Response, Target};
use diesel_driver::web::{
    FromRequest, Path, Rejection, RoutedRequest, Router, Waits, delete, get, patch, post, put,
};
use diesel_driver::{Address, Error};
use serde::Deserialize;
use serde_json::map::Entry;
use serde_json::{Map, Value, json};

use super::{Page, multipart};

pub(super) fn pages() -> Router {
    let any = || get(anything).post(anything).put(anything).patch(anything).delete(anything);
    Router::new()
        .route("/get", get(|about: About| about.page()))
        .route("/post", post(posted))
        .route("/put", put(posted))
        .route("/patch", patch(posted))
        .route("/delete", delete(posted))
        .route("/anything", any())
        .route("/anything/{*rest}", any())
        .route("/headers", get(|about: About| Page(json!({ "headers": about.headers }))))
        .route("/ip", get(|about: About| Page(json!({ "origin": about.origin }))))
        .route("/peer", get(|request: Request| Page(json!({ "peer": request.peer().to_string() }))))
        .route("/user-agent", get(user_agent))
        .route("/delay/{seconds}", get(delay).post(delay).put(delay).patch(delay).delete(delay))
        .route("/echo", post(echo))
}

fn posted(about: About, content: Content) -> Page {
    content.page(about)
}

fn anything(about: About, content: Content) -> Page {
    let method = about.method.clone();
    let Page(mut page) = content.page(about);
    page["method"] = method.into();
    Page(page)
}

fn user_agent(request: Request) -> Page {
    Page(json!({ "user-agent": request.header_str("User-Agent") }))
}

/// The delay that a path asks for, of at most ten seconds.
#[derive(Deserialize)]
#[serde(try_from = "f64")]
struct Delay(Duration);

impl TryFrom<f64> for Delay {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        Ok(Delay(seconds_of(seconds)?.min(Duration::from_secs(10))))
    }
}

pub(super) fn seconds_of(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

async fn delay(
    Path(Delay(delay)): Path<Delay>,
    about: About,
    content: Content,
    request: Request,
) -> Result<Page, Error> {
    request.ctx().sleep(delay).await?;
    let Page(mut page) = content.page(about);
    if let Value::Object(page) = &mut page {
        page.remove("json");
    }
    Ok(Page(page))
}

/// An echoed body is sent whole up to this size.
const SMALL: usize = 64 << 10;

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

/// What the head of a request says.
pub(super) struct About {
    method: String,
    args: Value,
    pub(super) headers: Value,
    pub(super) origin: String,
    url: String,
}

impl About {
    pub(super) fn page(self) -> Page {
        let About { args, headers, origin, url, .. } = self;
        Page(json!({ "args": args, "headers": headers, "origin": origin, "url": url }))
    }
}

impl<S> FromRequest<S> for About {
    type Error = Infallible;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Infallible> {
        let query = request.query().unwrap_or_default();
        Ok(About {
            method: request.method().into(),
            args: by_name(form_urlencoded::parse(query.as_bytes())),
            headers: headers(request),
            origin: match request.peer() {
                Address::Socket(address) => address.ip().to_string(),
                unnamed => unnamed.to_string(),
            },
            url: target_uri(request),
        })
    }
}

/// What the content of a request says.
#[derive(Default)]
pub(super) struct Content {
    data: String,
    json: Value,
    form: Value,
    files: Value,
}

impl Content {
    fn page(self, about: About) -> Page {
        let Content { data, json, form, files } = self;
        let Page(mut page) = about.page();
        page["data"] = data.into();
        page["json"] = json;
        page["form"] = form;
        page["files"] = files;
        Page(page)
    }
}

impl<S> FromRequest<S> for Content {
    type Error = Rejection;
    const WAITS: Waits = Waits::ForBody;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        request.collect_body().await.map_err(Rejection::Body)?;
        let body = request.take_content();
        let kind = request.header_str("Content-Type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // Of encoded content, the type is what it decodes to (RFC 9110, 8.3).
        let is_plain = request.header("Content-Encoding").is_none();
        let nothing = Content { form: json!({}), files: json!({}), ..Content::default() };
        Ok(match &*essence {
            "application/x-www-form-urlencoded" if is_plain => {
                Content { form: by_name(form_urlencoded::parse(&body)), ..nothing }
            }
            "multipart/form-data" if is_plain => {
                let parts = multipart::parts(kind, body).await?;
                let (files, fields): (Vec<_>, Vec<_>) =
                    parts.into_iter().partition(|part| part.is_file);
                let named = |part: multipart::Part| {
                    (part.name, text_or_url(part.content.into(), &part.content_type))
                };
                let files = by_name(files.into_iter().map(named));
                Content { form: by_name(fields.into_iter().map(named)), files, ..nothing }
            }
            _ => Content {
                json: serde_json::from_slice(&body).unwrap_or_default(),
                data: text_or_url(body, "application/octet-stream"),
                ..nothing
            },
        })
    }
}

/// The text, or a `data:` URL of what is none (RFC 2397).
fn text_or_url(bytes: Vec<u8>, media_type: &str) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        format!("data:{media_type};base64,{}", STANDARD.encode(error.as_bytes()))
    })
}

/// Values by name. A repeated name has a list of values.
pub(super) fn by_name<N, V>(pairs: impl Iterator<Item = (N, V)>) -> Value
where
    N: Into<String>,
    V: Into<String>,
{
    let mut values = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value.into());
        match values.entry(name) {
            Entry::Vacant(entry) => _ = entry.insert(value),
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = json!([first.take(), value]),
            },
        }
    }
    Value::Object(values)
}

/// The fields of the request. Repeated fields are joined; names are compared without regard to
/// case.
fn headers(request: &Request) -> Value {
    let mut headers = Map::new();
    for (name, value) in request.headers().iter() {
        let value = String::from_utf8_lossy(value);
        match headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, Value::String(values))) => *values = format!("{values},{value}"),
            _ => _ = headers.insert(name.into(), value.into()),
        }
    }
    Value::Object(headers)
}

/// The target URI of the request, with scheme and host (RFC 9112, 3.3).
fn target_uri(request: &Request) -> String {
    match request.target() {
        Target::Origin { .. } => format!("{}{}", server_uri(request), request.target_text()),
        Target::Asterisk => server_uri(request),
        // The target is a URI already, or the authority of CONNECT.
        Target::Absolute { .. } | Target::Authority(_) => request.target_text().into(),
    }
}

/// The URI of the server, without a path: scheme and host.
pub(super) fn server_uri(request: &Request) -> String {
    /// If the client named none, as HTTP/1.0 allows.
    const DEFAULT_HOST: &str = "localhost";
    let scheme = if request.tls().is_some() { "https" } else { "http" };
    format!("{scheme}://{}", request.host().unwrap_or(DEFAULT_HOST))
}
