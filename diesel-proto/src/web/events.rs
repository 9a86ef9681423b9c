//! Server-sent events: a response that goes on, for `EventSource` in browsers (HTML Standard, 9.2).
//!
//! Rules of this file:
//!
//! - An event is sent whole, or not at all; no text of it can end it early, or begin another one.
//! - While there is no event, a comment is sent from time to time, so that nothing in between takes the
//!   connection for dead, and a client that is gone is noticed.
//!
//! It must never know where events come from.

use alloc::string::String;
use core::fmt::Write as _;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;

use crate::fiber::Sleep;
use crate::http1::{BodyWriter, InvalidField, Request, Response};
use crate::machine::Error;

/// How often a comment is sent while there is no event, unless the program says otherwise.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One event for a browser.
///
/// ```
/// use diesel_proto::web::ServerEvent;
/// use std::time::Duration;
///
/// let event = ServerEvent::new("12:00\n24 C").named("weather")?.id("7")?;
/// assert_eq!(event.as_str(), "data: 12:00\ndata: 24 C\nevent: weather\nid: 7\n");
/// let event = ServerEvent::new("").retry(Duration::from_secs(2));
/// assert_eq!(event.as_str(), "data: \nretry: 2000\n");
/// # Ok::<(), diesel_proto::http1::InvalidField>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEvent {
    /// As it is sent, without the empty line at its end.
    text: String,
}

impl ServerEvent {
    /// An event with this data, of one or several lines. A line may end with CR LF, LF or CR: the
    /// browser gets LF.
    pub fn new(data: impl AsRef<str>) -> Self {
        let mut event = ServerEvent { text: String::new() };
        let mut rest = Some(data.as_ref());
        while let Some(data) = rest {
            let (line, behind) = match data.find(['\r', '\n']) {
                Some(at) => {
                    let end = at + if data[at..].starts_with("\r\n") { 2 } else { 1 };
                    (&data[..at], Some(&data[end..]))
                }
                None => (data, None),
            };
            event.push("data", line);
            rest = behind;
        }
        event
    }

    /// Sets the type of the event: which listeners get it. By default `message`.
    ///
    /// # Errors
    ///
    /// If it contains CR, LF or NUL.
    pub fn named(self, name: &str) -> Result<Self, InvalidField> {
        self.with("event", name)
    }

    /// Sets the id of the event: a browser that connects again sends the last one, see
    /// [`last_event_id`].
    ///
    /// # Errors
    ///
    /// If it contains CR, LF or NUL.
    pub fn id(self, id: &str) -> Result<Self, InvalidField> {
        self.with("id", id)
    }

    /// Sets how long a browser waits before it connects again, in milliseconds.
    pub fn retry(mut self, after: Duration) -> Self {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "retry: {}", after.as_millis());
        self
    }

    /// The event as it is sent, without the empty line that ends it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn with(mut self, field: &str, value: &str) -> Result<Self, InvalidField> {
        if let Some(at) = value.find(['\r', '\n', '\0']) {
            return Err(InvalidField::Value { byte: value.as_bytes()[at], at });
        }
        self.push(field, value);
        Ok(self)
    }

    fn push(&mut self, field: &str, value: &str) {
        self.text.push_str(field);
        self.text.push_str(": ");
        self.text.push_str(value);
        self.text.push('\n');
    }
}

/// The id of the last event that the client got before it lost its connection, if it had one
/// (`Last-Event-ID`).
///
/// Example: see [`event_stream`].
pub fn last_event_id(request: &Request) -> Option<&str> {
    request.header_str("Last-Event-ID").filter(|id| !id.is_empty())
}

/// A response of events, which `write` sends for as long as it likes. It ends when `write` returns, or
/// when the client leaves; then the browser connects again, unless it was told not to.
///
/// # Cost
///
/// A stream that waits takes 1 KiB of memory on 64-bit platforms, its place in every table included, and
/// what `write` holds besides the subscription to an event.
///
/// ```
/// use diesel_proto::http1::{Request, Response};
/// use diesel_proto::web::{ServerEvent, event_stream, last_event_id};
/// use diesel_proto::Event;
///
/// /// Sends all news to each browser. They are numbered, so that none is sent twice.
/// fn news(request: &Request, news: &Event<(u64, String)>) -> Response {
///     let mut news = news.subscribe();
///     let seen: u64 = last_event_id(request).and_then(|id| id.parse().ok()).unwrap_or(0);
///     event_stream(async move |events| {
///         loop {
///             let (number, text) = events.wait(news.wait()).await??;
///             if number > seen {
///                 events.send(&ServerEvent::new(text).id(&number.to_string())?).await?;
///             }
///         }
///     })
/// }
/// ```
pub fn event_stream<F>(write: F) -> Response
where
    F: AsyncFnOnce(&mut EventWriter) -> Result<(), Error> + 'static,
{
    let stream = |out| {
        let mut events = EventWriter { out, keep_alive: nanoseconds(KEEP_ALIVE) };
        async move {
            match write(&mut events).await {
                // The client left: there is nothing to report.
                Ok(()) | Err(Error::Closed) => Ok(events.out),
                Err(error) => Err(error),
            }
        }
    };
    Response::stream_by(stream)
        .content_type("text/event-stream")
        .header("Cache-Control", "no-store")
}

/// Sends events. See [`event_stream`].
///
/// Example: see [`event_stream`].
#[derive(Debug)]
pub struct EventWriter {
    out: BodyWriter,
    /// In nanoseconds: half the size of a `Duration`.
    keep_alive: u64,
}

impl EventWriter {
    /// Sets how often a comment is sent while [`wait`](Self::wait) waits. 15 s by default.
    pub fn keep_alive(&mut self, every: Duration) {
        self.keep_alive = nanoseconds(every);
    }

    /// Sends an event. Back-pressure is that of [`BodyWriter::write`]: a browser that does not read
    /// suspends it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client left.
    pub fn send<'a>(
        &'a mut self,
        event: &'a ServerEvent,
    ) -> impl Future<Output = Result<(), Error>> + use<'a> {
        SendEvent { events: self, event, is_sent: false }
    }

    /// Waits for a future, of the next event for example. Meanwhile it sends a comment now and then.
    /// Cancel safe if the future is.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client left, or half-closed its side, as a browser does that leaves.
    /// [`Error::Shutdown`] while the hub shuts down.
    pub fn wait<F: Future>(&mut self, future: F) -> impl Future<Output = Result<F::Output, Error>> {
        let pause = self.pause();
        EventWait { events: self, future, pause }
    }

    /// Waits until a comment is due.
    fn pause(&self) -> Sleep {
        self.out.ctx().sleep(Duration::from_nanos(self.keep_alive))
    }
}

/// At most 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

// These are written by hand, because there may be one for each of ten thousand browsers: an `async fn`
// would hold what it waits for twice.

/// Made by [`EventWriter::send`].
struct SendEvent<'a> {
    events: &'a mut EventWriter,
    event: &'a ServerEvent,
    is_sent: bool,
}

impl Future for SendEvent<'_> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let SendEvent { events, event, is_sent } = &mut *self;
        if *is_sent {
            return Poll::Ready(Err(Error::AlreadyDone));
        }
        // A write that has no room leaves nothing behind.
        let written = ready!(Pin::new(&mut events.out.write((event.as_str(), "\n"))).poll(cx));
        *is_sent = true;
        Poll::Ready(written)
    }
}

pin_project! {
    /// Made by [`EventWriter::wait`].
    struct EventWait<'a, F> {
        events: &'a mut EventWriter,
        #[pin]
        future: F,
        // Until the next comment.
        pause: Sleep,
    }
}

impl<F: Future> Future for EventWait<'_, F> {
    type Output = Result<F::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut wait = self.project();
        loop {
            if let Poll::Ready(value) = wait.future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            if Pin::new(&mut *wait.pause).poll(cx)?.is_pending() {
                break;
            }
            if Pin::new(&mut wait.events.out.write(":\n\n")).poll(cx)?.is_pending() {
                break;
            }
            *wait.pause = wait.events.pause();
        }
        ready!(Pin::new(&mut wait.events.out.closed()).poll(cx));
        Poll::Ready(Err(Error::Closed))
    }
}

#[cfg(test)]
mod tests;
