//! Any status that there is.

use diesel_driver::http1::{Request, Response, Status};
use diesel_driver::web::{Path, Router, get};

use super::bad_request;

pub(super) fn pages() -> Router {
    let all = get(status).post(status).put(status).patch(status).delete(status);
    Router::new().route("/status/{codes}", all)
}

fn status(Path(codes): Path<String>, request: Request) -> Response {
    let choices: Option<Vec<_>> = codes.split(',').map(choice).collect();
    match choices.and_then(|choices| chosen(&choices, &request)) {
        Some(status) => of_status(status),
        None => bad_request("a status has a final code, and maybe a weight: /status/200:3,500:1"),
    }
}

/// A code and its weight.
fn choice(text: &str) -> Option<(Status, f64)> {
    let (code, weight) = match text.split_once(':') {
        Some((code, weight)) => (code, weight.parse().ok()?),
        None => (text, 1.0),
    };
    let status = Status::new(code.parse().ok()?)?;
    (!status.is_informational() && (0.0..=1e9).contains(&weight)).then_some((status, weight))
}

/// One of them, by weight.
fn chosen(choices: &[(Status, f64)], request: &Request) -> Option<Status> {
    if let [(status, _)] = choices {
        return Some(*status);
    }
    let sum: f64 = choices.iter().map(|(_, weight)| weight).sum();
    let random = u32::from_ne_bytes(request.ctx().random());
    let mut left = f64::from(random) / f64::from(u32::MAX) * sum;
    let mut chosen = choices.iter().filter(|(_, weight)| *weight > 0.0);
    let first = chosen.find(|(_, weight)| {
        left -= weight;
        left <= 0.0
    });
    first.map(|(status, _)| *status)
}

/// An answer with this status, and with the field that RFC 9110 requires for it, if any. (The
/// library adds that of 426.)
fn of_status(status: Status) -> Response {
    const CHALLENGE: &str = "Basic realm=\"httpbin\"";
    let response = Response::new(status);
    match status.code() {
        206 => Response::bytes("h").status(status).header("Content-Range", "bytes 0-0/13"),
        300..=303 | 307 | 308 => response.header("Location", "/redirect/1"),
        401 => response.header("WWW-Authenticate", CHALLENGE),
        405 => response.header("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        407 => response.header("Proxy-Authenticate", CHALLENGE),
        416 => response.header("Content-Range", "bytes */13"),
        _ => response,
    }
}
