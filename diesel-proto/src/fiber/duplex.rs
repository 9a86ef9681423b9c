//! The machine's end of a two-way stream of bytes to a fiber.
//!
//! ```text
//!   machine ──received, eof──▶ [ input ] ──▶ Reader      fiber
//!           ◀──take_pieces──── [ output ] ◀── Writer
//!           ──sent_below─────▶ marks: the writer waits, or proceeds (back-pressure)
//! ```
//!
//! The connection of a blocking-style handler is a duplex, and so are the bodies of an HTTP
//! message, or any other stream that a protocol passes to a fiber.
//!
//! Rules of this file:
//!
//! - No user code runs here: wakers are deferred until the step is over.
//! - Input is wanted while fewer than [`read_ahead`](crate::hub::ServiceConfig::read_ahead) bytes
//!   are held, and while a token waits for more than are held.
//!
//! It must never know what the bytes are, nor what carries them.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::channel::{Channel, ConnShared, Holder, Origin};
use super::{Reader, Writer};
use crate::buf::Pipeline;
use crate::hub::{MachineCtx, ServiceConfig};
use crate::machine::{Actions, Cause};

/// The machine's end of a two-way stream of bytes to a fiber, whose ends are a [`Reader`] and a
/// [`Writer`]. Made by [`MachineCtx::duplex`].
///
/// When the fiber queues or takes bytes, or drops a handle, the machine is woken
/// ([`Input::Wake`](crate::machine::Input::Wake)). It should then move what was queued
/// ([`move_output`](Self::move_output)) and check whether input is wanted
/// ([`wants_input`](Self::wants_input)).
///
/// ```
/// use diesel_proto::*;
///
/// /// Answers each line with its length, by a fiber.
/// struct Lengths {
///     ctx: MachineCtx,
///     duplex: Duplex,
/// }
///
/// impl Machine for Lengths {
///     fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
///         let mut taken = 0;
///         match input {
///             Input::Start => {
///                 let (mut reader, mut writer) = (self.duplex.reader(), self.duplex.writer());
///                 let spawned = self.ctx.ctx().spawn(async move {
///                     loop {
///                         let line = reader.until_eol().await?;
///                         writer.write(format_args!("{}\r\n", line.trimmed().len())).await?;
///                     }
///                     # #[allow(unreachable_code)]
///                     Ok::<(), Error>(())
///                 });
///                 if spawned.is_err() {
///                     actions.close(Cause::Failed);
///                 }
///             }
///             Input::Bytes(bytes) => {
///                 self.duplex.received(bytes);
///                 taken = bytes.len();
///             }
///             Input::Eof => self.duplex.eof(),
///             _ => {}
///         }
///         self.duplex.move_output(actions);
///         match self.duplex.wants_input() {
///             true => actions.resume(),
///             false => actions.pause(),
///         }
///         taken
///     }
/// }
///
/// let mut hub = Hub::default();
/// let service = hub.add_service(Service::machine_with(|ctx| {
///     let duplex = ctx.duplex(&ServiceConfig::default().into());
///     Lengths { ctx, duplex }
/// }));
/// # let now = Instant::ORIGIN;
/// # let conn = hub.accept(now, service, Address::Unnamed).unwrap();
/// # hub.received(now, conn, b"hello\r\nyou\r\n");
/// # hub.run(now, &mut Vec::new());
/// # hub.outgoing(conn, |slices| assert_eq!(slices.concat(), b"5\r\n3\r\n"));
/// # hub.received(now, conn, b"again\r\n");
/// # hub.run(now, &mut Vec::new());
/// # hub.outgoing(conn, |slices| assert_eq!(slices.concat(), b"5\r\n3\r\n5\r\n"));
/// ```
pub struct Duplex {
    socket: Rc<ConnShared>,
}

impl Duplex {
    /// A stream within a connection. That of the connection itself has an `origin`.
    pub(super) fn new(
        machine_ctx: &MachineCtx,
        config: &Rc<ServiceConfig>,
        origin: Option<Box<Origin>>,
    ) -> Self {
        let mut channel = Channel::new();
        channel.has_reader = origin.is_some();
        let socket = Rc::new(ConnShared {
            core: Rc::clone(machine_ctx.core()),
            key: machine_ctx.conn().into(),
            origin,
            config: Rc::clone(config),
            channel: RefCell::new(channel),
            dirty: Cell::new(false),
            takes_file_regions: Cell::new(false),
        });
        Duplex { socket }
    }

    pub(super) fn into_shared(self) -> Rc<ConnShared> {
        self.socket
    }

    /// Reuses this duplex for another machine, or another message: it becomes as new. Returns
    /// `false`, and changes nothing, while a handle that it made before still exists.
    pub fn renew(&mut self, machine_ctx: &MachineCtx) -> bool {
        let Some(socket) = Rc::get_mut(&mut self.socket) else { return false };
        if !Rc::ptr_eq(&socket.core, machine_ctx.core()) {
            return false;
        }
        socket.key = machine_ctx.conn().into();
        let channel = socket.channel.get_mut();
        channel.input.clear(&mut socket.core.slices.borrow_mut());
        if let Some(output) = channel.output.take() {
            socket.core.give_back_output(output, None);
        }
        channel.renew();
        *socket.dirty.get_mut() = false;
        *socket.takes_file_regions.get_mut() = false;
        true
    }

    /// The fiber's end for what the machine [receives](Self::received). Make only one: a second one
    /// shares its position, and when either is dropped, unread bytes are dropped.
    pub fn reader(&self) -> Reader {
        let channel = &mut *self.socket.channel.borrow_mut();
        (channel.holder, channel.has_reader) = (Holder::Halves, true);
        Reader::new(Rc::clone(&self.socket))
    }

    /// The fiber's end for output. Make only one.
    pub fn writer(&self) -> Writer {
        self.socket.channel.borrow_mut().holder = Holder::Halves;
        Writer::new(Rc::clone(&self.socket))
    }

    /// Passes bytes to the reader. All of them are kept until it takes them, without a limit, so
    /// check [`wants_input`](Self::wants_input) first. If the reader was dropped, they are dropped.
    pub fn received(&self, bytes: &[u8]) {
        self.socket.receive(&mut self.socket.channel.borrow_mut(), bytes);
    }

    /// Signals the end of the input to the reader.
    pub fn eof(&self) {
        self.socket.end(&mut self.socket.channel.borrow_mut());
    }

    /// Ends the stream, both ways, for this cause: what was queued is dropped, and tokens fail.
    pub fn break_off(&self, cause: Cause) {
        self.socket.break_off(&mut self.socket.channel.borrow_mut(), cause);
    }

    /// Whether the machine should pass on more bytes. If this returns `false`, the machine is woken
    /// once more are wanted. After the reader was dropped, none are.
    pub fn wants_input(&self) -> bool {
        self.look();
        let channel = &mut *self.socket.channel.borrow_mut();
        if channel.reader_dropped && !channel.input.is_empty() {
            channel.input.clear(&mut self.socket.core.slices.borrow_mut());
        }
        let wants = !channel.reader_dropped && self.socket.has_room(channel);
        channel.paused = !wants;
        wants
    }

    /// Call this when the machine holds bytes back although they are [wanted](Self::wants_input):
    /// it is then woken when the reader takes bytes, or waits for more.
    pub fn hold_back(&self) {
        self.socket.channel.borrow_mut().paused = true;
    }

    /// The number of bytes that were received and not taken.
    pub fn unread(&self) -> usize {
        self.socket.channel.borrow().input.len()
    }

    /// Whether the reader was dropped: nothing more will be read.
    pub fn reader_is_gone(&self) -> bool {
        self.socket.channel.borrow().reader_dropped
    }

    /// The number of bytes that are held here, in and out.
    pub fn held(&self) -> usize {
        self.socket.channel.borrow().held()
    }

    /// Suppresses wake-ups by the handles until the machine next calls
    /// [`move_output`](Self::move_output), [`take_pieces`](Self::take_pieces) or
    /// [`wants_input`](Self::wants_input). For a machine that [polls](crate::hub::Poller) the fiber
    /// itself, and calls one of these afterwards.
    pub fn look_later(&self) {
        self.socket.dirty.set(true);
    }

    /// From the next write on, keeps writes apart, as [pieces](Self::take_pieces).
    pub fn keep_pieces(&self) {
        self.socket.channel.borrow_mut().keeps_pieces = true;
    }

    /// Moves all that was queued to the stream of the machine, and applies the marks of
    /// back-pressure: see [`sent_below`](Self::sent_below).
    pub fn move_output(&self, actions: &mut Actions<'_>) {
        self.look();
        let channel = &mut *self.socket.channel.borrow_mut();
        self.socket.move_output(channel, actions);
    }

    /// Calls `piece` for each write since the last time, in order, with the queue that starts with
    /// it and its length. `piece` must take exactly that many bytes out of the queue. See
    /// [`keep_pieces`](Self::keep_pieces).
    ///
    /// # Errors
    ///
    /// The first error that `piece` returns; the writes after that are dropped.
    pub fn take_pieces<E>(
        &self,
        mut piece: impl FnMut(&mut Pipeline, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        self.look();
        let output = self.socket.channel.borrow_mut().take_output();
        let Some(mut output) = output else { return Ok(()) };
        let result = {
            let (pipeline, mut lengths) = output.drain_pieces();
            lengths.try_for_each(|len| piece(pipeline, len))
        };
        self.socket.core.give_back_output(output, None);
        result
    }

    /// Sets whether the writer may queue regions of [files](Writer::write_file): a machine that only
    /// moves what is queued, with [`take_pieces`](Self::take_pieces), passes on
    /// [`Actions::takes_file_regions`] before its fiber writes. Off by default: then files are read,
    /// and queued as bytes. [`move_output`](Self::move_output) sets it itself.
    pub fn take_file_regions(&self, takes: bool) {
        self.socket.takes_file_regions.set(takes);
    }

    /// Reports how many of the bytes that were taken from here are still queued in the stream
    /// below. They count for the [`high_water`](ServiceConfig::high_water) mark of the writer, and
    /// for its [`flush`](Writer::flush). Returns the number below which this must be called again
    /// (see [`Actions::notify_below`]), or zero.
    pub fn sent_below(&self, queued: u64) -> u64 {
        self.socket.sent_below(&mut self.socket.channel.borrow_mut(), queued)
    }

    /// The machine looks at the channel now: later changes by the handles wake it again.
    fn look(&self) {
        self.socket.dirty.set(false);
    }
}

impl fmt::Debug for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Duplex({:?})", self.socket)
    }
}

/// The machine's side of a channel that it has borrowed.
impl ConnShared {
    #[inline]
    pub(super) fn receive(&self, channel: &mut Channel, bytes: &[u8]) {
        if channel.reader_dropped || channel.is_closing() {
            return;
        }
        channel.input.buffer().push(bytes, &mut self.core.slices.borrow_mut());
        self.core.put_off(channel.reader.take());
    }

    pub(super) fn end(&self, channel: &mut Channel) {
        channel.eof = true;
        for waker in channel.take_ended().chain(channel.take_watcher()) {
            self.core.put_off(Some(waker));
        }
    }

    pub(super) fn fail_writing(&self, channel: &mut Channel) {
        channel.write_failed = true;
        self.drop_output(channel, None);
        self.core.put_off(channel.take_writer());
    }

    pub(super) fn break_off(&self, channel: &mut Channel, cause: Cause) {
        self.drop_output(channel, None);
        for waker in channel.break_off(cause) {
            self.core.put_off(Some(waker));
        }
    }

    /// Whether a reader that exists wants more bytes.
    pub(super) fn has_room(&self, channel: &Channel) -> bool {
        channel.input.len() < self.config.read_ahead || channel.reader.is_waiting()
    }

    pub(super) fn move_output(&self, channel: &mut Channel, actions: &mut Actions<'_>) {
        self.takes_file_regions.set(actions.takes_file_regions());
        if let Some(mut output) = channel.take_output() {
            let (queue, blocks) = actions.queue();
            // This fails only after a close, when tokens fail as well.
            let _ = queue.append(&mut output.pipeline, blocks);
            self.core.give_back_output(output, Some(blocks));
        }
        let notify = self.sent_below(channel, actions.queued());
        actions.notify_below(notify);
    }

    pub(super) fn sent_below(&self, channel: &mut Channel, queued: u64) -> u64 {
        channel.below = queued;
        if channel.notify_below() > queued {
            channel.blocked().notify_below = 0;
            self.core.put_off(channel.take_writer());
        }
        // Even if no writer waits: a later write must not see an outdated number above the mark.
        let low = self.config.low_water.min(self.config.high_water.saturating_sub(1));
        match channel.notify_below() {
            0 if queued > low => low.saturating_add(1),
            asked => asked,
        }
    }
}
