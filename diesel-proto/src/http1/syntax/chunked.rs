//! The chunked transfer coding (RFC 9112, 7.1): a decoder for chunked bodies, and the chunk heads
//! of chunks to send.
//!
//! ```text
//!   5;a=b\r\n  hello  \r\n  6\r\n   world  \r\n  0\r\n  Digest: x\r\n\r\n
//!   |-------|  |---|  |------------|  |---|  |---------|  |---------------|
//!    framing   Data      framing      Data    framing, End     trailers
//! ```
//!
//! The decoder stops before the trailer section. Its lines must be complete to be read, so the
//! caller buffers them: see [`TrailerReader`](crate::http1::TrailerReader).
//!
//! Rules of this file:
//!
//! - Data is returned in place. Framing is read byte by byte and remembered as a state, never
//!   buffered: so no byte is read twice, and the result does not depend on how the bytes were
//!   split.
//! - `ChunkState` and `step` are the whole grammar. `fast_path` reads a plain size
//!   line at once, with the same result as the steps. Lines that are invalid or incomplete are left
//!   to the steps.
//! - Everything but data is bounded: digits by [`MAX_DIGITS`], extensions by their limit, which
//!   applies to the whole body.
//!
//! It must never know what the data is, nor what holds the bytes.

#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Deref;

use super::limits::Limits;
use super::rule::{Rejection, Rule};
use super::token::{is_blank, is_field_byte, is_tchar};

/// Maximum number of digits of a chunk size, including leading zeros. The grammar sets no bound
/// (RFC 9112, 7.1: `1*HEXDIG`), so zeros could go on forever; 64 bits need 16 digits.
const MAX_DIGITS: u8 = 32;

/// The fast path leaves a size line to the steps if its digits do not end within this many bytes.
/// So few digits cannot overflow.
const FAST_PATH_BYTES: usize = 9;

/// Decodes one chunked body, however its bytes are split. It copies nothing, allocates nothing,
/// buffers no byte, and is 48 bytes.
///
/// ```
/// use diesel_proto::http1::{ChunkedDecoder, Decoded, Limits};
///
/// let mut decoder = ChunkedDecoder::new(&Limits::default());
/// let mut body = Vec::new();
/// for mut bytes in ["4\r\nWi", "ki\r\n5;a=b\r\npedia\r\n0\r", "\n\r\n"].map(str::as_bytes) {
///     loop {
///         let (taken, decoded) = decoder.decode(bytes)?;
///         bytes = &bytes[taken..];
///         match decoded {
///             Decoded::Data(data) => body.extend_from_slice(data),
///             Decoded::Incomplete | Decoded::End => break,
///         }
///     }
/// }
/// assert_eq!(body, b"Wikipedia");
/// // The decoder leaves the trailer section, here just an empty line, to the caller.
/// assert!(decoder.is_ended());
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    /// Total number of bytes taken.
    taken: u64,
    /// For the current chunk: its size while that is being read, then the data still to come. After
    /// a rejection, its offset.
    left: u64,
    /// Total size of all chunks whose size was read. `declared <= body_limit`, unless the limit was
    /// lowered since.
    declared: u64,
    body_limit: u64,
    /// How many bytes of chunk extensions may still come.
    extensions_left: usize,
    /// Number of digits of the size that is being read.
    digits: u8,
    state: ChunkState,
}

/// The result of decoding. The number of bytes taken is returned beside it.
///
/// Example: see [`ChunkedDecoder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A part of the body, at least one byte: the last of the bytes that were taken. More may
    /// follow in the same bytes.
    Data(&'a [u8]),
    /// All bytes were taken, and the body has not ended yet.
    Incomplete,
    /// The last chunk was taken. The trailer section follows.
    End,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// A digit of a size, or, after the first digit, what follows the size.
    Size,
    /// A semicolon, or more of the blanks before it.
    Semicolon,
    /// The name of an extension, or more of the blanks before it.
    NameStart,
    Name,
    /// An equals sign or a semicolon, or more of the blanks before it.
    NameEnd,
    /// The value of an extension, or more of the blanks before it.
    ValueStart,
    Token,
    Quoted,
    /// The byte after a backslash.
    Escaped,
    QuotedEnd,
    /// The LF of a size line.
    LineLf,
    /// An LF that would end the line inside an extension.
    EarlyLf,
    Data,
    /// The CR LF after the data of a chunk.
    DataCr,
    DataLf,
    End,
    Refused(Rule),
}

impl ChunkedDecoder {
    /// A decoder for one body, with the limits [`Limits::body`] and [`Limits::chunk_extensions`].
    pub const fn new(limits: &Limits) -> Self {
        ChunkedDecoder {
            taken: 0,
            left: 0,
            declared: 0,
            body_limit: limits.body,
            extensions_left: limits.chunk_extensions,
            digits: 0,
            state: ChunkState::Size,
        }
    }

    /// Takes bytes from the front of `bytes`: returns how many, and the result. The next call must
    /// begin with the bytes that were not taken.
    ///
    /// All bytes are taken, unless data or the end was found: so the caller need not buffer any.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, with its offset from the first byte of the body; further
    /// calls return the same. Data before that offset was returned by earlier calls.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Decoded<'a>), Rejection> {
        let mut framing = self.fast_path(bytes);
        if self.state != ChunkState::Data {
            framing += self.steps(bytes.get(framing..).unwrap_or_default());
        }
        match self.state {
            ChunkState::Data => {
                let rest = bytes.get(framing..).unwrap_or_default();
                let len =
                    usize::try_from(self.left).map_or(rest.len(), |left| rest.len().min(left));
                let data = rest.get(..len).unwrap_or_default();
                if data.is_empty() {
                    return Ok((framing, Decoded::Incomplete));
                }
                self.taken += len as u64;
                self.left -= len as u64;
                if self.left == 0 {
                    self.state = ChunkState::DataCr;
                }
                Ok((framing + len, Decoded::Data(data)))
            }
            ChunkState::End => Ok((framing, Decoded::End)),
            ChunkState::Refused(rule) => Err(Rejection::new(rule, self.left)),
            _ => Ok((framing, Decoded::Incomplete)),
        }
    }

    /// Replaces [`Limits::body`] by another limit. It applies to chunks whose size line has not
    /// come yet, together with those that came before.
    pub fn set_body_limit(&mut self, limit: u64) {
        self.body_limit = limit;
    }

    /// Total number of bytes taken: the offset of the next byte from the first byte of the body.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the last chunk was taken.
    pub fn is_ended(&self) -> bool {
        self.state == ChunkState::End
    }

    /// The fast path: takes the end of a chunk and a size line, if they are complete and consist of
    /// digits and line ends only. Otherwise takes nothing.
    #[inline]
    fn fast_path(&mut self, bytes: &[u8]) -> usize {
        let (line, before) = match (self.state, bytes) {
            (ChunkState::DataCr, [b'\r', b'\n', line @ ..]) => (line, 2),
            (ChunkState::Size, line) if self.digits == 0 => (line, 0),
            _ => return 0,
        };
        let mut size = 0;
        for (digits, &byte) in line.iter().enumerate().take(FAST_PATH_BYTES) {
            if let Some(digit) = hex(byte) {
                size = size << 4 | digit;
                continue;
            }
            let is_line = digits > 0 && matches!(line.get(digits..), Some([b'\r', b'\n', ..]));
            if !is_line || size > self.body_limit.saturating_sub(self.declared) {
                return 0;
            }
            let len = before + digits + 2;
            self.taken += len as u64;
            self.state = self.begin(size);
            return len;
        }
        0
    }

    /// Steps through framing. Returns the number of bytes: all of them, or those before data, the
    /// end, or a violation.
    #[cold]
    fn steps(&mut self, bytes: &[u8]) -> usize {
        for (taken, &byte) in bytes.iter().enumerate() {
            if let ChunkState::Data | ChunkState::End | ChunkState::Refused(_) = self.state {
                return taken;
            }
            match self.step(byte) {
                Ok(next) => {
                    self.state = next;
                    self.taken += 1;
                }
                Err((rule, back)) => {
                    self.state = ChunkState::Refused(rule);
                    self.left = self.taken - u64::from(back);
                }
            }
        }
        bytes.len()
    }

    /// The state after one more byte of framing; or the rule that it breaks, and how many bytes
    /// earlier.
    ///
    /// ```text
    /// chunk-size = 1*HEXDIG
    /// chunk-ext  = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
    /// ```
    fn step(&mut self, byte: u8) -> Result<ChunkState, (Rule, u8)> {
        use ChunkState::*;
        match (self.state, hex(byte)) {
            (Size, Some(digit)) => {
                return self.digit(digit).map(|()| Size).map_err(|rule| (rule, 0));
            }
            // The size is complete. If it is too large, it was so from its first digit on, whatever
            // follows.
            (Size, None) if self.left > self.body_limit.saturating_sub(self.declared) => {
                return Err((Rule::BodyTooLarge, self.digits));
            }
            _ => {}
        }
        if self.is_extension(byte) {
            self.extensions_left =
                self.extensions_left.checked_sub(1).ok_or((Rule::ChunkExtensionsTooLarge, 0))?;
        }
        Ok(match (self.state, byte) {
            (Size, _) if self.digits == 0 => return Err((Rule::ChunkSizeSyntax, 0)),
            (Size | Name | Token | QuotedEnd, b'\r') => LineLf,
            (Size | Semicolon | Name | NameEnd | Token | QuotedEnd, b';') => NameStart,
            (Size | Semicolon | Token | QuotedEnd, b' ' | b'\t') => Semicolon,
            (Name | NameEnd, b' ' | b'\t') => NameEnd,
            (Name | NameEnd, b'=') => ValueStart,
            (NameStart, b' ' | b'\t') => NameStart,
            (ValueStart, b' ' | b'\t') => ValueStart,
            (ValueStart, b'"') => Quoted,
            (NameStart | Name, _) if is_tchar(byte) => Name,
            (ValueStart | Token, _) if is_tchar(byte) => Token,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if is_field_byte(byte) => Quoted,

            (LineLf, b'\n') => self.begin(self.left),
            (EarlyLf, b'\n') => return Err((Rule::ChunkExtensionSyntax, 1)),
            (LineLf | EarlyLf, _) => return Err((Rule::BareCr, 1)),

            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (DataCr | DataLf, _) => return Err((Rule::ChunkDataEnd, 0)),

            // `steps` calls this for framing only.
            (Data | End | Refused(_), _) => self.state,

            // Bytes that are not allowed in a size line.
            (_, b'\n') => return Err((Rule::ChunkLineEnd, 0)),
            (Size, _) => return Err((Rule::ChunkSizeSyntax, 0)),
            (_, b'\r') => EarlyLf,
            _ => return Err((Rule::ChunkExtensionSyntax, 0)),
        })
    }

    /// Takes one more digit of a size.
    fn digit(&mut self, digit: u64) -> Result<(), Rule> {
        if self.left >> 60 != 0 || self.digits == MAX_DIGITS {
            return Err(Rule::ChunkSizeOverflow);
        }
        self.left = self.left << 4 | digit;
        self.digits += 1;
        Ok(())
    }

    /// Whether this byte counts as part of the extensions, whether or not it is allowed there.
    fn is_extension(&self, byte: u8) -> bool {
        use ChunkState::*;
        match self.state {
            Size => self.digits > 0 && (byte == b';' || is_blank(byte)),
            Semicolon | NameStart | Name | NameEnd | ValueStart | Token | Quoted | Escaped
            | QuotedEnd => !matches!(byte, b'\r' | b'\n'),
            LineLf | EarlyLf | Data | DataCr | DataLf | End | Refused(_) => false,
        }
    }

    /// The state after a size line. `size <= body_limit - declared`, or `size == 0`.
    fn begin(&mut self, size: u64) -> ChunkState {
        self.left = size;
        self.declared += size;
        self.digits = 0;
        if size == 0 { ChunkState::End } else { ChunkState::Data }
    }
}

fn hex(byte: u8) -> Option<u64> {
    match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'a'..=b'f' => Some(u64::from(byte - b'a') + 10),
        b'A'..=b'F' => Some(u64::from(byte - b'A') + 10),
        _ => None,
    }
}

/// What follows the data of each chunk.
///
/// Example: see [`chunk_head`].
pub const CHUNK_END: &[u8] = b"\r\n";

/// The size line of the last chunk. Trailers may follow, then an empty line must follow.
///
/// Example: see [`chunk_head`].
pub const LAST_CHUNK: &[u8] = b"0\r\n";

/// The size line of a chunk of `len` bytes. It is empty if `len` is 0, because an empty chunk would
/// end the body (RFC 9112, 7.1).
///
/// ```
/// use diesel_proto::http1::{CHUNK_END, LAST_CHUNK, chunk_head};
///
/// let mut bytes = Vec::new();
/// for data in ["hello", "", " world, it is me"] {
///     if !data.is_empty() {
///         bytes.extend_from_slice(&chunk_head(data.len() as u64));
///         bytes.extend_from_slice(data.as_bytes());
///         bytes.extend_from_slice(CHUNK_END);
///     }
/// }
/// bytes.extend_from_slice(LAST_CHUNK);
/// bytes.extend_from_slice(b"\r\n");
/// assert_eq!(bytes, b"5\r\nhello\r\n10\r\n world, it is me\r\n0\r\n\r\n");
/// assert!(chunk_head(0).is_empty());
/// ```
#[inline]
pub fn chunk_head(len: u64) -> ChunkHead {
    let mut head = ChunkHead { bytes: [0; 18], len: 0 };
    if len == 0 {
        return head;
    }
    let digits = (u64::BITS - len.leading_zeros()).div_ceil(4);
    let line = (0..digits).rev().map(|n| b"0123456789abcdef"[(len >> (4 * n)) as usize % 16]);
    for (slot, byte) in head.bytes.iter_mut().zip(line.chain(*b"\r\n")) {
        *slot = byte;
    }
    head.len = digits as u8 + 2;
    head
}

/// A size line, made by [`chunk_head`]. It is 19 bytes itself.
///
/// Example: see [`chunk_head`].
#[derive(Clone, Copy)]
pub struct ChunkHead {
    /// 64 bits are 16 hexadecimal digits.
    bytes: [u8; 18],
    len: u8,
}

impl Deref for ChunkHead {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for ChunkHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkHead(\"{}\")", self.escape_ascii())
    }
}
