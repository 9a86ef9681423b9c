//! Responses, as a handler makes them.
//!
//! Rules of this file:
//!
//! - A response of static text without extra fields does not allocate.
//! - Invalid fields are reported when the response is sent, not when it is made: the response
//!   remembers the first one, and becomes a 500 and a notice. So a chain of calls needs no `?`, and
//!   no error is lost.
//!
//! It must never know which request it answers, nor how a message is framed.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::ops::RangeBounds;
use core::pin::Pin;

use bytes::Bytes;

mod encode;

use super::body::{BodyStreaming, BodyWriter};
use super::successor::{MakeSuccessor, Successor};
use crate::buf::Chunk;
use crate::fiber::File;
use crate::http1::message::BodyLength;
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{Field, Headers, InvalidField, Status};
use crate::machine::{Error, Limit};

/// A response: a status, fields, and content.
///
/// ```
/// use diesel_proto::http1::{Response, Status};
///
/// let response = Response::text("no such room\n")
///     .status(Status::NOT_FOUND)
///     .header("Retry-After", "120");
/// assert_eq!(response.status_code(), Status::NOT_FOUND);
/// assert_eq!(response.fields().get_str("retry-after"), Some("120"));
/// ```
///
/// A response does not choose how it is delimited, nor whether the connection persists:
/// `Content-Length`, `Transfer-Encoding`, `Connection` and the like are refused. `Upgrade` may
/// advertise other protocols; to agree to an upgrade, see [`upgrade`](Self::upgrade).
pub struct Response {
    pub(in crate::http1) status: Status,
    pub(in crate::http1) headers: Headers,
    /// In addition to `headers`: the usual types need no allocation.
    pub(in crate::http1) content_type: Option<ContentType>,
    pub(in crate::http1) content: ResponseContent,
}

/// What follows the head.
pub(in crate::http1) enum ResponseContent {
    Empty,
    Static(&'static [u8]),
    Bytes(Bytes),
    Chunk(Chunk),
    Stream(BodyLength, BodyStream),
    Upgrade(Box<Upgrade>),
    /// No content, in place of content of this length: for a response to HEAD, or a 304.
    LeftOut(u64),
    /// A field is invalid, so the response is a 500. The first such field is kept.
    Invalid(InvalidField),
    /// The handler failed: a notice reports the error, and the content is the text of the status.
    Failed(Error),
    /// This content, and a notice that reports the error.
    Reporting(Box<(Error, ResponseContent)>),
}

/// The name of another protocol, and what takes over the connection.
pub(in crate::http1) struct Upgrade {
    pub(in crate::http1) protocol: Cow<'static, str>,
    pub(in crate::http1) make: MakeSuccessor,
}

/// Writes a body.
pub(in crate::http1) type BodyStream = Box<dyn FnOnce(BodyWriter) -> BodyFuture>;

pub(in crate::http1) type BodyFuture = Pin<Box<dyn Future<Output = Result<Headers, Error>>>>;

impl Response {
    /// A response without content.
    pub const fn new(status: Status) -> Self {
        Response {
            status,
            headers: Headers::new(),
            content_type: None,
            content: ResponseContent::Empty,
        }
    }

    /// 204 No Content: success, without content.
    pub const fn empty() -> Self {
        Response::new(Status::NO_CONTENT)
    }

    /// 200, with plain text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Response::of_text(ContentType::TEXT, text.into())
    }

    /// 200, with an HTML page.
    pub fn html(text: impl Into<Cow<'static, str>>) -> Self {
        Response::of_text(ContentType::HTML, text.into())
    }

    /// 200, with bytes of any type: set it with [`content_type`](Self::content_type).
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Response::of(None, ResponseContent::Bytes(bytes.into()))
    }

    /// 200, with bytes that were received, of any type. They are not copied before they are sent.
    ///
    /// ```
    /// use diesel_proto::Error;
    /// use diesel_proto::http1::{Request, Response, Service};
    ///
    /// async fn echo(request: Request) -> Result<Response, Error> {
    ///     Ok(Response::chunk(request.into_body().read(10_000).await?))
    /// }
    /// # Service::new(echo);
    /// ```
    pub fn chunk(content: Chunk) -> Self {
        Response::of(None, ResponseContent::Chunk(content))
    }

    /// 200, without content, which announces the length of the content that it stands for: for a
    /// response to HEAD, or a 304 (RFC 9110, 8.6). Any other response has the length 0.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response, Status};
    ///
    /// fn answer(request: Request) -> Response {
    ///     const PAGE: &str = "a page that takes long to make";
    ///     match request.method() {
    ///         "HEAD" => Response::head_only(PAGE.len() as u64),
    ///         "GET" => Response::text(PAGE),
    ///         _ => Response::new(Status::METHOD_NOT_ALLOWED).header("Allow", "GET, HEAD"),
    ///     }
    /// }
    /// ```
    pub const fn head_only(length: u64) -> Self {
        Response::of(None, ResponseContent::LeftOut(length))
    }

    /// 200, with a body that is written piece by piece while it is sent. It is sent in chunks; to a
    /// client of HTTP/1.0, until the connection is closed.
    ///
    /// If `write` returns an error, the response is cut, so that the client can detect it; earlier
    /// responses on the same connection are still sent. Of this response, what was not sent yet is
    /// dropped, the head too: after an error that follows the first writes at once, a client may get
    /// nothing, and repeat the request if it is idempotent. [`BodyWriter::flush`] waits until the first
    /// writes are sent. (A reset may also drop what the client has not read.) `write` is not called
    /// where there is no body, as for HEAD.
    ///
    /// ```
    /// use diesel_proto::http1::{BodyWriter, Response};
    ///
    /// let response = Response::stream(async |out: &mut BodyWriter| {
    ///     for n in 0..1_000_000 {
    ///         // Waits while the client does not keep up: back-pressure.
    ///         out.write(format_args!("{n}\n")).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn stream<F>(write: F) -> Self
    where
        F: AsyncFnOnce(&mut BodyWriter) -> Result<(), Error> + 'static,
    {
        Response::streaming(BodyLength::Unknown, write)
    }

    /// As [`stream`](Self::stream), with a known length, which is sent as Content-Length; the body
    /// is not chunked. Writing more or less cuts the connection.
    pub fn stream_exactly<F>(length: u64, write: F) -> Self
    where
        F: AsyncFnOnce(&mut BodyWriter) -> Result<(), Error> + 'static,
    {
        Response::streaming(BodyLength::Exactly(length), write)
    }

    /// As [`stream`](Self::stream), by a future that owns the writer, and returns it at the end of the
    /// body: for a type that writes a body in its own way. There may be many streams that wait: the
    /// response takes no more memory than the future.
    ///
    /// ```
    /// use diesel_proto::http1::{BodyWriter, Response};
    /// use diesel_proto::Error;
    ///
    /// struct Lines(BodyWriter);
    ///
    /// impl Lines {
    ///     async fn line(&mut self, text: &str) -> Result<(), Error> {
    ///         self.0.write((text, "\n")).await
    ///     }
    /// }
    ///
    /// let response = Response::stream_by(async |out| {
    ///     let mut lines = Lines(out);
    ///     lines.line("one").await?;
    ///     lines.line("two").await?;
    ///     Ok(lines.0)
    /// });
    /// ```
    pub fn stream_by<F>(stream: impl FnOnce(BodyWriter) -> F + 'static) -> Self
    where
        F: Future<Output = Result<BodyWriter, Error>> + 'static,
    {
        Response::of_stream(BodyLength::Unknown, stream)
    }

    /// 200, with the content of a file, whose length is sent as Content-Length. Set its type with
    /// [`content_type`](Self::content_type).
    ///
    /// A short file, which is in [memory](File::content), is sent with the head, in one write. Others
    /// are sent by [`BodyWriter::write_file`]: what it does if the file becomes shorter.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response, Service, Status};
    /// use diesel_proto::{Error, FileErrorKind, Hub};
    ///
    /// let mut hub = Hub::default();
    /// let files = hub.add_directory();
    /// hub.add_service(Service::new(async move |request: Request| {
    ///     match request.ctx().open(files, "logo.png").await {
    ///         Ok(file) => Ok(Response::file(file).content_type("image/png")),
    ///         Err(Error::File(FileErrorKind::NotFound)) => Ok(Response::new(Status::NOT_FOUND)),
    ///         Err(error) => Err(error),
    ///     }
    /// }));
    /// ```
    pub fn file(file: File) -> Self {
        Response::file_part(file, ..)
    }

    /// As [`file`](Self::file), with a part of it: of the range, what is in the file. The status is
    /// 200; a response to a request for a range has another one, and more fields.
    pub fn file_part(file: File, range: impl RangeBounds<u64>) -> Self {
        let range = file.part(range);
        if let Some(content) = file.content() {
            // `range.end <= content.len()`
            let part = content.slice(range.start as usize..range.end as usize);
            return Response::bytes(part);
        }
        let length = range.end - range.start;
        Response::stream_exactly(length, async move |out: &mut BodyWriter| {
            out.write_file(&file, range).await
        })
    }

    /// Agrees to switch to another protocol: sends 101 if the client asked for an upgrade, or 200
    /// if it asked for a tunnel with CONNECT (then `protocol` is not sent). The successor is a
    /// machine, or a handler of connections; see [`Successor`]. The bytes after the request are the
    /// first that it receives.
    ///
    /// If the client asked for neither, this is an error of the handler: the client gets a 500.
    ///
    /// ```
    /// use diesel_proto::http1::{Request, Response, Service};
    /// use diesel_proto::{Conn, LineEcho};
    ///
    /// fn answer(request: Request) -> Response {
    ///     match request.upgrade() {
    ///         Some(b"shout") => Response::upgrade("shout", async |mut conn: Conn| {
    ///             loop {
    ///                 let line = conn.until_eol().await?;
    ///                 conn.write(line.to_ascii_uppercase()).await?;
    ///             }
    ///         }),
    ///         Some(b"echo") => Response::upgrade("echo", LineEcho::default()),
    ///         _ => Response::text("ask for an upgrade to echo or shout\n"),
    ///     }
    /// }
    /// # diesel_proto::Hub::default().add_service(Service::new(answer));
    /// ```
    pub fn upgrade<HandlerVariant>(
        protocol: impl Into<Cow<'static, str>>,
        successor: impl Successor<HandlerVariant>,
    ) -> Self {
        let upgrade = Upgrade { protocol: protocol.into(), make: successor.into_make() };
        Response::of(None, ResponseContent::Upgrade(Box::new(upgrade)))
            .status(Status::SWITCHING_PROTOCOLS)
    }

    /// The response to a request whose handler failed: 500, with its status as the text, and the
    /// error in a [notice](crate::machine::Notice::Failed), not in the response. Exceptions:
    /// [`Error::Shutdown`], and limits of the whole application, are answered with 503; a body
    /// larger than the handler's limit with 413.
    ///
    /// The status of a failed response cannot be changed; fields may be added.
    ///
    /// ```
    /// use diesel_proto::http1::{Response, Status};
    ///
    /// let response = Response::failed("the disk is full").header("Retry-After", "60");
    /// assert_eq!(response.status_code(), Status::INTERNAL_SERVER_ERROR);
    /// assert_eq!(response.error().unwrap().to_string(), "the disk is full");
    /// ```
    pub fn failed(error: impl Into<Error>) -> Self {
        let error = error.into();
        let status = status_of(&error);
        Response { content: ResponseContent::Failed(error), ..Response::new(status) }
    }

    /// Reports an error in a [notice](crate::machine::Notice::Failed) when the response is sent, and
    /// sends the response as it is: for what the client is told in other words, or not at all. A
    /// [failed](Self::failed) response stays as it is: its error is reported anyway.
    ///
    /// ```
    /// use diesel_proto::http1::{Response, Status};
    ///
    /// let error = "no connection to db7.internal:5432";
    /// let response = Response::text("the database is down\n")
    ///     .status(Status::SERVICE_UNAVAILABLE)
    ///     .reporting(error);
    /// assert_eq!(response.status_code(), Status::SERVICE_UNAVAILABLE);
    /// ```
    pub fn reporting(mut self, error: impl Into<Error>) -> Self {
        if self.error().is_none() {
            self.content = ResponseContent::Reporting(Box::new((error.into(), self.content)));
        }
        self
    }

    /// The error, if the handler [failed](Self::failed).
    pub fn error(&self) -> Option<&Error> {
        match &self.content {
            ResponseContent::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Sets the status. That of a [failed](Self::failed) response stays.
    pub fn status(mut self, status: Status) -> Self {
        if self.error().is_none() {
            self.status = status;
        }
        self
    }

    /// Adds a field.
    ///
    /// Name and value may be untrusted input. An invalid one makes the response a 500, and a notice
    /// reports it.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        match Field::new(name.as_ref(), value.as_ref()) {
            Ok(field) => self.push(field),
            // A failed response is a 500 already.
            Err(_)
                if matches!(
                    self.content,
                    ResponseContent::Invalid(_) | ResponseContent::Failed(_)
                ) => {}
            Err(invalid) => self.content = ResponseContent::Invalid(invalid),
        }
        self
    }

    /// Replaces all fields.
    pub fn headers(mut self, headers: Headers) -> Self {
        if headers.get("content-type").is_some() {
            self.content_type = None;
        }
        self.headers = headers;
        self
    }

    /// Sets the `Content-Type`.
    pub fn content_type(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.remove("content-type");
        match value.into() {
            Cow::Borrowed(value) if Field::new("Content-Type", value.as_bytes()).is_ok() => {
                self.content_type = Some(ContentType::new(value));
                self
            }
            value => self.header("Content-Type", value.as_bytes()),
        }
    }

    /// The status.
    pub fn status_code(&self) -> Status {
        self.status
    }

    /// The fields, except those that the connection writes, and except the `Content-Type` of a
    /// text.
    pub fn fields(&self) -> &Headers {
        &self.headers
    }

    /// The fields, mutable.
    pub fn fields_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// A response of 200 with this content.
    #[inline]
    const fn of(content_type: Option<ContentType>, content: ResponseContent) -> Self {
        let headers = Headers::new();
        Response { status: Status::OK, headers, content_type, content }
    }

    fn push(&mut self, field: Field<'_>) {
        if field.name().eq_ignore_ascii_case("content-type") {
            self.content_type = None;
        }
        self.headers.push(field);
    }

    fn of_text(content_type: ContentType, text: Cow<'static, str>) -> Self {
        let content = match text {
            Cow::Borrowed(text) => ResponseContent::Static(text.as_bytes()),
            Cow::Owned(text) => ResponseContent::Bytes(text.into()),
        };
        Response::of(Some(content_type), content)
    }

    fn streaming<F>(length: BodyLength, write: F) -> Self
    where
        F: AsyncFnOnce(&mut BodyWriter) -> Result<(), Error> + 'static,
    {
        let stream = |mut out: BodyWriter| async move {
            write(&mut out).await?;
            Ok(out)
        };
        Response::of_stream(length, stream)
    }

    fn of_stream<F>(length: BodyLength, stream: impl FnOnce(BodyWriter) -> F + 'static) -> Self
    where
        F: Future<Output = Result<BodyWriter, Error>> + 'static,
    {
        let stream = |out: BodyWriter| -> BodyFuture { Box::pin(BodyStreaming::new(stream(out))) };
        Response::of(None, ResponseContent::Stream(length, Box::new(stream)))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseContent::Empty => f.write_str("empty"),
            ResponseContent::Static(bytes) => write!(f, "{} bytes", bytes.len()),
            ResponseContent::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            ResponseContent::Chunk(bytes) => write!(f, "{} bytes", bytes.len()),
            ResponseContent::Stream(length, _) => match length {
                BodyLength::Exactly(n) => write!(f, "a stream of {n} bytes"),
                BodyLength::Unknown => f.write_str("a stream"),
            },
            ResponseContent::LeftOut(n) => write!(f, "empty, in place of {n} bytes"),
            ResponseContent::Upgrade(upgrade) => write!(f, "an upgrade to {}", upgrade.protocol),
            ResponseContent::Invalid(invalid) => write!(f, "none: {invalid}"),
            ResponseContent::Failed(error) => write!(f, "none: {error}"),
            ResponseContent::Reporting(reporting) => reporting.1.fmt(f),
        }
    }
}

/// The status of the response to a request whose handler failed with this error.
pub(in crate::http1) fn status_of(error: &Error) -> Status {
    match error {
        Error::Shutdown | Error::Limit(Limit::Fibers(_) | Limit::HeldBodies(_)) => {
            Status::SERVICE_UNAVAILABLE
        }
        Error::Limit(Limit::Body(_)) => Status::CONTENT_TOO_LARGE,
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn a_field_that_may_not_go_on_the_wire_is_kept_in_mind() {
        let response = Response::empty().header("X-Name", "Ada\r\nX-Admin: yes");
        let first = InvalidField::Value { byte: b'\r', at: 3 };
        assert!(matches!(response.content, ResponseContent::Invalid(invalid) if invalid == first));
        assert!(response.headers.is_empty());
        // The first one is kept.
        let response = response.header("", "").header("X-Fine", "yes");
        assert!(matches!(response.content, ResponseContent::Invalid(invalid) if invalid == first));
    }

    #[test]
    fn the_last_content_type_set_is_the_only_one_sent() {
        let html = Response::text("<p>").content_type("text/html");
        assert_eq!(
            (html.content_type, html.headers.len()),
            (Some(ContentType::new("text/html")), 0)
        );
        let own = Response::text("{}").header("content-type", "application/json");
        assert_eq!((own.content_type, own.headers.len()), (None, 1));
        let made = own.content_type(format!("multipart/mixed; boundary={}", 7));
        assert_eq!(made.headers.get_str("Content-Type"), Some("multipart/mixed; boundary=7"));
        assert_eq!(made.headers.len(), 1);
        let bad = Response::empty().content_type("text/\r\n");
        assert!(matches!(bad.content, ResponseContent::Invalid(_)));
    }

    #[test]
    fn the_fields_of_a_response_may_be_changed() {
        let mut response = Response::empty().header("A", "b");
        response.fields_mut().add("C", "d").unwrap();
        assert_eq!(*response.fields(), crate::http1::headers! { "A" => "b", "C" => "d" });
    }

    #[test]
    fn content_is_shown_by_its_kind_and_length() {
        let stream = async |_: &mut BodyWriter| Ok(());
        for (response, shown) in [
            (Response::new(Status::OK), "empty"),
            (Response::text("four"), "4 bytes"),
            (Response::bytes("five!"), "5 bytes"),
            (Response::stream(stream), "a stream"),
            (Response::stream_exactly(6, stream), "a stream of 6 bytes"),
        ] {
            let shown =
                format!("Response {{ status: Status(200), headers: {{}}, content: {shown}, .. }}");
            assert_eq!(format!("{response:?}"), shown);
        }
    }

    #[test]
    fn a_failed_response_keeps_its_status_and_its_error() {
        let limit = Error::Limit(Limit::Body(10));
        for (error, status) in [
            (Error::application("no answer"), Status::INTERNAL_SERVER_ERROR),
            (Error::Closed, Status::INTERNAL_SERVER_ERROR),
            (Error::Shutdown, Status::SERVICE_UNAVAILABLE),
            (Error::Limit(Limit::HeldBodies(10)), Status::SERVICE_UNAVAILABLE),
            (limit, Status::CONTENT_TOO_LARGE),
        ] {
            let text = error.to_string();
            let response = Response::failed(error).status(Status::OK).header("", "");
            assert_eq!(response.status_code(), status);
            assert_eq!(response.error().map(Error::to_string), Some(text));
        }
        assert!(Response::empty().error().is_none());
    }
}
