//! A server that speaks in frames: it sends every message back.

use core::time::Duration;

use diesel_proto::{Actions, Cause, Input, Instant, Machine, Reason};

use super::code_of;
use super::frame::{Frame, FrameReader, Kind};

/// A client that sends nothing for this long gets a ping.
pub const IDLE: Duration = Duration::from_secs(30);
/// The timeout of the answer to that ping.
pub const ANSWER: Duration = Duration::from_secs(10);
/// While this many bytes are queued, reading pauses,
const HIGH_WATER: u64 = 4096;
/// until fewer than this are (back-pressure).
const LOW_WATER: u64 = 1024;

/// Echoes messages, answers pings, and pings a silent client.
#[derive(Debug)]
pub struct FrameEcho {
    reader: FrameReader,
    has_asked: bool,
}

impl Default for FrameEcho {
    fn default() -> Self {
        FrameEcho { reader: FrameReader::of_client(), has_asked: false }
    }
}

impl FrameEcho {
    fn restart_idle(&mut self, now: Instant, actions: &mut Actions<'_>) {
        self.has_asked = false;
        actions.set_deadline(now + IDLE, Reason::Idle);
    }

    /// Takes frames until the last one, or until too many bytes are queued.
    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let mut taken = 0;
        while !actions.is_closing() && !actions.is_paused() {
            let frame = match self.reader.read(&bytes[taken..]) {
                Ok((n, Some(frame))) => {
                    taken += n;
                    frame
                }
                Ok((n, None)) => return taken + n,
                Err(cause) => {
                    ends(cause, actions);
                    break;
                }
            };
            self.restart_idle(now, actions);
            self.frame(frame, actions);
            if actions.queued() >= HIGH_WATER && !actions.is_closing() {
                actions.notify_below(LOW_WATER);
                actions.pause();
            }
        }
        taken
    }

    fn frame(&mut self, Frame { kind, payload }: Frame, actions: &mut Actions<'_>) {
        match kind {
            Kind::Text | Kind::Binary => actions.send(&Frame::new(kind, payload).encode(None)),
            Kind::Ping => actions.send(&Frame::new(Kind::Pong, payload).encode(None)),
            Kind::Pong => {}
            Kind::Close => ends(Cause::PeerClosed, actions),
        }
    }
}

/// Sends a closing frame with the code of the cause, and closes.
fn ends(cause: Cause, actions: &mut Actions<'_>) {
    actions.send(&Frame::close(code_of(cause)).encode(None));
    actions.close(cause);
}

impl Machine for FrameEcho {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => self.restart_idle(now, actions),
            Input::Bytes(bytes) => return self.bytes(now, bytes, actions),
            Input::Drained => actions.resume(),
            Input::Eof => actions.abort(Cause::Protocol("toy-frames: no closing frame")),
            Input::Deadline if self.has_asked => ends(Cause::TimedOut(Reason::Idle), actions),
            Input::Deadline => {
                self.has_asked = true;
                actions.send(&Frame::new(Kind::Ping, *b"there?").encode(None));
                actions.set_deadline(now + ANSWER, Reason::Idle);
            }
            Input::Shutdown => ends(Cause::Shutdown, actions),
            Input::WriteFailed => actions.abort(Cause::Reset),
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        self.reader.held()
    }
}
