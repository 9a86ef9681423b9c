//! Reads messages: heads, bodies, trailers.
//!
//! Bytes are read in place. Only a head or a trailer section that arrives in pieces is buffered,
//! within its limits; the buffer of a complete one is released by the next call.

use alloc::boxed::Box;

use crate::buf::{Blocks, Buffer};
use crate::http1::syntax::TrailerReader;
use crate::http1::syntax::{ChunkedDecoder, Decoded};
use crate::http1::syntax::{FieldSpans, FieldsView, Framing, Limits, Rejection, Rule};

/// Reads the start line and the fields of a message.
pub(crate) trait ReadHead: Default {
    /// Continues reading: `bytes` is everything since the first byte of the head. Returns its
    /// length when it is complete; then `spans` holds the result.
    fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<Option<usize>, Rejection>;

    /// Keeps the bytes of the complete head that was just read in `spans`.
    fn keep(spans: &mut FieldSpans, head: &[u8]);
}

/// Reads one message after the other; `H` reads the heads. The offsets of rejections are bytes
/// since the start of the stream.
pub(crate) struct MessageReader<H> {
    reading: ReadStage,
    /// A head or a trailer section that arrives in pieces.
    partial: Option<Box<Partial<H>>>,
    /// How many bytes were taken since the stream began.
    taken: u64,
}

/// What is expected next.
enum ReadStage {
    Head,
    /// This many more bytes of a body.
    Length(u64),
    Chunked(ChunkedDecoder),
    Trailers,
    /// Everything up to the end of the stream, but at most this many bytes.
    UntilClose(u64),
}

/// Bytes that are buffered until a head or a trailer section is complete.
struct Partial<H> {
    held: Buffer,
    reader: ReadState<H>,
    /// It is complete, and is released before anything else is read.
    is_done: bool,
}

enum ReadState<H> {
    Head(H),
    Trailers(TrailerReader),
}

/// A part of a body.
pub(crate) enum BodyPart<'a> {
    Data(&'a [u8]),
    /// The end. If there may be trailers, the bytes that begin with them, for
    /// [`trailers`](MessageReader::trailers).
    End(Option<&'a [u8]>),
}

impl<H: ReadHead> MessageReader<H> {
    pub(crate) fn new() -> Self {
        MessageReader { reading: ReadStage::Head, partial: None, taken: 0 }
    }

    /// How many bytes were taken since the stream began.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The caller took `n` bytes by itself.
    pub(crate) fn advance(&mut self, n: u64) {
        self.taken += n;
    }

    /// Continues at this position, between messages.
    pub(crate) fn resume_at(&mut self, taken: u64) {
        self.taken = taken;
    }

    /// Whether a head or a trailer section has begun and is incomplete.
    pub(crate) fn has_partial(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| !partial.is_done)
    }

    /// Whether nothing is buffered.
    pub(crate) fn is_empty(&self) -> bool {
        self.partial.is_none()
    }

    /// The number of buffered bytes.
    pub(crate) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.held.len())
    }

    /// The number of bytes still to come of a body of known length.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.reading {
            ReadStage::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Stops reading, and releases the buffer.
    pub(crate) fn stop(&mut self) {
        self.partial = None;
    }

    /// Releases the buffer of a part that is complete.
    pub(crate) fn let_go(&mut self, blocks: &mut Blocks) {
        if let Some(mut partial) = self.partial.take_if(|partial| partial.is_done) {
            partial.held.clear(blocks);
        }
    }

    /// Reads a head, and keeps it in `spans`. If it is complete, returns how many bytes of `rest`
    /// belong to it. If not, all of `rest` is buffered, and `so_far` is called with what was read;
    /// it is called for an invalid head, too.
    #[inline(always)]
    pub(crate) fn head(
        &mut self,
        rest: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
        so_far: impl FnOnce(&H, &[u8]),
    ) -> Result<Option<usize>, Rejection> {
        let held = self.held();
        let mut fresh = H::default();
        let (bytes, reader) = match &mut self.partial {
            None => (rest, &mut fresh),
            Some(partial) => {
                let most = limits.request_line.saturating_add(limits.header_bytes);
                partial.held.push(within(rest, most, held), blocks);
                match &mut partial.reader {
                    ReadState::Head(reader) => (partial.held.peek(blocks), reader),
                    ReadState::Trailers(_) => return Ok(None),
                }
            }
        };
        let found = reader.read(bytes, limits, spans);
        if let Ok(Some(len)) = found {
            H::keep(spans, bytes.get(..len).unwrap_or_default());
            let taken = len - held;
            self.taken += taken as u64;
            return Ok(Some(taken));
        }
        so_far(reader, bytes);
        found.map_err(|rejection| rejection.moved(self.taken - held as u64))?;
        if self.partial.is_none() {
            self.hold(rest, ReadState::Head(fresh), blocks);
        }
        self.taken += rest.len() as u64;
        Ok(None)
    }

    /// Call when a head is complete: its body is delimited by `framing`. Returns whether there is
    /// one.
    pub(crate) fn begin_body(&mut self, framing: Framing, limits: &Limits) -> bool {
        // Bytes after the head are not taken: the caller offers them again.
        self.finish_partial();
        self.reading = match framing {
            Framing::Empty | Framing::Length(0) => ReadStage::Head,
            Framing::Length(length) => ReadStage::Length(length),
            Framing::Chunked => ReadStage::Chunked(ChunkedDecoder::new(limits)),
        };
        !matches!(self.reading, ReadStage::Head)
    }

    /// Call when a head is complete: its body ends with the stream.
    pub(crate) fn begin_until_close(&mut self, limits: &Limits) {
        self.finish_partial();
        self.reading = ReadStage::UntilClose(limits.body);
    }

    /// The stream has ended. Returns whether that ends the body.
    pub(crate) fn ends_with_stream(&self) -> bool {
        matches!(self.reading, ReadStage::UntilClose(_))
    }

    /// Reads a part of the body: returns the number of bytes taken, and the part, if there is one.
    #[inline(always)]
    pub(crate) fn body<'a>(
        &mut self,
        rest: &'a [u8],
        limits: &Limits,
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<BodyPart<'a>>), Rejection> {
        match &mut self.reading {
            ReadStage::Head => Ok((0, None)),
            ReadStage::Length(0) => {
                self.reading = ReadStage::Head;
                Ok((0, Some(BodyPart::End(None))))
            }
            ReadStage::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= n as u64;
                self.taken += n as u64;
                Ok((n, rest.get(..n).filter(|data| !data.is_empty()).map(BodyPart::Data)))
            }
            ReadStage::UntilClose(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                if n == 0 && !rest.is_empty() {
                    return Err(Rejection::new(Rule::BodyTooLarge, self.taken));
                }
                *left -= n as u64;
                self.taken += n as u64;
                Ok((n, rest.get(..n).filter(|data| !data.is_empty()).map(BodyPart::Data)))
            }
            ReadStage::Chunked(decoder) => {
                let start = self.taken - decoder.taken();
                let decoded = decoder.decode(rest).map_err(|rejection| rejection.moved(start));
                let (n, decoded) = decoded?;
                self.taken += n as u64;
                match decoded {
                    Decoded::Data(data) => Ok((n, Some(BodyPart::Data(data)))),
                    Decoded::Incomplete => Ok((n, None)),
                    Decoded::End => {
                        self.reading = ReadStage::Trailers;
                        let rest = rest.get(n..).unwrap_or_default();
                        let (more, end) = self.end(rest, limits, spans, blocks)?;
                        Ok((n + more, end))
                    }
                }
            }
            ReadStage::Trailers => self.end(rest, limits, spans, blocks),
        }
    }

    /// The trailers of a body that has just ended: see [`BodyPart::End`].
    pub(crate) fn trailers<'a>(
        &'a self,
        section: Option<&'a [u8]>,
        spans: &'a FieldSpans,
    ) -> FieldsView<'a> {
        let held = self.partial.as_ref().map(|partial| partial.held.front());
        section.map(|section| spans.view(held.unwrap_or(section))).unwrap_or_default()
    }

    /// Reads the trailer section, after which the body ends.
    fn end<'a>(
        &mut self,
        rest: &'a [u8],
        limits: &Limits,
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<BodyPart<'a>>), Rejection> {
        if rest.is_empty() {
            return Ok((0, None));
        }
        let held = self.held();
        let mut fresh = TrailerReader::default();
        let (bytes, reader) = match &mut self.partial {
            None => (rest, &mut fresh),
            Some(partial) => {
                partial.held.push(within(rest, limits.trailer_bytes, held), blocks);
                match &mut partial.reader {
                    ReadState::Trailers(reader) => (partial.held.peek(blocks), reader),
                    ReadState::Head(_) => return Ok((0, None)),
                }
            }
        };
        let found = reader.find_end(bytes, limits, spans);
        let Some(len) = found.map_err(|rejection| rejection.moved(self.taken - held as u64))?
        else {
            if self.partial.is_none() {
                self.hold(rest, ReadState::Trailers(fresh), blocks);
            }
            self.taken += rest.len() as u64;
            return Ok((rest.len(), None));
        };
        self.finish_partial();
        self.reading = ReadStage::Head;
        let taken = len - held;
        self.taken += taken as u64;
        Ok((taken, Some(BodyPart::End(Some(rest)))))
    }

    fn finish_partial(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.is_done = true;
        }
    }

    fn hold(&mut self, bytes: &[u8], reader: ReadState<H>, blocks: &mut Blocks) {
        let mut held = Buffer::new();
        held.push(bytes, blocks);
        self.partial = Some(Box::new(Partial { held, reader, is_done: false }));
    }
}

/// The part of `rest` that may be buffered in addition to the `held` bytes: a part of a message
/// that needs more than `most` bytes is refused for its length, or for a violation within `most`
/// bytes.
fn within(rest: &[u8], most: usize, held: usize) -> &[u8] {
    rest.get(..most.saturating_sub(held)).unwrap_or(rest)
}
