//! The inputs and actions of all hubs: for a watcher, and as a hash by which two runs are compared.
//!
//! It must never know why something happened.

use alloc::boxed::Box;
use core::fmt::{self, Write};
use core::net::SocketAddr;

use super::HostId;
use crate::hub::{ConnId, ServiceId};
use crate::machine::{
    Address, Cause, ConnectErrorKind, FileAnswer, FileErrorKind, FileId, FileRequest, HostName,
    JobError, Notice, ResolveErrorKind,
};
use crate::time::Instant;

/// One input or action of a hub.
///
/// ```
/// use diesel_proto::testkit::net::{Happened, Network};
///
/// let mut network = Network::new(7);
/// network.watch(|happening| match &happening.what {
///     Happened::Received(bytes) => println!("{:?}: {} bytes", happening.at, bytes.len()),
///     other => println!("{:?}: {other:?}", happening.at),
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening<'a> {
    /// The time.
    pub at: Instant,
    /// The host of the hub.
    pub host: HostId,
    /// The connection, if it concerns one.
    pub conn: Option<ConnId>,
    /// What happened.
    pub what: Happened<'a>,
}

/// An input (the first eight), or an action, of a hub.
///
/// Example: see [`Happening`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened<'a> {
    /// A service accepted a connection from this address.
    Accepted(ServiceId, Address),
    /// A connection was not accepted.
    Refused(ServiceId, Address),
    /// A connection that the hub requested is made.
    Connected,
    /// A connection that the hub requested could not be made.
    ConnectFailed(ConnectErrorKind),
    /// These bytes arrived, and the hub took them.
    Received(&'a [u8]),
    /// The peer ended its side.
    Eof,
    /// The connection broke.
    Reset,
    /// A write failed: the peer had reset the connection.
    WriteFailed,
    /// The hub requests a connection to this address.
    Connects(Address),
    /// The hub sent these bytes, and the stream took them.
    Sent(&'a [u8]),
    /// The hub ended its side (half-close).
    HalfClosed,
    /// The hub closed the connection.
    Closed(Cause),
    /// The hub reset the connection.
    Aborted(Cause),
    /// The hub asks for the addresses of this name.
    Resolves(&'a HostName),
    /// The hub learns the addresses that it asked for.
    Resolved(&'a [SocketAddr]),
    /// The hub learns that there are no addresses.
    NotResolved(ResolveErrorKind),
    /// A job ran, or failed.
    JobEnded(Result<(), JobError>),
    /// The hub asks for this of a file.
    AsksFile(&'a FileRequest),
    /// The hub gets the answer.
    FileAnswered(&'a Result<FileAnswer, FileErrorKind>),
    /// The hub closes this file.
    ClosesFile(FileId),
    /// The hub made a notice.
    Notice(&'a Notice),
    /// The hub halted.
    Halted,
}

impl Happened<'_> {
    fn tag(&self) -> u8 {
        match self {
            Happened::Accepted(..) => 1,
            Happened::Refused(..) => 2,
            Happened::Connected => 3,
            Happened::ConnectFailed(_) => 4,
            Happened::Received(_) => 5,
            Happened::Eof => 6,
            Happened::Reset => 7,
            Happened::Connects(_) => 8,
            Happened::Sent(_) => 9,
            Happened::HalfClosed => 10,
            Happened::Closed(_) => 11,
            Happened::Notice(_) => 12,
            Happened::Halted => 13,
            Happened::Aborted(_) => 14,
            Happened::WriteFailed => 15,
            Happened::Resolves(_) => 16,
            Happened::Resolved(_) => 17,
            Happened::NotResolved(_) => 18,
            Happened::JobEnded(_) => 19,
            Happened::AsksFile(_) => 20,
            Happened::FileAnswered(_) => 21,
            Happened::ClosesFile(_) => 22,
        }
    }
}

/// One line, as in `1.5s 0/3 > "hi\r\n"`: the time, the host, its connection, what happened.
impl fmt::Display for Happening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.at, self.host.0)?;
        if let Some(conn) = self.conn {
            write!(f, "/{}", conn.index())?;
        }
        match &self.what {
            Happened::Accepted(_, peer) => write!(f, " accepted {peer}"),
            Happened::Refused(_, peer) => write!(f, " refused {peer}"),
            Happened::Connected => f.write_str(" connected"),
            Happened::ConnectFailed(why) => write!(f, " not connected: {why}"),
            Happened::Received(bytes) => write!(f, " < \"{}\"", bytes.escape_ascii()),
            Happened::Eof => f.write_str(" peer ended"),
            Happened::Reset => f.write_str(" reset"),
            Happened::WriteFailed => f.write_str(" cannot write"),
            Happened::Connects(address) => write!(f, " connects to {address}"),
            Happened::Sent(bytes) => write!(f, " > \"{}\"", bytes.escape_ascii()),
            Happened::HalfClosed => f.write_str(" ends"),
            Happened::Closed(cause) => write!(f, " closed: {cause}"),
            Happened::Aborted(cause) => write!(f, " aborted: {cause}"),
            Happened::Resolves(name) => write!(f, " resolves {name}"),
            Happened::Resolved(addresses) => write!(f, " resolved: {addresses:?}"),
            Happened::NotResolved(why) => write!(f, " not resolved: {why}"),
            Happened::JobEnded(Ok(())) => f.write_str(" job done"),
            Happened::JobEnded(Err(why)) => write!(f, " job failed: {why}"),
            Happened::AsksFile(request) => write!(f, " asks for {request:?}"),
            Happened::FileAnswered(Ok(answer)) => write!(f, " gets {answer:?}"),
            Happened::FileAnswered(Err(why)) => write!(f, " gets no file: {why}"),
            Happened::ClosesFile(file) => write!(f, " closes {file:?}"),
            Happened::Notice(notice) => write!(f, " says: {notice}"),
            Happened::Halted => f.write_str(" halted"),
        }
    }
}

pub(super) type Watcher = Box<dyn FnMut(&Happening<'_>)>;

pub(super) struct NetTranscript {
    hash: Fnv,
    pub(super) watcher: Option<Watcher>,
}

impl NetTranscript {
    pub(super) fn new() -> Self {
        NetTranscript { hash: Fnv::new(), watcher: None }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(super) fn add(
        &mut self,
        at: Instant,
        host: usize,
        conn: Option<ConnId>,
        what: Happened<'_>,
    ) {
        let hash = &mut self.hash;
        hash.add(&at.as_nanos().to_le_bytes());
        hash.add(&(host as u32).to_le_bytes());
        let (index, generation) =
            conn.map_or((u32::MAX, 0), |conn| (conn.key.index, conn.key.generation));
        hash.add(&index.to_le_bytes());
        hash.add(&generation.to_le_bytes());
        hash.add(&[what.tag()]);
        match &what {
            Happened::Received(bytes) | Happened::Sent(bytes) => {
                hash.add(&(bytes.len() as u32).to_le_bytes());
                hash.add(bytes);
            }
            // The rest is rare, and its text contains everything. (Writing to a hash cannot fail.)
            Happened::Accepted(_, peer) | Happened::Refused(_, peer) | Happened::Connects(peer) => {
                _ = write!(hash, "{peer}");
            }
            Happened::ConnectFailed(why) => _ = write!(hash, "{why}"),
            Happened::Closed(cause) | Happened::Aborted(cause) => _ = write!(hash, "{cause}"),
            Happened::Resolves(name) => _ = write!(hash, "{name}"),
            Happened::Resolved(addresses) => _ = write!(hash, "{addresses:?}"),
            Happened::NotResolved(why) => _ = write!(hash, "{why}"),
            Happened::JobEnded(end) => _ = write!(hash, "{end:?}"),
            Happened::AsksFile(request) => _ = write!(hash, "{request:?}"),
            Happened::FileAnswered(answer) => _ = write!(hash, "{answer:?}"),
            Happened::ClosesFile(file) => _ = write!(hash, "{file:?}"),
            Happened::Notice(notice) => _ = write!(hash, "{notice}"),
            Happened::Connected
            | Happened::Eof
            | Happened::Reset
            | Happened::WriteFailed
            | Happened::HalfClosed
            | Happened::Halted => {}
        }
        if let Some(watcher) = &mut self.watcher {
            watcher(&Happening { at, host: HostId(host), conn, what });
        }
    }
}

/// The hash FNV-1a of 64 bits (Fowler, Noll and Vo): short, and the same on every platform.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        let of = |bytes: &[u8]| {
            let mut hash = Fnv::new();
            hash.add(bytes);
            hash.0
        };
        // From the authors' test vectors.
        assert_eq!(of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
