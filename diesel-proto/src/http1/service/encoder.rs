//! [`ContentEncoder`]: encodes the content of responses while they are sent (RFC 9110, 8.4).
//!
//! Rules of this file:
//!
//! - What was written can be decoded once it has arrived: nothing is held back for a better ratio.
//! - A write that is dropped before it is ready has encoded nothing, so that the encoder and the queue
//!   never disagree.
//!
//! It must never know a coding.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::buf::{Blocks, Pipeline};
use crate::fiber::Payload;

/// Encodes content: what is passed to [`Response::encode`](super::response::Response::encode).
///
/// ```
/// use diesel_proto::http1::{BodyWriter, ContentEncoder, Request, Response, Service};
/// use diesel_proto::testkit::Oneshot;
///
/// /// No coding that is registered, but easy to read.
/// struct Shout;
///
/// impl ContentEncoder for Shout {
///     fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
///         out.extend(piece.to_ascii_uppercase());
///     }
///
///     fn finish(&mut self, out: &mut Vec<u8>) {
///         out.extend(b"!");
///     }
/// }
///
/// fn hello(request: Request) -> Response {
///     let response = match request.path() {
///         "/stream" => Response::stream(async |out: &mut BodyWriter| out.write("hello").await),
///         _ => Response::text("hello"),
///     };
///     response.encode(Shout)
/// }
///
/// for path in ["/", "/stream"] {
///     assert_eq!(Oneshot::get(path).send(Service::new(hello)).text(), "HELLO!");
/// }
/// ```
pub trait ContentEncoder {
    /// Encodes a piece of the content, and appends to `out` all that is needed to decode it: nothing
    /// is held back.
    fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>);

    /// Appends the end of the encoded content. Called once, at last, unless the response is cut.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// Encodes with one, then with the other.
struct Chain {
    first: Box<dyn ContentEncoder>,
    second: Box<dyn ContentEncoder>,
}

impl ContentEncoder for Chain {
    fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut between = Vec::new();
        self.first.encode(piece, &mut between);
        self.second.encode(&between, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let mut between = Vec::new();
        self.first.finish(&mut between);
        self.second.encode(&between, out);
        self.second.finish(out);
    }
}

/// The encoder of content that `outer`, if there is one, encodes again.
pub(in crate::http1) fn within(
    encoder: Box<dyn ContentEncoder>,
    outer: Option<Box<dyn ContentEncoder>>,
) -> Box<dyn ContentEncoder> {
    match outer {
        Some(second) => Box::new(Chain { first: encoder, second }),
        None => encoder,
    }
}

/// Encodes a payload.
pub(in crate::http1) fn encoded<P: Payload>(
    encoder: &mut dyn ContentEncoder,
    mut payload: P,
    blocks: &mut Blocks,
) -> Bytes {
    let (mut plain, mut out) = (Pipeline::default(), Vec::new());
    // It is open, so it takes the payload.
    let _ = payload.queue_in(&mut plain, blocks);
    while !plain.is_empty() {
        let mut slices = [&[][..]; 16];
        let n = plain.slices(&mut slices);
        let mut taken = 0;
        for slice in slices.iter().take(n) {
            encoder.encode(slice, &mut out);
            taken += slice.len() as u64;
        }
        // A part of a file is no payload, but would stay.
        if taken == 0 {
            break;
        }
        plain.advance(taken, blocks);
    }
    plain.clear(blocks);
    out.into()
}
