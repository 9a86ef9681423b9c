//! A line echo as a machine: the smallest complete one. Examples and tests also use it as the
//! innermost machine of a stack of layers.

use core::fmt::{self, Write};

use super::contract::{Actions, Input, Machine};
use super::reason::{Cause, Limit};
use crate::buf::Buffer;
use crate::time::Instant;

/// Back-pressure: the echo pauses reading while at least this many bytes are queued for a peer that
/// does not read,
const HIGH_WATER: u64 = 64 << 10;
/// and resumes when fewer than this are left.
const LOW_WATER: u64 = 16 << 10;

/// Answers every line with `you said: ` and the line. Closes at the line `quit`; at the line
/// `UPGRADE` it may hand the stream over to another machine.
///
/// ```
/// use diesel_proto::{Endpoint, Instant, LineEcho};
///
/// let now = Instant::ORIGIN;
/// let mut echo = Endpoint::new(LineEcho::default(), now);
/// let _ = echo.received(now, b"hello\n");
/// assert_eq!(echo.take_outgoing(now), b"you said: hello\n");
/// ```
pub struct LineEcho {
    input: Buffer,
    max_line: usize,
    upgrade: Option<fn(&mut Actions<'_>)>,
}

impl Default for LineEcho {
    /// Lines may have up to 64 KiB; `UPGRADE` is a line like any other.
    fn default() -> Self {
        LineEcho { input: Buffer::new(), max_line: 64 << 10, upgrade: None }
    }
}

impl LineEcho {
    /// Sets the maximum length of a line, its end included.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Sets what to do at the line `UPGRADE`: `upgrade` names the next machine with
    /// [`Actions::upgrade`].
    pub fn on_upgrade(mut self, upgrade: fn(&mut Actions<'_>)) -> Self {
        self.upgrade = Some(upgrade);
        self
    }
}

impl Machine for LineEcho {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => return self.lines(bytes, actions),
            Input::Drained => actions.resume(),
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Shutdown => actions.close(Cause::Shutdown),
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        self.input.len()
    }

    fn scanned(&self) -> u64 {
        self.input.scanned()
    }
}

impl LineEcho {
    /// Answers all complete lines. Takes all bytes but those behind a line at which it pauses,
    /// closes or upgrades.
    fn lines(&mut self, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let held = self.input.len();
        self.input.push(bytes, actions.blocks());
        let mut done = 0;
        loop {
            let n = match self.input.find(b"\n", self.max_line) {
                Ok(Some(n)) => n,
                Ok(None) => return bytes.len(),
                Err(too_long) => {
                    let _ = writeln!(actions, "line longer than {} bytes\r", too_long.limit);
                    actions.close(Cause::Limit(Limit::Line(too_long.limit)));
                    self.input.clear(actions.blocks());
                    return bytes.len();
                }
            };
            let line = self.input.front().get(..n).unwrap_or_default();
            let goes_on = match (line.trim_ascii(), self.upgrade) {
                (b"quit", _) => {
                    actions.close(Cause::Done);
                    false
                }
                (b"UPGRADE", Some(upgrade)) => {
                    upgrade(actions);
                    false
                }
                _ => {
                    actions.send(b"you said: ");
                    actions.send(line);
                    actions.queued() < HIGH_WATER
                }
            };
            done += n;
            self.input.consume(n, actions.blocks());
            if !goes_on {
                if actions.queued() >= HIGH_WATER && !actions.is_closing() {
                    actions.notify_below(LOW_WATER);
                    actions.pause();
                }
                // The bytes held before contain no line end: `held < done <= held + len(bytes)`.
                self.input.clear(actions.blocks());
                return done - held;
            }
        }
    }
}

impl fmt::Debug for LineEcho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineEcho").field("held", &self.input.len()).finish()
    }
}
