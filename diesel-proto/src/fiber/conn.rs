//! A fiber's handle of one connection.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::ops::RangeBounds;

use super::Ctx;
use super::channel::{ConnShared, Holder};
use super::file::File;
use super::peer_ended::PeerEnded;
use super::read::{Count, Peek, Read, Some as SomeBytes, ToEnd, Until, UntilEol};
use super::write::{Flush, Payload, Write, WriteWith};
use super::write_file::write_file;
use crate::buf::{Blocks, Pipeline};
use crate::machine::{Address, Cause, ConnId, Error, Machine};

/// One connection: the handle that a handler receives, and that `connect` returns.
///
/// Its methods make tokens: futures that borrow the handle, so that one fiber cannot wait twice
/// for the same bytes.
///
/// # Cancel safety
///
/// Dropping a token before it is done loses nothing: the bytes that it waited for remain for the
/// next token. A `write` that is dropped early has queued nothing.
///
/// # Closing
///
/// When the handle is dropped, the connection closes once everything queued is sent; so it closes
/// when its handler returns. The handle can be moved to any other fiber of its hub.
///
/// If the handler returned an error, that error is the cause of the close. If the handle is dropped
/// before the handler returns, the close waits for the handler, but at most for one millisecond,
/// or, while the peer has not ended its side, for the service's
/// [`linger`](crate::hub::ServiceConfig::linger). After that the cause is [`Cause::Done`] or
/// [`Cause::PeerClosed`].
///
/// # Errors
///
/// Any token fails with [`Error::Reset`](crate::machine::Error::Reset) if the connection broke
/// (after a failed write, `write` and `flush` fail at once, and reading continues to the end of the
/// stream), with [`Error::TimedOut`](crate::machine::Error::TimedOut) if one of the service's
/// deadlines closed it, and with [`Error::Shutdown`](crate::machine::Error::Shutdown) if it would
/// have to wait during a graceful shutdown (`write` and `flush` may wait until the grace period
/// ends). Each method lists its other errors.
///
/// # Example
///
/// ```
/// # use diesel_proto::*;
/// /// Each message is its length in decimal, a colon, and that many bytes.
/// async fn netstrings(mut conn: Conn) -> Result<(), Error> {
///     while conn.peek(1).await.is_ok() {
///         let length = conn.until(b":").limit(8).await?;
///         let n = core::str::from_utf8(&length[..length.len() - 1])?.parse()?;
///         let message = conn.bytes(n).await?;
///         conn.write(("got: ", message, "\r\n")).await?;
///     }
///     Ok(())
/// }
/// # Hub::default().add_service(netstrings);
/// ```
pub struct Conn {
    socket: Rc<ConnShared>,
}

/// The receiving half of a connection. After it is dropped, bytes that arrive are discarded.
///
/// ```
/// # use diesel_proto::*;
/// /// Copies what arrives on one connection to another, both ways.
/// async fn relay(ctx: Ctx, a: Conn, b: Conn) -> Result<(), Error> {
///     async fn copy(mut from: Reader, mut to: Writer) -> Result<(), Error> {
///         while !from.is_at_end() {
///             to.write(from.some().await?).await?;
///         }
///         Ok(())
///     }
///     let ((from_a, to_a), (from_b, to_b)) = (a.split(), b.split());
///     let other_way = ctx.spawn(copy(from_b, to_a))?;
///     copy(from_a, to_b).await?;
///     other_way.await?
/// }
/// ```
pub struct Reader {
    socket: Rc<ConnShared>,
}

/// The sending half of a connection. Dropping it is a half-close: our side ends once everything
/// queued is sent.
///
/// Example: see [`Reader`].
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

    /// Waits for `n` bytes without taking them. See [`Reader::peek`].
    pub fn peek(&mut self, n: usize) -> Read<'_, Peek> {
        Read::peek(&self.socket, n)
    }

    /// Puts bytes back, so that the next token gets them before all others. See [`Reader::unread`].
    pub fn unread(&mut self, bytes: &[u8]) {
        self.socket.unread(bytes);
    }

    /// Queues bytes to be sent. See [`Writer::write`].
    pub fn write<P: Payload>(&mut self, payload: P) -> Write<'_, P> {
        Write::new(&self.socket, payload)
    }

    /// Lets a function write to the queue. See [`Writer::write_with`].
    pub fn write_with<F>(&mut self, write: F) -> Write<'_, WriteWith<F>>
    where
        F: FnOnce(&mut Pipeline, &mut Blocks),
    {
        Write::new(&self.socket, WriteWith(Some(write)))
    }

    /// Sends a part of a file. See [`Writer::write_file`].
    ///
    /// # Errors
    ///
    /// See [`Writer::write_file`].
    pub async fn write_file(
        &mut self,
        file: &File,
        range: impl RangeBounds<u64>,
    ) -> Result<(), Error> {
        write_file(&self.socket, file, range).await
    }

    /// Waits until everything queued is sent. See [`Writer::flush`].
    pub fn flush(&mut self) -> Flush<'_> {
        Flush::new(&self.socket)
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.socket.half_close();
    }

    /// Closes the connection once everything queued is sent. Dropping the handle does the same.
    pub fn close(self) {}

    /// Resets the connection at once; what is queued is dropped.
    pub fn abort(self) {
        self.socket().close(Cause::Done, true);
    }

    /// Closes with the given cause: at once if `abort`, otherwise once everything queued is sent.
    pub(crate) fn close_with(self, cause: Cause, abort: bool) {
        self.socket().close(cause, abort);
    }

    /// Lets `machine` take over the connection in place. It first gets the bytes that arrived and
    /// were not taken; what is queued is sent before its own output.
    pub fn upgrade(self, machine: impl Machine + 'static) {
        // Dropping the handle must not close the stream that the machine takes over.
        self.socket.channel.borrow_mut().holder = Holder::Machine;
        let machine = Box::new(machine);
        if self.socket.channel.borrow().is_broken {
            return drop(machine);
        }
        self.socket.channel.borrow_mut().set_successor(machine);
        self.socket.wake_machine();
        self.socket.core.need_run();
    }

    /// Splits the connection into halves that two fibers can hold. The connection closes when both
    /// are dropped.
    pub fn split(self) -> (Reader, Writer) {
        self.socket.channel.borrow_mut().holder = Holder::Halves;
        (Reader::new(Rc::clone(&self.socket)), Writer::new(Rc::clone(&self.socket)))
    }

    /// The context of the fiber, for what belongs to no connection: `sleep`, `spawn`, `connect`.
    /// Cheap to clone.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(&self.socket().core))
    }

    /// The peer's address.
    pub fn peer(&self) -> Address {
        self.socket().peer()
    }

    /// The latest value of type `T` that a layer below learned about the connection, if any. For
    /// example, [`proxy_protocol::layer`](crate::proxy_protocol::layer) provides its
    /// [`Header`](crate::proxy_protocol::Header).
    pub fn learned<T: 'static>(&self) -> Option<Rc<T>> {
        self.socket().origin.as_ref()?.learned.as_ref()?.find()
    }

    /// The id of the connection in its hub.
    pub fn id(&self) -> ConnId {
        self.socket().id()
    }

    /// Whether the hub is shutting down.
    pub fn draining(&self) -> bool {
        self.socket().core.is_draining()
    }

    /// Whether the peer ended its side, or the connection broke. Bytes that arrived before may
    /// still be there to be taken.
    pub fn is_closed(&self) -> bool {
        let channel = self.socket().channel.borrow();
        channel.eof || channel.is_broken
    }

    /// Whether the peer ended its side in order, and everything before that was taken.
    pub fn is_at_end(&self) -> bool {
        let channel = self.socket.channel.borrow();
        channel.eof && channel.input.is_empty() && !channel.is_broken
    }

    /// Whether bytes arrived that no token took yet.
    pub fn has_unread(&self) -> bool {
        !self.socket.channel.borrow().input.is_empty()
    }

    /// Marks this connection as in step: this client call has read every answer that it asked for.
    /// So the next call may use the connection even if this one fails, is dropped, or sent
    /// something that has no answer. See [`Client::call`](super::client::Client::call).
    ///
    /// The mark holds until more is sent or taken. It does nothing for a connection that is not a
    /// client's.
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

    /// Whether the end of the stream was reached and everything before it was taken.
    pub fn is_at_end(&self) -> bool {
        let channel = self.socket.channel.borrow();
        channel.eof && channel.input.is_empty() && !channel.is_broken
    }

    /// Waits for everything up to and including `sentinel`, and takes it.
    ///
    /// It takes at most the service's [`read_limit`](crate::hub::ServiceConfig::read_limit) of
    /// bytes, the sentinel included; [`limit`](Read::limit) changes that for one call. An empty
    /// sentinel matches at once and takes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`](crate::machine::Error::Limit) if the first `limit` bytes hold no whole
    /// sentinel, whatever the reads that delivered them; with a limit of zero, at once.
    /// [`Error::Closed`](crate::machine::Error::Closed) if the peer ended its side before the
    /// sentinel. Either way, the bytes that arrived can still be taken.
    ///
    /// # Cost
    ///
    /// A search continues where the last one for the same sentinel ended: each byte is examined at
    /// most twice. Bytes are not copied, except those of a line that arrived in several reads.
    pub fn until<'a>(&'a mut self, sentinel: &'a [u8]) -> Read<'a, Until<'a>> {
        Read::until(&self.socket, sentinel)
    }

    /// Waits for a line, and takes it with its line end, LF or CR LF. Like
    /// [`until`](Self::until)`(b"\n")`, but returns a [`Line`](crate::buf::Line).
    pub fn until_eol(&mut self) -> Read<'_, UntilEol> {
        Read::until_eol(&self.socket)
    }

    /// Waits for `n` bytes, and takes them. With zero, it returns at once.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`](crate::machine::Error::Limit), at once, if `n` is beyond the service's
    /// [`read_limit`](crate::hub::ServiceConfig::read_limit) (or the [`limit`](Read::limit) of the
    /// call). [`Error::Closed`](crate::machine::Error::Closed) if the peer ended its side before.
    pub fn bytes(&mut self, n: usize) -> Read<'_, Count> {
        Read::bytes(&self.socket, n)
    }

    /// Waits until bytes are there, and takes some: at least one, without copying.
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
    /// [`Error::Limit`](crate::machine::Error::Limit) if more than `limit` bytes arrive before the
    /// end.
    pub fn to_end(&mut self, limit: usize) -> Read<'_, ToEnd> {
        Read::to_end(&self.socket, limit)
    }

    /// Waits for `n` bytes and returns them, but leaves them for the next token. Otherwise like
    /// [`bytes`](Self::bytes).
    pub fn peek(&mut self, n: usize) -> Read<'_, Peek> {
        Read::peek(&self.socket, n)
    }

    /// Puts bytes back, so that the next token gets them before all others: what was taken, and turns
    /// out to be for whatever reads next.
    ///
    /// ```
    /// use diesel_proto::{Conn, Error};
    ///
    /// /// Takes one message, in whichever pieces it arrives; the bytes behind it stay.
    /// async fn message(conn: &mut Conn) -> Result<Vec<u8>, Error> {
    ///     let mut message = Vec::new();
    ///     loop {
    ///         let piece = conn.some().await?;
    ///         if let Some(end) = piece.iter().position(|&byte| byte == 0) {
    ///             message.extend_from_slice(&piece[..end]);
    ///             conn.unread(&piece[end + 1..]);
    ///             return Ok(message);
    ///         }
    ///         message.extend_from_slice(&piece);
    ///     }
    /// }
    /// ```
    ///
    /// # Cost
    ///
    /// All unread bytes are copied.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.socket.unread(bytes);
    }
}

impl Writer {
    pub(super) fn new(socket: Rc<ConnShared>) -> Self {
        Writer { socket }
    }

    /// Waits for room as [`write`](Self::write) does, then calls `write` with the queue and the
    /// memory that it borrows from: for a protocol core that writes to a [`Pipeline`]. What the
    /// function queues is not copied.
    ///
    /// ```
    /// use diesel_proto::http1::{ClientConnectionConfig, Headers, MessageOutput, RequestLine};
    /// use diesel_proto::http1::{RequestOptions, SharedClientConnection};
    /// use diesel_proto::{Conn, Error};
    ///
    /// async fn get(http: &mut SharedClientConnection, conn: &mut Conn) -> Result<(), Error> {
    ///     let line = RequestLine::new("GET", "/", "example.org").map_err(Error::application)?;
    ///     let mut result = Ok(());
    ///     let write = conn.write_with(|pipeline, blocks| {
    ///         let mut out = MessageOutput::new(pipeline, blocks);
    ///         let (fields, options) = (Headers::new(), RequestOptions::default());
    ///         result = http.request_whole(&line, &fields, b"", &options, &mut out);
    ///     });
    ///     write.await?;
    ///     Ok(result?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); `write` is not called then.
    pub fn write_with<F>(&mut self, write: F) -> Write<'_, WriteWith<F>>
    where
        F: FnOnce(&mut Pipeline, &mut Blocks),
    {
        Write::new(&self.socket, WriteWith(Some(write)))
    }

    /// Queues bytes to be sent: text, slices, [`Bytes`](bytes::Bytes), what a token returned,
    /// `format_args!(..)`, or a tuple of these.
    ///
    /// It completes when the bytes are queued. Back-pressure: if at least
    /// [`high_water`](crate::hub::ServiceConfig::high_water) bytes are queued already, it waits
    /// until at most [`low_water`](crate::hub::ServiceConfig::low_water) are. If it is dropped
    /// before that, it queues nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::machine::Error::Closed) after [`half_close`](Self::half_close).
    pub fn write<P: Payload>(&mut self, payload: P) -> Write<'_, P> {
        Write::new(&self.socket, payload)
    }

    /// Sends a part of a file: of the range, what is in the file (`..`: all of it). It completes when
    /// the transport has taken it, and what was queued before.
    ///
    /// The bytes do not go through the application where they need not: the embedder sends them from
    /// the file (`sendfile`). Inside a layer that has to see them, such as TLS, they are read in
    /// pieces of 64 KiB, with back-pressure as for [`write`](Self::write).
    ///
    /// If the file has become shorter than it was when it was opened, or cannot be read on, the
    /// connection is cut, so that the peer does not take what it got for all. If the future is
    /// dropped, what is queued is still sent: nothing of the file, or a beginning of the range of any
    /// length. Where the peer would mistake that, [`cut`](Self::cut) the connection.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write) and [`flush`](Self::flush). [`Error::File`] if the file is too
    /// short, or cannot be read; then the connection is cut. A wait of a graceful shutdown ends with
    /// its grace period, as for `write`.
    ///
    /// Example: see [`File`].
    pub async fn write_file(
        &mut self,
        file: &File,
        range: impl RangeBounds<u64>,
    ) -> Result<(), Error> {
        write_file(&self.socket, file, range).await
    }

    /// Waits until the transport (for a socket, the kernel) has taken everything queued.
    pub fn flush(&mut self) -> Flush<'_> {
        Flush::new(&self.socket)
    }

    /// Waits until the peer ends its side, or the stream breaks, whether or not everything before that
    /// was taken: for a fiber that only writes. The future borrows nothing, and may be dropped at any
    /// time.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::{Conn, Error, First2, first};
    ///
    /// /// Counts the seconds until the peer has had enough.
    /// async fn count(conn: Conn) -> Result<(), Error> {
    ///     let (_reader, mut writer) = conn.split();
    ///     for second in 0.. {
    ///         writer.write(format_args!("{second}\r\n")).await?;
    ///         let sleep = writer.ctx().sleep(Duration::from_secs(1));
    ///         if let First2::A(()) = first((writer.peer_ended(), sleep)).await {
    ///             break;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// # diesel_proto::Hub::default().add_service(count);
    /// ```
    ///
    /// For a connection it is seen only while bytes are still read: before that, at most
    /// [`read_ahead`](crate::hub::ServiceConfig::read_ahead) of them.
    pub fn peer_ended(&self) -> PeerEnded {
        PeerEnded::new(Rc::clone(&self.socket))
    }

    /// What the fiber can do besides writing.
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Rc::clone(&self.socket.core))
    }

    /// Ends our side once everything queued is sent; the peer may go on sending.
    pub fn half_close(&mut self) {
        self.socket.half_close();
    }

    /// Resets the connection, both ways, once everything queued is sent, so that the peer does not
    /// mistake a truncated message for a complete one. For a handler that forwards something and
    /// cannot complete it.
    pub fn cut(self) {
        self.socket.cut(Cause::Failed);
    }
}

impl ConnShared {
    pub(crate) fn close(&self, cause: Cause, abort: bool) {
        {
            let channel = &mut *self.channel.borrow_mut();
            channel.close_with(cause);
            channel.aborts |= abort;
        }
        self.wake_machine();
        self.core.need_run();
    }

    /// Resets the connection once everything queued is sent.
    pub(super) fn cut(&self, cause: Cause) {
        {
            let channel = &mut *self.channel.borrow_mut();
            channel.close_with(cause);
            channel.cuts = true;
        }
        self.wake_machine();
        self.core.need_run();
    }

    fn unread(&self, bytes: &[u8]) {
        let channel = &mut *self.channel.borrow_mut();
        channel.input.buffer().unread(bytes, &mut self.core.slices.borrow_mut());
    }

    fn half_close(&self) {
        self.channel.borrow_mut().half_closed = true;
        self.wake_machine();
        self.core.need_run();
    }

    /// The reading or the writing half was dropped. Without a writing half our side ends; without
    /// either, the connection closes.
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
        self.wake_machine();
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
                write!(f, concat!(stringify!($name), "({:?} of {})"), self.socket.id(), self.socket.peer())
            }
        })*
    };
}

debug_by_id!(Conn, Reader, Writer);
