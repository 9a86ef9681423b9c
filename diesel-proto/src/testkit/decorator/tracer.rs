//! A readable log of the inputs of a machine and their effects.
//!
//! ```text
//!   0ns start -> deadline 3s (Head)
//!   0ns bytes "hello\r\nwor" -> 17 bytes
//!   2s eof -> close (PeerClosed)
//! ```
//!
//! Of output it logs only the number of bytes: to show the bytes, it would have to copy them.

use core::fmt;

use crate::machine::{Actions, Deadline, Input, Machine, Nested, StreamControl};
use crate::time::Instant;

/// At most this many bytes of an input are shown.
const SHOWN: usize = 64;

/// Logs each step of a machine as text, which a sink receives.
///
/// Example: see the [module](super).
pub struct Tracer<M, S> {
    inner: Nested<M>,
    sink: S,
}

impl<M: Machine, S: FnMut(Instant, fmt::Arguments<'_>)> Tracer<M, S> {
    /// The sink gets one line for each step, without a line end.
    pub fn new(inner: M, sink: S) -> Self {
        Tracer { inner: Nested::sharing(inner), sink }
    }
}

impl<M: Machine, S: FnMut(Instant, fmt::Arguments<'_>)> Machine for Tracer<M, S> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let before = TraceState::of(actions.flow());
        let taken = self.inner.pass_on(now, input, actions);
        self.inner.settle(None, actions);
        let after = TraceState::of(actions.flow());
        let step = TraceStep { input, taken, before, after };
        (self.sink)(now, format_args!("{now:?} {step}"));
        taken
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

/// What can change in a step.
struct TraceState {
    queued: u64,
    deadline: Option<Deadline>,
    paused: bool,
    half_closed: bool,
    closing: Option<crate::machine::Cause>,
}

impl TraceState {
    fn of(flow: &StreamControl) -> TraceState {
        TraceState {
            queued: flow.output().len(),
            deadline: flow.deadline(),
            paused: flow.is_paused(),
            half_closed: flow.is_half_closed(),
            closing: flow.closing(),
        }
    }
}

struct TraceStep<'a> {
    input: Input<'a>,
    taken: usize,
    before: TraceState,
    after: TraceState,
}

impl fmt::Display for TraceStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TraceStep { input, taken, before, after } = self;
        match input {
            Input::Bytes(bytes) => {
                let shown = &bytes[..bytes.len().min(SHOWN)];
                write!(f, "bytes \"{}\"", shown.escape_ascii())?;
                if bytes.len() > SHOWN {
                    write!(f, " and {} more", bytes.len() - SHOWN)?;
                }
                if *taken < bytes.len() {
                    write!(f, ", {taken} taken")?;
                }
            }
            Input::Start => f.write_str("start")?,
            Input::Eof => f.write_str("eof")?,
            Input::Cut(cause) => write!(f, "cut ({cause:?})")?,
            Input::WriteFailed => f.write_str("write failed")?,
            Input::Deadline => f.write_str("deadline")?,
            Input::Drained => f.write_str("drained")?,
            Input::Wake => f.write_str("wake")?,
            Input::Shutdown => f.write_str("shutdown")?,
        }
        let mut arrow = Some(" ->");
        let mut follows = |f: &mut fmt::Formatter<'_>, what: fmt::Arguments<'_>| {
            write!(f, "{} {what}", arrow.take().unwrap_or(","))
        };
        let put_out = after.queued.saturating_sub(before.queued);
        if put_out > 0 {
            follows(f, format_args!("{put_out} bytes"))?;
        }
        match after.deadline {
            now if now == before.deadline => {}
            Some(Deadline { at, reason }) => {
                follows(f, format_args!("deadline {at:?} ({reason:?})"))?;
            }
            None => follows(f, format_args!("no deadline"))?,
        }
        if after.paused != before.paused {
            follows(f, format_args!("{}", if after.paused { "pause" } else { "resume" }))?;
        }
        match after.closing {
            Some(cause) if before.closing.is_none() => {
                follows(f, format_args!("close ({cause:?})"))?;
            }
            _ if after.half_closed && !before.half_closed => {
                follows(f, format_args!("half-close"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl<M: fmt::Debug, S> fmt::Debug for Tracer<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.inner).finish()
    }
}
