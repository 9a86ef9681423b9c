//! [`IntoResponse`]: what a handler may return, and what its errors may be.
//!
//! Rules of this file:
//!
//! - What has a status says which. A text or bytes alone are a success as a value, and a failure of
//!   the application (500, with a notice) as an error: an error is never answered with 200 because
//!   its type happens to be a text.
//!
//! It must never know which request is answered.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

use bytes::Bytes;

use super::response::Response;
use crate::buf::TooLong;
use crate::http1::syntax::{Headers, InvalidField, Status};
use crate::machine::{ConnectError, Error, JobError, Limit, Refused, ResolveError, TargetError};

/// What a handler may return: a [`Response`], a value that converts into one, or a `Result` of
/// either, whose error is a response as well.
///
/// [`Error`], and what converts into it with `?`, becomes a [failed](Response::failed) response: a
/// 500 with a notice, in most cases.
///
/// An application implements it for its own errors, to choose their status and text:
///
/// ```
/// use diesel_proto::Error;
/// use diesel_proto::http1::{IntoResponse, Request, Response, Service, Status};
///
/// enum Trouble {
///     NoSuchRoom(String),
///     Broken(Error),
/// }
///
/// impl IntoResponse for Trouble {
///     fn into_response(self) -> Response {
///         match self {
///             Trouble::NoSuchRoom(name) => {
///                 (Status::NOT_FOUND, format!("no room {name}\n")).into_response()
///             }
///             Trouble::Broken(error) => error.into_response(),
///         }
///     }
/// }
///
/// fn room(request: Request) -> Result<&'static str, Trouble> {
///     match request.path() {
///         "/hall" => Ok("a hall"),
///         path => Err(Trouble::NoSuchRoom(path.into())),
///     }
/// }
/// # Service::new(room);
///
/// assert_eq!((Status::NOT_FOUND, "no such room").into_response().status_code().code(), 404);
/// let json = ([("Content-Type", "application/json")], "{}").into_response();
/// assert_eq!(json.fields().get_str("Content-Type"), Some("application/json"));
/// // A text is no success if it is an error.
/// let failed = Err::<Response, _>("no answer").into_response();
/// assert_eq!(failed.status_code(), Status::INTERNAL_SERVER_ERROR);
/// ```
pub trait IntoResponse: Sized {
    /// Converts into a response.
    fn into_response(self) -> Response;

    /// Converts into the response to a request whose handler returned this as an error. It is the
    /// same response, except for a text or bytes without a status: those become a
    /// [failed](Response::failed) response.
    fn into_error_response(self) -> Response {
        self.into_response()
    }
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_error_response(),
        }
    }
}

/// The value, with another status.
impl<T: IntoResponse> IntoResponse for (Status, T) {
    fn into_response(self) -> Response {
        self.1.into_response().status(self.0)
    }
}

/// The value, with more fields.
impl<T: IntoResponse> IntoResponse for (Headers, T) {
    fn into_response(self) -> Response {
        self.0
            .iter()
            .fold(self.1.into_response(), |response, (name, value)| response.header(name, value))
    }
}

/// The value, with another status and more fields.
impl<H, T> IntoResponse for (Status, H, T)
where
    (H, T): IntoResponse,
{
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().status(self.0)
    }
}

/// The value, with more fields, whose names and values may be untrusted input, as in
/// [`Response::header`].
impl<N: AsRef<str>, V: AsRef<[u8]>, const COUNT: usize, T: IntoResponse> IntoResponse
    for ([(N, V); COUNT], T)
{
    fn into_response(self) -> Response {
        self.0
            .into_iter()
            .fold(self.1.into_response(), |response, (name, value)| response.header(name, value))
    }
}

/// It does not happen.
impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

/// No content.
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

macro_rules! contents {
    ($($(#[$doc:meta])* $type:ty => |$value:ident| $response:expr, $text:expr;)*) => {
        $(
            $(#[$doc])*
            impl IntoResponse for $type {
                fn into_response(self) -> Response {
                    let $value = self;
                    $response
                }

                fn into_error_response(self) -> Response {
                    let $value = self;
                    Response::failed($text)
                }
            }
        )*
    };
}

contents! {
    /// Plain text.
    &'static str => |text| Response::text(text), text;
    /// Plain text.
    String => |text| Response::text(text), text;
    /// Bytes, without a type.
    &'static [u8] => |bytes| Response::bytes(bytes), &*String::from_utf8_lossy(bytes);
    /// Bytes, without a type.
    Vec<u8> => |bytes| Response::bytes(bytes), &*String::from_utf8_lossy(&bytes);
    /// Bytes, without a type.
    Bytes => |bytes| Response::bytes(bytes), &*String::from_utf8_lossy(&bytes);
}

macro_rules! failures {
    ($($error:ty),* $(,)?) => {
        $(
            /// A [failed](Response::failed) response.
            impl IntoResponse for $error {
                #[cold]
                fn into_response(self) -> Response {
                    Response::failed(self)
                }
            }
        )*
    };
}

// What `?` converts to `Error`.
failures! {
    Error,
    Limit,
    Refused,
    TooLong,
    JobError,
    TargetError,
    ConnectError,
    ResolveError,
    InvalidField,
    Box<dyn core::error::Error>,
    Box<dyn core::error::Error + Send + Sync>,
    core::str::Utf8Error,
    alloc::string::FromUtf8Error,
    core::num::ParseIntError,
    core::num::ParseFloatError,
    core::num::TryFromIntError,
    core::net::AddrParseError,
    core::str::ParseBoolError,
    core::char::ParseCharError,
    core::array::TryFromSliceError,
    core::fmt::Error,
}

#[cfg(feature = "std")]
mod of_std {
    extern crate std;

    use super::{IntoResponse, Response};

    failures! {
        std::io::Error,
        std::env::VarError,
        std::time::SystemTimeError,
        std::sync::mpsc::RecvError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::headers;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn a_text_is_a_success_as_a_value_and_a_failure_as_an_error() {
        fn check(value: impl IntoResponse + Clone) {
            let ok = Ok::<_, Response>(value.clone()).into_response();
            assert_eq!(ok.status_code(), Status::OK);
            for failed in [
                Err::<Response, _>(value.clone()).into_response(),
                // A status around the result does not make it a success.
                (Status::OK, Err::<Response, _>(value)).into_response(),
            ] {
                assert_eq!(failed.status_code(), Status::INTERNAL_SERVER_ERROR);
                assert_eq!(failed.error().unwrap().to_string(), "no answer");
            }
        }
        check("no answer");
        check("no answer".to_string());
        check(&b"no answer"[..]);
        check(vec![b'n', b'o', b' ', b'a', b'n', b's', b'w', b'e', b'r']);
        check(Bytes::from_static(b"no answer"));
    }

    #[test]
    fn an_error_that_has_a_status_is_that_response() {
        let gone = Err::<&str, _>(Status::GONE).into_response();
        assert!(gone.status_code() == Status::GONE && gone.error().is_none());
        let gone = Err::<&str, _>((Status::GONE, "left")).into_response();
        assert!(gone.status_code() == Status::GONE && gone.error().is_none());
        let failed = Err::<&str, _>("a".parse::<u8>().unwrap_err()).into_response();
        assert_eq!(failed.error().unwrap().to_string(), "invalid digit found in string");
    }

    #[test]
    fn fields_are_added_to_those_of_the_value() {
        let inner = Response::text("a").header("X", "1");
        let response = (Status::CREATED, headers! { "X" => "2" }, inner).into_response();
        assert_eq!(*response.fields(), headers! { "X" => "1", "X" => "2" });
        assert_eq!(response.status_code(), Status::CREATED);
        let response = ([("Content-Type", "a/b")], response).into_response();
        assert_eq!(response.fields().get_str("content-type"), Some("a/b"));
    }
}
