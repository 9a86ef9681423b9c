//! Tokens that queue bytes once there is room (back-pressure), and the types that can be written.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;

use super::channel::{ConnShared, error_of};
use super::waiting::SpareWaker;
use crate::buf::{Blocks, Chunk, Closed, FileRegion, Line, Pipeline};
use crate::hub::Outgoing;
use crate::machine::Error;

/// Waits for room, then queues its payload. Made by [`Writer::write`](super::conn::Writer::write).
/// Polled again after it is done, it fails with [`Error::AlreadyDone`].
///
/// Example: see [`Payload`].
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, P> {
    socket: &'a ConnShared,
    payload: P,
    is_done: bool,
}

impl<'a, P> Write<'a, P> {
    pub(crate) fn new(socket: &'a ConnShared, payload: P) -> Self {
        Write { socket, payload, is_done: false }
    }
}

// Nothing in it is ever pinned.
impl<P> Unpin for Write<'_, P> {}

impl<P: Payload> Future for Write<'_, P> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let socket = self.socket;
        let core = &*socket.core;
        ready!(core.may_go_on(cx))?;
        if self.is_done {
            core.spend_token();
            return Poll::Ready(Err(Error::AlreadyDone));
        }
        let mut spare = SpareWaker::default();
        let mut channel = loop {
            let mut channel = socket.channel.borrow_mut();
            if let Some(error) = channel.write_error() {
                core.spend_token();
                return Poll::Ready(Err(error));
            }
            // Between the low and the high mark, a write proceeds only if none was waiting: hence
            // the check of `notify_below`.
            let queued = channel.queued();
            let waits = channel.notify_below() > 1 && queued >= channel.notify_below();
            let fits = channel.output.as_ref().is_none_or(|output| output.has_room());
            if queued == 0 || (queued < socket.config.high_water && !waits && fits) {
                break channel;
            }
            let low = socket.config.low_water.min(socket.config.high_water.saturating_sub(1));
            channel.blocked().notify_below = low.saturating_add(1);
            if channel.blocked().writer.register(cx, &mut spare) {
                drop(channel);
                socket.wake_machine();
                return Poll::Pending;
            }
            drop(channel);
            spare.fill(cx);
        };
        self.is_done = true;
        let payload = &mut self.payload;
        let pushed = if P::RUNS_FOREIGN_CODE {
            drop(channel);
            let mut lent = BorrowedQueue::take(socket);
            payload.queue_in(&mut lent.output.pipeline, &mut lent.blocks)
        } else {
            let blocks = &mut core.workspace.borrow_mut().blocks;
            let keeps_pieces = channel.keeps_pieces;
            let output = channel.output.get_or_insert_with(|| core.lend_output());
            let before = output.pipeline.len();
            let pushed = payload.queue_in(&mut output.pipeline, blocks);
            if keeps_pieces {
                output.end_piece(before);
            }
            drop(channel);
            pushed
        };
        core.spend_token();
        socket.wake_machine();
        Poll::Ready(pushed.map_err(|_| Error::Closed))
    }
}

/// The queue of a connection, taken out while a payload is pushed: formatting a value, or dropping
/// one that was copied, may run user code, and nothing of the hub may be borrowed meanwhile. The
/// queue is put back on drop, also after a panic.
struct BorrowedQueue<'a> {
    socket: &'a ConnShared,
    output: Box<Outgoing>,
    /// The length of the queue before the push.
    before: u64,
    blocks: Blocks,
}

impl<'a> BorrowedQueue<'a> {
    fn take(socket: &'a ConnShared) -> Self {
        let output = socket.channel.borrow_mut().output.take();
        let output = output.unwrap_or_else(|| socket.core.lend_output());
        let before = output.pipeline.len();
        let blocks = core::mem::take(&mut socket.core.workspace.borrow_mut().blocks);
        BorrowedQueue { socket, output, before, blocks }
    }
}

impl Drop for BorrowedQueue<'_> {
    fn drop(&mut self) {
        self.socket.core.workspace.borrow_mut().blocks = core::mem::take(&mut self.blocks);
        // No other writer can have queued meanwhile: the token borrows the only one.
        let channel = &mut *self.socket.channel.borrow_mut();
        let mut output = core::mem::take(&mut self.output);
        if channel.keeps_pieces {
            output.end_piece(self.before);
        }
        channel.output = Some(output);
    }
}

impl<P> fmt::Debug for Write<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").finish_non_exhaustive()
    }
}

/// Waits until everything queued is sent. Made by [`Writer::flush`](super::conn::Writer::flush).
///
/// Example: see [`Payload`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Flush<'a> {
    socket: &'a ConnShared,
}

impl<'a> Flush<'a> {
    pub(crate) fn new(socket: &'a ConnShared) -> Self {
        Flush { socket }
    }
}

impl Future for Flush<'_> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let core = &*self.socket.core;
        ready!(core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        let outcome = loop {
            let mut channel = self.socket.channel.borrow_mut();
            if let Some(cause) = channel.broken() {
                break Err(error_of(cause));
            }
            if channel.write_failed {
                break Err(Error::Reset);
            }
            if channel.queued() == 0 {
                break Ok(());
            }
            channel.blocked().notify_below = 1;
            if channel.blocked().writer.register(cx, &mut spare) {
                drop(channel);
                self.socket.wake_machine();
                return Poll::Pending;
            }
            drop(channel);
            spare.fill(cx);
        };
        core.spend_token();
        Poll::Ready(outcome)
    }
}

/// What can be written: text, bytes, what a token returned, `format_args!(..)`, and tuples of
/// these.
///
/// Small pieces are copied behind what is queued already; large [`Bytes`] are queued by reference.
///
/// ```
/// # use diesel_proto::*;
/// async fn greet(mut conn: Conn) -> Result<(), Error> {
///     let name = conn.until_eol().await?;
///     conn.write(("hello, ", name, "you are number ")).await?;
///     conn.write(format_args!("{}\r\n", 7)).await?;
///     // Wait until everything is sent.
///     conn.flush().await
/// }
/// # Hub::default().add_service(greet);
/// ```
pub trait Payload: sealed::Sealed {
    /// Whether pushing it may run user code.
    #[doc(hidden)]
    const RUNS_FOREIGN_CODE: bool = false;

    /// Queues the payload. Called once; it may take what `self` owns. (Not named `push`: that would
    /// hide `Vec::push` where this trait is imported.)
    #[doc(hidden)]
    fn queue_in(&mut self, pipeline: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! payload {
    ($([$($generics:tt)*] $type:ty => |$self:ident, $pipeline:ident, $blocks:ident| $push:expr;)*) => {
        $(
            impl<$($generics)*> sealed::Sealed for $type {}
            impl<$($generics)*> Payload for $type {
                #[inline(always)]
                fn queue_in(
                    &mut $self,
                    $pipeline: &mut Pipeline,
                    $blocks: &mut Blocks,
                ) -> Result<(), Closed> {
                    $push
                }
            }
        )*
    };
}

payload! {
    [] &[u8] => |self, pipeline, blocks| pipeline.push(self, blocks);
    [const N: usize] &[u8; N] => |self, pipeline, blocks| pipeline.push(*self, blocks);
    [] &str => |self, pipeline, blocks| pipeline.push(self.as_bytes(), blocks);
    [] &String => |self, pipeline, blocks| pipeline.push(self.as_bytes(), blocks);
    [] &Vec<u8> => |self, pipeline, blocks| pipeline.push(self, blocks);
    [] &Chunk => |self, pipeline, blocks| pipeline.push(self, blocks);
    [] &Line => |self, pipeline, blocks| pipeline.push(self, blocks);
    [] Chunk => |self, pipeline, blocks| pipeline.push(self, blocks);
    [] Line => |self, pipeline, blocks| pipeline.push(self, blocks);
    [] String => |self, pipeline, blocks| {
        pipeline.push_bytes(core::mem::take(self).into(), blocks)
    };
    [] Vec<u8> => |self, pipeline, blocks| {
        pipeline.push_bytes(core::mem::take(self).into(), blocks)
    };
}

impl sealed::Sealed for Bytes {}
impl Payload for Bytes {
    /// Bytes that were copied are dropped, and their owner may be a user's type.
    const RUNS_FOREIGN_CODE: bool = true;

    fn queue_in(&mut self, pipeline: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        pipeline.push_bytes(core::mem::take(self), blocks)
    }
}

impl sealed::Sealed for fmt::Arguments<'_> {}
impl Payload for fmt::Arguments<'_> {
    const RUNS_FOREIGN_CODE: bool = true;

    fn queue_in(&mut self, pipeline: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        if pipeline.is_closing() {
            return Err(Closed);
        }
        // An open queue never fails. An error comes from the value's own `fmt`; what it wrote
        // before that stays queued.
        let _ = fmt::write(&mut pipeline.writer(blocks), *self);
        Ok(())
    }
}

/// A payload that a function writes to the queue. Made by
/// [`Writer::write_with`](super::conn::Writer::write_with).
///
/// Example: see [`Writer::write_with`](super::conn::Writer::write_with).
pub struct WriteWith<F>(pub(super) Option<F>);

impl<F> sealed::Sealed for WriteWith<F> {}
impl<F: FnOnce(&mut Pipeline, &mut Blocks)> Payload for WriteWith<F> {
    const RUNS_FOREIGN_CODE: bool = true;

    fn queue_in(&mut self, pipeline: &mut Pipeline, blocks: &mut Blocks) -> Result<(), Closed> {
        if pipeline.is_closing() {
            return Err(Closed);
        }
        if let Some(write) = self.0.take() {
            write(pipeline, blocks);
        }
        Ok(())
    }
}

impl<F> fmt::Debug for WriteWith<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteWith")
    }
}

/// A region of a file.
pub(super) struct RegionPayload(pub(super) FileRegion);

impl sealed::Sealed for RegionPayload {}
impl Payload for RegionPayload {
    fn queue_in(&mut self, pipeline: &mut Pipeline, _: &mut Blocks) -> Result<(), Closed> {
        pipeline.push_file_region(self.0)
    }
}

macro_rules! payload_tuple {
    ($($name:ident)+) => {
        impl<$($name: Payload),+> sealed::Sealed for ($($name,)+) {}
        impl<$($name: Payload),+> Payload for ($($name,)+) {
            const RUNS_FOREIGN_CODE: bool = $($name::RUNS_FOREIGN_CODE)||+;

            #[allow(non_snake_case)]
            #[inline(always)]
            fn queue_in(
                &mut self,
                pipeline: &mut Pipeline,
                blocks: &mut Blocks,
            ) -> Result<(), Closed> {
                let ($($name,)+) = self;
                $($name.queue_in(pipeline, blocks)?;)+
                Ok(())
            }
        }
    };
}

payload_tuple!(A);
payload_tuple!(A B);
payload_tuple!(A B C);
payload_tuple!(A B C D);
payload_tuple!(A B C D E);
payload_tuple!(A B C D E F);
