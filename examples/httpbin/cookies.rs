//! Cookies, as the client sends them.
//!
//! Values are not decoded, and not encoded, so that a test sees the client's own coding:
//! [`Cookies`](diesel_driver::web::Cookies) and [`SetCookie`] would hide it.

use diesel_driver::http1::{Field, Request, Response};
use diesel_driver::web::{Path, Query, Router, SetCookie, get};
use serde_json::{Map, Value, json};

use super::redirects::found;
use super::{Page, bad_request};

pub(super) fn pages() -> Router {
    Router::new()
        .route("/cookies", get(cookies))
        .route("/cookies/set", get(set_all))
        .route("/cookies/set/{name}/{value}", get(set))
        .route("/cookies/delete", get(delete))
}

/// The cookies of a request, the first of each name.
pub(super) fn sent(request: &Request) -> Map<String, Value> {
    let mut cookies = Map::new();
    for field in request.headers().get_all("Cookie") {
        let field = String::from_utf8_lossy(field);
        for (name, value) in field.split(';').filter_map(|pair| pair.trim().split_once('=')) {
            cookies.entry(name).or_insert_with(|| value.into());
        }
    }
    cookies
}

/// The response, with a cookie for all pages; 400 if the cookie cannot be sent.
pub(super) fn with_cookie(response: Response, name: &str, value: &str) -> Response {
    let is_sound = !name.is_empty() && !name.contains(['=', ';']) && !value.contains(';');
    let cookie = format!("{name}={value}; Path=/");
    match is_sound && Field::new("Set-Cookie", cookie.as_bytes()).is_ok() {
        true => response.header("Set-Cookie", cookie),
        false => bad_request("the cookie cannot be sent"),
    }
}

fn cookies(request: Request) -> Page {
    Page(json!({ "cookies": sent(&request) }))
}

fn set(Path((name, value)): Path<(String, String)>) -> Response {
    with_cookie(found("/cookies"), &name, &value)
}

fn set_all(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    pairs
        .iter()
        .fold(found("/cookies"), |response, (name, value)| with_cookie(response, name, value))
}

fn delete(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let removals = pairs.into_iter().map(|(name, _)| SetCookie::removal(name).into_value());
    removals.fold(found("/cookies"), |response, removal| match removal {
        Some(removal) => response.header("Set-Cookie", removal),
        None => bad_request("the cookie cannot be sent"),
    })
}
