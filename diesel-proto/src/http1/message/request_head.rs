//! Formats the head of a request.
//!
//! ```text
//! POST /form HTTP/1.1\r\n         RequestLine: method, target, host
//! Host: example.org\r\n
//! Expect: 100-continue\r\n        RequestOptions: Connection, Upgrade, Expect
//! Accept: text/html\r\n           from the application
//! Content-Length: 13\r\n          how the body is delimited
//! \r\n
//! ```
//!
//! It must never know whether a request may be sent now: the caller has checked that.

use super::BodyLength;
use super::response_head::{ROOM, put_decimal};
use crate::buf::Tail;
use crate::http1::syntax::{Authority, Headers, Rejection, Rule, Target};
use crate::http1::syntax::{are_protocols, first_no_tchar};

/// What a request is for: a method, a target and a host, all valid.
///
/// ```
/// use diesel_proto::http1::{RequestLine, Rule};
///
/// let line = RequestLine::new("GET", "/a?b", "example.org:8080")?;
/// assert_eq!((line.method(), line.target()), ("GET", "/a?b"));
///
/// assert_eq!(RequestLine::new("GET", "/a b", "example.org").unwrap_err().rule, Rule::TargetSyntax);
/// assert_eq!(RequestLine::new("GET", "/", "a\r\nb").unwrap_err().rule, Rule::HostSyntax);
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    method: &'a str,
    target: &'a str,
    host: &'a str,
}

impl<'a> RequestLine<'a> {
    /// Checks the parts of a request line, and the host, with the port if that is not the default
    /// of the scheme. A target that has an authority (in a request to a proxy, or a CONNECT) names
    /// the host itself: then `host` is ignored (RFC 9112, 3.2.2 and 3.2.3).
    ///
    /// # Errors
    ///
    /// If one of the three is not valid: the rule that it breaks, and the position in it.
    pub fn new(method: &'a str, target: &'a str, host: &'a str) -> Result<Self, Rejection> {
        if method.is_empty() {
            return Err(Rejection::new(Rule::MethodSyntax, 0));
        }
        if let Some((_, at)) = first_no_tchar(method.as_bytes()) {
            return Err(Rejection::new(Rule::MethodSyntax, at as u64));
        }
        let host = match Target::new(target, method)?.authority() {
            Some(authority) => authority.as_str(),
            None => Authority::new(host)?.as_str(),
        };
        Ok(RequestLine { method, target, host })
    }

    /// The method.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The request target.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The host, and the port if there is one.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// Whether a request of this method may be sent again when it is not known whether the server
    /// has acted on it (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }
}

/// What a request asks of the connection.
///
/// ```
/// use diesel_proto::http1::RequestOptions;
///
/// let options = RequestOptions { upgrade: Some("websocket"), ..RequestOptions::default() };
/// assert!(!options.close);
/// ```
///
/// Fields may be added in later versions: end a literal with `..RequestOptions::default()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestOptions<'a> {
    /// Whether this is the last request of the connection.
    pub close: bool,
    /// Whether the server is asked to say `100 Continue` before the body is sent (RFC 9110,
    /// 10.1.1). Ignored for a request without a body.
    pub expects_continue: bool,
    /// The protocols that the server may switch to, separated by commas (RFC 9110, 7.8).
    pub upgrade: Option<&'a str>,
}

/// Why a request head cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestHeadError {
    /// A field that the connection writes.
    FramingField,
    /// A list of protocols that is not one.
    Protocol,
    /// A body, where the method allows none.
    ContentForbidden,
}

/// Whether an application may give these fields to a request, for its head or its trailers: none
/// that the connection writes.
pub(crate) fn check_request_fields(headers: &Headers) -> Result<(), RequestHeadError> {
    match first_own_field(headers) {
        Some(_) => Err(RequestHeadError::FramingField),
        None => Ok(()),
    }
}

/// The name of a field in the head of a request that only the connection writes.
pub(in crate::http1) fn first_own_field(headers: &Headers) -> Option<&str> {
    if !headers.may_frame() && !headers.may_ask() {
        return None;
    }
    let is_ours =
        |name: &str| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("expect");
    let mut names = headers.iter().map(|(name, _)| name);
    headers.first_framing_field().or_else(|| names.find(|name| is_ours(name)))
}

impl RequestLine<'_> {
    /// Whether a request may have these fields, this length, and these options.
    pub(crate) fn check(
        &self,
        headers: &Headers,
        length: BodyLength,
        options: &RequestOptions<'_>,
    ) -> Result<(), RequestHeadError> {
        check_request_fields(headers)?;
        if options.upgrade.is_some_and(|protocols| !are_protocols(protocols.as_bytes())) {
            return Err(RequestHeadError::Protocol);
        }
        // RFC 9110, 9.3.6 and 9.3.8.
        let has_content = length != BodyLength::Exactly(0);
        if has_content && matches!(self.method, "CONNECT" | "TRACE") {
            return Err(RequestHeadError::ContentForbidden);
        }
        Ok(())
    }

    /// Estimated length of the head, used to reserve memory.
    pub(crate) fn expected_len(&self, headers: &Headers) -> usize {
        let RequestLine { method, target, host } = self;
        ROOM + method.len() + target.len() + host.len() + headers.lines().len()
    }

    /// Appends the head to `out`.
    pub(crate) fn write(
        &self,
        headers: &Headers,
        length: BodyLength,
        options: &RequestOptions<'_>,
        out: &mut Tail<'_>,
    ) {
        let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
        let RequestLine { method, target, host } = *self;
        // `Host` comes first (RFC 9110, 7.2).
        [method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n"].into_iter().for_each(&mut put);
        match (options.close, options.upgrade) {
            (false, None) => {}
            (true, None) => put("Connection: close\r\n"),
            (close, Some(protocols)) => {
                put(if close {
                    "Connection: close, upgrade\r\n"
                } else {
                    "Connection: upgrade\r\n"
                });
                ["Upgrade: ", protocols, "\r\n"].into_iter().for_each(&mut put);
            }
        }
        if options.expects_continue && length != BodyLength::Exactly(0) {
            put("Expect: 100-continue\r\n");
        }
        out.extend_from_slice(headers.lines());
        match length {
            // RFC 9110, 8.6: a method that is defined to send content announces even none.
            BodyLength::Exactly(0) if !matches!(method, "POST" | "PUT" | "PATCH") => {}
            BodyLength::Exactly(n) => {
                out.extend_from_slice(b"Content-Length: ");
                put_decimal(n, out);
                out.extend_from_slice(b"\r\n");
            }
            BodyLength::Unknown => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        out.extend_from_slice(b"\r\n");
    }
}
