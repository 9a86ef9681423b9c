//! Events of a client: as values to keep, and borrowed from the bytes that arrived.
//!
//! It must never know how an event may be answered.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;

use crate::http1::syntax::{FieldSpans, FieldsView, Headers, RequestHead};

/// What a client did. It is a value: it borrows nothing.
///
/// Example: see [`ServerConnection`](crate::http1::ServerConnection).
#[derive(Clone, Debug)]
pub enum RequestEvent {
    /// The head of a request.
    Request(OwnedRequestHead),
    /// A part of the request's body. It shares the memory of what was received with it, which stays
    /// allocated while this is kept.
    Data(Bytes),
    /// The request is complete; the fields are its trailers. This event is left out for a request
    /// whose answer was complete before.
    End(Headers),
    /// A half-close: the client ended its side, between requests or while it may still read the
    /// answer to one. No further request follows.
    Closed,
}

/// The head of a request, to keep. Cheap to clone; `Send`.
///
/// Example: see [`ServerConnection`](crate::http1::ServerConnection).
#[derive(Clone)]
pub struct OwnedRequestHead(pub(super) Arc<FieldSpans>);

impl OwnedRequestHead {
    /// Its method, target and fields.
    pub fn view(&self) -> RequestHead<'_> {
        self.0.kept()
    }
}

impl fmt::Debug for OwnedRequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// What a client did, borrowed from the bytes that were offered and from memory of the caller.
///
/// Example: see [`SharedServerConnection`](super::SharedServerConnection).
#[derive(Debug)]
pub enum Received<'a> {
    /// The head of a request. A request without a body is complete with it
    /// ([`request_is_complete`](super::SharedServerConnection::request_is_complete)), and no `End`
    /// follows.
    Request(RequestHead<'a>),
    /// A part of the request's body.
    Data(&'a [u8]),
    /// The body is complete; the fields are its trailers.
    End(FieldsView<'a>),
}
