//! The inner machine for checking layers: it reports all its inputs, and takes its bytes as
//! commands.
//!
//! It reports inputs in [`Notice`]s, which bypass every layer; so no input is lost, even when
//! nothing can be sent any more. Its output goes through its stream, as that of every machine does.
//! A machine's successor must be `Send`, and a probe can be its own successor, so it shares nothing
//! with its test.
//!
//! It must never know whether a layer is around it.

use alloc::format;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::machine::{Actions, Cause, Input, Machine, Notice, Reason};
use crate::time::Instant;

/// The notices of a probe begin with this.
const MARK: &str = "probe";
/// Bytes for an output that is queued by reference.
static LARGE: [u8; 20_000] = [b'b'; 20_000];

/// The inner machine of a layer that is checked. Each of its bytes is a command:
///
/// | byte | what it does |
/// | --- | --- |
/// | `d` | sets a deadline one second from now, for [`Probe::REASON`]; `D` clears it |
/// | `p` | pauses until it is woken, or its deadline passes |
/// | `n` | sends 100 bytes, and pauses until fewer than 50 are queued |
/// | `b` | sends 20,000 bytes, by reference |
/// | `h` | ends its side |
/// | `q` | closes with [`Probe::CLOSED`] |
/// | `c` | closes with a reset after what is queued, with [`Probe::CUT`] |
/// | `a` | aborts with [`Probe::ABORTED`] |
/// | `u` | lets another probe take over |
/// | `k` | holds ten bytes more |
/// | `m` | stops answering inputs other than bytes; a second `m` resumes that |
/// | `#` | reports how many bytes it has received, and their checksum |
/// | `!` | executes the next byte at the next input that is not bytes |
///
/// It echoes every other byte. It reports each input in a notice, and answers it with a word.
///
/// Example: see the [module](super).
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// How many probes were its predecessors.
    generation: u32,
    greets: bool,
    ignores_wakes: bool,
    muted: bool,
    seen: u64,
    checksum: u64,
    kept: usize,
    waits: Option<TakeUntil>,
    deadline: Option<Instant>,
    /// The next byte is a command for later.
    is_escaped: bool,
    later: Option<u8>,
}

/// What ends a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakeUntil {
    Woken,
    Drained,
}

impl Probe {
    /// The bytes that are commands, so that it does not echo them.
    pub const COMMANDS: &[u8] = b"!#Dabcdhkmnpqu";
    /// The reason of its deadline.
    pub const REASON: Reason = Reason::Application("the probe's");
    /// The cause with which it closes.
    pub const CLOSED: Cause = Cause::Protocol("the probe was told to close");
    /// The cause with which it closes by a reset.
    pub const CUT: Cause = Cause::Protocol("the probe was told to cut");
    /// The cause with which it aborts.
    pub const ABORTED: Cause = Cause::Protocol("the probe was told to abort");

    /// A probe that sends nothing before its peer does.
    pub fn new() -> Self {
        Probe::default()
    }

    /// Makes it send first.
    pub(super) fn greets(mut self, greets: bool) -> Self {
        self.greets = greets;
        self
    }

    /// Makes it ignore wakes: the laws of all machines wake it again and again.
    pub(super) fn ignores_wakes(mut self) -> Self {
        self.ignores_wakes = true;
        self
    }

    /// Whether a probe made this notice.
    pub(super) fn is_of_probe(notice: &Notice) -> bool {
        matches!(notice, Notice::Text(text) if text.starts_with(MARK))
    }

    fn tell(&self, actions: &mut Actions<'_>, what: fmt::Arguments<'_>) {
        let generation = self.generation;
        actions.notice(Notice::Text(format!("{MARK} {generation}: {what}")));
    }

    /// Sends a word, unless it is muted or its side has ended.
    fn answer(&self, actions: &mut Actions<'_>, what: &[u8]) {
        if !self.muted && !actions.is_half_closed() {
            actions.send(what);
        }
    }

    fn waits(&mut self, until: TakeUntil, actions: &mut Actions<'_>) {
        self.waits = Some(until);
        actions.pause();
    }

    fn goes_on(&mut self, actions: &mut Actions<'_>) {
        self.waits = None;
        actions.resume();
    }

    /// Takes bytes until one of them makes it pause, close, or give way.
    fn bytes(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        for (taken, &byte) in bytes.iter().enumerate() {
            self.seen += 1;
            // FNV-1a.
            self.checksum = (self.checksum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            let gives_way = byte == b'u' && !self.is_escaped;
            if core::mem::take(&mut self.is_escaped) {
                self.later = Some(byte);
            } else {
                self.obey(now, byte, actions);
            }
            if gives_way || self.waits.is_some() || actions.is_closing() {
                return taken + 1;
            }
        }
        bytes.len()
    }

    fn obey(&mut self, now: Instant, byte: u8, actions: &mut Actions<'_>) {
        match byte {
            b'!' => self.is_escaped = true,
            b'#' => {
                let (seen, checksum) = (self.seen, self.checksum);
                self.tell(actions, format_args!("{seen} bytes seen, checksum {checksum:x}"));
            }
            b'D' => {
                self.deadline = None;
                actions.clear_deadline();
            }
            b'a' => actions.abort(Probe::ABORTED),
            b'b' if !actions.is_half_closed() => actions.send_bytes(Bytes::from_static(&LARGE)),
            b'c' => actions.cut(Probe::CUT),
            b'd' => {
                let at = now + Duration::from_secs(1);
                self.deadline = Some(at);
                actions.set_deadline(at, Probe::REASON);
            }
            b'h' => actions.half_close(),
            b'k' => self.kept += 10,
            b'm' => self.muted = !self.muted,
            b'n' if !actions.is_half_closed() => {
                actions.send(&[b'n'; 100]);
                actions.notify_below(50);
                self.waits(TakeUntil::Drained, actions);
            }
            b'p' => self.waits(TakeUntil::Woken, actions),
            b'q' => actions.close(Probe::CLOSED),
            b'u' => {
                let Probe { generation, greets, ignores_wakes, muted, .. } = *self;
                let generation = generation + 1;
                actions.upgrade(Probe {
                    generation,
                    greets,
                    ignores_wakes,
                    muted,
                    ..Probe::default()
                });
            }
            byte if actions.is_half_closed() => {
                self.tell(actions, format_args!("'{}' seen", byte.escape_ascii()));
            }
            byte => self.answer(actions, &[byte]),
        }
    }

    /// Resumes if this input ends the pause.
    fn goes_on_after(&mut self, input: Input<'_>, actions: &mut Actions<'_>) {
        let goes_on = match self.waits {
            Some(TakeUntil::Woken) => matches!(input, Input::Wake | Input::Deadline),
            Some(TakeUntil::Drained) => input == Input::Drained,
            None => false,
        };
        // After a failed write the output never drains.
        if goes_on || input == Input::WriteFailed {
            self.goes_on(actions);
        }
    }
}

impl Machine for Probe {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let answer: &[u8] = match input {
            Input::Bytes(bytes) => return self.bytes(now, bytes, actions),
            Input::Wake if self.ignores_wakes => return 0,
            Input::Deadline => {
                match self.deadline.take() {
                    Some(at) if now >= at => {
                        self.tell(actions, format_args!("deadline, {:?} late", now - at));
                    }
                    _ => self.tell(actions, format_args!("deadline that is not due")),
                }
                b"deadline "
            }
            _ => {
                self.tell(actions, format_args!("{input:?}"));
                match input {
                    Input::Start if !self.greets => b"",
                    Input::Start => b"hello ",
                    Input::Eof => b"eof ",
                    Input::Drained => b"drained ",
                    Input::Wake => b"wake ",
                    Input::Shutdown => b"shutdown ",
                    _ => b"",
                }
            }
        };
        if !answer.is_empty() {
            self.answer(actions, answer);
        }
        self.goes_on_after(input, actions);
        if let Some(byte) = self.later.take() {
            self.obey(now, byte, actions);
        }
        0
    }

    fn held(&self) -> usize {
        self.kept
    }

    fn scanned(&self) -> u64 {
        self.seen
    }
}
