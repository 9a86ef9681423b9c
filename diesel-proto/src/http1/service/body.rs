//! Bodies, as a handler sees them: what it reads of a request, and what it writes of a response.
//!
//! Rules of this file:
//!
//! - Cancel safety: a future that is dropped before it is ready has taken or queued nothing, so
//!   nothing is lost.
//! - Back-pressure: a handler that does not read stops the client from sending; a client that does
//!   not read stops the handler from writing.
//!
//! It must never know how a body is framed.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::ops::{Range, RangeBounds};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::encoder::{ContentEncoder, encoded, within};
use super::exchange::Exchange;
use crate::buf::{Blocks, Chunk, Pipeline};
use crate::fiber::{Ctx, File, Flush, Payload, PeerEnded, Reader, Writer};
use crate::http1::syntax::{Field, Headers, InvalidField};
use crate::machine::{Error, FileErrorKind, Limit};

/// The body of a request, which may still be arriving.
///
/// The body is read on demand. The first read sends `100 Continue` to a client that waits for it.
/// Before that, at most [`read_ahead`](crate::hub::ServiceConfig::read_ahead) bytes are buffered of
/// what the client sends anyway.
///
/// ```
/// use diesel_proto::Error;
/// use diesel_proto::http1::{BodyWriter, Request, Response};
///
/// /// Sends back whatever comes, of any size.
/// async fn echo(request: Request) -> Response {
///     let mut body = request.into_body();
///     Response::stream(async move |out: &mut BodyWriter| {
///         while let Some(chunk) = body.some().await? {
///             out.write(chunk).await?;
///         }
///         Ok(())
///     })
/// }
/// # diesel_proto::Hub::default().add_service(diesel_proto::http1::Service::new(echo));
/// ```
///
/// During graceful shutdown the body continues to arrive until the grace period ends, so that a
/// request that has begun can finish.
pub struct Body {
    /// None for a plain handler, whose request contains the whole body.
    parts: Option<Parts>,
}

struct Parts {
    /// None for a request without a body.
    reader: Option<Reader>,
    exchange: Rc<Exchange>,
}

impl Body {
    pub(in crate::http1) const fn none() -> Self {
        Body { parts: None }
    }

    pub(in crate::http1) fn of(exchange: Rc<Exchange>, reader: Option<Reader>) -> Self {
        Body { parts: Some(Parts { reader, exchange }) }
    }

    pub(in crate::http1) fn exchange(&self) -> Option<&Rc<Exchange>> {
        self.parts.as_ref().map(|parts| &parts.exchange)
    }

    /// Asks for the body; with `all`, for the whole body at once.
    fn ask(&mut self, all: bool) -> Option<&mut Reader> {
        let Parts { reader, exchange } = self.parts.as_mut()?;
        exchange.ask(all);
        reader.as_mut()
    }

    /// Waits for a part of the body, at least one byte, in the chunks in which it arrived. Returns
    /// `None` at its end. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the request is over because it was answered otherwise. An incomplete
    /// body is not reported to the handler: the client gets the error, and the handler is dropped.
    pub async fn some(&mut self) -> Result<Option<Chunk>, Error> {
        let Some(reader) = self.ask(false) else { return Ok(None) };
        match reader.some().await {
            Ok(chunk) => Ok(Some(chunk)),
            Err(Error::Closed) if reader.is_at_end() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the whole rest of the body. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Limit::Body`](crate::machine::Limit::Body) if that is more than `limit` bytes; if the
    /// handler returns this error, the response is 413. Otherwise as for [`some`](Self::some).
    pub async fn read(&mut self, limit: usize) -> Result<Chunk, Error> {
        let Some(reader) = self.ask(true) else { return Ok(Chunk::new()) };
        reader.to_end(limit).await.map_err(|error| match error {
            Error::Limit(Limit::ToEnd(limit)) => Error::Limit(Limit::Body(limit)),
            error => error,
        })
    }

    /// Whether the whole body was taken, or the request has none.
    pub fn is_at_end(&self) -> bool {
        let reader = self.parts.as_ref().and_then(|parts| parts.reader.as_ref());
        reader.is_none_or(|reader| reader.is_at_end())
    }

    /// The trailers. They are available at the end of the body.
    pub fn trailers(&self) -> Headers {
        self.exchange().map(|exchange| exchange.trailers()).unwrap_or_default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("is_at_end", &self.is_at_end()).finish_non_exhaustive()
    }
}

/// How much of a file is read at once to be encoded.
const PIECE: usize = 64 << 10;

/// Writes the body of a response, piece by piece. See
/// [`Response::stream`](super::response::Response::stream).
///
/// ```
/// use diesel_proto::http1::{BodyWriter, Response};
///
/// let response = Response::stream(async |out: &mut BodyWriter| {
///     out.write("hello\n").await?;
///     out.trailer("Server-Timing", "total;dur=1")?;
///     Ok(())
/// });
/// ```
pub struct BodyWriter {
    writer: Writer,
    /// `None` if no part of the request is left: then the end of the stream is that of the writer.
    exchange: Option<Rc<Exchange>>,
    /// Boxed, because few bodies have any: this keeps the others small.
    extras: Option<Box<Extras>>,
}

#[derive(Default)]
struct Extras {
    trailers: Headers,
    encoder: Option<Box<dyn ContentEncoder>>,
}

impl BodyWriter {
    pub(in crate::http1) fn new(writer: Writer, exchange: Option<Rc<Exchange>>) -> Self {
        BodyWriter { writer, exchange, extras: None }
    }

    /// Queues a piece of the body: any type that [`Conn::write`](crate::fiber::Conn::write)
    /// accepts. Back-pressure: it waits only while at least
    /// [`high_water`](crate::hub::ServiceConfig::high_water) bytes are queued, until at most
    /// [`low_water`](crate::hub::ServiceConfig::low_water) are. Cancel safe: a future dropped
    /// before it is ready has queued nothing.
    ///
    /// In a chunked body each piece becomes one chunk: a few large pieces cost less than many small
    /// ones.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the request is over.
    pub fn write<P: Payload>(
        &mut self,
        payload: P,
    ) -> impl Future<Output = Result<(), Error>> + Unpin {
        match self.extras.as_mut().and_then(|extras| extras.encoder.as_mut()) {
            None => BodyWrite::Plain(self.writer.write(payload)),
            Some(encoder) => {
                let write = |pipeline: &mut Pipeline, blocks: &mut Blocks| {
                    let bytes = encoded(&mut **encoder, payload, blocks);
                    // A queue that is closed ends the request, and with it the stream.
                    let _ = pipeline.push_bytes(bytes, blocks);
                };
                BodyWrite::Encoded(self.writer.write_with(write))
            }
        }
    }

    /// Sends a part of a file: see [`Writer::write_file`]. It waits until the transport has taken all
    /// of it. In a chunked body it is one chunk, or, within TLS, several.
    ///
    /// If the file has become shorter meanwhile, or cannot be read on, the response is cut, so that
    /// the client can detect it.
    ///
    /// ```
    /// use diesel_proto::fiber::File;
    /// use diesel_proto::http1::{BodyWriter, Response};
    ///
    /// /// Both files, one behind the other.
    /// fn joined(first: File, second: File) -> Response {
    ///     let length = first.len() + second.len();
    ///     Response::stream_exactly(length, async move |out: &mut BodyWriter| {
    ///         out.write_file(&first, ..).await?;
    ///         out.write_file(&second, ..).await
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write); [`Error::File`] if the file is too short, or cannot be read.
    pub async fn write_file(
        &mut self,
        file: &File,
        range: impl RangeBounds<u64>,
    ) -> Result<(), Error> {
        if self.extras.as_ref().is_none_or(|extras| extras.encoder.is_none()) {
            return self.writer.write_file(file, range).await;
        }
        // What is encoded has to be read first.
        let Range { mut start, end } = file.part(range);
        while start < end {
            let most = usize::try_from(end - start).unwrap_or(usize::MAX).min(PIECE);
            let bytes = file.read_at(start, most).await?;
            if bytes.is_empty() {
                return Err(FileErrorKind::Shrunk.into());
            }
            start += bytes.len() as u64;
            self.write(bytes).await?;
        }
        self.flush().await
    }

    /// Waits until the transport has taken everything that was written.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn flush(&mut self) -> Flush<'_> {
        self.writer.flush()
    }

    /// What a fiber can do besides writing: sleeping, for example.
    pub fn ctx(&self) -> Ctx {
        self.writer.ctx()
    }

    /// Waits until the client half-closes the stream, like
    /// [`Request::closed`](super::request::Request::closed).
    pub fn closed(&self) -> ClientClosed {
        match &self.exchange {
            Some(exchange) => ClientClosed::of(Some(exchange)),
            None => ClientClosed(ClosedBy::Writer(self.writer.peer_ended())),
        }
    }

    /// Adds a trailer. It is sent if the body is chunked, which needs a client of HTTP/1.1.
    ///
    /// # Errors
    ///
    /// If the name or the value is not valid in a field.
    pub fn trailer(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        let field = Field::new(name.as_ref(), value.as_ref())?;
        self.extras.get_or_insert_default().trailers.push(field);
        Ok(())
    }

    /// Encodes what is written from now on.
    pub(in crate::http1) fn encoded(mut self, encoder: Box<dyn ContentEncoder>) -> Self {
        let extras = self.extras.get_or_insert_default();
        extras.encoder = Some(within(encoder, extras.encoder.take()));
        self
    }

    /// Ends the body: what is left to be written of it, and its trailers.
    fn finish(self) -> BodyEnd {
        let Extras { trailers, encoder } = self.extras.map(|extras| *extras).unwrap_or_default();
        let mut rest = Vec::new();
        if let Some(mut encoder) = encoder {
            encoder.finish(&mut rest);
        }
        BodyEnd { writer: self.writer, rest, trailers }
    }
}

pin_project! {
    /// Runs a stream, and then ends the body.
    pub(in crate::http1) struct BodyStreaming<F> {
        #[pin]
        stream: F,
        end: Option<Box<BodyEnd>>,
    }
}

/// The end of a body.
struct BodyEnd {
    writer: Writer,
    /// What an encoder held back.
    rest: Vec<u8>,
    trailers: Headers,
}

impl<F> BodyStreaming<F> {
    pub(in crate::http1) fn new(stream: F) -> Self {
        BodyStreaming { stream, end: None }
    }
}

impl<F: Future<Output = Result<BodyWriter, Error>>> Future for BodyStreaming<F> {
    type Output = Result<Headers, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let streaming = self.project();
        let end = match streaming.end {
            Some(end) => end,
            None => {
                let end = ready!(streaming.stream.poll(cx))?.finish();
                if end.rest.is_empty() {
                    return Poll::Ready(Ok(end.trailers));
                }
                streaming.end.insert(Box::new(end))
            }
        };
        let BodyEnd { writer, rest, trailers } = &mut **end;
        ready!(Pin::new(&mut writer.write(&*rest)).poll(cx))?;
        Poll::Ready(Ok(mem::take(trailers)))
    }
}

/// Writes a piece of a body, encoded or not.
enum BodyWrite<P, E> {
    Plain(P),
    Encoded(E),
}

impl<P, E> Future for BodyWrite<P, E>
where
    P: Future + Unpin,
    E: Future<Output = P::Output> + Unpin,
{
    type Output = P::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            BodyWrite::Plain(write) => Pin::new(write).poll(cx),
            BodyWrite::Encoded(write) => Pin::new(write).poll(cx),
        }
    }
}

/// Waits until a client half-closes the stream: see
/// [`Request::closed`](super::request::Request::closed).
///
/// Example: see [`Request::closed`](super::request::Request::closed).
#[must_use = "futures do nothing unless polled"]
pub struct ClientClosed(ClosedBy);

/// What tells that a client has half-closed the stream.
enum ClosedBy {
    Exchange(Rc<Exchange>),
    Writer(PeerEnded),
    /// For a plain handler.
    Nothing,
}

impl ClientClosed {
    pub(in crate::http1) fn of(exchange: Option<&Rc<Exchange>>) -> Self {
        let exchange = exchange.map(|exchange| ClosedBy::Exchange(Rc::clone(exchange)));
        ClientClosed(exchange.unwrap_or(ClosedBy::Nothing))
    }
}

impl Future for ClientClosed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.get_mut().0 {
            ClosedBy::Exchange(exchange) => exchange.poll_closed(cx),
            ClosedBy::Writer(ended) => Pin::new(ended).poll(cx),
            ClosedBy::Nothing => Poll::Pending,
        }
    }
}

impl fmt::Debug for ClientClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trailers = self.extras.as_ref().map(|extras| &extras.trailers);
        f.debug_struct("BodyWriter").field("trailers", &trailers).finish_non_exhaustive()
    }
}
