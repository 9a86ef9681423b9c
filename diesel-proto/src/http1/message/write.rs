//! Writes the bodies of messages: data, and the end.

use bytes::Bytes;

use crate::buf::{Blocks, Pipeline, Tail};
use crate::http1::syntax::Headers;
use crate::http1::syntax::{CHUNK_END, LAST_CHUNK, chunk_head};

/// How long the body of a message is.
///
/// Example: see [`SharedServerConnection`](crate::http1::SharedServerConnection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLength {
    /// This many bytes.
    Exactly(u64),
    /// Unknown: the body is sent in chunks, or, to a peer of HTTP/1.0, until the connection is
    /// closed.
    Unknown,
}

/// The output of commands: a queue, and the memory that it borrows.
///
/// Example: see [`SharedServerConnection`](crate::http1::SharedServerConnection).
#[derive(Debug)]
pub struct MessageOutput<'a> {
    pipeline: &'a mut Pipeline,
    blocks: &'a mut Blocks,
}

impl<'a> MessageOutput<'a> {
    /// Appends to `pipeline`, in memory from `blocks`.
    pub fn new(pipeline: &'a mut Pipeline, blocks: &'a mut Blocks) -> Self {
        MessageOutput { pipeline, blocks }
    }

    /// Every command checks this first: after that, nothing that is put is lost.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), WriteError> {
        if self.pipeline.is_closing() { Err(WriteError::Closed) } else { Ok(()) }
    }

    /// Appends what `write` writes, about `expected` bytes.
    #[inline]
    pub(crate) fn put_with(&mut self, expected: usize, write: impl FnOnce(&mut Tail<'_>)) {
        let _ = self.pipeline.push_with(expected, self.blocks, write);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let _ = self.pipeline.push(bytes, self.blocks);
    }
}

/// Why something cannot be written. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The output is closed.
    Closed,
    /// More data than the announced length, of which this many bytes are left.
    TooLong(u64),
    /// This many bytes of the announced length are missing.
    TooShort(u64),
    /// Trailers after a body that is not chunked.
    TrailersForbidden,
    /// A field that delimits the message, or controls the connection.
    FramingField,
}

/// What may still be written of the current message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteStage {
    /// This many bytes.
    Length(u64),
    Chunked,
    /// Any amount until the connection is closed: for HTTP/1.0.
    UntilClose,
    /// Data is discarded: for HEAD and for 304.
    Discarded,
}

/// Writes the body of one message after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageWriter {
    writing: WriteStage,
}

impl MessageWriter {
    pub(crate) const fn new() -> Self {
        MessageWriter { writing: WriteStage::Discarded }
    }

    /// Call when a head is written: `writing` may follow.
    #[inline]
    pub(crate) fn begin(&mut self, writing: WriteStage) {
        self.writing = writing;
    }

    /// What may still be written.
    #[inline]
    pub(crate) fn writing(&self) -> WriteStage {
        self.writing
    }

    /// Writes a part of the body. Empty data writes nothing.
    pub(crate) fn data(
        &mut self,
        data: &[u8],
        out: &mut MessageOutput<'_>,
    ) -> Result<(), WriteError> {
        self.part(data.len() as u64, out, |out| out.put(data))
    }

    /// As [`data`](Self::data), by reference if it is large.
    pub(crate) fn data_bytes(
        &mut self,
        data: Bytes,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), WriteError> {
        self.part(data.len() as u64, out, |out| {
            let _ = out.pipeline.push_bytes(data, out.blocks);
        })
    }

    /// Writes the first `n` bytes of another queue, in one chunk. They are removed from that queue
    /// even if they are discarded.
    pub(crate) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        n: u64,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), WriteError> {
        let keep = data.len().saturating_sub(n);
        self.part(n, out, |out| {
            let _ = out.pipeline.append_first(n, data, out.blocks);
        })?;
        data.advance(data.len().saturating_sub(keep), out.blocks);
        Ok(())
    }

    /// `put` writes `len` bytes; it is not called if they are discarded.
    fn part<'a>(
        &mut self,
        len: u64,
        out: &mut MessageOutput<'a>,
        put: impl FnOnce(&mut MessageOutput<'a>),
    ) -> Result<(), WriteError> {
        if let WriteStage::Length(left) = &mut self.writing {
            *left = left.checked_sub(len).ok_or(WriteError::TooLong(*left))?;
        }
        match self.writing {
            // An empty chunk would end the body.
            _ if len == 0 => {}
            WriteStage::Discarded => {}
            WriteStage::Length(_) | WriteStage::UntilClose => put(out),
            WriteStage::Chunked => {
                out.put(&chunk_head(len));
                put(out);
                out.put(CHUNK_END);
            }
        }
        Ok(())
    }

    /// Whether the message may end here, with these trailers.
    pub(crate) fn may_end(
        &self,
        trailers: &Headers,
        out: &MessageOutput<'_>,
    ) -> Result<(), WriteError> {
        match self.writing {
            WriteStage::Length(left) if left > 0 => Err(WriteError::TooShort(left)),
            WriteStage::Length(_) if !trailers.is_empty() => Err(WriteError::TrailersForbidden),
            WriteStage::Chunked => out.check_open(),
            _ => Ok(()),
        }
    }

    /// Ends the message. Trailers are written after a chunked body only.
    pub(crate) fn end(&mut self, trailers: &Headers, out: &mut MessageOutput<'_>) {
        if self.writing == WriteStage::Chunked {
            out.put(LAST_CHUNK);
            out.put(trailers.lines());
            out.put(b"\r\n");
        }
    }
}

/// Checks that `headers` has no field that only the connection writes.
pub(crate) fn check_fields(headers: &Headers) -> Result<(), WriteError> {
    match headers.first_framing_field() {
        Some(_) => Err(WriteError::FramingField),
        None => Ok(()),
    }
}
