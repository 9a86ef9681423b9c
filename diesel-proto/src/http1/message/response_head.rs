//! Formats the head of a response.
//!
//! ```text
//! HTTP/1.1 200 OK\r\n                       status
//! Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n   from the connection: Date, Connection, Upgrade
//! Content-Type: text/plain\r\n              from the application
//! Content-Length: 13\r\n                    from the connection: how the body is delimited
//! \r\n
//! ```
//!
//! The fast path: a server often sends the same head many times within one second, until the date
//! changes. So the last head is cached, together with what it was made from: sending it again is a
//! copy.
//!
//! It must never know whether a response may be sent now: the caller has checked that.

use alloc::vec::Vec;

use super::BodyLength;
use crate::buf::Tail;
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{Headers, HttpDate, Status};

/// The part of a response's head that the application chooses.
#[derive(Clone, Copy)]
pub(crate) struct OutgoingHead<'a> {
    pub(crate) status: Status,
    /// In addition to `headers`.
    pub(crate) content_type: Option<ContentType>,
    pub(crate) headers: &'a Headers,
}

/// The part of a response's head that the connection chooses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageFraming {
    /// The length of the body that the head announces. `None`: it announces nothing.
    pub(crate) length: Option<BodyLength>,
    pub(crate) keep_alive: bool,
    pub(crate) is_http10: bool,
}

/// The head that was written last, and the date. All connections of a service share one.
#[derive(Default)]
pub(crate) struct HeadCache {
    date: Option<HttpDate>,
    details: Option<HeadDetails>,
    head: Vec<u8>,
}

/// What a head without fields from the application is made from.
#[derive(PartialEq, Eq)]
struct HeadDetails {
    status: Status,
    content_type: Option<ContentType>,
    framing: MessageFraming,
}

impl HeadCache {
    /// Sets the time. `None`: the time is unknown.
    #[inline]
    pub(crate) fn refresh(&mut self, unix_seconds: Option<u64>) {
        if self.date.as_ref().map(HttpDate::unix) != unix_seconds {
            self.date = unix_seconds.map(HttpDate::from_unix);
            self.details = None;
        }
    }

    /// The current date.
    pub(crate) fn date(&self) -> Option<&HttpDate> {
        self.date.as_ref()
    }

    /// The bytes of a head without fields from the application. Returns the cached ones if the head
    /// is the same.
    #[inline]
    pub(crate) fn head(
        &mut self,
        response_head: &OutgoingHead<'_>,
        framing: MessageFraming,
    ) -> &[u8] {
        let OutgoingHead { status, content_type, .. } = *response_head;
        let details = Some(HeadDetails { status, content_type, framing });
        if self.details != details {
            self.head.clear();
            response_head.write(framing, self.date.as_ref(), &mut Tail::from(&mut self.head));
            self.details = details;
        }
        &self.head
    }
}

/// Estimated length of what the connection writes into a head.
pub(crate) const ROOM: usize = 192;

impl OutgoingHead<'_> {
    /// Estimated length of the head, used to reserve memory.
    pub(crate) fn expected_len(&self) -> usize {
        let content_type = self.content_type.map_or(0, |content_type| content_type.as_str().len());
        ROOM + content_type + self.headers.lines().len()
    }

    /// Appends the head to `out`, with the fields that the connection writes.
    pub(crate) fn write(
        &self,
        framing: MessageFraming,
        date: Option<&HttpDate>,
        out: &mut Tail<'_>,
    ) {
        let OutgoingHead { status, content_type, headers } = *self;
        let MessageFraming { length, keep_alive, is_http10 } = framing;
        put_status(status, out);
        if let Some(date) = date.filter(|_| !headers.has_date()) {
            out.extend_from_slice(date.line());
        }
        let names_upgrade = headers.first_framing_field().is_some();
        let upgrades = names_upgrade || status == Status::UPGRADE_REQUIRED;
        // `Connection` must name `Upgrade` if there is one (RFC 9110, 7.8).
        out.extend_from_slice(match (keep_alive, is_http10, upgrades) {
            (true, false, false) => b"",
            (false, _, false) => b"Connection: close\r\n",
            (false, _, true) => b"Connection: close, upgrade\r\n",
            (true, true, false) => b"Connection: keep-alive\r\n",
            (true, true, true) => b"Connection: keep-alive, upgrade\r\n",
            (true, false, true) => b"Connection: upgrade\r\n",
        });
        if upgrades && !names_upgrade {
            // RFC 9110, 15.5.22: a 426 must have an `Upgrade`. The application named no protocol.
            out.extend_from_slice(b"Upgrade: HTTP/1.1\r\n");
        }
        if let Some(content_type) = content_type {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(content_type.as_str().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(headers.lines());
        match length {
            // RFC 9110, 8.6: a 204 has no Content-Length.
            _ if status == Status::NO_CONTENT => {}
            None => {}
            Some(BodyLength::Exactly(n)) => {
                out.extend_from_slice(b"Content-Length: ");
                put_decimal(n, out);
                out.extend_from_slice(b"\r\n");
            }
            Some(BodyLength::Unknown) if is_http10 => {}
            Some(BodyLength::Unknown) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        out.extend_from_slice(b"\r\n");
    }
}

pub(crate) fn put_status(status: Status, out: &mut Tail<'_>) {
    match status.line() {
        Some(line) => out.extend_from_slice(line.as_bytes()),
        None => {
            out.extend_from_slice(b"HTTP/1.1 ");
            put_decimal(status.code().into(), out);
            // RFC 9112, 4: the space is required even without a reason phrase.
            out.extend_from_slice(b" \r\n");
        }
    }
}

pub(super) fn put_decimal(mut n: u64, out: &mut Tail<'_>) {
    // Enough for the digits of `u64::MAX`.
    let mut digits = [0; 20];
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (n % 10) as u8;
        start = at;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}
