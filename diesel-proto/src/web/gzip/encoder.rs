//! [`GzipEncoder`]: gzip (RFC 1952), piece by piece.
//!
//! It must never know HTTP.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crc32fast::Hasher;
use miniz_oxide::deflate::core::create_comp_flags_from_zip_params;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output};

use crate::http1::ContentEncoder;

/// Encodes content with gzip: for [`Response::encode`](crate::http1::Response::encode), where the
/// middleware [`gzip`](super::gzip) is not what is needed.
///
/// ```
/// use diesel_proto::http1::{ContentEncoder, Response};
/// use diesel_proto::web::GzipEncoder;
///
/// let response = Response::text("hello").header("Content-Encoding", "gzip").encode(GzipEncoder::new());
/// assert_eq!(response.content_length(), Some(Some(31)));
/// ```
pub struct GzipEncoder {
    compressor: Box<CompressorOxide>,
    checksum: Hasher,
    /// Bytes of the content so far, modulo 2^32.
    length: u32,
    has_begun: bool,
}

/// ID1, ID2, CM deflate, no flags, no time, no extra flags, OS unknown (RFC 1952, 2.3.1).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// zlib's default level.
const LEVEL: i32 = 6;

impl GzipEncoder {
    /// An encoder at zlib's default level, 6.
    pub fn new() -> Self {
        // A negative window: deflate without zlib's own header.
        let flags = create_comp_flags_from_zip_params(LEVEL, -15, 0);
        let compressor = Box::new(CompressorOxide::new(flags));
        GzipEncoder { compressor, checksum: Hasher::new(), length: 0, has_begun: false }
    }

    fn deflate(&mut self, piece: &[u8], flush: TDEFLFlush, out: &mut Vec<u8>) {
        if !self.has_begun {
            self.has_begun = true;
            out.extend_from_slice(&HEADER);
        }
        self.checksum.update(piece);
        self.length = self.length.wrapping_add(piece.len() as u32);
        let mut rest = piece;
        loop {
            let (status, taken) = compress_to_output(&mut self.compressor, rest, flush, |bytes| {
                out.extend_from_slice(bytes);
                true
            });
            rest = rest.get(taken..).unwrap_or_default();
            // The output has room, so it takes all of the input at once.
            if rest.is_empty() || status != TDEFLStatus::Okay {
                return;
            }
        }
    }
}

impl ContentEncoder for GzipEncoder {
    fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if !piece.is_empty() {
            self.deflate(piece, TDEFLFlush::Sync, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.deflate(&[], TDEFLFlush::Finish, out);
        let (checksum, length) = (self.checksum.clone().finalize(), self.length);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
    }
}

impl Default for GzipEncoder {
    fn default() -> Self {
        GzipEncoder::new()
    }
}

impl fmt::Debug for GzipEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipEncoder").finish_non_exhaustive()
    }
}
