//! Events of a server: as values to keep, and borrowed from the bytes that arrived.
//!
//! It must never know how a request is sent.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;

use crate::http1::syntax::{FieldSpans, FieldsView, Headers, ResponseHead};

/// What a server did. It is a value: it borrows nothing.
///
/// Example: see [`ClientConnection`](crate::http1::ClientConnection).
#[derive(Clone, Debug)]
pub enum ResponseEvent {
    /// An interim response, such as 100 or 103. The final one follows.
    Informational(OwnedResponseHead),
    /// The head of the response.
    Response(OwnedResponseHead),
    /// A part of the response's body. It shares the memory of what was received with it, which
    /// stays allocated while this is kept.
    Data(Bytes),
    /// The response is complete; the fields are its trailers.
    End(Headers),
    /// The response after which both sides speak another protocol: a 101, or a 2xx to CONNECT.
    Switched(OwnedResponseHead),
    /// The server ended the stream between responses.
    Closed,
}

/// The head of a response, to keep. Cheap to clone; `Send`.
///
/// Example: see [`ClientConnection`](crate::http1::ClientConnection).
#[derive(Clone)]
pub struct OwnedResponseHead(pub(super) Arc<FieldSpans>);

impl OwnedResponseHead {
    /// Its status and fields.
    pub fn view(&self) -> ResponseHead<'_> {
        self.0.kept_response()
    }
}

impl fmt::Debug for OwnedResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// What a server did, borrowed from the bytes that were offered and from memory of the caller.
///
/// Example: see [`SharedClientConnection`](super::SharedClientConnection).
#[derive(Debug)]
pub enum ResponsePart<'a> {
    /// An interim response. The final one follows.
    Informational(ResponseHead<'a>),
    /// The head of a response with a body: any number of `Data` and an `End` follow.
    Response(ResponseHead<'a>),
    /// A response without a body, which is complete.
    WholeResponse(ResponseHead<'a>),
    /// A part of the response's body.
    Data(&'a [u8]),
    /// The body is complete; the fields are its trailers.
    End(FieldsView<'a>),
    /// The response after which both sides speak another protocol: a 101, or a 2xx to CONNECT.
    Switched(ResponseHead<'a>),
}
