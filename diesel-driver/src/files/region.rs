//! Sends regions of files: from the page cache, by `sendfile`.
//!
//! What is not in the page cache is read by a thread first, and then sent without asking again: so
//! a stream makes progress even if the system evicts pages all the time.
//!
//! It must never know when a stream is written.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use diesel_proto::hub::embed::{RegionOutcome, WriteOutcome};
use diesel_proto::{ConnId, FileErrorKind, FileRegion};
use rustix::fs::sendfile;
use rustix::io::Errno;

use super::open::kind_of;
use super::{Files, read_cached};
use crate::fault::{self, Call};
use crate::socket::SocketStream;

/// A region that had to be read for a connection.
pub(super) enum ReadRegion {
    /// A thread reads this part of a file.
    Reading {
        id: u64,
        part: Range<u64>,
    },
    /// It is there.
    Read {
        id: u64,
        part: Range<u64>,
    },
    Failed(FileErrorKind),
}

/// A part of a file that a thread has to read.
pub(crate) struct Unread {
    pub(crate) file: Arc<OwnedFd>,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Files {
    /// Sends what a stream takes of a region, or returns what has to be read first.
    pub(crate) fn send_region(
        &mut self,
        conn: ConnId,
        stream: &SocketStream,
        region: FileRegion,
        scratch: &mut [u8],
    ) -> Result<RegionOutcome, Unread> {
        let FileRegion { id, offset, len } = region;
        let place = self.open.get_mut((id & u64::from(u32::MAX)) as usize);
        let file = place.and_then(Option::as_mut).filter(|(open, _)| open.number() == id);
        let Some((_, file)) = file else {
            return Ok(RegionOutcome::Failed(FileErrorKind::NotFound));
        };
        let mut end = offset.saturating_add(len);
        if !self.regions.is_empty() {
            match self.regions.get(&conn) {
                Some(ReadRegion::Failed(why)) => {
                    let why = *why;
                    self.regions.remove(&conn);
                    return Ok(RegionOutcome::Failed(why));
                }
                Some(ReadRegion::Read { id: read, part })
                    if *read == id && part.contains(&offset) =>
                {
                    end = end.min(part.end);
                    file.cached = part.clone();
                }
                _ => {}
            }
        }
        if offset < file.cached.start || end > file.cached.end {
            let window = (offset - offset % WINDOW).saturating_add(WINDOW).min(file.len);
            let part = offset..window.max(end);
            if !is_cached(&file.descriptor, &part) {
                let file = Arc::clone(&file.descriptor);
                self.regions.insert(conn, ReadRegion::Reading { id, part: part.clone() });
                return Err(Unread { file, offset, len: part.end - offset });
            }
            file.cached = part;
        }
        let len = end - offset;
        let outcome = match self.may_sendfile {
            true => send(stream, &file.descriptor, offset, len),
            false => send_bytes(stream, &file.descriptor, offset, len, scratch),
        };
        if outcome == RegionOutcome::Wrote(WriteOutcome::Took(0)) {
            // It may take long until the stream has room.
            file.cached = 0..0;
        }
        Ok(outcome)
    }

    /// A thread has read what was unread.
    pub(crate) fn region_was_read(&mut self, conn: ConnId, read: Result<(), FileErrorKind>) {
        if let Some(region) = self.regions.get_mut(&conn)
            && let ReadRegion::Reading { id, part } = region
        {
            *region = match read {
                Ok(()) => ReadRegion::Read { id: *id, part: part.clone() },
                Err(why) => ReadRegion::Failed(why),
            };
        }
    }

    /// A connection is closed. Returns whether a thread may be reading for it.
    pub(crate) fn forget_region(&mut self, conn: ConnId) -> bool {
        !self.regions.is_empty()
            && matches!(self.regions.remove(&conn), Some(ReadRegion::Reading { .. }))
    }
}

/// How far ahead it is checked whether a file is in the page cache, and how much a thread reads at a
/// time. (Measured: to check each 256 KiB takes 4 % of the time of a large download.)
const WINDOW: u64 = 1 << 20;

/// Whether a part of a file is in the page cache, judged by its first byte and its last: where reading
/// ahead stopped, the end is missing, and what is evicted first is old. An error is left to
/// the attempt to send.
fn is_cached(file: &OwnedFd, part: &Range<u64>) -> bool {
    let has = |at| read_cached(file, at, u64::MAX, &mut [0]).is_some();
    has(part.end - 1) && (part.end - part.start <= PAGE || has(part.start))
}

const PAGE: u64 = 4096;

fn send(stream: &SocketStream, file: &OwnedFd, offset: u64, len: u64) -> RegionOutcome {
    let count = usize::try_from(len).unwrap_or(usize::MAX);
    loop {
        let mut at = offset;
        let sent =
            fault::call(Call::Send, || Ok(sendfile(stream.socket(), file, Some(&mut at), count)?));
        return match sent {
            Ok(0) => RegionOutcome::Failed(FileErrorKind::Shrunk),
            Ok(n) => RegionOutcome::Wrote(WriteOutcome::Took(n)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => RegionOutcome::Wrote(WriteOutcome::Took(0)),
                _ => failed(&error),
            },
        };
    }
}

/// Sends what is read: where `sendfile` could raise a signal.
fn send_bytes(
    stream: &SocketStream,
    file: &OwnedFd,
    offset: u64,
    len: u64,
    scratch: &mut [u8],
) -> RegionOutcome {
    let most = scratch.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    let read = loop {
        match rustix::io::pread(file, &mut scratch[..most], offset) {
            Err(Errno::INTR) => {}
            read => break read,
        }
    };
    match read {
        Ok(0) => RegionOutcome::Failed(FileErrorKind::Shrunk),
        Ok(n) => RegionOutcome::Wrote(stream.send(&[&scratch[..n]])),
        Err(error) => RegionOutcome::Failed(kind_of(error)),
    }
}

/// Whether the stream is to blame for an error of `sendfile`, or the file.
fn failed(error: &io::Error) -> RegionOutcome {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    match errno {
        Errno::IO | Errno::INVAL | Errno::NOMEM | Errno::OVERFLOW | Errno::STALE | Errno::NOSYS => {
            RegionOutcome::Failed(kind_of(errno))
        }
        errno => RegionOutcome::Wrote(WriteOutcome::Failed { reset: errno != Errno::PIPE }),
    }
}

/// Whether SIGPIPE does not end the process: it is ignored, or caught.
pub(crate) fn survives_sigpipe() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_handled(&status))
}

/// Whether SIGPIPE is in one of the masks of signals that are ignored or caught.
fn is_handled(status: &str) -> bool {
    let masks = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    masks.fold(0, |all, mask| all | mask) >> (libc::SIGPIPE - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disposition_of_sigpipe_is_read() {
        let status = |ignored: &str, caught: &str| {
            format!("Name:\tx\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\nSigBlk:\t{ignored}\n")
        };
        let (none, pipe) = ("0000000000000000", "0000000000001000");
        assert!(!is_handled(&status(none, none)));
        assert!(is_handled(&status(pipe, none)));
        assert!(is_handled(&status(none, pipe)));
        assert!(!is_handled(&status("ffffffffffffefff", none)));
        assert!(!is_handled("nothing"));
        // The runtime of Rust ignores it.
        assert!(survives_sigpipe());
    }

    #[test]
    fn an_error_is_of_the_stream_or_of_the_file() {
        let of = |errno: Errno| failed(&errno.into());
        let stream = |reset| RegionOutcome::Wrote(WriteOutcome::Failed { reset });
        assert_eq!(of(Errno::PIPE), stream(false));
        assert_eq!(of(Errno::CONNRESET), stream(true));
        assert_eq!(of(Errno::TIMEDOUT), stream(true));
        let io = FileErrorKind::Other(Errno::IO.raw_os_error());
        assert_eq!(of(Errno::IO), RegionOutcome::Failed(io));
    }
}
