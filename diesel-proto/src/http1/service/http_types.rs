//! Conversions to and from the types of the `http` crate (feature `http`).
//!
//! Values that both sides can hold convert; a value that the target type cannot hold is an error of
//! that type. This file must never know messages beyond these types.

use core::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::response::Response;
use super::response::ResponseContent;
use crate::http1::syntax::decimal;
use crate::http1::syntax::is_framing_field;
use crate::http1::syntax::{Headers, InvalidField, RequestHead, Status, Version};

/// Names become lower case, and fields of one name are grouped together.
///
/// ```
/// use diesel_proto::http1::headers;
/// use http::HeaderMap;
///
/// let map = HeaderMap::try_from(&headers! { "ETag" => "\"1\"" })?;
/// assert_eq!(map["etag"], "\"1\"");
/// # Ok::<(), http::Error>(())
/// ```
impl TryFrom<&Headers> for HeaderMap {
    /// If a name has 64 KiB or more, or there are more names than a `HeaderMap` can hold.
    type Error = http::Error;

    fn try_from(headers: &Headers) -> Result<Self, http::Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            map.try_append(name, HeaderValue::from_bytes(value)?)?;
        }
        Ok(map)
    }
}

/// In the order of the map. Blanks around a value are removed.
///
/// ```
/// use diesel_proto::http1::Headers;
/// use http::{HeaderMap, HeaderValue, header::ETAG};
///
/// let map = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"1\""))]);
/// assert_eq!(Headers::try_from(&map)?.get_str("ETag"), Some("\"1\""));
/// # Ok::<(), diesel_proto::http1::InvalidField>(())
/// ```
impl TryFrom<&HeaderMap> for Headers {
    /// Impossible, unless invalid values were put into the map unchecked.
    type Error = InvalidField;

    fn try_from(map: &HeaderMap) -> Result<Self, InvalidField> {
        let mut headers = Headers::new();
        map.iter().try_for_each(|(name, value)| headers.add(name, value))?;
        Ok(headers)
    }
}

/// Converts method, target, version and fields, but not the body.
///
/// ```
/// use diesel_proto::http1::{FieldSpans, Limits, parse_request};
///
/// let mut spans = FieldSpans::new();
/// let bytes = b"GET /a?b HTTP/1.1\r\nHost: example.org\r\n\r\n";
/// let head = parse_request(bytes, &Limits::default(), &mut spans)?.unwrap();
/// let request = http::Request::try_from(head)?;
/// assert_eq!(request.uri().query(), Some("b"));
/// assert_eq!(request.headers()["host"], "example.org");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<RequestHead<'_>> for http::Request<()> {
    /// If the target has characters that browsers leave unencoded and `http` refuses, or there are
    /// more fields than a `HeaderMap` can hold.
    type Error = http::Error;

    fn try_from(head: RequestHead<'_>) -> Result<Self, http::Error> {
        let version = match head.version() {
            Version::Http10 => http::Version::HTTP_10,
            Version::Http11 => http::Version::HTTP_11,
        };
        let request = http::Request::builder().method(head.method()).uri(head.target_text());
        let mut request = request.version(version).body(())?;
        *request.headers_mut() = HeaderMap::try_from(&Headers::from(head.fields()))?;
        Ok(request)
    }
}

/// Converts a response with its whole body. Fields that only the connection may write are dropped:
/// `Content-Length` becomes that of the body. One exception: if the body is empty, and the response
/// answers HEAD or is a 304, its `Content-Length` is kept, because it is that of the content that
/// GET would have (RFC 9110, 8.6).
///
/// ```
/// use diesel_proto::http1::{Response, Status};
///
/// let created = http::Response::builder().status(201).header("ETag", "\"1\"").body("done")?;
/// let response = Response::try_from(created)?;
/// assert_eq!(response.status_code(), Status::CREATED);
/// assert_eq!(response.fields().get_str("etag"), Some("\"1\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<B: Into<Bytes>> TryFrom<http::Response<B>> for Response {
    type Error = InvalidStatus;

    fn try_from(response: http::Response<B>) -> Result<Self, InvalidStatus> {
        let (parts, body) = response.into_parts();
        let mut response = Response::bytes(body).status(Status::try_from(parts.status)?);
        if let ResponseContent::Bytes(bytes) = &response.content {
            let announced = parts.headers.get(http::header::CONTENT_LENGTH);
            let announced = announced.and_then(|value| decimal(value.as_bytes()).ok());
            if let (true, Some(n)) = (bytes.is_empty(), announced) {
                response.content = ResponseContent::LeftOut(n);
            }
        }
        for (name, value) in
            parts.headers.iter().filter(|(name, _)| !is_framing_field(name.as_str()))
        {
            response = response.header(name, value);
        }
        Ok(response)
    }
}

impl From<Status> for StatusCode {
    fn from(status: Status) -> Self {
        // `StatusCode` ranges from 100 to 999, so it contains each `Status`.
        StatusCode::from_u16(status.code()).unwrap_or_default()
    }
}

impl TryFrom<StatusCode> for Status {
    type Error = InvalidStatus;

    fn try_from(status: StatusCode) -> Result<Self, InvalidStatus> {
        Status::new(status.as_u16()).ok_or(InvalidStatus(status.as_u16()))
    }
}

/// A status code outside the five classes: 600 or more (RFC 9110, 15).
///
/// ```
/// use diesel_proto::http1::Status;
///
/// let status = http::StatusCode::from_u16(999)?;
/// let error = Status::try_from(status).unwrap_err();
/// assert_eq!(error.code(), 999);
/// # Ok::<(), http::status::InvalidStatusCode>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidStatus(u16);

impl InvalidStatus {
    /// The code.
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl fmt::Display for InvalidStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status code {} is outside the classes 1xx to 5xx (RFC 9110, 15)", self.0)
    }
}

impl core::error::Error for InvalidStatus {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::headers;
    use crate::http1::syntax::{FieldSpans, Limits, Target, parse_request};
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use http::uri::PathAndQuery;
    use quickcheck::QuickCheck;

    #[test]
    fn headers_come_back_with_the_fields_of_a_name_side_by_side() {
        let headers = headers! { "B" => "1", "a" => "2", "b" => "3" };
        let map = HeaderMap::try_from(&headers).unwrap();
        assert_eq!(map.get_all("b").iter().collect::<Vec<_>>(), ["1", "3"]);
        let back = Headers::try_from(&map).unwrap();
        assert_eq!(back, headers! { "b" => "1", "b" => "3", "a" => "2" });
    }

    #[test]
    fn fields_of_the_connection_do_not_come_along() {
        let response = http::Response::builder()
            .header("Content-Length", "7")
            .header("Connection", "close")
            .header("A", "b")
            .body(Vec::from("hi"))
            .unwrap();
        let response = Response::try_from(response).unwrap();
        assert_eq!(*response.fields(), headers! { "a" => "b" });
        assert!(matches!(&response.content, ResponseContent::Bytes(bytes) if bytes == "hi"));
        let odd = http::Response::builder().status(799).body("").unwrap();
        assert_eq!(Response::try_from(odd).unwrap_err().code(), 799);
    }

    #[test]
    fn a_request_keeps_its_method_target_version_and_fields() {
        for (version, theirs) in [("1.0", http::Version::HTTP_10), ("1.1", http::Version::HTTP_11)]
        {
            let head = format!("PUT /a?b HTTP/{version}\r\nHost: a\r\nB: c\r\n\r\n");
            let mut spans = FieldSpans::new();
            let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans);
            let request = http::Request::try_from(head.unwrap().unwrap()).unwrap();
            assert_eq!((request.method(), request.version()), (&http::Method::PUT, theirs));
            assert_eq!(request.uri().path_and_query().map(PathAndQuery::as_str), Some("/a?b"));
            let fields = Headers::try_from(request.headers()).unwrap();
            assert_eq!(fields, headers! { "host" => "a", "b" => "c" });
        }
    }

    #[test]
    fn what_one_side_holds_the_other_takes() {
        fn property(fields: Vec<(u8, Vec<u8>)>) -> bool {
            let mut headers = Headers::new();
            for (byte, value) in fields {
                let name = [b'a', byte & 0x7f];
                let ours = headers.add(core::str::from_utf8(&name).unwrap(), &value);
                let name = HeaderName::from_bytes(&name);
                assert_eq!(ours.is_ok(), name.is_ok() && HeaderValue::from_bytes(&value).is_ok());
            }
            let map = HeaderMap::try_from(&headers).unwrap();
            let back = Headers::try_from(&map).unwrap();
            assert_eq!(HeaderMap::try_from(&back).unwrap(), map);
            headers.iter().all(|(name, _)| headers.get_all(name).eq(back.get_all(name)))
        }
        QuickCheck::new().tests(500).quickcheck(property as fn(Vec<(u8, Vec<u8>)>) -> bool);
    }

    #[test]
    fn what_a_map_has_no_room_for_is_an_error() {
        let mut headers = Headers::new();
        headers.add("a".repeat(1 << 16), "").unwrap();
        assert!(HeaderMap::try_from(&headers).is_err());
        headers.clear();
        for n in 0..40_000 {
            headers.add(n.to_string(), "").unwrap();
        }
        assert!(HeaderMap::try_from(&headers).is_err());
    }

    #[test]
    fn every_status_of_a_class_has_its_like() {
        for code in 100..=999 {
            let theirs = StatusCode::from_u16(code).unwrap();
            match Status::try_from(theirs) {
                Ok(ours) => assert_eq!((ours.code(), StatusCode::from(ours)), (code, theirs)),
                Err(error) => assert!(code >= 600 && error.code() == code),
            }
            assert_eq!(Status::try_from(theirs).is_ok(), code < 600);
        }
        assert_eq!(
            InvalidStatus(600).to_string(),
            "status code 600 is outside the classes 1xx to 5xx (RFC 9110, 15)"
        );
    }

    #[test]
    fn the_targets_that_we_take_are_ones_that_the_crate_takes() {
        let ascii = || (0..128u8).map(char::from);
        let targets = ascii().flat_map(|c| {
            ["/", "/?"].map(|start| String::from(start) + &[c].iter().collect::<String>())
        });
        for target in targets {
            if Target::new(&target, "GET").is_ok() {
                assert!(target.parse::<PathAndQuery>().is_ok(), "{target}");
            }
        }
    }
}
