//! [`Nested`]: an inner machine with the state of its stream, for a layer to hold.
//!
//! A layer is a machine around another one. It passes inputs on, transforms the bytes that go
//! through, and may have its own deadline and its own pause. [`Nested`] does the rest: it keeps the
//! state of the inner stream apart from that of the stream below, so that neither side can
//! overwrite what the other wants, and then combines both.
//!
//! ```text
//!             ┌────────────────── layer ──────────────────┐
//!   below ──▶ │ decode ──▶ [ rest ] ──▶ inner machine     │
//!   below ◀── │ encode ◀── [ its queue ] ◀───┘            │   a framing layer
//!             └───────────────────────────────────────────┘
//!
//!   below ◀──▶ one queue, lent for the step ◀──▶ inner machine    a sharing layer
//! ```
//!
//! Rules of this file:
//!
//! - The successor of an inner machine replaces the inner machine, never the layer.
//! - Bytes queued in the stream below count as queued for the inner machine.
//! - An abort stays an abort, a cut stays a cut, and each keeps its cause.
//! - A machine that starts after a shutdown began gets [`Input::Shutdown`].
//!
//! It must never know what the layer does to the bytes.

#[cfg(test)]
mod tests;

use core::fmt;

use super::attached::Attached;
use super::contract::{Actions, Input, Machine, Workspace};
use super::notice::Notice;
use super::reason::{Cause, Deadline, End};
use super::stream_control::Ending;
use crate::time::Instant;

/// An inner machine and the state of its stream, for a layer to hold.
///
/// There are two kinds of layers. A *sharing* layer keeps the length of what goes through (a
/// tracer, a throttle, a header that is read first): its inner machine writes to the queue of the
/// stream below, and nothing is copied: [`sharing`](Self::sharing), [`settle`](Self::settle). A
/// *framing* layer (TLS, for example) changes the output: its inner machine writes to a separate
/// queue, and the layer takes everything out of that queue after each step:
/// [`framing`](Self::framing), [`settle_framed`](Self::settle_framed). The bytes of file regions are
/// not in memory, so an inner machine of a framing layer must not queue any:
/// [`Actions::takes_file_regions`].
///
/// In each of its steps a layer
///
/// 1. passes the input on with [`pass_on`](Self::pass_on), or hands over what it decoded with
///    [`received`](Self::received),
/// 2. then settles, which applies to the stream below what the inner machine wants: the pause, the
///    earlier of both deadlines, the request for [`Input::Drained`], half-close, close, cut or
///    abort.
///
/// ```
/// use diesel_proto::{Actions, Endpoint, Input, Instant, LineEcho, Machine, Nested};
///
/// /// Turns all input to upper case.
/// struct Shout<M>(Nested<M>);
///
/// impl<M: Machine> Machine for Shout<M> {
///     fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         let taken = match input {
///             Input::Bytes(bytes) => {
///                 let loud = bytes.to_ascii_uppercase();
///                 self.0.pass_on(now, Input::Bytes(&loud), actions)
///             }
///             other => self.0.pass_on(now, other, actions),
///         };
///         self.0.settle(None, actions);
///         taken
///     }
/// }
///
/// let layer = Shout(Nested::sharing(LineEcho::default()));
/// let mut endpoint = Endpoint::new(layer, Instant::ORIGIN);
/// assert_eq!(endpoint.received(Instant::ORIGIN, b"hello\r\n"), 7);
/// assert_eq!(endpoint.take_outgoing(Instant::ORIGIN), b"you said: HELLO\r\n");
/// ```
pub struct Nested<M> {
    link: Attached<M>,
    frames: bool,
}

impl<M: Machine> Nested<M> {
    /// For a layer that keeps the length of the output: the inner machine writes to the queue of
    /// the stream below.
    pub fn sharing(machine: M) -> Self {
        Nested { link: Attached::new(machine), frames: false }
    }

    /// For a layer that frames the output: the inner machine writes to a separate queue.
    pub fn framing(machine: M) -> Self {
        Nested { link: Attached::new(machine), frames: true }
    }

    /// Passes an input of the stream below to the inner machine. Returns how many of the bytes of
    /// [`Input::Bytes`] the inner machine took: if fewer than given, it paused, and the caller
    /// offers the rest again.
    ///
    /// [`Input::Deadline`] reaches the inner machine only if its own deadline is due, and
    /// [`Input::Drained`] only if it requested that: so a layer may pass on every input.
    /// [`Input::Eof`] waits while the inner machine has paused reading, as everywhere.
    pub fn pass_on(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            self.link.flow.write_failed |= actions.has_write_failed();
        }
        self.run(actions, |link, workspace| link.pass_on(now, input, workspace))
    }

    /// Hands over what the layer decoded. Returns how many bytes were taken: all, or none while
    /// [`wants_input`](Self::wants_input) is false. What the inner machine leaves is kept here (at
    /// most the bytes of one call) and offered again when it resumes.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        self.run(actions, |link, workspace| link.received(now, bytes, workspace))
    }

    /// Hands over bytes that arrived before the inner machine took over the stream. What it leaves
    /// is kept here, and offered again when it resumes. Call this once, right after
    /// [`Input::Start`].
    pub fn adopt(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) {
        self.run(actions, |link, workspace| link.adopt(now, bytes, workspace));
    }

    /// Ends the stream for the layer's own reason: the inner machine gets [`Input::Cut`] with this
    /// cause, what is queued is dropped, and the stream below is aborted. If a layer only
    /// [aborts](Actions::abort), its inner machine never learns that the stream has ended.
    ///
    /// An inner machine that had already ended the stream gets nothing. One that aborts in response
    /// may give a better cause: the first one stands. One that was not started yet gets the cut as
    /// well, as it does for a connection that could not be made; the layer must not start it any
    /// more.
    ///
    /// A framing layer that still has to send something to its peer (an alert) must not abort, for
    /// that would drop it. It [passes on](Self::pass_on) the cut, sends the alert, closes, and does
    /// not settle. After that it gets no more inputs.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::{
    ///     Actions, Cause, Deadline, End, Endpoint, Input, Instant, LineEcho, Machine, Nested, Reason,
    /// };
    ///
    /// const MINUTE: Duration = Duration::from_secs(60);
    /// const REASON: Reason = Reason::Application("a minute is over");
    ///
    /// /// Limits a connection to one minute.
    /// struct Minute<M> {
    ///     inner: Nested<M>,
    ///     ends: Instant,
    /// }
    ///
    /// impl<M: Machine> Machine for Minute<M> {
    ///     fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
    ///         let mut taken = 0;
    ///         match input {
    ///             Input::Deadline if now >= self.ends => {
    ///                 self.inner.cut(now, Cause::TimedOut(REASON), actions);
    ///             }
    ///             _ => taken = self.inner.pass_on(now, input, actions),
    ///         }
    ///         self.inner.settle(Some(Deadline { at: self.ends, reason: REASON }), actions);
    ///         taken
    ///     }
    /// }
    ///
    /// let start = Instant::ORIGIN;
    /// let layer = Minute { inner: Nested::sharing(LineEcho::default()), ends: start + MINUTE };
    /// let mut endpoint = Endpoint::new(layer, start);
    /// endpoint.expired(start + MINUTE);
    /// assert_eq!(endpoint.end(), Some(End::Abort(Cause::TimedOut(REASON))));
    /// ```
    pub fn cut(&mut self, now: Instant, cause: Cause, actions: &mut Actions<'_>) {
        self.pass_on(now, Input::Cut(cause), actions);
        actions.abort(self.end().map_or(cause, End::cause));
    }

    /// Whether the inner machine accepts bytes now.
    pub fn wants_input(&self) -> bool {
        self.link.wants_input()
    }

    /// Applies to the stream below what the inner machine of a sharing layer wants. The deadline is
    /// the earlier of the inner machine's and the layer's. A layer that wants reading paused, or
    /// [`Input::Drained`] for itself, requests it after this call.
    pub fn settle(&mut self, layer: Option<Deadline>, actions: &mut Actions<'_>) {
        if self.is_unframed() {
            actions.notice(Notice::Text("a framing layer settled without its frame".into()));
            return actions.abort(Cause::Failed);
        }
        self.report(layer, actions);
    }

    /// As [`settle`](Self::settle), for a framing layer: `frame` gets everything that the inner
    /// machine queued, in order, and sends it in the layer's framing. Where the slices are cut
    /// depends on what the inner machine queued, never on how fast the peer reads.
    pub fn settle_framed(
        &mut self,
        layer: Option<Deadline>,
        actions: &mut Actions<'_>,
        frame: impl FnMut(&[u8], &mut Actions<'_>),
    ) {
        self.frame_output(actions, frame);
        self.report(layer, actions);
    }

    /// The first half of [`settle_framed`](Self::settle_framed): sends everything that the inner
    /// machine queued in the layer's framing. For a layer that sends something after that and
    /// before the end, such as a closing record: it sends it after this call, and then calls
    /// [`settle`](Self::settle).
    ///
    /// ```
    /// use diesel_proto::{
    ///     Actions, Cause, End, Endpoint, Input, Instant, LineEcho, Machine, Nested,
    /// };
    ///
    /// /// Sends a full stop before an orderly close.
    /// struct Dot<M>(Nested<M>);
    ///
    /// impl<M: Machine> Machine for Dot<M> {
    ///     fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
    ///         let taken = self.0.pass_on(now, input, actions);
    ///         self.0.frame_output(actions, |bytes, actions| actions.send(bytes));
    ///         if let Some(End::Close(_)) = self.0.end() {
    ///             actions.send(b".");
    ///         }
    ///         self.0.settle(None, actions);
    ///         taken
    ///     }
    /// }
    ///
    /// let now = Instant::ORIGIN;
    /// let mut endpoint = Endpoint::new(Dot(Nested::framing(LineEcho::default())), now);
    /// assert_eq!(endpoint.received(now, b"hello\nquit\n"), 11);
    /// assert_eq!(endpoint.take_outgoing(now), b"you said: hello\n.");
    /// assert_eq!(endpoint.end(), Some(End::Close(Cause::Done)));
    /// ```
    pub fn frame_output(
        &mut self,
        actions: &mut Actions<'_>,
        mut frame: impl FnMut(&[u8], &mut Actions<'_>),
    ) {
        self.frame_by_room(u64::MAX, actions, |slices, actions| {
            slices.iter().for_each(|slice| frame(slice, actions));
            slices.iter().map(|slice| slice.len()).sum()
        });
    }

    /// As [`frame_output`](Self::frame_output), but stops once `most` bytes are queued in the
    /// stream below: so a large message that the inner machine queued by reference is not framed,
    /// and copied, long before it can be sent. `frame` gets what comes next as several slices, and
    /// returns how many of the bytes it took. If it takes none, this stops as well.
    ///
    /// The rest is framed in a later step: see [`settle_by_room`](Self::settle_by_room). Where the
    /// frames are cut then depends on how fast the peer reads.
    pub fn frame_by_room(
        &mut self,
        most: u64,
        actions: &mut Actions<'_>,
        mut frame: impl FnMut(&[&[u8]], &mut Actions<'_>) -> usize,
    ) {
        while self.is_unframed() && actions.queued() < most {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let n = self.link.flow.output.slices(&mut slices);
            if n == 0 {
                // The bytes of a file region are not in memory, so they cannot be framed.
                actions.notice(Notice::Text("a region was queued inside a framing layer".into()));
                return self.link.flow.abort_with(Cause::Failed, actions.blocks());
            }
            let framed = frame(&slices[..n], actions) as u64;
            if self.link.flow.output.advance(framed, actions.blocks()) == 0 {
                return;
            }
        }
    }

    /// Whether the inner machine of a framing layer queued something that is not framed yet.
    pub fn is_unframed(&self) -> bool {
        self.frames && !self.link.flow.output().is_empty()
    }

    /// As [`settle`](Self::settle), for a layer that [frames by room](Self::frame_by_room). While
    /// something is unframed, the half-close or the close that the inner machine requested waits,
    /// and [`Input::Drained`] is requested for when fewer than `low` bytes are queued. An abort
    /// drops what is unframed, so it does not wait.
    pub fn settle_by_room(&mut self, layer: Option<Deadline>, low: u64, actions: &mut Actions<'_>) {
        if !self.is_unframed() {
            return self.report(layer, actions);
        }
        self.report_interim(layer, actions);
        actions.notify_below(low.max(self.link.flow.notify_below));
    }

    /// Whether the inner machine half-closed: it queues nothing more.
    pub fn half_closed(&self) -> bool {
        self.link.flow.is_half_closed()
    }

    /// How the inner machine ended the stream, if it did. A layer that sends a closing record does
    /// so for an [`End::Close`] only, after the [output](Self::frame_output) and before it settles.
    pub fn end(&self) -> Option<End> {
        self.link.flow.end()
    }

    /// The deadline of the inner machine.
    pub fn deadline(&self) -> Option<Deadline> {
        self.link.flow.deadline()
    }

    /// How many bytes are held for the inner stream, incoming and outgoing, not counting those
    /// queued below.
    pub fn held(&self) -> usize {
        self.link.held()
    }

    /// How many bytes the inner machine has scanned: see [`Machine::scanned`].
    pub fn scanned(&self) -> u64 {
        self.link.machine().scanned()
    }

    /// Runs `f` on the inner stream. Meanwhile the queue below is lent to it, and the successor
    /// that the layer may have named is set aside.
    fn run<R>(
        &mut self,
        actions: &mut Actions<'_>,
        f: impl FnOnce(&mut Attached<M>, &mut Workspace) -> R,
    ) -> R {
        let (outer, workspace) = actions.parts();
        let successor = workspace.successor.take();
        let inner = &mut self.link.flow;
        inner.shutting_down |= outer.shutting_down;
        inner.framed_below = self.frames || outer.framed_below;
        inner.below = match self.frames {
            true => outer.queued(),
            false => outer.below,
        };
        if !self.frames {
            core::mem::swap(&mut self.link.flow.output, &mut outer.output);
        }
        let result = f(&mut self.link, workspace);
        if !self.frames {
            core::mem::swap(&mut self.link.flow.output, &mut outer.output);
        }
        workspace.successor = successor;
        result
    }

    fn report(&mut self, layer: Option<Deadline>, actions: &mut Actions<'_>) {
        self.report_interim(layer, actions);
        let inner = &self.link.flow;
        match inner.ending() {
            None if inner.is_half_closed() => actions.half_close(),
            None => {}
            Some(Ending::Close(cause)) => actions.close_and_amend(cause, inner.awaits_cause),
            Some(Ending::Cut(cause)) => actions.cut(cause),
            Some(Ending::Abort(cause)) => actions.abort(cause),
        }
    }

    /// All that the inner machine wants, except the end of its side.
    fn report_interim(&mut self, layer: Option<Deadline>, actions: &mut Actions<'_>) {
        let inner = &self.link.flow;
        match self.link.is_blocked() && !inner.is_closing() {
            true => actions.pause(),
            false => actions.resume(),
        }
        actions.notify_below(inner.notify_below);
        match [inner.deadline(), layer].into_iter().flatten().min_by_key(|it| it.at) {
            Some(Deadline { at, reason }) => actions.set_deadline(at, reason),
            None => actions.clear_deadline(),
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for Nested<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}
