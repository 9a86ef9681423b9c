//! One connection of rustls: records in, plain bytes out, and the other way round.
//!
//! Records are fed one by one, so that what the inner machine answers to one goes out before the
//! next is looked at, which may be wrong.
//!
//! ```text
//!   Input::Bytes ──▶ deframer ──▶ decrypted record ──▶ inner machine
//!                    one copy      allocated by rustls, lent as a slice
//!
//!   queue of the inner machine ──▶ encrypted record ──▶ queue of the stream
//!                                  allocated by rustls    one copy
//! ```
//!
//! `plain bytes held <= 1 record`, `encrypted bytes held <= 1 record` (while a handshake message is
//! read: 64 KiB, as rustls limits it).
//!
//! It must never know what the bytes mean.

extern crate std;

use alloc::boxed::Box;
use alloc::sync::Arc;
use std::io::{self, BufRead, IoSlice, Write};

use rustls::{Connection, Error, HandshakeKind, SupportedCipherSuite};

use super::records::{RecordEnd, RecordSize};
use super::tickets::KeepsSessions;
use crate::machine::{Actions, TlsError};
use crate::time::Instant;

pub(super) struct Session {
    tls: Connection,
    /// Until the handshake is complete.
    sessions: Option<Arc<dyn KeepsSessions>>,
    end: RecordEnd,
    size: RecordSize,
    peer_closed: bool,
    /// Decrypted bytes that the inner machine did not take yet.
    plain: usize,
    /// How many more records may be encrypted.
    left: u64,
}

impl Session {
    pub(super) fn new(
        mut tls: Connection,
        sessions: Option<Arc<dyn KeepsSessions>>,
        now: Instant,
    ) -> Box<Self> {
        // Its limit would cut what is written; it is given one record at a time instead.
        tls.set_buffer_limit(None);
        Box::new(Session {
            tls,
            sessions,
            end: RecordEnd::default(),
            size: RecordSize::new(now),
            peer_closed: false,
            plain: 0,
            left: u64::MAX,
        })
    }

    pub(super) fn tls(&self) -> &Connection {
        &self.tls
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the peer sent `close_notify`. What follows is to be ignored (RFC 8446, 6.1).
    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Takes bytes to the end of the record that they begin or continue. All plain bytes must have
    /// been [read](Self::read) before. Returns how many it took: at least one. Whatever the result
    /// is, there may be something to [flush](Self::flush).
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<usize, (Error, TlsError)> {
        let n = self.end.find(bytes);
        let mut record = &bytes[..n];
        while !record.is_empty() {
            // It refuses a record that is too long for its buffer; what it has of it tells why.
            if !matches!(self.tls.read_tls(&mut record), Ok(1..)) {
                break;
            }
        }
        let is_refused = !record.is_empty();
        match self.tls.process_new_packets() {
            Ok(_) if is_refused => Err((Error::PeerSentOversizedRecord, TlsError::Misbehaved)),
            Ok(state) => {
                self.plain = state.plaintext_bytes_to_read();
                self.peer_closed = state.peer_has_closed();
                Ok(n)
            }
            Err(error) => {
                let first = self.tls.protocol_version().is_none();
                let fault = super::fault::of(&error, first);
                Err((error, fault))
            }
        }
    }

    /// Whether there are decrypted bytes.
    pub(super) fn has_plain(&self) -> bool {
        self.plain > 0
    }

    /// Passes the next decrypted bytes to `take`.
    pub(super) fn read(&mut self, take: impl FnOnce(&[u8])) {
        let mut reader = self.tls.reader();
        let n = match reader.fill_buf() {
            Ok(plain) => {
                take(plain);
                plain.len()
            }
            Err(_) => self.plain,
        };
        reader.consume(n.min(self.plain));
        self.plain -= n.min(self.plain);
    }

    /// Encrypts what comes next of these bytes as one record, and queues it. Returns how many
    /// bytes it took: none if no more may be encrypted.
    pub(super) fn write(
        &mut self,
        now: Instant,
        slices: &[&[u8]],
        actions: &mut Actions<'_>,
    ) -> usize {
        let Some(left) = self.left.checked_sub(1) else { return 0 };
        self.left = left;
        let most = self.size.next(now);
        let mut parts = [IoSlice::new(&[]); 8];
        let (mut n, mut len) = (0, 0);
        for (part, slice) in parts.iter_mut().zip(slices) {
            let slice = &slice[..slice.len().min(most - len)];
            *part = IoSlice::new(slice);
            (n, len) = (n + 1, len + slice.len());
            if len == most {
                break;
            }
        }
        // It fails only after an error, and nothing is written then.
        let written = self.tls.writer().write_vectored(&parts[..n]).unwrap_or_default();
        self.flush(actions);
        written
    }

    /// Whether nothing more may be encrypted: TLS 1.2 cannot change its keys.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// The handshake is complete: notes what its sessions rest on, and how much the keys may
    /// encrypt. rustls itself changes the keys of TLS 1.3 in time.
    pub(super) fn completed(&mut self) {
        if let Some(sessions) = self.sessions.take() {
            let resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
            sessions.completed(self.tls.peer_certificates().unwrap_or_default(), resumed);
        }
        if let Some(SupportedCipherSuite::Tls12(suite)) = self.tls.negotiated_cipher_suite() {
            // The last ones are for alerts.
            self.left = suite.common.confidentiality_limit.saturating_sub(16);
        }
    }

    /// Queues a `close_notify`, once. Reading may go on. (If the peer then sends a record that is
    /// wrong, rustls 0.23 sends its alert all the same; built with debug assertions it panics, which
    /// a hub catches.)
    pub(super) fn close_notify(&mut self, actions: &mut Actions<'_>) {
        self.tls.send_close_notify();
        self.flush(actions);
    }

    /// Queues what rustls has to send.
    pub(super) fn flush(&mut self, actions: &mut Actions<'_>) {
        while self.tls.wants_write() {
            // A write to a queue does not fail.
            let _ = self.tls.write_tls(&mut Queue(actions));
        }
    }

    pub(super) fn held(&self) -> usize {
        self.plain + self.end.held()
    }
}

/// The queue of a stream, for rustls to write to.
struct Queue<'a, 'b>(&'a mut Actions<'b>);

impl Write for Queue<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.0.send(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
