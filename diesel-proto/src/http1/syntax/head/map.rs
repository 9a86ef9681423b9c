//! The result of parsing a head: positions in its bytes, and their meaning.
//!
//! It must never know how a head is parsed.

use core::ops::Range;

use super::super::framing::{Framing, ResponseFraming};
use super::super::limits::Limits;
use super::super::rule::Rejection;
use super::super::status::Status;
use super::super::target::Target;
use super::Version;

/// The result of parsing the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) struct HeadMap {
    pub(super) lines: HeadLines,
    pub(in crate::http1) framing: Framing,
    pub(in crate::http1) options: ConnectionOptions,
}

/// Positions of the parts of a complete head whose lines are valid, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadLines {
    /// Where the method begins.
    pub(super) start: u32,
    pub(super) method_len: u32,
    /// Where the target ends; it begins one byte after the method.
    pub(super) target_end: u32,
    pub(super) fields_start: u32,
    /// Length of the whole head, including the empty lines before it.
    pub(super) len: u32,
    pub(super) version: Version,
    pub(super) method: Method,
}

/// What a method means to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) enum Method {
    Head,
    Connect,
    /// POST, PUT or PATCH: methods that are defined to send content (RFC 9110, 8.6).
    Sends,
    Other,
}

/// What the head asks of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http1) struct ConnectionOptions {
    /// `Connection: close`
    pub(in crate::http1) close: bool,
    /// `Connection: keep-alive`
    pub(in crate::http1) keep_alive: bool,
    /// `Connection: upgrade`, with an `Upgrade` field.
    pub(in crate::http1) upgrade: bool,
    /// `Expect: 100-continue`
    pub(in crate::http1) expects_continue: bool,
}

impl Method {
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"HEAD" => Method::Head,
            b"CONNECT" => Method::Connect,
            b"POST" | b"PUT" | b"PATCH" => Method::Sends,
            _ => Method::Other,
        }
    }
}

impl Default for HeadMap {
    fn default() -> Self {
        HeadMap::NONE
    }
}

impl HeadMap {
    /// The map before a head is read.
    pub(in crate::http1) const NONE: HeadMap = HeadMap {
        lines: HeadLines {
            start: 0,
            method_len: 0,
            target_end: 0,
            fields_start: 0,
            len: 0,
            version: Version::Http11,
            method: Method::Other,
        },
        framing: Framing::Empty,
        options: ConnectionOptions {
            close: false,
            keep_alive: false,
            upgrade: false,
            expects_continue: false,
        },
    };

    /// Whether a head with this number of fields is within the limits.
    #[inline]
    pub(in crate::http1) fn is_within(&self, limits: &Limits, fields: usize) -> bool {
        let HeadLines { fields_start, len, .. } = self.lines;
        fields_start as usize <= limits.request_line
            && (len - fields_start) as usize <= limits.header_bytes
            && fields <= limits.header_count
    }

    /// Length of the whole head, in bytes.
    pub(in crate::http1) fn len(&self) -> usize {
        self.lines.len as usize
    }

    pub(in crate::http1) fn version(&self) -> Version {
        self.lines.version
    }

    pub(in crate::http1) fn kind(&self) -> Method {
        self.lines.method
    }

    pub(in crate::http1) fn method(&self) -> Range<usize> {
        let HeadLines { start, method_len, .. } = self.lines;
        start as usize..(start + method_len) as usize
    }

    pub(in crate::http1) fn target(&self) -> Range<usize> {
        self.method().end + 1..self.lines.target_end as usize
    }

    pub(in crate::http1) fn parse_target<'a>(&self, bytes: &'a [u8]) -> Target<'a> {
        let part = |range| bytes.get(range).unwrap_or_default();
        // Parsing succeeded when the head was read, so it succeeds again.
        Target::parse(part(self.target()), part(self.method())).unwrap_or(Target::Asterisk)
    }
}

/// The result of parsing the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http1) struct ResponseMap {
    pub(super) status: Status,
    pub(super) version: Version,
    pub(super) fields_start: u32,
    /// Length of the whole head.
    pub(super) len: u32,
    /// The framing of a response to GET.
    pub(super) framing: ResponseFraming,
    /// The value of Content-Length, whether or not it delimits the body.
    pub(super) length: Option<u64>,
    pub(in crate::http1) options: ConnectionOptions,
    /// What is wrong with the framing of a 2xx, from the start of the head: refused, unless it is
    /// the response to CONNECT.
    pub(in crate::http1) fault: Option<Rejection>,
}

impl Default for ResponseMap {
    fn default() -> Self {
        ResponseMap::NONE
    }
}

impl ResponseMap {
    /// The map before a head is read.
    pub(in crate::http1) const NONE: ResponseMap = ResponseMap {
        status: Status::OK,
        version: Version::Http11,
        fields_start: 0,
        len: 0,
        framing: ResponseFraming::Empty,
        length: None,
        options: HeadMap::NONE.options,
        fault: None,
    };

    /// Whether a head with this number of fields is within the limits.
    #[inline]
    pub(in crate::http1) fn is_within(&self, limits: &Limits, fields: usize) -> bool {
        self.fields_start as usize <= limits.request_line
            && (self.len - self.fields_start) as usize <= limits.header_bytes
            && fields <= limits.header_count
    }

    /// From now on, there is no Content-Length.
    #[cfg(feature = "gzip")]
    pub(in crate::http1) fn forget_length(&mut self) {
        self.length = None;
    }

    /// Length of the whole head, in bytes.
    pub(in crate::http1) fn len(&self) -> usize {
        self.len as usize
    }
}
