//! Pages for those who authenticate (RFC 7617, RFC 6750). The path says as whom.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel_driver::http1::{IntoResponse, Request, Response, Status};
use diesel_driver::web::{Path, Router, get};
use serde_json::json;

use super::{Page, digest};

pub(super) fn pages() -> Router {
    Router::new()
        .route("/basic-auth/{user}/{password}", get(basic))
        .route("/hidden-basic-auth/{user}/{password}", get(hidden))
        .route("/bearer", get(bearer))
        .merge(digest::pages())
}

fn basic(Path((user, password)): Path<(String, String)>, request: Request) -> Response {
    match is_basic(&request, &user, &password) {
        true => welcome(&user),
        false => unauthorized("Basic realm=\"httpbin\""),
    }
}

/// Does not tell that there is a page.
fn hidden(Path((user, password)): Path<(String, String)>, request: Request) -> Response {
    match is_basic(&request, &user, &password) {
        true => welcome(&user),
        false => Response::new(Status::NOT_FOUND),
    }
}

fn bearer(request: Request) -> Response {
    match credentials(&request, "Bearer") {
        Some(token) => Page(json!({ "authenticated": true, "token": token })).into_response(),
        None => unauthorized("Bearer"),
    }
}

fn is_basic(request: &Request, user: &str, password: &str) -> bool {
    let told = credentials(request, "Basic").and_then(|told| STANDARD.decode(told).ok());
    told.is_some_and(|told| told == format!("{user}:{password}").as_bytes())
}

/// The credentials of a request, if they are of this scheme (RFC 9110, 11.4).
pub(super) fn credentials<'a>(request: &'a Request, scheme: &str) -> Option<&'a str> {
    let (told, credentials) = request.header_str("Authorization")?.split_once(' ')?;
    told.eq_ignore_ascii_case(scheme).then(|| credentials.trim_start())
}

pub(super) fn welcome(user: &str) -> Response {
    Page(json!({ "authenticated": true, "user": user })).into_response()
}

pub(super) fn unauthorized(challenge: &str) -> Response {
    Response::new(Status::UNAUTHORIZED).header("WWW-Authenticate", challenge)
}
