//! What one read and one write of a stream result in, for embedders, and how errors of std become
//! such results.
//!
//! It must never know what a stream is.

use super::file::FileErrorKind;

#[cfg(feature = "std")]
extern crate std;
#[cfg(feature = "std")]
use std::io::{self, ErrorKind, IoSlice};

/// The most slices that are written at once.
pub(crate) const MAX_SLICES: usize = 16;

/// The result of a read.
///
/// Example: see [`Streams`](crate::hub::embed::Streams).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome<'a> {
    /// Bytes were read: at least one.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether they filled the buffer, so that there may be more.
        filled: bool,
    },
    /// There is nothing to read yet: the read would block.
    Nothing,
    /// The peer ended its side.
    Eof,
    /// The stream is broken.
    Reset,
}

/// The result of a write.
///
/// Example: see [`Streams`](crate::hub::embed::Streams).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// This many bytes were written. If fewer than were given, the stream would block.
    Took(usize),
    /// The write failed: nothing can be written any more. What the peer sent before can still be
    /// read.
    Failed {
        /// Whether the error was that the peer had reset the stream. The system reports this only
        /// once: when everything was read, it reports an ordinary end of the stream.
        reset: bool,
    },
}

/// The result of a write of a file region.
///
/// Example: see [`Transport::write_region`](crate::hub::embed::Transport::write_region).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionOutcome {
    /// As for bytes.
    Wrote(WriteOutcome),
    /// The bytes have to be read from a slow medium first. Nothing was written. Once they are there,
    /// the embedder calls [`Streams::region_ready`](crate::hub::embed::Streams::region_ready).
    Pending,
    /// The rest of the region cannot be read. The stream is aborted.
    Failed(FileErrorKind),
}

/// What a stream is watched for.
///
/// Example: see [`Streams`](crate::hub::embed::Streams).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Bytes to read, or the end.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
}

impl Interest {
    /// Nothing.
    pub const NONE: Interest = Interest { readable: false, writable: false };
    /// Bytes to read.
    pub const READABLE: Interest = Interest { readable: true, writable: false };
    /// Room to write, or an answer to an attempt to connect.
    pub const WRITABLE: Interest = Interest { readable: false, writable: true };
}

#[cfg(feature = "std")]
impl<'a> ReadOutcome<'a> {
    /// Reads once into `scratch`, by `read`. An interrupted read is repeated; a read that would
    /// block, or that timed out, is [`Nothing`](Self::Nothing).
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// use diesel_proto::hub::embed::ReadOutcome;
    ///
    /// let mut stream: &[u8] = b"hello";
    /// let mut scratch = [0; 100];
    /// let read = ReadOutcome::from_io(&mut scratch, |scratch| stream.read(scratch));
    /// assert_eq!(read, ReadOutcome::Bytes { bytes: b"hello", filled: false });
    /// let read = ReadOutcome::from_io(&mut scratch, |scratch| stream.read(scratch));
    /// assert_eq!(read, ReadOutcome::Eof);
    /// ```
    #[inline]
    pub fn from_io(
        scratch: &'a mut [u8],
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Self {
        loop {
            return match read(scratch) {
                Ok(0) => ReadOutcome::Eof,
                Ok(n) => ReadOutcome::Bytes { bytes: &scratch[..n], filled: n == scratch.len() },
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => ReadOutcome::Nothing,
                    _ => ReadOutcome::Reset,
                },
            };
        }
    }
}

#[cfg(feature = "std")]
impl WriteOutcome {
    /// Writes once, by `write`, up to 16 of these slices. An interrupted write is repeated; one
    /// that would block, or that timed out, took no bytes.
    ///
    /// ```
    /// use std::io::{ErrorKind, Write};
    ///
    /// use diesel_proto::hub::embed::WriteOutcome;
    ///
    /// let mut stream = Vec::new();
    /// let slices = [&b"hello "[..], b"world"];
    /// let written = WriteOutcome::from_io(&slices, |slices| stream.write_vectored(slices));
    /// assert_eq!((written, stream), (WriteOutcome::Took(11), b"hello world".to_vec()));
    ///
    /// let failed = WriteOutcome::from_io(&slices, |_| Err(ErrorKind::ConnectionReset.into()));
    /// assert_eq!(failed, WriteOutcome::Failed { reset: true });
    /// ```
    #[inline]
    pub fn from_io(
        slices: &[&[u8]],
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Self {
        let mut io = [IoSlice::new(&[]); MAX_SLICES];
        let mut n = 0;
        for (io, slice) in io.iter_mut().zip(slices) {
            *io = IoSlice::new(slice);
            n += 1;
        }
        loop {
            return match write(&io[..n]) {
                Ok(n) => WriteOutcome::Took(n),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => WriteOutcome::Took(0),
                    // A broken pipe does not show whether the peer still sends. A system reports a
                    // reset only once: later reads report the end of the stream.
                    kind => WriteOutcome::Failed { reset: kind != ErrorKind::BrokenPipe },
                },
            };
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    /// A call that fails in these ways, one after another, and then returns 3.
    fn fails(kinds: &[ErrorKind]) -> impl FnMut() -> io::Result<usize> {
        let mut kinds = kinds.iter();
        move || kinds.next().map_or(Ok(3), |kind| Err((*kind).into()))
    }

    #[test]
    fn what_is_interrupted_is_repeated() {
        use ErrorKind::Interrupted;
        let (mut scratch, bytes) = ([0; 3], &[0; 3]);
        let mut read = fails(&[Interrupted, Interrupted]);
        let read = ReadOutcome::from_io(&mut scratch, |_| read());
        assert_eq!(read, ReadOutcome::Bytes { bytes, filled: true });
        let mut write = fails(&[Interrupted]);
        assert_eq!(WriteOutcome::from_io(&[b"abc"], |_| write()), WriteOutcome::Took(3));
    }

    #[test]
    fn each_error_is_one_of_few_outcomes() {
        let cases = [
            (ErrorKind::WouldBlock, ReadOutcome::Nothing, WriteOutcome::Took(0)),
            (ErrorKind::TimedOut, ReadOutcome::Nothing, WriteOutcome::Took(0)),
            (ErrorKind::BrokenPipe, ReadOutcome::Reset, WriteOutcome::Failed { reset: false }),
            (ErrorKind::ConnectionReset, ReadOutcome::Reset, WriteOutcome::Failed { reset: true }),
            (ErrorKind::Other, ReadOutcome::Reset, WriteOutcome::Failed { reset: true }),
        ];
        for (kind, read, write) in cases {
            let kinds = [kind];
            let (mut reads, mut writes) = (fails(&kinds), fails(&kinds));
            assert_eq!(ReadOutcome::from_io(&mut [0; 9], |_| reads()), read);
            assert_eq!(WriteOutcome::from_io(&[b"abc"], |_| writes()), write);
        }
    }

    #[test]
    fn no_more_slices_are_written_than_fit() {
        let many = [&b"x"[..]; MAX_SLICES + 1];
        let written = WriteOutcome::from_io(&many, |slices| Ok(slices.len()));
        assert_eq!(written, WriteOutcome::Took(MAX_SLICES));
    }
}
