//! The header of a member (RFC 1952, 2.3), byte by byte. Its fields have no meaning here.

use crc32fast::Hasher;

use super::GzipError;

/// The most bytes of a header.
const LIMIT: u32 = 1 << 16;

const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

#[derive(Default)]
pub(super) struct MemberHeader {
    part: HeaderPart,
    /// The flags whose parts are still to come.
    flags: u8,
    len: u32,
    checksum: Hasher,
    /// Whether a member came before.
    follows: bool,
}

enum HeaderPart {
    /// The ten bytes that every header has, from this one on.
    Fixed(u8),
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    /// The first byte, once it is there.
    Checksum(Option<u8>),
}

impl Default for HeaderPart {
    fn default() -> Self {
        HeaderPart::Fixed(0)
    }
}

impl MemberHeader {
    pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

    /// The header of a member that is not the first.
    pub(super) fn following() -> Self {
        MemberHeader { follows: true, ..MemberHeader::default() }
    }

    /// Takes the next byte. Returns whether it was the last one.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, GzipError> {
        self.len += 1;
        if self.len > LIMIT {
            return Err(GzipError::Header);
        }
        let sum = self.checksum.clone();
        self.checksum.update(&[byte]);
        let is_over = match &mut self.part {
            HeaderPart::Fixed(at) => {
                let at = core::mem::replace(at, *at + 1);
                match (at, byte) {
                    (0 | 1, byte) if byte != Self::MAGIC[usize::from(at)] => {
                        return Err(match self.follows {
                            true => GzipError::Trailing,
                            false => GzipError::Magic,
                        });
                    }
                    (2, byte) if byte != 8 => return Err(GzipError::Method),
                    (3, byte) if byte & RESERVED != 0 => return Err(GzipError::Method),
                    // Whether it is text says nothing.
                    (3, byte) => self.flags = byte & !1,
                    _ => {}
                }
                at == 9
            }
            HeaderPart::ExtraLength(low @ None) => {
                *low = Some(byte);
                false
            }
            HeaderPart::ExtraLength(Some(low)) => match u16::from_le_bytes([*low, byte]) {
                0 => true,
                length => {
                    self.part = HeaderPart::Extra(length);
                    false
                }
            },
            HeaderPart::Extra(left) => {
                *left -= 1;
                *left == 0
            }
            HeaderPart::Name | HeaderPart::Comment => byte == 0,
            HeaderPart::Checksum(low @ None) => {
                // The checksum is that of the bytes before it.
                (*low, self.checksum) = (Some(byte), sum);
                false
            }
            HeaderPart::Checksum(Some(low)) => {
                if u16::from_le_bytes([*low, byte]) != sum.finalize() as u16 {
                    return Err(GzipError::Header);
                }
                true
            }
        };
        Ok(is_over && !self.next_part())
    }

    /// Begins the next part. Returns whether there is one.
    fn next_part(&mut self) -> bool {
        for (flag, part) in [
            (EXTRA, HeaderPart::ExtraLength(None)),
            (NAME, HeaderPart::Name),
            (COMMENT, HeaderPart::Comment),
            (HEADER_CHECKSUM, HeaderPart::Checksum(None)),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                self.part = part;
                return true;
            }
        }
        false
    }
}
