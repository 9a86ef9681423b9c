//! Reads messages: heads, bodies, trailers.
//!
//! Bytes are read where they lie. Only a head, or a trailer section, that comes in pieces is held,
//! within its limits; what is held of one that is complete is let go with the next call.

use alloc::boxed::Box;

use crate::buf::{Blocks, Buffer};
use crate::http1::syntax::TrailerReader;
use crate::http1::syntax::{ChunkedDecoder, Decoded};
use crate::http1::syntax::{FieldSpans, FieldsView, Framing, Limits, Rejection};

/// Reads the first line and the fields of a message.
pub(crate) trait ReadHead: Default {
    /// Goes on reading: `bytes` are all since the head's first one. Returns its length when it is
    /// complete; what was found is in `spans` then.
    fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<Option<usize>, Rejection>;
}

/// Reads one message after the other, with heads that `H` reads. Rejections are placed in bytes since
/// the stream began.
pub(crate) struct MessageReader<H> {
    reading: ReadStage,
    /// A head, or a trailer section, that came in pieces.
    partial: Option<Box<Partial<H>>>,
    /// How many bytes were taken since the stream began.
    taken: u64,
}

/// What comes next.
enum ReadStage {
    Head,
    /// So many bytes of a body.
    Length(u64),
    Chunked(ChunkedDecoder),
    Trailers,
}

/// Bytes that are held until a head, or a trailer section, is whole.
struct Partial<H> {
    held: Buffer,
    reader: ReadState<H>,
    /// It was whole: it is let go before anything else is read.
    is_done: bool,
}

enum ReadState<H> {
    Head(H),
    Trailers(TrailerReader),
}

/// A part of a body.
pub(crate) enum BodyPart<'a> {
    Data(&'a [u8]),
    /// The end. What begins with the trailers, if there may be any: for
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

    /// So many bytes were taken that this one did not read.
    pub(crate) fn advance(&mut self, n: u64) {
        self.taken += n;
    }

    /// Goes on at this position, between messages.
    pub(crate) fn resume_at(&mut self, taken: u64) {
        self.taken = taken;
    }

    /// Whether a head, or a trailer section, has begun and is not complete.
    pub(crate) fn has_partial(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| !partial.is_done)
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.partial.is_none()
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.held.len())
    }

    /// How much of a body of known length is still to come.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.reading {
            ReadStage::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Nothing more is read.
    pub(crate) fn stop(&mut self) {
        self.partial = None;
    }

    /// Gives back what was held of a part that is complete.
    pub(crate) fn let_go(&mut self, blocks: &mut Blocks) {
        if let Some(mut partial) = self.partial.take_if(|partial| partial.is_done) {
            partial.held.clear(blocks);
        }
    }

    /// Reads a head, and keeps it in `spans`: returns how many bytes of `rest` are of it, if it is
    /// complete. If not, all are held, and `so_far` is told what was read; so it is of one that is
    /// wrong.
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
            spans.keep(bytes.get(..len).unwrap_or_default());
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

    /// A head is complete: its body is delimited like this. Returns whether there is one.
    pub(crate) fn begin_body(&mut self, framing: Framing, limits: &Limits) -> bool {
        // What came behind the head is not taken: it will be offered again.
        self.finish_partial();
        self.reading = match framing {
            Framing::Empty | Framing::Length(0) => ReadStage::Head,
            Framing::Length(length) => ReadStage::Length(length),
            Framing::Chunked => ReadStage::Chunked(ChunkedDecoder::new(limits)),
        };
        !matches!(self.reading, ReadStage::Head)
    }

    /// Reads a part of the body: returns how many bytes it took, and the part, if there is one.
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

    /// Reads the trailers, behind which the body ends.
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

/// What may be held of `rest` besides what is held: a part that needs more than `most` bytes is
/// refused for that, or for what is wrong in these.
fn within(rest: &[u8], most: usize, held: usize) -> &[u8] {
    rest.get(..most.saturating_sub(held)).unwrap_or(rest)
}
