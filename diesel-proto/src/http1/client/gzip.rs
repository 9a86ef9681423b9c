//! gzip as a Content-Encoding (RFC 9110, 8.4.1.3; RFC 1952): what asks for it, and [`Gunzip`], which
//! decodes a body as it arrives.
//!
//! ```text
//!   ┌─▶ header ──▶ deflate ──▶ trailer ─┐       each byte is read once
//!   └───────── next member ◀────────────┤
//!                                       └─▶ end of the body
//! ```
//!
//! Rules of this file:
//!
//! - `inflated <= limit`: a body that would be longer fails as soon as that is known.
//! - What comes before an error, or fits the limit, is decoded first: the same bytes, however the body
//!   is cut.
//! - A body is whole only if every member has its checksum and length, and nothing else is behind the
//!   last one.
//! - A fiber that reads a body calls the decoder at most [`CALLS`] times before others get their
//!   turn, each time with at most [`INPUT`] bytes: a small piece of input may decode to megabytes, for
//!   which it never has to wait, and a large one to nothing. A call that decodes to less than half of
//!   its input ends the turn: such blocks and members take the most time for a byte.
//! - `idle <= MOST_IDLE`: input that decodes to nothing is not read for ever.
//! - What decodes needs no more memory than an [`Inflater`] and one piece.
//!
//! It must never know connections.

use alloc::boxed::Box;
use core::fmt;
use core::task::{Context, Poll};

use crc32fast::Hasher;

use super::error::{ClientError, FailedAt};
use crate::buf::Chunk;
use crate::http1::syntax::{Field, FieldsView, Headers};

mod header;
mod inflate;
#[cfg(test)]
mod tests;

use header::MemberHeader;
use inflate::Inflater;

/// The most calls of the decoder in one turn. The end of a member counts as one.
const CALLS: u32 = 4;

/// The most bytes that the decoder gets in one call.
const INPUT: usize = 2 << 10;

/// The most bytes in a row that decode to nothing, the headers of members apart, which have limits.
const MOST_IDLE: usize = 64 << 10;

/// What a member has besides its data, at least (RFC 1952, 2.3).
const MEMBER: usize = 18;

/// Why a body with `Content-Encoding: gzip` cannot be decoded: the error within
/// [`ClientError::Content`].
///
/// ```
/// use diesel_proto::http1::{ClientError, GzipError};
///
/// fn is_cut_off(error: &ClientError) -> bool {
///     match error {
///         ClientError::Content(_, error) => {
///             error.downcast_ref::<GzipError>() == Some(&GzipError::Truncated)
///         }
///         _ => false,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GzipError {
    /// It does not begin with the bytes 1f 8b (RFC 1952, 2.3.1).
    Magic,
    /// A compression method other than deflate, or reserved flags (RFC 1952, 2.3.1.2).
    Method,
    /// The header of a member is longer than 65,536 bytes, or the one in it that is a checksum is
    /// wrong.
    Header,
    /// The compressed data are not valid (RFC 1951).
    Deflate,
    /// The checksum of the data is another one (RFC 1952, 2.3.1).
    Checksum,
    /// The length of the data is another one (RFC 1952, 2.3.1).
    Length,
    /// More than 65,536 bytes in a row decode to nothing: empty blocks or empty members.
    Idle,
    /// The body ends within a member.
    Truncated,
    /// Something that is no member is behind the last one (RFC 1952, 2.2).
    Trailing,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GzipError::Magic => "gzip: does not begin with 1f 8b (RFC 1952, 2.3.1)",
            GzipError::Method => "gzip: unknown method or flags (RFC 1952, 2.3.1.2)",
            GzipError::Header => "gzip: header too long, or its checksum is wrong",
            GzipError::Deflate => "gzip: invalid compressed data (RFC 1951)",
            GzipError::Checksum => "gzip: wrong checksum (RFC 1952, 2.3.1)",
            GzipError::Length => "gzip: wrong length (RFC 1952, 2.3.1)",
            GzipError::Idle => "gzip: more than 65536 bytes in a row decode to nothing",
            GzipError::Truncated => "gzip: the body ends within a member",
            GzipError::Trailing => "gzip: bytes behind the last member (RFC 1952, 2.2)",
        })
    }
}

impl core::error::Error for GzipError {}

/// Asks for gzip, unless the request says itself which codings it takes, or which part of the
/// representation. Returns whether it asks.
pub(super) fn ask(headers: &mut Headers) -> bool {
    if headers.get("accept-encoding").is_some() || headers.get("range").is_some() {
        return false;
    }
    match Field::new("Accept-Encoding", b"gzip") {
        Ok(field) => headers.push(field),
        Err(_) => return false,
    }
    true
}

/// Whether gzip is the only coding of a body.
pub(super) fn is_gzip(fields: FieldsView<'_>) -> bool {
    let mut values = fields.get_all("content-encoding");
    let is_gzip = values.next().is_some_and(|value| {
        value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip")
    });
    is_gzip && values.next().is_none()
}

/// Decodes a body.
pub(super) struct Gunzip {
    stage: Stage,
    inflater: Inflater,
    /// Of the current member.
    checksum: Hasher,
    /// Of the current member, modulo 2^32.
    length: u32,
    input: Chunk,
    /// How many bytes of `input` are read: `taken <= input.len()`.
    taken: usize,
    /// Of all members.
    inflated: u64,
    limit: u64,
    /// How many bytes were read since the last output.
    idle: usize,
    /// How many more calls of the decoder there may be in this turn.
    turn: u32,
}

/// What [`Gunzip::next`] did.
pub(super) enum GunzipStep {
    /// A piece, of at least one byte.
    Piece(Chunk),
    /// All input is read.
    NeedsInput,
    /// The turn is over.
    Yield,
}

enum Stage {
    /// Before the first byte.
    Start,
    Header(MemberHeader),
    /// The flag: whether there may be more output without more input.
    Deflate(bool),
    /// The trailer, and how many of its bytes have arrived.
    Trailer([u8; 8], usize),
    /// Behind a member.
    Between,
    /// At the limit, and there is more.
    TooLong,
}

/// Why no more is decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GunzipFailure {
    Invalid(GzipError),
    TooLong(u64),
}

impl GunzipFailure {
    pub(super) fn into_client_error(self, at: Box<FailedAt>) -> ClientError {
        match self {
            GunzipFailure::Invalid(error) => ClientError::Content(at, Box::new(error)),
            GunzipFailure::TooLong(limit) => ClientError::InflatedTooLong(at, limit),
        }
    }
}

impl From<GzipError> for GunzipFailure {
    fn from(error: GzipError) -> Self {
        GunzipFailure::Invalid(error)
    }
}

impl Gunzip {
    pub(super) fn new(limit: u64) -> Self {
        Gunzip {
            stage: Stage::Start,
            inflater: Inflater::new(),
            checksum: Hasher::new(),
            length: 0,
            input: Chunk::new(),
            taken: 0,
            inflated: 0,
            limit,
            idle: 0,
            turn: CALLS,
        }
    }

    /// Call before [`next`](Self::next): gives other fibers their turn now and then.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn > 0 {
            return Poll::Ready(());
        }
        self.turn = CALLS;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives it the next bytes, once [`next`](Self::next) needs some.
    pub(super) fn feed(&mut self, input: Chunk) {
        (self.input, self.taken) = (input, 0);
    }

    /// Decodes until there is a piece, or the turn is over. After an error it must not be used.
    pub(super) fn next(&mut self) -> Result<GunzipStep, GunzipFailure> {
        loop {
            if self.turn == 0 {
                return Ok(GunzipStep::Yield);
            }
            if let Stage::Deflate(true) = self.stage {
                match self.inflate()? {
                    Some(piece) => return Ok(GunzipStep::Piece(piece)),
                    None => continue,
                }
            }
            if let Stage::TooLong = self.stage {
                return Err(GunzipFailure::TooLong(self.limit));
            }
            let Some(&byte) = self.input.get(self.taken) else {
                (self.input, self.taken) = (Chunk::new(), 0);
                return Ok(GunzipStep::NeedsInput);
            };
            match &mut self.stage {
                Stage::Start => self.stage = Stage::Header(MemberHeader::default()),
                Stage::Between if byte == MemberHeader::MAGIC[0] => {
                    self.stage = Stage::Header(MemberHeader::following());
                }
                Stage::Between => return Err(GzipError::Trailing.into()),
                Stage::Header(header) => {
                    self.taken += 1;
                    if header.push(byte)? {
                        self.begin_member();
                    }
                }
                Stage::Deflate(more) => *more = true,
                // Handled above.
                Stage::TooLong => {}
                Stage::Trailer(trailer, len) => {
                    self.taken += 1;
                    if let Some(place) = trailer.get_mut(*len) {
                        *place = byte;
                    }
                    *len += 1;
                    if *len == trailer.len() {
                        self.end_member()?;
                    }
                }
            }
        }
    }

    /// At the end of the body: whether that is the end of a member.
    pub(super) fn finish(&self) -> Result<(), GunzipFailure> {
        match self.stage {
            Stage::Start | Stage::Between => Ok(()),
            _ => Err(GzipError::Truncated.into()),
        }
    }

    fn begin_member(&mut self) {
        self.inflater.reset();
        (self.checksum, self.length) = (Hasher::new(), 0);
        self.stage = Stage::Deflate(false);
    }

    /// Inflates some of what has arrived, to one piece at most.
    fn inflate(&mut self) -> Result<Option<Chunk>, GunzipFailure> {
        let input = self.input.get(self.taken..).unwrap_or_default();
        let input = input.get(..INPUT).unwrap_or(input);
        let inflated = self.inflater.inflate(input)?;
        self.taken += inflated.taken;
        self.stage = match inflated.is_last {
            true => Stage::Trailer([0; 8], 0),
            false => Stage::Deflate(inflated.has_more),
        };
        let data = inflated.data;
        self.turn = match data.len() < inflated.taken / 2 {
            true => 0,
            false => self.turn.saturating_sub(1),
        };
        if data.is_empty() {
            self.idle += inflated.taken;
            return match self.idle > MOST_IDLE {
                true => Err(GzipError::Idle.into()),
                false => Ok(None),
            };
        }
        self.idle = 0;
        let room = self.limit - self.inflated;
        if data.len() as u64 > room {
            // `room` is less than a length.
            let fitting = data.get(..room as usize).unwrap_or_default();
            (self.stage, self.inflated) = (Stage::TooLong, self.limit);
            return Ok((!fitting.is_empty()).then(|| Chunk::from(fitting.to_vec())));
        }
        self.inflated += data.len() as u64;
        self.checksum.update(data);
        self.length = self.length.wrapping_add(data.len() as u32);
        Ok(Some(Chunk::from(data.to_vec())))
    }

    fn end_member(&mut self) -> Result<(), GzipError> {
        let Stage::Trailer([a, b, c, d, e, f, g, h], _) = self.stage else { return Ok(()) };
        if u32::from_le_bytes([a, b, c, d]) != self.checksum.clone().finalize() {
            return Err(GzipError::Checksum);
        }
        if u32::from_le_bytes([e, f, g, h]) != self.length {
            return Err(GzipError::Length);
        }
        self.stage = Stage::Between;
        self.turn = self.turn.saturating_sub(1);
        self.idle += MEMBER;
        Ok(())
    }
}
