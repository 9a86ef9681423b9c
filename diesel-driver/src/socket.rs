//! One connected socket: reads and writes.

use std::io::{self, Read};
use std::net::Shutdown;
use std::time::Duration;

use diesel_proto::hub::embed::{Interest, ReadOutcome, WriteOutcome};
use socket2::Socket;

use crate::fault::{self, Call};
use crate::key::PollKey;
use crate::registered::Registered;

/// A write to a peer that is gone must not raise SIGPIPE, whatever its disposition is.
const FLAGS: i32 = libc::MSG_NOSIGNAL;

#[derive(Debug)]
pub(crate) struct SocketStream {
    registered: Registered<Socket>,
}

impl SocketStream {
    pub(crate) fn new(registered: Registered<Socket>) -> Self {
        SocketStream { registered }
    }

    pub(crate) fn key(&self) -> PollKey {
        self.registered.key()
    }

    pub(crate) fn socket(&self) -> &Socket {
        self.registered.source()
    }

    pub(crate) fn watch(&mut self, interest: Interest) -> io::Result<()> {
        self.registered.watch(interest)
    }

    /// Reads once.
    #[inline]
    pub(crate) fn receive<'a>(&self, scratch: &'a mut [u8]) -> ReadOutcome<'a> {
        let mut socket = self.socket();
        ReadOutcome::from_io(scratch, |scratch| fault::call(Call::Receive, || socket.read(scratch)))
    }

    /// Writes once.
    #[inline]
    pub(crate) fn send(&self, slices: &[&[u8]]) -> WriteOutcome {
        self.send_with(slices, FLAGS)
    }

    /// Writes once, before something else: the system may let the bytes wait for that, for up to a
    /// fifth of a second.
    #[inline]
    pub(crate) fn send_more(&self, slices: &[&[u8]]) -> WriteOutcome {
        self.send_with(slices, FLAGS | libc::MSG_MORE)
    }

    #[inline]
    fn send_with(&self, slices: &[&[u8]], flags: i32) -> WriteOutcome {
        let socket = self.socket();
        WriteOutcome::from_io(slices, |slices| {
            fault::call(Call::Send, || match slices {
                [one] => socket.send_with_flags(one, flags),
                many => socket.send_vectored_with_flags(many, flags),
            })
        })
    }

    /// The number of bytes that the peer has not acknowledged.
    pub(crate) fn unacked(&self) -> io::Result<u64> {
        self.registered.unacked()
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        let shutdown = || self.socket().shutdown(Shutdown::Write);
        match fault::call(Call::Shutdown, shutdown) {
            // The peer is gone already: the next read reports it.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            // Any other error is returned: the peer would wait for the end for ever.
            other => other,
        }
    }

    /// Makes the close of the socket a reset: the peer notices that it was cut off, and the kernel
    /// drops what it still holds for it.
    pub(crate) fn reset_on_close(&self) {
        // This fails if the peer is gone already: then there is nothing to reset.
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }
}
