//! Pages that send the client elsewhere.

use diesel_driver::http1::{Field, IntoResponse, Request, Response, Status};
use diesel_driver::web::{Path, Query, Router, get};
use serde::Deserialize;

use super::echo::server_uri;
use super::{Count, bad_request};

pub(super) fn pages() -> Router {
    let to = get(redirect_to).post(redirect_to).put(redirect_to);
    Router::new()
        .route("/redirect/{n}", get(redirect))
        .route("/relative-redirect/{n}", get(relative))
        .route("/absolute-redirect/{n}", get(absolute))
        .route("/redirect-to", to.patch(redirect_to).delete(redirect_to))
}

#[derive(Deserialize)]
struct Kind {
    absolute: Option<String>,
}

fn redirect(path: Path<Count>, Query(kind): Query<Kind>, request: Request) -> Response {
    match kind.absolute.is_some_and(|absolute| absolute.eq_ignore_ascii_case("true")) {
        true => absolute(path, request),
        false => relative(path),
    }
}

fn relative(Path(Count(n)): Path<Count>) -> Response {
    hop("", "/relative-redirect", n)
}

fn absolute(Path(Count(n)): Path<Count>, request: Request) -> Response {
    hop(&server_uri(&request), "/absolute-redirect", n)
}

/// To the page that has one hop less to go.
fn hop(server: &str, page: &str, n: usize) -> Response {
    match n {
        0 => bad_request("there is no redirect of 0 hops"),
        1 => found(format!("{server}/get")),
        n => found(format!("{server}{page}/{}", n - 1)),
    }
}

pub(super) fn found(location: impl AsRef<str>) -> Response {
    Response::new(Status::FOUND).header("Location", location.as_ref())
}

#[derive(Deserialize)]
struct To {
    url: String,
    status_code: Option<u16>,
}

fn redirect_to(Query(To { url, status_code }): Query<To>) -> Response {
    if Field::new("Location", url.as_bytes()).is_err() {
        return bad_request("the URL cannot be sent in a field");
    }
    let status = status_code.filter(|code| (300..400).contains(code)).and_then(Status::new);
    let response = found(url);
    match status {
        Some(status) => response.status(status).into_response(),
        None => response,
    }
}
