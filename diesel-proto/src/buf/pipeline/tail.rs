//! [`Tail`]: appends many small parts with one call of the pipeline.

use alloc::vec::Vec;

/// The end of a run of queued bytes, to append to: see
/// [`Pipeline::push_with`](super::Pipeline::push_with).
///
/// ```
/// use diesel_proto::Tail;
///
/// let mut bytes: Vec<u8> = Vec::new();
/// let mut tail = Tail::from(&mut bytes);
/// tail.extend_from_slice(b"Host");
/// tail.push(b':');
/// assert_eq!(bytes, b"Host:");
/// ```
#[derive(Debug)]
pub struct Tail<'a>(&'a mut Vec<u8>);

impl Tail<'_> {
    /// Appends these bytes.
    #[inline(always)]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends this byte.
    #[inline(always)]
    pub fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

impl<'a> From<&'a mut Vec<u8>> for Tail<'a> {
    #[inline(always)]
    fn from(bytes: &'a mut Vec<u8>) -> Self {
        Tail(bytes)
    }
}
