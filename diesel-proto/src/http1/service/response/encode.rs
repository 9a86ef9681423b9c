//! Encodes the content of a response, and tells of what kind it is.
//!
//! It must never know a coding.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::body::BodyWriter;
use super::super::encoder::ContentEncoder;
use super::{Response, ResponseContent};
use crate::http1::message::BodyLength;

impl Response {
    /// Encodes the content: now, if it is complete, or while it is written, if it is a stream, whose
    /// length is unknown from here on. An upgrade, a failed response, and one without content stay as
    /// they are.
    ///
    /// The fields that tell so (`Content-Encoding`, `ETag`, `Vary`) are up to the caller.
    pub fn encode(mut self, mut encoder: impl ContentEncoder + 'static) -> Self {
        let mut whole = |bytes: &[u8]| {
            let mut encoded = Vec::new();
            encoder.encode(bytes, &mut encoded);
            encoder.finish(&mut encoded);
            ResponseContent::Bytes(encoded.into())
        };
        self.content = match self.content {
            ResponseContent::Static(bytes) => whole(bytes),
            ResponseContent::Bytes(bytes) => whole(&bytes),
            ResponseContent::Chunk(bytes) => whole(&bytes),
            ResponseContent::Stream(_, stream) => {
                let write = |out: BodyWriter| stream(out.encoded(Box::new(encoder)));
                ResponseContent::Stream(BodyLength::Unknown, Box::new(write))
            }
            // It is about a failure: short, and not worth it.
            other => other,
        };
        self
    }

    /// Whether there may be content, and how long it is, if that is known: `None` if there is none,
    /// `Some(None)` for a [stream](Self::stream).
    pub fn content_length(&self) -> Option<Option<u64>> {
        match &self.content {
            ResponseContent::Static(bytes) => Some(Some(bytes.len() as u64)),
            ResponseContent::Bytes(bytes) => Some(Some(bytes.len() as u64)),
            ResponseContent::Chunk(bytes) => Some(Some(bytes.len() as u64)),
            ResponseContent::Stream(BodyLength::Exactly(length), _) => Some(Some(*length)),
            ResponseContent::Stream(BodyLength::Unknown, _) => Some(None),
            _ => None,
        }
    }

    /// The value of `Content-Type`, if it has one that is text.
    pub fn media_type(&self) -> Option<&str> {
        let own = self.content_type.as_ref().map(|content_type| content_type.as_str());
        own.or_else(|| self.headers.get_str("content-type"))
    }
}
