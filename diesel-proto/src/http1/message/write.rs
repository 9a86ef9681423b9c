//! Writes messages behind their heads: data, and the end.

use bytes::Bytes;

use crate::http1::Headers;
use crate::http1::chunked::{CHUNK_END, LAST_CHUNK, chunk_head};
use crate::{Blocks, Pipeline, Tail};

/// How long the body of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLength {
    /// So many bytes.
    Exactly(u64),
    /// Not known yet: it goes out in chunks, or, to a peer of HTTP/1.0, until the connection is
    /// closed.
    Unknown,
}

/// Where commands write to: a queue, and the memory that it borrows.
#[derive(Debug)]
pub struct Output<'a> {
    pipeline: &'a mut Pipeline,
    blocks: &'a mut Blocks,
}

impl<'a> Output<'a> {
    /// Writes to the end of `pipeline`, in memory lent by `blocks`.
    pub fn new(pipeline: &'a mut Pipeline, blocks: &'a mut Blocks) -> Self {
        Output { pipeline, blocks }
    }

    /// Every command asks first: afterwards nothing that is put is lost.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), WriteError> {
        if self.pipeline.is_closing() { Err(WriteError::Closed) } else { Ok(()) }
    }

    /// What `write` appends: about so many bytes.
    #[inline]
    pub(crate) fn put_with(&mut self, expected: usize, write: impl FnOnce(&mut Tail<'_>)) {
        let _ = self.pipeline.push_with(expected, self.blocks, write);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let _ = self.pipeline.push(bytes, self.blocks);
    }
}

/// Why something cannot be written. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The output is closed.
    Closed,
    /// So many bytes are left of the length that was announced.
    TooLong(u64),
    /// So many bytes are missing of the length that was announced.
    TooShort(u64),
    /// Trailers behind a body that is not chunked.
    TrailersForbidden,
    /// A field that says how the message is delimited.
    FramingField,
}

/// What the message that has begun may still hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// So many bytes.
    Length(u64),
    Chunked,
    /// Whatever comes until the connection is closed: for HTTP/1.0.
    UntilClose,
    /// Nothing goes out, whatever the application gives: for HEAD and for 304.
    Discarded,
}

/// Writes the body of one message after the other.
pub(crate) struct MessageWriter {
    writing: Writing,
}

impl MessageWriter {
    pub(crate) const fn new() -> Self {
        MessageWriter { writing: Writing::Discarded }
    }

    /// A head goes out, and this may follow.
    #[inline]
    pub(crate) fn begin(&mut self, writing: Writing) {
        self.writing = writing;
    }

    /// What may still follow.
    #[inline]
    pub(crate) fn writing(&self) -> Writing {
        self.writing
    }

    /// Writes a part of the body. What is empty writes nothing.
    pub(crate) fn data(&mut self, data: &[u8], out: &mut Output<'_>) -> Result<(), WriteError> {
        self.part(data.len() as u64, out, |out| out.put(data))
    }

    /// By reference if it is large.
    pub(crate) fn data_bytes(
        &mut self,
        data: Bytes,
        out: &mut Output<'_>,
    ) -> Result<(), WriteError> {
        self.part(data.len() as u64, out, |out| {
            let _ = out.pipeline.push_bytes(data, out.blocks);
        })
    }

    /// The first `n` bytes that are queued elsewhere, in one chunk. They are taken from there whether
    /// or not they go out.
    pub(crate) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        n: u64,
        out: &mut Output<'_>,
    ) -> Result<(), WriteError> {
        let keep = data.len().saturating_sub(n);
        self.part(n, out, |out| {
            let _ = out.pipeline.append_first(n, data, out.blocks);
        })?;
        data.advance(data.len().saturating_sub(keep), out.blocks);
        Ok(())
    }

    /// `put` writes so many bytes, if they go out at all.
    fn part<'a>(
        &mut self,
        len: u64,
        out: &mut Output<'a>,
        put: impl FnOnce(&mut Output<'a>),
    ) -> Result<(), WriteError> {
        if let Writing::Length(left) = &mut self.writing {
            *left = left.checked_sub(len).ok_or(WriteError::TooLong(*left))?;
        }
        match self.writing {
            // An empty chunk would end the body.
            _ if len == 0 => {}
            Writing::Discarded => {}
            Writing::Length(_) | Writing::UntilClose => put(out),
            Writing::Chunked => {
                out.put(&chunk_head(len));
                put(out);
                out.put(CHUNK_END);
            }
        }
        Ok(())
    }

    /// Whether the message may end here, with these trailers.
    pub(crate) fn may_end(&self, trailers: &Headers, out: &Output<'_>) -> Result<(), WriteError> {
        match self.writing {
            Writing::Length(left) if left > 0 => Err(WriteError::TooShort(left)),
            Writing::Length(_) if !trailers.is_empty() => Err(WriteError::TrailersForbidden),
            Writing::Chunked => out.check_open(),
            _ => Ok(()),
        }
    }

    /// Ends the message: trailers go out behind a chunked body alone.
    pub(crate) fn end(&mut self, trailers: &Headers, out: &mut Output<'_>) {
        if self.writing == Writing::Chunked {
            out.put(LAST_CHUNK);
            out.put(trailers.lines());
            out.put(b"\r\n");
        }
    }
}

/// What the connection writes by itself is not the application's to write.
pub(crate) fn check_fields(headers: &Headers) -> Result<(), WriteError> {
    match headers.first_framing_field() {
        Some(_) => Err(WriteError::FramingField),
        None => Ok(()),
    }
}
