//! Status codes and their reason phrases.
//!
//! It must never know which rule maps to which status: that is `rule.rs`.

use core::fmt;

/// A status code: three digits, the first of which is the class (RFC 9110, 15).
///
/// ```
/// use diesel_proto::http1::Status;
///
/// assert_eq!(Status::NOT_FOUND.code(), 404);
/// assert_eq!(Status::new(404), Some(Status::NOT_FOUND));
/// assert_eq!(Status::NOT_FOUND.to_string(), "404 Not Found");
/// assert_eq!(Status::new(99), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

impl Status {
    /// Makes a status of this code. Returns `None` below 100 and above 599: a recipient may treat
    /// such a code as an error (RFC 9110, 15).
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 599 { Some(Status(code)) } else { None }
    }

    /// The code.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether this is an interim response, which another one follows (1xx; RFC 9110, 15.2).
    pub const fn is_informational(self) -> bool {
        self.0 < 200
    }

    /// Whether the request succeeded (2xx; RFC 9110, 15.3).
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// Whether a response with this status never has content, whatever its fields are: 1xx, 204 and
    /// 304 (RFC 9112, 6.3).
    pub const fn never_has_content(self) -> bool {
        self.is_informational() || self.0 == 204 || self.0 == 304
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

macro_rules! statuses {
    ($($name:ident $code:literal $reason:literal)*) => {
        impl Status {
            $(
                #[doc = concat!($code, " ", $reason)]
                pub const $name: Status = Status($code);
            )*

            /// The whole status line, for a code with a reason phrase.
            pub(in crate::http1) const fn line(self) -> Option<&'static str> {
                Some(match self.0 {
                    $($code => concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n"),)*
                    _ => return None,
                })
            }

            /// The reason phrase in the registry of IANA; empty for a code that it does not assign.
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    CONTINUE 100 "Continue"
    SWITCHING_PROTOCOLS 101 "Switching Protocols"
    PROCESSING 102 "Processing"
    EARLY_HINTS 103 "Early Hints"
    OK 200 "OK"
    CREATED 201 "Created"
    ACCEPTED 202 "Accepted"
    NON_AUTHORITATIVE_INFORMATION 203 "Non-Authoritative Information"
    NO_CONTENT 204 "No Content"
    RESET_CONTENT 205 "Reset Content"
    PARTIAL_CONTENT 206 "Partial Content"
    MULTI_STATUS 207 "Multi-Status"
    ALREADY_REPORTED 208 "Already Reported"
    IM_USED 226 "IM Used"
    MULTIPLE_CHOICES 300 "Multiple Choices"
    MOVED_PERMANENTLY 301 "Moved Permanently"
    FOUND 302 "Found"
    SEE_OTHER 303 "See Other"
    NOT_MODIFIED 304 "Not Modified"
    USE_PROXY 305 "Use Proxy"
    TEMPORARY_REDIRECT 307 "Temporary Redirect"
    PERMANENT_REDIRECT 308 "Permanent Redirect"
    BAD_REQUEST 400 "Bad Request"
    UNAUTHORIZED 401 "Unauthorized"
    PAYMENT_REQUIRED 402 "Payment Required"
    FORBIDDEN 403 "Forbidden"
    NOT_FOUND 404 "Not Found"
    METHOD_NOT_ALLOWED 405 "Method Not Allowed"
    NOT_ACCEPTABLE 406 "Not Acceptable"
    PROXY_AUTHENTICATION_REQUIRED 407 "Proxy Authentication Required"
    REQUEST_TIMEOUT 408 "Request Timeout"
    CONFLICT 409 "Conflict"
    GONE 410 "Gone"
    LENGTH_REQUIRED 411 "Length Required"
    PRECONDITION_FAILED 412 "Precondition Failed"
    CONTENT_TOO_LARGE 413 "Content Too Large"
    URI_TOO_LONG 414 "URI Too Long"
    UNSUPPORTED_MEDIA_TYPE 415 "Unsupported Media Type"
    RANGE_NOT_SATISFIABLE 416 "Range Not Satisfiable"
    EXPECTATION_FAILED 417 "Expectation Failed"
    MISDIRECTED_REQUEST 421 "Misdirected Request"
    UNPROCESSABLE_CONTENT 422 "Unprocessable Content"
    LOCKED 423 "Locked"
    FAILED_DEPENDENCY 424 "Failed Dependency"
    TOO_EARLY 425 "Too Early"
    UPGRADE_REQUIRED 426 "Upgrade Required"
    PRECONDITION_REQUIRED 428 "Precondition Required"
    TOO_MANY_REQUESTS 429 "Too Many Requests"
    REQUEST_HEADER_FIELDS_TOO_LARGE 431 "Request Header Fields Too Large"
    UNAVAILABLE_FOR_LEGAL_REASONS 451 "Unavailable For Legal Reasons"
    INTERNAL_SERVER_ERROR 500 "Internal Server Error"
    NOT_IMPLEMENTED 501 "Not Implemented"
    BAD_GATEWAY 502 "Bad Gateway"
    SERVICE_UNAVAILABLE 503 "Service Unavailable"
    GATEWAY_TIMEOUT 504 "Gateway Timeout"
    HTTP_VERSION_NOT_SUPPORTED 505 "HTTP Version Not Supported"
    VARIANT_ALSO_NEGOTIATES 506 "Variant Also Negotiates"
    INSUFFICIENT_STORAGE 507 "Insufficient Storage"
    LOOP_DETECTED 508 "Loop Detected"
    NOT_EXTENDED 510 "Not Extended"
    NETWORK_AUTHENTICATION_REQUIRED 511 "Network Authentication Required"
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// RFC 9110, 15, and RFC 9112, 6.3.
    #[test]
    fn what_a_code_says_is_read_from_its_class_but_for_two() {
        for code in 0..=u16::MAX {
            let Some(status) = Status::new(code) else {
                assert!(!(100..600).contains(&code), "{code}");
                continue;
            };
            assert_eq!(status.code(), code);
            assert_eq!(status.is_informational(), code / 100 == 1, "{code}");
            assert_eq!(status.is_success(), code / 100 == 2, "{code}");
            let is_bare = code / 100 == 1 || [204, 304].contains(&code);
            assert_eq!(status.never_has_content(), is_bare, "{code}");
        }
        assert!(Status::new(99).is_none() && Status::new(600).is_none());
    }

    /// IANA's registry, without 104, which is registered for a time, 306 and 418, which are not used.
    #[test]
    fn every_registered_code_has_a_reason() {
        let with_reason: alloc::vec::Vec<u16> =
            (100..600).filter(|&code| !Status(code).reason().is_empty()).collect();
        let registered = [100..=103, 200..=208, 226..=226, 300..=305, 307..=308, 400..=417]
            .into_iter()
            .chain([421..=426, 428..=429, 431..=431, 451..=451, 500..=508, 510..=511]);
        assert_eq!(with_reason, registered.flatten().collect::<alloc::vec::Vec<u16>>());
    }

    #[test]
    fn a_status_is_shown_with_its_phrase() {
        assert_eq!(Status::NOT_FOUND.to_string(), "404 Not Found");
        assert_eq!(Status::new(299).unwrap().to_string(), "299 ");
    }
}
