//! A fiber's handle of one connection.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;

use super::Ctx;
use super::channel::{ConnShared, Holder};
use super::read::{Count, Peek, Read, Some as SomeBytes, ToEnd, Until, UntilEol};
use super::write::{Flush, Payload, Write};
use crate::hub::ConnId;
use crate::machine::{Address, Cause, Machine};

/// One connection: what a handler is given, and what `connect` gives.
///
/// Its methods make tokens: futures that borrow the handle, so that one fiber cannot wait twice
/// for the same bytes. Dropping a token before it is done loses nothing: what it waited for is
/// still there for the next one.
///
/// A connection closes, once everything queued is sent, when its handle is dropped; so a handler
/// that returns closes its own. The handle may go to any other fiber of its hub.
///
/// The cause of that close is the error that the handler returned, if it returned one. Where the
/// handle was dropped before the handler returned, the close waits for it, but no longer than a
/// millisecond, or than the service's [`linger`](crate::hub::ServiceConfig::linger) while the peer has
/// not ended its side: after that the cause is [`Cause::Done`] or [`Cause::PeerClosed`].
///
/// # Errors
///
/// Any token fails with [`Error::Reset`](crate::machine::Error::Reset) when the connection broke (after a
/// write that failed, `write` and `flush` do at once, and reading goes on to the end), with
/// [`Error::TimedOut`](crate::machine::Error::TimedOut) when one of the service's deadlines closed it, and
/// with [`Error::Shutdown`](crate::machine::Error::Shutdown) if it would have to wait while the hub shuts
/// down (`write` and `flush` may wait until the grace period ends). The others are named at each
/// method.
pub struct Conn {
    socket: Rc<ConnShared>,
}

/// The half of a connection that receives. Dropping it drops what still arrives.
pub struct Reader {
    socket: Rc<ConnShared>,
}

/// The half of a connection that sends. Dropping it ends our side once everything queued is sent.
pub struct Writer {
    socket: Rc<ConnShared>,
}

impl Conn {
    pub(crate) fn new(socket: Rc<ConnShared>) -> Self {
        Conn { socket }
    }

    /// Waits for everything up to and including `sentinel`. See [`Reader::until`].
    pub fn until<'a>(&'a mut self, sentinel: &'a [u8]) -> Read<'a, Until<'a>> {
        Read::until(&self.socket, sentinel)
    }

    /// Waits for a line. See [`Reader::until_eol`].
    pub fn until_eol(&mut self) -> Read<'_, UntilEol> {
        Read::until_eol(&self.socket)
    }

    /// Waits for `n` bytes. See [`Reader::bytes`].
    pub fn bytes(&mut self, n: usize) -> Read<'_, Count> {
        Read::bytes(&self.socket, n)
    }

    /// Waits for some bytes. See [`Reader::some`].
    pub fn some(&mut self) -> Read<'_, SomeBytes> {
        Read::some(&self.socket)
    }

    /// Waits for the end of the stream. See [`Reader::to_end`].
    pub fn to_end(&mut self, limit: usize) -> Read<'_, ToEnd> {
        Read::to_end(&self.socket, limit)
    }

    /// Waits for `n` bytes, and leaves them. See [`Reader::peek`].
    pub fn peek(&mut self, n: usize) -> Read<'_, Peek> {
        Read::peek(&self.socket, n)
    }

    /// Queues bytes to be sent. See [`Writer::write`].
    pub fn write<P: Payload>(&mut self, payload: P) -> Write<'_, P> {
        Write::new(&self.socket, payload)
    }

    /// Waits until everything queued is sent. See [`Writer::flush`].
    pub fn flush(&mut self) -> Flush<'_> {
        Flush::new(&self.socket)
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.socket.half_close();
    }

    /// Closes the connection once everything queued is sent. What dropping the handle does, too.
    pub fn close(self) {}

    /// Resets the connection at once; what is queued is dropped.
    pub fn abort(self) {
        self.socket().close(Cause::Done, true);
    }

    /// Closes with a cause of the caller's; at once, or when everything queued is sent.
    pub(crate) fn close_with(self, cause: Cause, abort: bool) {
        self.socket().close(cause, abort);
    }

    /// Hands the connection to `machine`, in place: the bytes that arrived and were not taken are
    /// the first that it gets, and what is queued is sent before what it sends.
    pub fn upgrade(self, machine: impl Machine + 'static) {
        // Were it dropped as usual, it would close the stream under the machine.
        self.socket.channel.borrow_mut().holder = Holder::Machine;
        self.socket.core.upgrade(&self.socket, Box::new(machine));
    }

    /// Both halves, each to be held by a fiber of its own. The connection closes when both are
    /// dropped.
    pub fn split(self) -> (Reader, Writer) {
        self.socket.channel.borrow_mut().holder = Holder::Halves;
        (Reader::new(Rc::clone(&self.socket)), Writer::new(Rc::clone(&self.socket)))
    }

    /// What belongs to no connection: `sleep`, `spawn`, `connect`. A cheap clone.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(&self.socket().core))
    }

    /// The other side's address.
    pub fn peer(&self) -> Address {
        self.socket().peer
    }

    /// What a layer below learned of the connection, by its type: the latest value, if there is one.
    /// So [`proxy_protocol::layer`](crate::proxy_protocol::layer) leaves its
    /// [`Header`](crate::proxy_protocol::Header).
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.socket().learned.as_ref()?.find()
    }

    /// Its name in the hub.
    pub fn id(&self) -> ConnId {
        self.socket().id()
    }

    /// Whether the hub is shutting down.
    pub fn draining(&self) -> bool {
        self.socket().core.is_draining()
    }

    /// Whether the other side has ended its, or the connection broke. Bytes that arrived before
    /// may still be there to be taken.
    pub fn is_closed(&self) -> bool {
        let channel = self.socket().channel.borrow();
        channel.eof || channel.is_broken
    }

    /// Whether bytes arrived that nobody took.
    pub(crate) fn has_unread(&self) -> bool {
        !self.socket.channel.borrow().input.is_empty()
    }

    /// Says that this connection is in step: everything that this client call asked for was read, so
    /// that the next call may have the connection, although this one fails, is dropped, or sent
    /// something that has no answer. See [`Client::call`](super::client::Client::call).
    ///
    /// It holds until more is sent or taken. It does nothing for a connection that is not a client's.
    ///
    /// ```
    /// # use diesel_proto::*;
    /// async fn log(client: &Client, line: &str) -> Result<(), Error> {
    ///     let call = async |conn: &mut Conn| {
    ///         conn.write((line, "\r\n")).await?;
    ///         // There will be no answer.
    ///         conn.mark_in_step();
    ///         Ok(())
    ///     };
    ///     client.call(call).await
    /// }
    /// ```
    pub fn mark_in_step(&mut self) {
        let channel = &mut *self.socket.channel.borrow_mut();
        let traffic = channel.traffic();
        if let Some(watched) = &mut channel.watched {
            watched.in_step = traffic;
        }
    }

    pub(crate) fn socket(&self) -> &Rc<ConnShared> {
        &self.socket
    }
}

impl Reader {
    pub(super) fn new(socket: Rc<ConnShared>) -> Self {
        Reader { socket }
    }

    /// Whether the end of the stream was reached: everything before it was taken.
    pub fn is_at_end(&self) -> bool {
        let channel = self.socket.channel.borrow();
        channel.eof && channel.input.is_empty() && !channel.is_broken
    }

    /// Waits for everything up to and including `sentinel`, and takes it.
    ///
    /// At most the service's [`read_limit`](crate::hub::ServiceConfig::read_limit) of bytes, the
    /// sentinel included; [`limit`](Read::limit) changes that for one call. An empty sentinel is
    /// there at once, and takes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`](crate::machine::Error::Limit) if the first `limit` bytes hold no whole sentinel,
    /// however they were cut; with a limit of zero, at once.
    /// [`Error::Closed`](crate::machine::Error::Closed) if the peer ended its side before. Either way what
    /// arrived is still there to be taken.
    ///
    /// # Cost
    ///
    /// A search goes on where the last one for the same sentinel ended: each byte is looked at no
    /// more than twice. What is taken is not copied, except a line that was cut across reads.
    pub fn until<'a>(&'a mut self, sentinel: &'a [u8]) -> Read<'a, Until<'a>> {
        Read::until(&self.socket, sentinel)
    }

    /// Waits for a line, and takes it with its end: LF, or CR LF. As
    /// [`until`](Self::until)`(b"\n")`, but as a [`Line`](crate::buf::Line).
    pub fn until_eol(&mut self) -> Read<'_, UntilEol> {
        Read::until_eol(&self.socket)
    }

    /// Waits for `n` bytes, and takes them. Zero is there at once.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`](crate::machine::Error::Limit), at once, if `n` is beyond the service's
    /// [`read_limit`](crate::hub::ServiceConfig::read_limit) (or the call's).
    /// [`Error::Closed`](crate::machine::Error::Closed) if the peer ended its side before.
    pub fn bytes(&mut self, n: usize) -> Read<'_, Count> {
        Read::bytes(&self.socket, n)
    }

    /// Waits until something is there, and takes it: at least one byte, as they lie.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::machine::Error::Closed) at the end of the stream.
    pub fn some(&mut self) -> Read<'_, SomeBytes> {
        Read::some(&self.socket)
    }

    /// Waits for the end of the stream, and takes everything before it.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`](crate::machine::Error::Limit) if that is more than `limit` bytes.
    pub fn to_end(&mut self, limit: usize) -> Read<'_, ToEnd> {
        Read::to_end(&self.socket, limit)
    }

    /// Waits for `n` bytes, hands them out, and leaves them for the next token. As
    /// [`bytes`](Self::bytes) otherwise.
    pub fn peek(&mut self, n: usize) -> Read<'_, Peek> {
        Read::peek(&self.socket, n)
    }
}

impl Writer {
    pub(super) fn new(socket: Rc<ConnShared>) -> Self {
        Writer { socket }
    }

    /// Queues bytes to be sent: text, slices, [`Bytes`](bytes::Bytes), what a token took,
    /// `format_args!(..)`, or a tuple of these.
    ///
    /// Done when they are queued. Waits only while at least
    /// [`high_water`](crate::hub::ServiceConfig::high_water) bytes are queued, until no more than
    /// [`low_water`](crate::hub::ServiceConfig::low_water) are. Dropped before that, it queues nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::machine::Error::Closed) after [`half_close`](Self::half_close).
    pub fn write<P: Payload>(&mut self, payload: P) -> Write<'_, P> {
        Write::new(&self.socket, payload)
    }

    /// Waits until everything queued was taken by whatever carries the stream (the kernel).
    pub fn flush(&mut self) -> Flush<'_> {
        Flush::new(&self.socket)
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.socket.half_close();
    }

    /// Resets the connection, both ways, once everything queued is sent: so that the peer does not
    /// take what was cut off for all there was. For a handler that passes on what it cannot complete.
    pub fn cut(self) {
        {
            let channel = &mut *self.socket.channel.borrow_mut();
            channel.close_with(Cause::Failed);
            channel.cuts = true;
        }
        self.socket.core.look_at(&self.socket);
        self.socket.core.need_run();
    }
}

impl ConnShared {
    pub(crate) fn close(&self, cause: Cause, abort: bool) {
        {
            let channel = &mut *self.channel.borrow_mut();
            channel.close_with(cause);
            channel.aborts |= abort;
        }
        self.core.look_at(self);
        self.core.need_run();
    }

    fn half_close(&self) {
        self.channel.borrow_mut().half_closed = true;
        self.core.look_at(self);
        self.core.need_run();
    }

    /// Nobody holds the reading half any more, or the writing one: then our side ends. If nobody
    /// holds either, the connection closes.
    fn released(&self, reader: bool, writer: bool) {
        {
            let channel = &mut *self.channel.borrow_mut();
            channel.reader_dropped |= reader;
            channel.writer_dropped |= writer;
            channel.half_closed |= channel.writer_dropped;
            if channel.writer_dropped && channel.reader_dropped {
                let cause = if channel.eof { Cause::PeerClosed } else { Cause::Done };
                channel.close_with(cause);
            }
        }
        self.core.look_at(self);
        self.core.need_run();
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.socket.channel.borrow().holder == Holder::Conn {
            self.socket.released(true, true);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.socket.released(true, false);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.socket.released(false, true);
    }
}

macro_rules! debug_by_id {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?} of {})"), self.socket.id(), self.socket.peer)
            }
        })*
    };
}

debug_by_id!(Conn, Reader, Writer);
