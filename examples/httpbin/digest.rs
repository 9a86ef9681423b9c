//! Digest authentication (RFC 7616), for tests of clients. The server remembers nothing: nonces and
//! their age are in cookies, so a client can repeat a request. No server that has something to
//! protect may do so.

use std::collections::HashMap;

use diesel_driver::http1::{IntoResponse, Request, Response, Status};
use diesel_driver::web::{Path, Query, Router, get};
use md5::Digest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::authentication::{credentials, unauthorized, welcome};
use super::cookies::{sent, with_cookie};
use super::{Page, hex, random_hex};

const REALM: &str = "httpbin";

pub(super) fn pages() -> Router {
    let path = "/digest-auth/{qop}/{user}/{password}";
    Router::new()
        .route(path, get(digest_auth))
        .route(&format!("{path}/{{algorithm}}"), get(digest_auth))
        .route(&format!("{path}/{{algorithm}}/{{stale_after}}"), get(digest_auth))
}

/// What a path asks for.
#[derive(Deserialize)]
struct Asked {
    /// `auth`, `auth-int`, or anything else for both.
    qop: String,
    user: String,
    password: String,
    #[serde(default)]
    algorithm: Algorithm,
    /// After how many requests a nonce is stale.
    #[serde(default = "never")]
    stale_after: String,
}

fn never() -> String {
    "never".into()
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
enum Algorithm {
    #[default]
    Md5,
    Sha256,
    Sha512,
}

impl From<String> for Algorithm {
    fn from(name: String) -> Self {
        match &*name {
            "SHA-256" => Algorithm::Sha256,
            "SHA-512" => Algorithm::Sha512,
            _ => Algorithm::Md5,
        }
    }
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
        }
    }

    /// `H` of RFC 7616, 3.4.
    fn hash(self, data: impl AsRef<[u8]>) -> String {
        match self {
            Algorithm::Md5 => hex(&md5::Md5::digest(data)),
            Algorithm::Sha256 => hex(&sha2::Sha256::digest(data)),
            Algorithm::Sha512 => hex(&sha2::Sha512::digest(data)),
        }
    }
}

#[derive(Deserialize)]
struct Options {
    /// Clients that do not send back the cookies of the challenge are refused.
    #[serde(default, rename = "require-cookie")]
    require_cookie: String,
}

fn digest_auth(
    Path(asked): Path<Asked>,
    Query(options): Query<Options>,
    request: Request,
) -> Response {
    let cookies = sent(&request);
    let needs_cookie = ["1", "t", "true"].contains(&&*options.require_cookie.to_ascii_lowercase());
    let told = credentials(&request, "Digest").map(parameters);
    let Some(told) = told.filter(|_| !needs_cookie || !cookies.is_empty()) else {
        return challenge(&asked, &request, false, None);
    };
    if needs_cookie && text(&cookies, "fake") != Some("fake_value") {
        let page = Page(json!({ "errors": ["missing cookie set on challenge"] }));
        let response = page.into_response().status(Status::FORBIDDEN);
        return with_cookie(response, "fake", "fake_value");
    }
    let nonce = told.get("nonce").map(String::as_str).unwrap_or_default();
    let stale_after = text(&cookies, "stale_after");
    if text(&cookies, "last_nonce") == Some(nonce) || stale_after == Some("0") {
        return challenge(&asked, &request, true, Some(nonce));
    }
    if told.get("response") != expected(&asked, &told, &request).as_ref() {
        return challenge(&asked, &request, false, Some(nonce));
    }
    let response = with_cookie(welcome(&asked.user), "fake", "fake_value");
    match stale_after {
        Some(left) => {
            let left = left.parse::<i64>().map_or_else(|_| never(), |n| (n - 1).to_string());
            with_cookie(response, "stale_after", &left)
        }
        None => response,
    }
}

fn text<'a>(cookies: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    cookies.get(name)?.as_str()
}

fn challenge(asked: &Asked, request: &Request, stale: bool, last_nonce: Option<&str>) -> Response {
    let ctx = request.ctx();
    let qop = match &*asked.qop {
        qop @ ("auth" | "auth-int") => qop,
        _ => "auth, auth-int",
    };
    let (nonce, opaque) = (random_hex::<16>(&ctx), random_hex::<16>(&ctx));
    let algorithm = asked.algorithm.name();
    let response = unauthorized(&format!(
        "Digest realm=\"{REALM}\", nonce=\"{nonce}\", opaque=\"{opaque}\", qop=\"{qop}\", \
         algorithm={algorithm}, stale={stale}"
    ));
    let response = with_cookie(response, "stale_after", &asked.stale_after);
    let response = with_cookie(response, "fake", "fake_value");
    match last_nonce {
        Some(nonce) => with_cookie(response, "last_nonce", nonce),
        None => response,
    }
}

/// The `response` of a client that knows the password (RFC 7616, 3.4.1). `None` if what it tells is
/// about somebody or something else, or incomplete.
fn expected(asked: &Asked, told: &HashMap<String, String>, request: &Request) -> Option<String> {
    let get = |name: &str| told.get(name).map(String::as_str);
    let is_right = get("username") == Some(&asked.user)
        && get("realm") == Some(REALM)
        && get("uri") == Some(request.target_text())
        && get("algorithm").unwrap_or("MD5") == asked.algorithm.name();
    if !is_right {
        return None;
    }
    let hash = |data: String| asked.algorithm.hash(data);
    let secret = hash(format!("{}:{REALM}:{}", asked.user, asked.password));
    let (method, uri, nonce) = (request.method(), request.target_text(), get("nonce")?);
    let about = match get("qop") {
        Some("auth-int") => {
            let content = asked.algorithm.hash(request.content());
            format!("{method}:{uri}:{content}")
        }
        _ => format!("{method}:{uri}"),
    };
    let about = hash(about);
    Some(hash(match get("qop") {
        Some(qop @ ("auth" | "auth-int")) => {
            format!("{secret}:{nonce}:{}:{}:{qop}:{about}", get("nc")?, get("cnonce")?)
        }
        Some(_) => return None,
        // As RFC 2069 has it.
        None => format!("{secret}:{nonce}:{about}"),
    }))
}

/// Parses `name=token, name="quoted \"string\""` (RFC 9110, 11.2). What cannot be parsed ends it.
fn parameters(mut rest: &str) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']).to_ascii_lowercase();
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (token, after) = after.split_once(',').unwrap_or((after, ""));
                (token.trim().to_owned(), after)
            }
        };
        parameters.insert(name, value);
        rest = after;
    }
    parameters
}

/// The text up to the closing quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, char)| char)),
            char => value.push(char),
        }
    }
    (value, "")
}
