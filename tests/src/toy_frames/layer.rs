//! A layer of frames around any machine: the machine gets the payloads of messages, and its output
//! is sent as messages. The layer answers pings. A closing frame ends the peer's side, and ours.

use diesel_proto::{Actions, Cause, End, Input, Instant, Machine, Nested};

use super::code_of;
use super::frame::{Frame, FrameReader, Kind, MAX_PAYLOAD};

/// Exchanges frames with the peer, as a server, and plain bytes with the inner machine.
pub struct Frames<M> {
    inner: Nested<M>,
    reader: FrameReader,
    /// The peer has sent its closing frame: what follows is dropped.
    peer_closed: bool,
    /// We have sent ours.
    closed: bool,
}

impl<M: Machine> Frames<M> {
    /// Puts `inner` behind the layer.
    pub fn new(inner: M) -> Self {
        let (inner, reader) = (Nested::framing(inner), FrameReader::of_client());
        Frames { inner, reader, peer_closed: false, closed: false }
    }

    /// Takes one frame at a time, and none while the inner machine has no room.
    fn bytes(
        &mut self,
        now: Instant,
        bytes: &[u8],
        actions: &mut Actions<'_>,
    ) -> Result<usize, Cause> {
        let mut taken = 0;
        while self.inner.wants_input() && !self.peer_closed {
            let (n, frame) = self.reader.read(&bytes[taken..])?;
            taken += n;
            let Some(Frame { kind, payload }) = frame else { return Ok(taken) };
            match kind {
                // All of it: `wants_input` said so.
                Kind::Text | Kind::Binary => _ = self.inner.received(now, &payload, actions),
                Kind::Ping => {
                    // After the output of the inner machine so far.
                    self.output(actions);
                    self.send_frame(&Frame::new(Kind::Pong, payload), actions);
                }
                Kind::Pong => {}
                Kind::Close => {
                    self.peer_closed = true;
                    self.inner.pass_on(now, Input::Eof, actions);
                }
            }
        }
        Ok(if self.peer_closed || self.inner.end().is_some() { bytes.len() } else { taken })
    }

    /// The peer broke a rule: sends it a closing frame, and cuts the inner machine.
    fn fails(&mut self, now: Instant, cause: Cause, actions: &mut Actions<'_>) {
        self.output(actions);
        self.inner.pass_on(now, Input::Cut(cause), actions);
        self.goodbye(cause, actions);
        actions.close(cause);
    }

    fn output(&mut self, actions: &mut Actions<'_>) {
        self.inner.frame_output(actions, |bytes, actions| {
            for payload in bytes.chunks(MAX_PAYLOAD) {
                actions.send(&Frame::new(Kind::Binary, payload).encode(None));
            }
        });
    }

    fn send_frame(&mut self, frame: &Frame, actions: &mut Actions<'_>) {
        if !actions.is_half_closed() {
            actions.send(&frame.encode(None));
        }
    }

    fn goodbye(&mut self, cause: Cause, actions: &mut Actions<'_>) {
        if !core::mem::replace(&mut self.closed, true) {
            self.send_frame(&Frame::close(code_of(cause)), actions);
        }
    }

    fn settle(&mut self, actions: &mut Actions<'_>) {
        self.output(actions);
        match self.inner.end() {
            Some(End::Close(cause)) => self.goodbye(cause, actions),
            None if self.inner.half_closed() => self.goodbye(Cause::Done, actions),
            _ => {}
        }
        self.inner.settle(None, actions);
    }
}

impl<M: Machine> Machine for Frames<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        match input {
            Input::Bytes(bytes) => match self.bytes(now, bytes, actions) {
                Ok(n) => taken = n,
                Err(cause) => {
                    self.fails(now, cause, actions);
                    return bytes.len();
                }
            },
            Input::Eof if !self.peer_closed => {
                self.inner.cut(now, Cause::Protocol("toy-frames: no closing frame"), actions);
            }
            other => _ = self.inner.pass_on(now, other, actions),
        }
        self.settle(actions);
        taken
    }

    fn held(&self) -> usize {
        self.inner.held() + self.reader.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}
