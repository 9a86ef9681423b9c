//! [`Joined`]: a TLS layer together with its peer, so that everything outside is plain.
//!
//! Keys are random, so a layer cannot be compared by what is on the wire. Joined with its peer, it can
//! be compared with no layer at all, and be part of any stack. It is shared with the fuzz target of
//! stacks.

use std::io::{Read, Write};

use diesel_proto::tls::rustls::ClientConnection;
use diesel_proto::tls::{Acceptor, Connector, ServerName, Tls};
use diesel_proto::{Actions, Input, Instant, Machine, Nested};

/// A TLS layer and its peer, which is rustls alone. Bytes from outside are sent by the peer, and what
/// the peer decrypts goes outside.
pub(crate) struct Joined<M> {
    layer: Nested<Tls<M>>,
    peer: ClientConnection,
}

impl<M: Machine> Joined<M> {
    pub(crate) fn new(acceptor: &Acceptor, connector: &Connector, inner: M) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let mut peer = ClientConnection::new(connector.config(), name).unwrap();
        peer.set_buffer_limit(None);
        Joined { layer: Nested::framing(acceptor.machine(inner)), peer }
    }

    /// Exchanges bytes within, until nothing moves.
    fn exchange(&mut self, now: Instant, actions: &mut Actions<'_>) {
        loop {
            let peer = &mut self.peer;
            self.layer.frame_output(actions, |bytes, actions| decrypt(peer, bytes, actions));
            let mut bytes = Vec::new();
            while self.peer.wants_write() {
                self.peer.write_tls(&mut bytes).unwrap();
            }
            if bytes.is_empty() {
                return;
            }
            let _ = self.layer.received(now, &bytes, actions);
        }
    }
}

fn decrypt(peer: &mut ClientConnection, mut bytes: &[u8], actions: &mut Actions<'_>) {
    while !bytes.is_empty() {
        // After the layer's end, or its alert, nothing comes.
        if !matches!(peer.read_tls(&mut bytes), Ok(1..)) || peer.process_new_packets().is_err() {
            return;
        }
        let mut plain = [0; 16 << 10];
        while let Ok(n @ 1..) = peer.reader().read(&mut plain) {
            actions.send(&plain[..n]);
        }
    }
}

impl<M: Machine> Machine for Joined<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) if self.layer.end().is_some() => taken = bytes.len(),
            Input::Bytes(_) if !self.layer.wants_input() => {}
            Input::Bytes(bytes) => {
                self.peer.writer().write_all(bytes).unwrap();
                taken = bytes.len();
            }
            Input::Eof => {
                self.peer.send_close_notify();
                self.exchange(now, actions);
                self.layer.pass_on(now, input, actions);
            }
            other => _ = self.layer.pass_on(now, other, actions),
        }
        self.exchange(now, actions);
        self.layer.settle(None, actions);
        taken
    }

    fn held(&self) -> usize {
        self.layer.held()
    }

    fn scanned(&self) -> u64 {
        self.layer.scanned()
    }
}
