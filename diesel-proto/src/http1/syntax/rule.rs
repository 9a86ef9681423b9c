//! The rules that a message can break: each with a name, a status and a section of an RFC.
//!
//! A [`Rejection`] is a [`Rule`] and the position at which it was broken. Rules of this file:
//!
//! - Each protocol violation has its own rule, so that a test, a log or a metric can distinguish
//!   them without reading text.
//! - The first violation in byte order decides: what is wrong with a line comes before what is
//!   wrong with the head as a whole. So the answer does not depend on how the bytes were split.
//!
//! It must never know how a rule is checked.

use core::fmt;

use super::status::Status;

/// A message that was refused: which rule it broke, and where.
///
/// ```
/// use diesel_proto::http1::{Rule, Status};
/// use diesel_proto::http1::Rejection;
///
/// let rejection = Rejection::new(Rule::BareCr, 7);
/// assert_eq!(rejection.status(), Status::BAD_REQUEST);
/// assert_eq!(
///     rejection.to_string(),
///     "at byte 7: a CR without an LF after it (RFC 9112, 2.2)"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejection {
    /// Which rule.
    pub rule: Rule,
    /// The position: how many bytes precede the one that broke the rule, counted from the start of
    /// the stream (or, for a parser that is used alone, from the first byte it was given).
    pub offset: u64,
}

impl Rejection {
    /// `rule` was broken at `offset`.
    pub const fn new(rule: Rule, offset: u64) -> Self {
        Rejection { rule, offset }
    }

    /// The status of the response to it: see [`Rule::status`].
    pub const fn status(self) -> Status {
        self.rule.status()
    }

    /// The same rejection, `by` bytes further on.
    pub(crate) fn moved(self, by: u64) -> Self {
        Rejection { offset: self.offset.saturating_add(by), ..self }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {} ({})", self.offset, self.rule, self.rule.section())
    }
}

impl core::error::Error for Rejection {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

macro_rules! rules {
    ($($name:ident $status:ident $section:literal $text:literal;)*) => {
        /// A rule that a message can break.
        ///
        /// ```
        /// use diesel_proto::http1::{Rule, Status};
        ///
        /// assert_eq!(Rule::BareLf.status(), Status::BAD_REQUEST);
        /// assert_eq!(Rule::BareLf.section(), "RFC 9112, 2.2");
        /// assert_eq!(Rule::BareLf.text(), "an LF without a CR before it");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("Refused: ", $text, ". ", $section, ".")] $name,)*
        }

        impl Rule {
            /// All rules, in the order in which a message is read.
            pub const ALL: &'static [Rule] = &[$(Rule::$name),*];

            /// The status of the response to a request that breaks this rule. For a rule that only
            /// a response can break it is 502: a gateway answers so, whatever was wrong with the
            /// response that it received.
            pub const fn status(self) -> Status {
                match self { $(Rule::$name => Status::$status,)* }
            }

            /// The document and the section that state this rule.
            pub const fn section(self) -> &'static str {
                match self { $(Rule::$name => $section,)* }
            }

            /// What was wrong, as text.
            pub const fn text(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }
        }
    };
}

rules! {
    // Lines.
    BareLf BAD_REQUEST "RFC 9112, 2.2" "an LF without a CR before it";
    BareCr BAD_REQUEST "RFC 9112, 2.2" "a CR without an LF after it";

    // The request line.
    MethodSyntax BAD_REQUEST "RFC 9110, 9.1" "a method that is not a token";
    RequestLineSyntax BAD_REQUEST "RFC 9112, 3" "a request line that is not method, target and version with one space between";
    TargetSyntax BAD_REQUEST "RFC 9112, 3.2" "a request target of none of the four forms";
    TargetForMethod BAD_REQUEST "RFC 9112, 3.2" "a form of request target that the method does not allow";
    VersionSyntax BAD_REQUEST "RFC 9112, 2.3" "a version that is not HTTP/ and two digits";
    VersionUnsupported HTTP_VERSION_NOT_SUPPORTED "RFC 9110, 15.6.6" "a major version other than that of HTTP/1.1";
    Http2Preface HTTP_VERSION_NOT_SUPPORTED "RFC 9113, 3.4" "the connection preface of HTTP/2 on a connection that speaks HTTP/1.1";
    Http11Required UPGRADE_REQUIRED "RFC 9110, 15.5.22" "HTTP/1.0 where this service requires HTTP/1.1";
    RequestLineTooLong URI_TOO_LONG "RFC 9112, 3" "a request line longer than the limit";

    // The status line.
    StatusCodeSyntax BAD_GATEWAY "RFC 9112, 4" "a status code that is not three digits, from 100 to 599, with one space before and after";
    ReasonSyntax BAD_GATEWAY "RFC 9112, 4" "a control character in a reason phrase";
    StatusLineTooLong BAD_GATEWAY "RFC 9112, 4" "a status line longer than the limit";

    // Field lines.
    BlankBeforeFields BAD_REQUEST "RFC 9112, 2.2" "a blank between the start line and the first field";
    ObsFold BAD_REQUEST "RFC 9112, 5.2" "a field that is folded over several lines";
    FieldWithoutColon BAD_REQUEST "RFC 9112, 5" "a field line without a colon";
    FieldNameSyntax BAD_REQUEST "RFC 9110, 5.1" "a field name that is not a token";
    BlankBeforeColon BAD_REQUEST "RFC 9112, 5.1" "a blank between a field name and its colon";
    FieldValueSyntax BAD_REQUEST "RFC 9110, 5.5" "a control character in a field value";
    HeaderTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "RFC 9110, 5.4" "more bytes of fields than the limit";
    TooManyFields REQUEST_HEADER_FIELDS_TOO_LARGE "RFC 9110, 5.4" "more fields than the limit";

    // The head as a whole.
    TunnelUnsupported NOT_IMPLEMENTED "RFC 9110, 9.3.6" "CONNECT to a service that opens no tunnels";
    HostMissing BAD_REQUEST "RFC 9112, 3.2" "no Host in a request of HTTP/1.1";
    HostRepeated BAD_REQUEST "RFC 9112, 3.2" "more than one Host";
    HostSyntax BAD_REQUEST "RFC 9112, 3.2" "a Host that is not a host with an optional port";
    LengthSyntax BAD_REQUEST "RFC 9112, 6.3" "a Content-Length that is not digits alone";
    LengthOverflow BAD_REQUEST "RFC 9110, 8.6" "a Content-Length that does not fit into 64 bits";
    LengthRepeated BAD_REQUEST "RFC 9112, 6.3" "more than one Content-Length";
    LengthAndCoding BAD_REQUEST "RFC 9112, 6.1" "both Content-Length and Transfer-Encoding";
    CodingOnHttp10 BAD_REQUEST "RFC 9112, 6.1" "Transfer-Encoding in a message of HTTP/1.0";
    CodingSyntax BAD_REQUEST "RFC 9112, 7" "a Transfer-Encoding that is not a list of transfer codings";
    CodingNotFinal BAD_REQUEST "RFC 9112, 6.3" "a Transfer-Encoding that does not end with chunked";
    CodingRepeated BAD_REQUEST "RFC 9112, 7" "chunked applied more than once";
    CodingUnknown NOT_IMPLEMENTED "RFC 9112, 6.1" "a transfer coding other than chunked";
    LengthRequired LENGTH_REQUIRED "RFC 9112, 6.3" "neither Content-Length nor Transfer-Encoding where this service requires a length";
    ExpectationUnknown EXPECTATION_FAILED "RFC 9110, 10.1.1" "an expectation other than 100-continue";
    BodyTooLarge CONTENT_TOO_LARGE "RFC 9110, 15.5.14" "a body larger than the limit";

    // What a response may say, given the request.
    FramingForbidden BAD_GATEWAY "RFC 9112, 6.3" "a body announced in a response that never has one";
    TooManyInformational BAD_GATEWAY "RFC 9110, 15.2" "more informational responses than the limit";
    SwitchUnrequested BAD_GATEWAY "RFC 9110, 7.8" "a switch of protocols that the request did not ask for";
    ResponseUnrequested BAD_GATEWAY "RFC 9112, 9.2" "bytes that answer no request";

    // Chunks and trailers.
    ChunkSizeSyntax BAD_REQUEST "RFC 9112, 7.1" "a chunk size that is not hexadecimal digits alone";
    ChunkSizeOverflow BAD_REQUEST "RFC 9112, 7.1" "a chunk size that does not fit into 64 bits";
    ChunkExtensionSyntax BAD_REQUEST "RFC 9112, 7.1.1" "a malformed chunk extension";
    ChunkExtensionsTooLarge BAD_REQUEST "RFC 9112, 7.1.1" "more bytes of chunk extensions than the limit";
    ChunkLineEnd BAD_REQUEST "RFC 9112, 7.1" "a chunk's line that does not end with CR LF";
    ChunkDataEnd BAD_REQUEST "RFC 9112, 7.1" "chunk data without CR LF after it";
    TrailersTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "RFC 9112, 7.1.2" "more bytes of trailers than the limit";

    // Incomplete or late messages.
    HeadIncomplete BAD_REQUEST "RFC 9112, 8" "the end of the stream within a head";
    BodyIncomplete BAD_REQUEST "RFC 9112, 8" "the end of the stream within a body";
    ResponseMissing BAD_GATEWAY "RFC 9112, 9.2" "the end of the stream before the response";
    HeadTimeout REQUEST_TIMEOUT "RFC 9110, 15.5.9" "a head that did not arrive in time";
    BodyTimeout REQUEST_TIMEOUT "RFC 9110, 15.5.9" "a body that stopped arriving";
    BodyTooSlow REQUEST_TIMEOUT "RFC 9110, 15.5.9" "a body that arrived too slowly";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_why_in_words_of_its_own() {
        for (n, rule) in Rule::ALL.iter().enumerate() {
            assert!(rule.section().starts_with("RFC 9"), "{rule:?}");
            assert!(rule.status().code() >= 400, "{rule:?}");
            assert!(Rule::ALL[..n].iter().all(|other| other.text() != rule.text()), "{rule:?}");
        }
    }

    /// RFC 9110, 15.6.6.
    #[test]
    fn an_unsupported_version_gets_the_supported_ones() {
        let is_505 = |rule: &&Rule| rule.status() == Status::HTTP_VERSION_NOT_SUPPORTED;
        for rule in Rule::ALL.iter().filter(is_505) {
            assert!(rule.text().contains("HTTP/1.1"), "{rule:?}");
        }
    }

    #[test]
    fn every_status_that_a_peer_can_deserve_is_given_by_some_rule() {
        for code in [400, 408, 411, 413, 414, 417, 426, 431, 501, 505] {
            assert!(Rule::ALL.iter().any(|rule| rule.status().code() == code), "{code}");
        }
    }
}
