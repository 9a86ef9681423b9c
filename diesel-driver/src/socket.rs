//! One connected socket: reads, writes, and what it is watched for.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::time::Duration;

use diesel_proto::ConnId;
use socket2::Socket;

use crate::fault::{self, Call};
use crate::key::Key;
use crate::registered::{Interest, Registered};

/// A write to a peer that is gone raises no SIGPIPE, whatever the process does with that.
const FLAGS: i32 = libc::MSG_NOSIGNAL;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) conn: ConnId,
    registered: Registered<Socket>,
    pub(crate) connecting: bool,
    paused: bool,
    ended: bool,
    writing: bool,
    /// The round in which bytes were last sent, and how many.
    round: u64,
    sent: usize,
    /// A write told that the peer had reset the connection. The kernel tells it once: when
    /// everything was read, it says that the stream has ended.
    reset: bool,
    /// Read, but not taken by the hub yet. Nothing more is read meanwhile.
    kept: Vec<u8>,
}

/// What a read brought.
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    Eof,
    Reset,
}

/// What a write took.
pub(crate) enum Sent {
    Bytes(usize),
    /// Nothing can be written any more. What the peer sent before can still be read.
    Failed,
}

impl Stream {
    pub(crate) fn new(conn: ConnId, registered: Registered<Socket>, connecting: bool) -> Self {
        Stream {
            conn,
            registered,
            connecting,
            paused: false,
            ended: false,
            writing: connecting,
            round: 0,
            sent: 0,
            reset: false,
            kept: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.registered.key()
    }

    pub(crate) fn socket(&self) -> &Socket {
        self.registered.source()
    }

    pub(crate) fn wants_read(&self) -> bool {
        !self.paused && !self.ended
    }

    /// Keeps bytes that the hub did not take, and pauses.
    pub(crate) fn keep(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.kept = bytes;
        self.pause(true)
    }

    pub(crate) fn take_kept(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// One read: the poller says again if there is more.
    pub(crate) fn receive(&mut self, scratch: &mut [u8]) -> Received {
        loop {
            let mut socket = self.registered.source();
            return match fault::call(Call::Receive, || socket.read(scratch)) {
                Ok(0) => {
                    self.ended = true;
                    if self.watch().is_err() || self.reset {
                        return Received::Reset;
                    }
                    Received::Eof
                }
                Ok(n) => Received::Bytes(n),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Received::Nothing,
                    _ => Received::Reset,
                },
            };
        }
    }

    /// Bytes that were sent in this round.
    pub(crate) fn sent_in(&mut self, round: u64) -> usize {
        if self.round != round {
            self.round = round;
            self.sent = 0;
        }
        self.sent
    }

    pub(crate) fn count_sent(&mut self, n: usize) {
        self.sent += n;
    }

    /// One write, of no more than `most` bytes. `Bytes(0)`: there is no room.
    pub(crate) fn send(&mut self, slices: &[&[u8]], most: usize) -> Sent {
        let socket = self.registered.source();
        loop {
            let send = || match slices {
                [one] => socket.send_with_flags(&one[..one.len().min(most)], FLAGS),
                many => {
                    let mut io: [IoSlice<'_>; 16] = [IoSlice::new(&[]); 16];
                    let (mut n, mut room) = (0, most);
                    for (io, slice) in io.iter_mut().zip(many) {
                        if room == 0 {
                            break;
                        }
                        *io = IoSlice::new(&slice[..slice.len().min(room)]);
                        room -= io.len();
                        n += 1;
                    }
                    socket.send_vectored_with_flags(&io[..n], FLAGS)
                }
            };
            return match fault::call(Call::Send, send) {
                Ok(n) => Sent::Bytes(n),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Sent::Bytes(0),
                    kind => {
                        // A broken pipe says nothing about the peer's side.
                        self.reset |= kind != io::ErrorKind::BrokenPipe;
                        Sent::Failed
                    }
                },
            };
        }
    }

    /// Bytes that the peer has not acknowledged.
    pub(crate) fn unacked(&self) -> io::Result<u64> {
        self.registered.unacked()
    }

    pub(crate) fn connected(&mut self) -> io::Result<()> {
        self.connecting = false;
        self.writing = false;
        self.watch()
    }

    pub(crate) fn pause(&mut self, pause: bool) -> io::Result<()> {
        self.paused = pause;
        self.watch()
    }

    /// Whether to wait until it is writable.
    pub(crate) fn wait_writable(&mut self, wait: bool) -> io::Result<()> {
        self.writing = wait;
        self.watch()
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        let shutdown = || self.registered.source().shutdown(Shutdown::Write);
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
        let _ = self.registered.source().set_linger(Some(Duration::ZERO));
    }

    fn watch(&mut self) -> io::Result<()> {
        let readable = self.wants_read() && !self.connecting;
        self.registered.watch(Interest { readable, writable: self.writing })
    }
}
