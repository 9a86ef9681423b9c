//! [`Rejection`]: why a parameter of a handler cannot be made.
//!
//! Rules of this file:
//!
//! - The text tells the author of the client what to change. It never holds more of the request than
//!   the part that is wrong.
//! - Whose fault it is decides: what the client sent is a 4xx, what the application declared is a
//!   [failed](Response::failed) response.
//!
//! It must never know which parameter is made.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;

use crate::http1::{IntoResponse, Response, Status};
use crate::machine::Error;

/// Why a parameter of a handler cannot be made from a request: a response, whose text says what to
/// change.
///
/// To answer otherwise, take `Result<T, Rejection>`, or match on it in a type of your own:
///
/// ```
/// use diesel_proto::http1::{Response, Status};
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Path, Rejection, Router, get};
///
/// fn page(n: Result<Path<u32>, Rejection>) -> Response {
///     match n {
///         Ok(Path(n)) => Response::text(format!("page {n}")),
///         Err(rejection) => Response::html("<p>no such page").status(rejection.status()),
///     }
/// }
///
/// let routes = Router::new().route("/{n}", get(page)).build()?;
/// assert_eq!(Oneshot::get("/first").send(&routes).text(), "<p>no such page");
/// let strict = Router::new().route("/{n}", get(|Path(n): Path<u32>| format!("page {n}"))).build()?;
/// assert_eq!(
///     Oneshot::get("/first").send(&strict).text(),
///     "the parameter n of the path is \"first\": invalid digit found in string\n"
/// );
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// 400: a parameter of the path is not UTF-8, or cannot be converted.
    Path {
        /// What is wrong.
        fault: Box<str>,
    },
    /// 400: the query cannot be converted.
    Query {
        /// What is wrong.
        fault: Box<str>,
    },
    /// 415: the body has another type.
    MediaType {
        /// The type that is expected.
        expected: &'static str,
    },
    /// 400: the body is not what its type says.
    Syntax {
        /// What is wrong.
        fault: Box<str>,
    },
    /// 422: the body is what its type says, but cannot be converted.
    Content {
        /// What is wrong.
        fault: Box<str>,
    },
    /// The body cannot be read: 413, if it is longer than the limit of the route
    /// ([`MethodRouter::body_limit`](crate::web::MethodRouter::body_limit)).
    Body(Error),
    /// 500: the application is wrong. A notice says how.
    Application(Error),
}

impl Rejection {
    /// The status of the response.
    pub fn status(&self) -> Status {
        match self {
            Rejection::Path { .. } | Rejection::Query { .. } | Rejection::Syntax { .. } => {
                Status::BAD_REQUEST
            }
            Rejection::MediaType { .. } => Status::UNSUPPORTED_MEDIA_TYPE,
            Rejection::Content { .. } => Status::UNPROCESSABLE_CONTENT,
            Rejection::Body(Error::Limit(_)) => Status::CONTENT_TOO_LARGE,
            Rejection::Body(_) | Rejection::Application(_) => Status::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Path { fault } => f.write_str(fault),
            Rejection::Query { fault } => write!(f, "the query is not as expected: {fault}"),
            Rejection::MediaType { expected } => {
                write!(f, "the body must have the Content-Type {expected}")
            }
            Rejection::Syntax { fault } => write!(f, "the body cannot be parsed: {fault}"),
            Rejection::Content { fault } => write!(f, "the body is not as expected: {fault}"),
            Rejection::Body(error) | Rejection::Application(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Rejection {}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Rejection::Body(error) | Rejection::Application(error) => Response::failed(error),
            rejection => {
                let response = Response::text(format!("{rejection}\n")).status(rejection.status());
                match rejection {
                    // RFC 9110, 15.5.16: it should say which types are accepted.
                    Rejection::MediaType { expected } => response.header("Accept", expected),
                    _ => response,
                }
            }
        }
    }
}
