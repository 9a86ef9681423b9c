//! What a client did: as a value, to keep, and where it lies.
//!
//! It must never know what may be done about it.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;

use crate::http1::syntax::{FieldSpans, FieldsView, Headers, RequestHead};

/// What a client did. A value: it borrows nothing.
#[derive(Clone, Debug)]
pub enum RequestEvent {
    /// The head of a request.
    Request(OwnedRequestHead),
    /// A part of its body. While it is kept, so is the memory of what was received with it.
    Data(Bytes),
    /// The request is complete; these fields came behind its body. Not told of a request whose answer
    /// was complete before.
    End(Headers),
    /// The client ended its side, between requests or while its answer is under way, which it may
    /// still read. There will be no further request.
    Closed,
}

/// The head of a request, to be kept. A cheap clone; `Send`.
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

/// What a client did, in the bytes that were offered and in memory of the caller.
#[derive(Debug)]
pub enum Received<'a> {
    /// The head of a request. One that has no body is complete with it: no `End` follows. It is
    /// [`is_complete`](super::SharedServerConnection::request_is_complete) then.
    Request(RequestHead<'a>),
    /// A part of its body.
    Data(&'a [u8]),
    /// The body is complete; these fields came behind it.
    End(FieldsView<'a>),
}
