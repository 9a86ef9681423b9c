//! [`ClientResponse`]: the head of a response, and its body as it arrives.
//!
//! Rules of this file:
//!
//! - Cancel safety: a future that is dropped before it is ready has taken nothing.
//! - When the body is complete, the connection goes back to the pool. A response that is dropped
//!   before closes it, unless the rest has arrived already.
//!
//! It must never know how a request is sent.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use super::dial::failed_at;
use super::error::{ClientError, Phase};
use super::exchange::{Exchange, Piece};
#[cfg(feature = "gzip")]
use super::gzip::GunzipStep;
use super::shared::ClientShared;
use super::url::Url;
use crate::buf::Chunk;
use crate::fiber::Conn;
use crate::http1::syntax::{FieldSpans, FieldsView, Headers, ResponseHead, Status, Version};
use crate::machine::Address;

/// A response. Its body is read on demand.
///
/// ```
/// use diesel_proto::http1::{Client, ClientError};
///
/// /// Counts the lines of a document of any length.
/// async fn count_lines(client: &Client, url: &str) -> Result<usize, ClientError> {
///     let mut response = client.get(url).await?;
///     let mut lines = 0;
///     while let Some(piece) = response.some().await? {
///         lines += piece.iter().filter(|&&byte| byte == b'\n').count();
///     }
///     Ok(lines)
/// }
/// ```
pub struct ClientResponse {
    /// `None` once it is given back.
    spans: Option<Box<FieldSpans>>,
    client: Rc<ClientShared>,
    url: Url,
    peer: Option<Address>,
    /// `None` once the body is complete. Boxed, since it is large and responses move.
    exchange: Option<Box<Exchange>>,
    /// If the server switched to another protocol.
    conn: Option<Conn>,
    /// Decodes the body; `None` once that is complete.
    #[cfg(feature = "gzip")]
    gzip: Option<super::gzip::Gunzip>,
    /// For trailers, if there is a body: the spans of the head must stay.
    scratch: Option<Box<FieldSpans>>,
    trailers: Headers,
}

impl ClientResponse {
    pub(super) fn new(
        client: Rc<ClientShared>,
        spans: Box<FieldSpans>,
        url: Url,
        peer: Option<Address>,
        exchange: Option<Exchange>,
        conn: Option<Conn>,
    ) -> Self {
        let scratch = exchange.is_some().then(|| client.lend_spans());
        ClientResponse {
            spans: Some(spans),
            client,
            url,
            peer,
            exchange: exchange.map(Box::new),
            conn,
            #[cfg(feature = "gzip")]
            gzip: None,
            scratch,
            trailers: Headers::new(),
        }
    }

    /// Decodes the body, of at most `limit` bytes, if it is compressed by gzip only. A part of a
    /// compressed body is not decoded.
    #[cfg(feature = "gzip")]
    pub(super) fn inflated(mut self, limit: u64) -> Self {
        let is_part = self.status().code() == 206;
        if self.exchange.is_some() && !is_part && super::gzip::is_gzip(self.headers()) {
            self.gzip = Some(super::gzip::Gunzip::new(limit));
            if let Some(spans) = &mut self.spans {
                spans.leave_out(&["content-encoding", "content-length"]);
            }
        }
        self
    }

    /// The head: status, version and fields.
    pub fn head(&self) -> ResponseHead<'_> {
        // It is there until the response is dropped.
        self.spans.as_deref().unwrap_or(&NO_SPANS).kept_response()
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.head().status()
    }

    /// The version that the server speaks.
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The fields, in order.
    #[doc(alias = "fields")]
    pub fn headers(&self) -> FieldsView<'_> {
        self.head().fields()
    }

    /// The value of the first field of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().get(name)
    }

    /// The value of the first field of this name, if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.header(name)?).ok()
    }

    /// The value of Content-Length; `None` if the body is decoded as it is read. For HEAD and in a
    /// 304 it is the length of another response (RFC 9110, 8.6).
    pub fn content_length(&self) -> Option<u64> {
        self.head().content_length()
    }

    /// The URL that the response is for: after redirects, the last one.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address that it came from: that of the server or of a proxy.
    pub fn peer(&self) -> Option<Address> {
        self.peer
    }

    /// Waits for a piece of the body, at least one byte, as it arrived or was decoded. Returns `None`
    /// at the end of the body. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ClientError::Response`] if the body is incomplete or not correct,
    /// [`ClientError::Broken`] if the connection broke, [`ClientError::TimedOut`]; of a compressed
    /// body, [`ClientError::Content`] and [`ClientError::InflatedTooLong`], too; what was decoded
    /// before is returned first. A further call returns `None`.
    pub async fn some(&mut self) -> Result<Option<Chunk>, ClientError> {
        #[cfg(feature = "gzip")]
        if self.gzip.is_some() {
            return self.some_inflated().await;
        }
        self.some_raw().await
    }

    /// Waits for a piece of the body, and decodes it.
    #[cfg(feature = "gzip")]
    async fn some_inflated(&mut self) -> Result<Option<Chunk>, ClientError> {
        loop {
            let Some(gzip) = &mut self.gzip else { return Ok(None) };
            poll_fn(|cx| gzip.poll_turn(cx)).await;
            let error = match gzip.next() {
                Ok(GunzipStep::Piece(piece)) => return Ok(Some(piece)),
                Ok(GunzipStep::Yield) => continue,
                Ok(GunzipStep::NeedsInput) => match self.some_raw().await? {
                    Some(piece) => {
                        if let Some(gzip) = &mut self.gzip {
                            gzip.feed(piece);
                        }
                        continue;
                    }
                    None => match self.gzip.take().map_or(Ok(()), |gzip| gzip.finish()) {
                        Ok(()) => return Ok(None),
                        Err(error) => error,
                    },
                },
                Err(error) => error,
            };
            self.fail();
            let at = self.failed_at(Phase::Body);
            return Err(error.into_client_error(at));
        }
    }

    /// Waits for a piece of the body, as it was sent.
    async fn some_raw(&mut self) -> Result<Option<Chunk>, ClientError> {
        let piece = poll_fn(|cx| match (&mut self.exchange, &mut self.scratch) {
            (Some(exchange), Some(scratch)) => exchange.poll_piece(cx, scratch, &self.url),
            _ => Poll::Ready(Ok(Piece::End(Headers::new()))),
        })
        .await;
        match piece {
            Ok(Piece::Data(data)) => Ok(Some(data)),
            Ok(Piece::End(trailers)) => {
                if self.exchange.take().is_some() {
                    self.trailers = trailers;
                }
                Ok(None)
            }
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    /// Waits for the whole rest of the body.
    ///
    /// # Errors
    ///
    /// [`ClientError::BodyTooLong`] if that is more than `limit` bytes: the connection is closed.
    /// Otherwise as for [`some`](Self::some).
    ///
    /// # Cost
    ///
    /// A body that arrived in one piece is not copied.
    pub async fn read(&mut self, limit: usize) -> Result<Chunk, ClientError> {
        let mut first = Chunk::new();
        let mut all = Vec::new();
        while let Some(piece) = self.some().await? {
            let len = first.len().max(all.len());
            if piece.len() > limit.saturating_sub(len) {
                self.fail();
                return Err(ClientError::BodyTooLong(self.failed_at(Phase::Body), limit));
            }
            match len {
                0 => first = piece,
                _ => {
                    if all.is_empty() {
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&piece);
                }
            }
        }
        Ok(if all.is_empty() { first } else { Chunk::from(all) })
    }

    /// Waits for the whole body, of at most
    /// [`ClientConfig::whole_body`](super::ClientConfig::whole_body) bytes. See
    /// [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub async fn bytes(&mut self) -> Result<Chunk, ClientError> {
        let limit = self.client.config.whole_body;
        self.read(limit).await
    }

    /// Waits for the whole body, as text, which must be UTF-8. See [`bytes`](Self::bytes).
    ///
    /// # Errors
    ///
    /// [`ClientError::Content`] if it is not UTF-8. Otherwise as for [`read`](Self::read).
    pub async fn text(&mut self) -> Result<String, ClientError> {
        let bytes = self.bytes().await?;
        match core::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(ClientError::Content(self.failed_at(Phase::Body), error.into())),
        }
    }

    /// Waits for the whole body, and reads it as JSON. See [`bytes`](Self::bytes).
    ///
    /// # Errors
    ///
    /// [`ClientError::Content`] if it is not JSON of this type. Otherwise as for
    /// [`read`](Self::read).
    #[cfg(feature = "json")]
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Content(self.failed_at(Phase::Body), error.into()))
    }

    /// Takes the connection, if the server switched to the protocol that the
    /// [request asked for](super::ClientRequest::upgrade), with the status 101. The bytes behind the
    /// head of the response are the first that it yields. `None` after any other response, which is
    /// one like all others, and if it was taken already.
    ///
    /// The connection does not return to the pool, and does not count for
    /// [`PoolLimits::per_origin`](super::PoolLimits::per_origin) any more. The timeouts of the client
    /// end with the response; those of the hub's
    /// [`Config::client`](crate::hub::Config::client) remain. If it is not taken, it is closed with
    /// the response.
    ///
    /// ```
    /// use diesel_proto::http1::{Client, ClientError};
    /// use diesel_proto::{Conn, Error};
    ///
    /// /// Asks for the protocol `echo`, if the server speaks it.
    /// async fn echo(client: &Client) -> Result<Option<Conn>, ClientError> {
    ///     let mut response = client.get("http://192.0.2.1/").upgrade("echo").await?;
    ///     Ok(response.upgraded())
    /// }
    /// ```
    pub fn upgraded(&mut self) -> Option<Conn> {
        self.conn.take()
    }

    /// Whether the whole body was read, or there is none.
    pub fn is_at_end(&self) -> bool {
        #[cfg(feature = "gzip")]
        if self.gzip.is_some() {
            return false;
        }
        self.exchange.is_none()
    }

    /// The trailers. They are available at the end of the body.
    pub fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// Nothing more of the body is of use.
    fn fail(&mut self) {
        self.exchange = None;
        #[cfg(feature = "gzip")]
        {
            self.gzip = None;
        }
    }

    fn failed_at(&self, phase: Phase) -> Box<super::error::FailedAt> {
        failed_at(phase, &self.url, self.peer)
    }
}

static NO_SPANS: FieldSpans = FieldSpans::new();

impl Drop for ClientResponse {
    fn drop(&mut self) {
        // What has arrived may be all that is missing.
        while let (Some(exchange), Some(scratch)) = (&mut self.exchange, &mut self.scratch) {
            match exchange.piece_here(scratch) {
                Some(Piece::Data(_)) => {}
                Some(Piece::End(_)) | None => self.exchange = None,
            }
        }
        for spans in [self.spans.take(), self.scratch.take()].into_iter().flatten() {
            self.client.give_back_spans(spans);
        }
    }
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse")
            .field("url", &self.url)
            .field("head", &self.head())
            .field("is_at_end", &self.is_at_end())
            .finish_non_exhaustive()
    }
}
