//! Reads a header, in however many reads its bytes arrive.

use super::{Header, HeaderConfig, HeaderError, HeaderErrorKind, MAX_V1, Versions, v1, v2};
use crate::buf::{Blocks, Buffer};

/// Reads a header at the beginning of `bytes`. Returns the header and its length, or `None` if
/// `bytes` are the valid beginning of a header that is not complete.
///
/// # Errors
///
/// [`HeaderError`], at the first wrong byte.
///
/// # Cost
///
/// Linear in the header's length. For bytes that arrive in several reads use
/// [`ProxyProtocol`](super::ProxyProtocol), which examines each byte once.
///
/// ```
/// use diesel_proto::proxy_protocol::{HeaderConfig, HeaderErrorKind, Proxied, parse};
///
/// let config = HeaderConfig::default();
/// let stream = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nhello";
/// let (header, len) = parse(stream, &config)?.unwrap();
/// assert_eq!(&stream[len..], b"hello");
/// let client = "192.0.2.7:56324".parse().unwrap();
/// assert!(matches!(header.proxied(), Proxied::Ip { source, .. } if source == client));
///
/// assert_eq!(parse(b"PROX", &config), Ok(None));
/// let error = parse(b"GET / HTTP/1.1\r\n", &config).unwrap_err();
/// assert_eq!((error.kind, error.offset), (HeaderErrorKind::NoSignature, 0));
/// # Ok::<(), diesel_proto::proxy_protocol::HeaderError>(())
/// ```
pub fn parse(bytes: &[u8], config: &HeaderConfig) -> Result<Option<(Header, usize)>, HeaderError> {
    examine(bytes, 0, config.versions, config.max_v2)
}

/// Collects the bytes of a header, and none behind it.
pub(super) struct HeaderReader {
    held: Buffer,
    versions: Versions,
    max_v2: usize,
}

impl HeaderReader {
    pub(super) fn new(config: &HeaderConfig) -> Self {
        HeaderReader { held: Buffer::new(), versions: config.versions, max_v2: config.max_v2 }
    }

    /// Takes the bytes of the header from `bytes`, which must not be empty. Returns how many, and
    /// the header if it is complete. A header that arrives in one piece is parsed without copying.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<Header>), HeaderError> {
        if self.held.is_empty() {
            return Ok(match examine(bytes, 0, self.versions, self.max_v2)? {
                Some((header, len)) => (len, Some(header)),
                None => {
                    self.held.push(bytes, blocks);
                    (bytes.len(), None)
                }
            });
        }
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let searched = self.held.len();
            let more = self.missing(rest)?;
            self.held.push(rest.get(..more).unwrap_or(rest), blocks);
            taken += more.min(rest.len());
            let found = examine(self.held.front(), searched, self.versions, self.max_v2)?;
            if let Some((header, _)) = found {
                return Ok((taken, Some(header)));
            }
        }
        Ok((taken, None))
    }

    /// The number of bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Releases what is held.
    pub(super) fn clear(&mut self, blocks: &mut Blocks) {
        self.held.clear(blocks);
    }

    /// The error for a stream that ends here.
    pub(super) fn ended(&self) -> HeaderError {
        HeaderError::new(HeaderErrorKind::Incomplete, self.held.len())
    }

    /// How many of the bytes behind the held ones belong to the header, as far as that is known: at
    /// least one.
    fn missing(&self, rest: &[u8]) -> Result<usize, HeaderError> {
        let held = self.held.front();
        Ok(match held.first() {
            Some(b'P') => {
                let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                line.min(MAX_V1 - held.len())
            }
            _ => v2::length(held, self.max_v2)?.unwrap_or(v2::FIXED) - held.len(),
        })
    }
}

/// The header at the beginning of `bytes`, if it is complete, and its length. The first `searched`
/// bytes were examined before.
///
/// The first byte decides the version, and each wrong byte is found as soon as it arrives: so the
/// result does not depend on how the input was split into reads.
fn examine(
    bytes: &[u8],
    searched: usize,
    versions: Versions,
    max_v2: usize,
) -> Result<Option<(Header, usize)>, HeaderError> {
    let is_v2 = match (bytes.first(), versions) {
        (None, _) => return Ok(None),
        (Some(b'P'), Versions::Both | Versions::V1) => false,
        (Some(b'\r'), Versions::Both | Versions::V2) => true,
        _ => return Err(HeaderError::new(HeaderErrorKind::NoSignature, 0)),
    };
    let signature: &[u8] = if is_v2 { v2::SIGNATURE } else { v1::SIGNATURE };
    if let Some(at) = bytes.iter().zip(signature).position(|(byte, expected)| byte != expected) {
        return Err(HeaderError::new(HeaderErrorKind::NoSignature, at));
    }
    let end = match is_v2 {
        true => v2::length(bytes, max_v2)?,
        false => v1::end(bytes, searched)?,
    };
    let Some((len, header)) = end.and_then(|len| Some((len, bytes.get(..len)?))) else {
        return Ok(None);
    };
    let parse = if is_v2 { v2::parse } else { v1::parse };
    parse(header).map(|header| Some((header, len)))
}
