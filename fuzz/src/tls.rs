//! TLS: any bytes at a server, and a client and a server that are joined by a bad network.

use std::cell::RefCell;
use std::rc::Rc;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::tls::{ServerName, Tls};
use diesel_proto::{Actions, Cause, Endpoint, Input, Instant, Machine};

use super::tls_settings::Keys;

const NOW: Instant = Instant::ORIGIN;
const MOST: usize = 200;
/// The most bytes of one read. Those that a machine pauses on are kept.
const READ: usize = 32 << 10;

#[derive(Arbitrary, Debug)]
enum Scene {
    /// Bytes in reads of these sizes.
    Alone(Vec<u8>),
    Joined(Keys),
}

#[derive(Arbitrary, Debug)]
enum Happening {
    /// One side sends so many bytes.
    Send(Side, u16),
    HalfClose(Side),
    Close(Side),
    Cut(Side),
    Abort(Side),
    Pause(Side),
    Resume(Side),
    Wake(Side),
    /// This many bytes of what one side has sent arrive.
    Carry(Side, u16),
    CarryAll,
    /// As `Carry`, with one byte changed.
    Change(Side, u16, u8),
    /// What one side has sent is lost, and its stream ends, or is reset.
    Eof(Side),
    Reset(Side),
    WriteFailed(Side),
    Shutdown(Side),
    Late(Side),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Takes a scene, then bytes, or what happens.
pub fn tls(data: &[u8]) {
    let mut input = Unstructured::new(data);
    match input.arbitrary() {
        Ok(Scene::Alone(reads)) => alone(&reads, input.take_rest()),
        Ok(Scene::Joined(keys)) => joined(keys, &mut input),
        Err(_) => {}
    }
}

/// Nothing inside starts, whatever arrives: nobody can guess a handshake.
fn alone(reads: &[u8], mut bytes: &[u8]) {
    let mut server = End::new(|inner| Keys::Usual.sides().0.machine(inner));
    let mut reads = reads.iter().cycle();
    while !bytes.is_empty() {
        let n = reads.next().map_or(bytes.len(), |&n| 1 + usize::from(n)).min(bytes.len());
        assert_eq!(server.endpoint.received(NOW, &bytes[..n]), n);
        bytes = &bytes[n..];
        assert!(server.endpoint.held() < 70_000);
    }
    server.endpoint.take_outgoing(NOW);
    server.endpoint.eof(NOW);
    assert!(server.endpoint.end().is_some());
    assert!(!server.seen.borrow().started && server.seen.borrow().cut.is_some());
}

fn joined(keys: Keys, input: &mut Unstructured<'_>) {
    let (acceptor, connector) = keys.sides();
    let name = ServerName::try_from("localhost").unwrap();
    let mut pair = Pair {
        client: End::new(|inner| connector.machine(name, inner)),
        server: End::new(|inner| acceptor.machine(inner)),
    };
    for _ in 0..MOST {
        let Ok(happening) = Happening::arbitrary(input) else { break };
        if input.is_empty() {
            break;
        }
        pair.happens(happening);
        pair.check();
    }
    pair.happens(Happening::Resume(Side::Client));
    pair.happens(Happening::Resume(Side::Server));
    pair.happens(Happening::CarryAll);
    pair.check();
    // Without a fault, everything arrives.
    for (from, to) in [(&pair.client, &pair.server), (&pair.server, &pair.client)] {
        let is_whole = [from, to].iter().all(|end| !end.faulty && end.seen.borrow().cut.is_none());
        let (sent, got) = (from.seen.borrow().sent, to.seen.borrow().got);
        let is_open = from.endpoint.end().is_none_or(|end| !end.is_abort());
        if is_whole && is_open && to.endpoint.end().is_none() {
            assert_eq!(got, sent);
            assert_eq!(to.seen.borrow().ended, from.seen.borrow().ends && from.has_started());
        }
    }
}

struct Pair {
    client: End,
    server: End,
}

/// One end.
struct End {
    endpoint: Endpoint<Tls<Puppet>>,
    seen: Rc<RefCell<Seen>>,
    /// Something was done to what it sends, or to itself.
    faulty: bool,
    /// What it sends was changed.
    changed: bool,
    half_closes: bool,
    /// The other end was told of its end.
    told: bool,
}

#[derive(Debug, Default)]
struct Seen {
    started: bool,
    /// Bytes that were sent and got. Their values tell their place.
    sent: usize,
    got: usize,
    /// It ended its side in order.
    ends: bool,
    /// It ended it with a reset.
    cuts: bool,
    ended: bool,
    cut: Option<Cause>,
    todo: Vec<Happening>,
}

struct Puppet(Rc<RefCell<Seen>>);

fn byte_at(place: usize) -> u8 {
    (place ^ place >> 8) as u8
}

impl Machine for Puppet {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let seen = &mut *self.0.borrow_mut();
        assert!(seen.cut.is_none() && !(seen.ended && matches!(input, Input::Bytes(_))));
        match input {
            Input::Start => seen.started = true,
            Input::Bytes(bytes) => {
                for byte in bytes {
                    assert_eq!(*byte, byte_at(seen.got));
                    seen.got += 1;
                }
                return bytes.len();
            }
            Input::Eof => seen.ended = true,
            Input::Cut(cause) => seen.cut = Some(cause),
            _ => {}
        }
        if !seen.started {
            return 0;
        }
        for todo in seen.todo.drain(..) {
            if actions.is_closing() {
                return 0;
            }
            match todo {
                Happening::Send(_, n) if !actions.is_half_closed() => {
                    let n = usize::from(n);
                    let bytes: Vec<u8> = (seen.sent..seen.sent + n).map(byte_at).collect();
                    actions.send_bytes(bytes.into());
                    seen.sent += n;
                }
                Happening::HalfClose(_) => {
                    actions.half_close();
                    seen.ends = true;
                }
                Happening::Close(_) => {
                    actions.close(Cause::Done);
                    seen.ends = true;
                }
                Happening::Cut(_) => {
                    actions.cut(Cause::Failed);
                    seen.cuts = true;
                }
                Happening::Abort(_) => {
                    actions.abort(Cause::Failed);
                    seen.cuts = true;
                }
                Happening::Pause(_) => actions.pause(),
                Happening::Resume(_) => actions.resume(),
                _ => {}
            }
        }
        0
    }
}

impl End {
    fn new(wrap: impl FnOnce(Puppet) -> Tls<Puppet>) -> Self {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let endpoint = Endpoint::new(wrap(Puppet(Rc::clone(&seen))), NOW);
        End { endpoint, seen, faulty: false, changed: false, half_closes: false, told: false }
    }

    fn has_started(&self) -> bool {
        self.seen.borrow().started
    }

    /// The first bytes of what it sends.
    fn outgoing(&self, most: usize) -> Vec<u8> {
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let n = self.endpoint.outgoing(&mut slices);
        let mut bytes = slices[..n].concat();
        bytes.truncate(most);
        bytes
    }
}

impl Pair {
    fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Send(side, _)
            | Happening::HalfClose(side)
            | Happening::Close(side)
            | Happening::Cut(side)
            | Happening::Abort(side)
            | Happening::Pause(side)
            | Happening::Resume(side)
            | Happening::Wake(side) => {
                let (end, other) = self.ends(side);
                if matches!(happening, Happening::HalfClose(_)) {
                    if other.changed {
                        // See below.
                        return;
                    }
                    end.half_closes = true;
                }
                end.seen.borrow_mut().todo.push(happening);
                end.endpoint.wake(NOW);
            }
            Happening::Carry(side, n) => _ = self.carry(side, n.into(), |_| {}),
            Happening::CarryAll => loop {
                let there = self.carry(Side::Client, usize::MAX, |_| {});
                if !self.carry(Side::Server, usize::MAX, |_| {}) && !there {
                    break;
                }
            },
            Happening::Change(side, n, at) => {
                let (from, to) = self.ends(side);
                if to.half_closes {
                    // With debug assertions, rustls 0.23 panics if an alert is due after its
                    // `close_notify`.
                    return;
                }
                (from.faulty, from.changed) = (true, true);
                self.carry(side, n.into(), |bytes| {
                    if let Some(byte) = bytes.get_mut(usize::from(at)) {
                        *byte ^= 1 << (n % 8);
                    }
                });
            }
            Happening::Eof(side) => {
                let (from, to) = self.ends(side);
                (from.faulty, from.told) = (true, true);
                to.endpoint.eof(NOW);
            }
            Happening::Reset(side) => {
                let (from, to) = self.ends(side);
                (from.faulty, from.told) = (true, true);
                to.endpoint.reset(NOW);
            }
            Happening::WriteFailed(side) => {
                let (from, _) = self.ends(side);
                from.faulty = true;
                from.endpoint.write_failed(NOW);
            }
            Happening::Shutdown(side) => {
                let (end, _) = self.ends(side);
                end.faulty = true;
                end.endpoint.shutdown(NOW);
            }
            Happening::Late(side) => {
                let (end, _) = self.ends(side);
                if let Some(deadline) = end.endpoint.next_deadline() {
                    end.faulty = true;
                    end.endpoint.expired(deadline.at);
                }
            }
        }
    }

    /// Carries bytes of one side to the other, then its end. Returns whether anything moved.
    fn carry(&mut self, side: Side, most: usize, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let (from, to) = self.ends(side);
        let mut bytes = from.outgoing(most.min(READ));
        change(&mut bytes);
        // All, or none while reading is paused.
        let taken = to.endpoint.received(NOW, &bytes);
        from.endpoint.sent(NOW, taken as u64);
        let moved = taken > 0;
        let end = from.endpoint.end();
        if from.told || !(end.is_some() || from.endpoint.half_closed()) {
            return moved;
        }
        from.told = true;
        match end {
            Some(end) if end.is_abort() => to.endpoint.reset(NOW),
            _ => to.endpoint.eof(NOW),
        }
        true
    }

    fn check(&self) {
        for (from, to) in [(&self.client, &self.server), (&self.server, &self.client)] {
            let (from, seen) = (from.seen.borrow(), to.seen.borrow());
            assert!(seen.got <= from.sent);
            if seen.ended {
                // An end in order comes after everything, and only if it was meant.
                assert!(from.ends && seen.got == from.sent, "{from:?} {seen:?}");
            }
            // What is not encrypted yet is queued by reference, so it counts.
            assert!(to.endpoint.held() < 100_000 + seen.sent);
        }
    }
}
