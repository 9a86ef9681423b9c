//! Pages for caches, and for what a client does with fields of responses.

use diesel_driver::http1::{Field, HttpDate, IntoResponse, Request, Response, Status};
use diesel_driver::web::{EntityTag, Path, Precondition, Query, Router, Validators, get};
use serde_json::json;

use super::echo::{About, by_name};
use super::{bad_request, pretty};

pub(super) fn pages() -> Router {
    Router::new()
        .route("/cache", get(cache))
        .route("/cache/{seconds}", get(cache_for))
        .route("/etag/{tag}", get(etag))
        .route("/response-headers", get(response_headers).post(response_headers))
}

/// Is the same for whoever asks whether it is. A 304 has the tag that a 200 would have (RFC 9110,
/// 15.4.5).
fn cache(about: About, request: Request) -> Response {
    const TAG: &str = "\"same\"";
    if ["If-Modified-Since", "If-None-Match"].iter().any(|name| request.header(name).is_some()) {
        return Response::new(Status::NOT_MODIFIED).header("ETag", TAG);
    }
    let response = about.page().into_response().header("ETag", TAG);
    match request.ctx().unix_seconds() {
        Some(now) => response.header("Last-Modified", HttpDate::from_unix(now).as_str()),
        None => response,
    }
}

fn cache_for(Path(seconds): Path<u32>, about: About) -> Response {
    about.page().into_response().header("Cache-Control", format!("public, max-age={seconds}"))
}

fn etag(Path(tag): Path<String>, about: About, request: Request) -> Response {
    let Ok(tag) = EntityTag::strong(tag) else { return bad_request("no tag can be that") };
    let validators = Validators { etag: Some(tag.clone()), modified: None };
    let response = match Precondition::of(request.method(), request.headers(), Some(&validators)) {
        Precondition::Met => about.page().into_response(),
        Precondition::NotModified => Response::new(Status::NOT_MODIFIED),
        Precondition::Failed => return Response::new(Status::PRECONDITION_FAILED),
    };
    response.header("ETag", tag.to_string())
}

/// Answers with the fields that the query names. The content has all fields, itself included.
fn response_headers(Query(fields): Query<Vec<(String, String)>>) -> Response {
    const OURS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "upgrade"];
    let cannot_be = |(name, value): &(String, String)| {
        OURS.iter().any(|own| own.eq_ignore_ascii_case(name))
            || Field::new(name, value.as_bytes()).is_err()
    };
    if fields.iter().any(cannot_be) {
        return bad_request("a field of these cannot be sent");
    }
    let mut page = by_name(fields.iter().cloned());
    if page.get("Content-Type").is_none() {
        page["Content-Type"] = "application/json".into();
    }
    // The length has to count its own digits.
    let (mut text, mut length) = (String::new(), None);
    while length != Some(text.len()) {
        length = Some(text.len());
        page["Content-Length"] = json!(text.len().to_string());
        text = pretty(&page);
    }
    let response = Response::text(text).content_type("application/json");
    fields.iter().fold(response, |response, (name, value)| {
        match name.eq_ignore_ascii_case("content-type") {
            true => response.content_type(value.clone()),
            false => response.header(name, value),
        }
    })
}
