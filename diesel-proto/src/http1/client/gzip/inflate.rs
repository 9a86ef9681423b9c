//! [`Inflater`]: the compressed data of a member (RFC 1951), with the last 32 KiB that they decode to.
//!
//! ```text
//!   window  |------ first pass ------|      a distance must not go back beyond its begin
//!           |== new ==|-- former ----|      later passes: all of it was written
//! ```
//!
//! It must never know what comes before and after the data.

use alloc::boxed::Box;
use alloc::vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress_with_limit};

use super::GzipError;

/// The farthest that a distance goes back (RFC 1951, 3.2.5).
const WINDOW: usize = 32 << 10;

/// The most decoded bytes of one piece.
pub(super) const PIECE: usize = 16 << 10;

pub(super) struct Inflater {
    decoder: Box<DecompressorOxide>,
    window: Box<[u8]>,
    /// Where the next byte goes: `at < WINDOW`.
    at: usize,
    /// Whether all of the window was written, by this member.
    is_full: bool,
    /// Whether what follows the last data is not valid.
    has_failed: bool,
}

/// What a call decoded.
pub(super) struct Inflated<'a> {
    /// At most [`PIECE`] bytes.
    pub(super) data: &'a [u8],
    /// How many bytes of the input were read.
    pub(super) taken: usize,
    /// Whether there may be more without more input.
    pub(super) has_more: bool,
    /// Whether these are the last data of the member.
    pub(super) is_last: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        let window = vec![0; WINDOW].into_boxed_slice();
        Inflater { decoder: Box::default(), window, at: 0, is_full: false, has_failed: false }
    }

    /// Begins the data of another member.
    pub(super) fn reset(&mut self) {
        self.decoder.init();
        (self.at, self.is_full, self.has_failed) = (0, false, false);
    }

    /// Decodes what has arrived, to one piece at most. What comes before an error is decoded first,
    /// however the input is cut.
    pub(super) fn inflate(&mut self, input: &[u8]) -> Result<Inflated<'_>, GzipError> {
        if self.has_failed {
            return Err(GzipError::Deflate);
        }
        let mut flags = TINFL_FLAG_HAS_MORE_INPUT;
        if !self.is_full {
            // With this flag, the decoder checks distances.
            flags |= TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        }
        let (decoder, window, start) = (&mut *self.decoder, &mut *self.window, self.at);
        let (status, taken, written) =
            decompress_with_limit(decoder, input, window, start, PIECE, flags);
        let (is_last, has_more) = match status {
            TINFLStatus::Done => (true, false),
            TINFLStatus::HasMoreOutput => (false, true),
            TINFLStatus::NeedsMoreInput => (false, false),
            _ if written == 0 => return Err(GzipError::Deflate),
            _ => {
                self.has_failed = true;
                (false, true)
            }
        };
        self.at += written;
        if self.at >= WINDOW {
            (self.at, self.is_full) = (0, true);
        }
        let data = self.window.get(start..start + written).unwrap_or_default();
        Ok(Inflated { data, taken, has_more, is_last })
    }
}
