//! Bodies, as a handler has them: what it reads of a request, and what it writes of a response.
//!
//! Rules of this file:
//!
//! - A token gives all that it promises, or has taken nothing: dropping it loses nothing.
//! - A handler that does not read stops the client from sending; a client that does not read
//!   stops the handler from writing.
//!
//! It must never know how a body is framed.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::exchange::Exchange;
use crate::buf::Chunk;
use crate::fiber::{Payload, Reader, Writer};
use crate::http1::syntax::{Field, Headers, InvalidField};
use crate::machine::{Error, Limit};

/// The body of a request, which may still be on its way.
///
/// Whoever wants it asks; the first time, a client that waits for `100 Continue` is told to go on.
/// Nothing is read ahead of that but what comes by itself, up to
/// [`read_ahead`](crate::hub::ServiceConfig::read_ahead).
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
/// It goes on coming while the hub shuts down, until the grace period ends: what was begun is to be
/// finished.
pub struct Body {
    /// None for the request of a plain handler, which has its body.
    parts: Option<Parts>,
}

struct Parts {
    /// None for a request that has no body.
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

    /// Asks for the body, or all of it at once.
    fn ask(&mut self, all: bool) -> Option<&mut Reader> {
        let Parts { reader, exchange } = self.parts.as_mut()?;
        exchange.ask(all);
        reader.as_mut()
    }

    /// Waits for some of the body, at least one byte, as it lies. `None` at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the request is over, because it was answered by somebody else. A body
    /// that does not come to its end is none of the handler's errors: the client is told, and the
    /// handler is dropped.
    pub async fn some(&mut self) -> Result<Option<Chunk>, Error> {
        let Some(reader) = self.ask(false) else { return Ok(None) };
        match reader.some().await {
            Ok(chunk) => Ok(Some(chunk)),
            Err(Error::Closed) if reader.is_at_end() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for all that is left of the body.
    ///
    /// # Errors
    ///
    /// [`Limit::Body`](crate::machine::Limit::Body) if that is more than `limit` bytes: passed on by the
    /// handler, the answer is 413. Otherwise as [`some`](Self::some).
    pub async fn read(&mut self, limit: usize) -> Result<Chunk, Error> {
        let Some(reader) = self.ask(true) else { return Ok(Chunk::new()) };
        reader.to_end(limit).await.map_err(|error| match error {
            Error::Limit(Limit::ToEnd(limit)) => Error::Limit(Limit::Body(limit)),
            error => error,
        })
    }

    /// Whether all of it was taken, or there was none.
    pub fn is_at_end(&self) -> bool {
        let reader = self.parts.as_ref().and_then(|parts| parts.reader.as_ref());
        reader.is_none_or(|reader| reader.is_at_end())
    }

    /// The fields that came behind it. They are there at its end.
    pub fn trailers(&self) -> Headers {
        self.exchange().map(|exchange| exchange.trailers()).unwrap_or_default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("is_at_end", &self.is_at_end()).finish_non_exhaustive()
    }
}

/// Writes the body of a response, piece by piece. See [`Response::stream`](super::response::Response::stream).
pub struct BodyWriter {
    writer: Writer,
    exchange: Rc<Exchange>,
    trailers: Headers,
}

impl BodyWriter {
    pub(in crate::http1) fn new(writer: Writer, exchange: Rc<Exchange>) -> Self {
        BodyWriter { writer, exchange, trailers: Headers::new() }
    }

    /// Queues a piece: whatever [`Conn::write`](crate::fiber::Conn::write) takes. Waits only while at least
    /// [`high_water`](crate::hub::ServiceConfig::high_water) bytes are queued, until no more than
    /// [`low_water`](crate::hub::ServiceConfig::low_water) are. Dropped before that, it queues nothing.
    ///
    /// Where the body goes out in chunks, each piece is one: a few large ones cost less than many
    /// small.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the request is over.
    pub async fn write<P: Payload>(&mut self, payload: P) -> Result<(), Error> {
        self.writer.write(payload).await
    }

    /// Waits until everything that was written was taken by whatever carries the connection.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush().await
    }

    /// Waits until the client has ended its side, as [`Request::closed`](super::request::Request::closed)
    /// does.
    pub fn closed(&self) -> ClientClosed {
        ClientClosed { exchange: Some(Rc::clone(&self.exchange)) }
    }

    /// Adds a field that goes out behind the body, if that is chunked, and the client speaks
    /// HTTP/1.1.
    ///
    /// # Errors
    ///
    /// One that may not go on the wire.
    pub fn trailer(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        self.trailers.push(Field::new(name.as_ref(), value.as_ref())?);
        Ok(())
    }

    pub(in crate::http1) fn into_trailers(self) -> Headers {
        self.trailers
    }
}

/// Waits until a client has ended its side: see [`Request::closed`](super::request::Request::closed).
#[must_use = "futures do nothing unless polled"]
pub struct ClientClosed {
    /// None for the request of a plain handler.
    pub(in crate::http1) exchange: Option<Rc<Exchange>>,
}

impl Future for ClientClosed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.exchange.as_ref().map_or(Poll::Pending, |exchange| exchange.poll_closed(cx))
    }
}

impl fmt::Debug for ClientClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").field("trailers", &self.trailers).finish_non_exhaustive()
    }
}
