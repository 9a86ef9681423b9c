//! One connected socket: reads and writes.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::time::Duration;

use diesel_proto::hub::embed::{Interest, WriteOutcome};
use socket2::Socket;

use crate::fault::{self, Call};
use crate::key::PollKey;
use crate::registered::Registered;

/// A write to a peer that is gone raises no SIGPIPE, whatever the process does with that.
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

    /// One read: how many bytes, zero at the end. `None`: nothing is there.
    #[inline]
    pub(crate) fn receive(&self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let mut socket = self.socket();
            return match fault::call(Call::Receive, || socket.read(scratch)) {
                Ok(n) => Ok(Some(n)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Ok(None),
                    _ => Err(error),
                },
            };
        }
    }

    /// One write.
    #[inline]
    pub(crate) fn send(&self, slices: &[&[u8]]) -> WriteOutcome {
        let socket = self.socket();
        loop {
            let send = || match slices {
                [one] => socket.send_with_flags(one, FLAGS),
                many => {
                    let mut io: [IoSlice<'_>; 16] = [IoSlice::new(&[]); 16];
                    let mut n = 0;
                    for (io, slice) in io.iter_mut().zip(many) {
                        *io = IoSlice::new(slice);
                        n += 1;
                    }
                    socket.send_vectored_with_flags(&io[..n], FLAGS)
                }
            };
            return match fault::call(Call::Send, send) {
                Ok(n) => WriteOutcome::Took(n),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => WriteOutcome::Took(0),
                    // A broken pipe says nothing about the peer's side. A reset is said once: when
                    // everything was read, the kernel says that the stream has ended.
                    kind => WriteOutcome::Failed { reset: kind != io::ErrorKind::BrokenPipe },
                },
            };
        }
    }

    /// Bytes that the peer has not acknowledged.
    pub(crate) fn unacked(&self) -> io::Result<u64> {
        self.registered.unacked()
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        let shutdown = || self.socket().shutdown(Shutdown::Write);
        match fault::call(Call::Shutdown, shutdown) {
            // The peer is gone already: that shows when it is read.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            // Otherwise the peer would wait for the end for ever.
            other => other,
        }
    }

    /// Closing it from here on resets it: the peer sees that it was cut off, and what the system
    /// still holds for it is dropped.
    pub(crate) fn reset_on_close(&self) {
        // It fails if the peer is gone already: then nothing has to be told.
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }
}
