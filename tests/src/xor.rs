//! A layer as a user writes one: records of bytes, each with its length in front, every byte
//! changed by a key. It uses only the public API.

use diesel_proto::{Actions, Cause, Input, Instant, Machine, Nested};

/// Exchanges records with the peer, and plain bytes with the inner machine.
pub struct Xor<M> {
    inner: Nested<M>,
    key: u8,
    /// The record that is being received, its length included.
    record: Vec<u8>,
}

impl<M: Machine> Xor<M> {
    /// Puts `inner` behind the layer.
    pub fn new(key: u8, inner: M) -> Self {
        Xor { inner: Nested::framing(inner), key, record: Vec::new() }
    }

    /// Takes one record at a time, and none while the inner machine has no room.
    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.inner.wants_input() {
            let n = self.missing().min(bytes.len() - taken);
            self.record.extend_from_slice(&bytes[taken..taken + n]);
            taken += n;
            if self.missing() == 0 {
                let plain: Vec<u8> = self.record[2..].iter().map(|byte| byte ^ self.key).collect();
                self.record.clear();
                // All of it: `wants_input` said so.
                let _ = self.inner.received(now, &plain, actions);
            }
        }
        taken
    }

    /// The number of missing bytes of the length, then of the record.
    fn missing(&self) -> usize {
        match *self.record {
            [high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])) - self.record.len(),
            _ => 2 - self.record.len(),
        }
    }
}

impl<M: Machine> Machine for Xor<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = match input {
            Input::Bytes(bytes) => self.bytes(now, bytes, actions),
            Input::Eof if !self.record.is_empty() => {
                self.inner.cut(now, Cause::Protocol("the stream ends within a record"), actions);
                0
            }
            other => self.inner.pass_on(now, other, actions),
        };
        let key = self.key;
        self.inner.settle_framed(None, actions, |plain, actions| {
            for piece in plain.chunks(usize::from(u16::MAX)) {
                actions.send(&(piece.len() as u16).to_be_bytes());
                actions.send(&piece.iter().map(|byte| byte ^ key).collect::<Vec<_>>());
            }
        });
        taken
    }

    fn held(&self) -> usize {
        self.inner.held() + self.record.len()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

/// What a peer that speaks records sends for these bytes.
pub fn seal(key: u8, plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    for piece in plain.chunks(usize::from(u16::MAX)) {
        sealed.extend_from_slice(&(piece.len() as u16).to_be_bytes());
        sealed.extend(piece.iter().map(|byte| byte ^ key));
    }
    sealed
}

/// What the peer reads of whole records; a record that is not complete is left out.
pub fn open(key: u8, mut sealed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let [high, low, rest @ ..] = sealed {
        let n = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((record, rest)) = rest.split_at_checked(n) else { break };
        plain.extend(record.iter().map(|byte| byte ^ key));
        sealed = rest;
    }
    plain
}
