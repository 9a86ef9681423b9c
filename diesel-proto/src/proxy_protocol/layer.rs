//! The machine: reads the header, then passes the rest of the stream to an inner machine.
//!
//! ```text
//!                   ┌─ refused: aborted, with its cause and a notice
//!   start ─▶ header ┤
//!     │             └─ complete ─▶ inner machine: Start, then the bytes behind the header
//!     └─ source not trusted ─▶ refused, or the inner machine has the whole stream
//! ```
//!
//! It holds only bytes of the header, and only until the header is complete.

use alloc::format;
use core::fmt;
use core::time::Duration;

use super::read::HeaderReader;
use super::{Header, HeaderConfig, HeaderError, Untrusted};
use crate::hub::{Inner, MachineCtx};
use crate::machine::{Actions, Address, Cause, Input, Machine, Nested, Notice, Reason};
use crate::time::Instant;

/// Reads a header, passes it to `make`, and passes the rest of the stream to the machine that
/// `make` returns.
///
/// If the stream does not begin with a header, or ends inside it, it is aborted with
/// [`HeaderError::cause`], and a [`Notice`] reports the byte and what was expected there. If the
/// header is not complete in time, the stream is aborted with
/// [`Cause::TimedOut`]`(`[`Reason::Head`]`)`. A graceful shutdown closes the stream if the header
/// is not complete.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Endpoint, Instant, LineEcho, ProxyProtocol};
///
/// let echo = ProxyProtocol::new(Duration::from_secs(5), |header| {
///     let peer = header.and_then(|header| header.source());
///     assert_eq!(peer.unwrap().to_string(), "192.0.2.7:56324");
///     LineEcho::default()
/// });
/// let now = Instant::ORIGIN;
/// let mut endpoint = Endpoint::new(echo, now);
/// let stream = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nhello\r\n";
/// assert_eq!(endpoint.received(now, stream), stream.len());
/// assert_eq!(endpoint.take_outgoing(now), b"you said: hello\r\n");
/// ```
pub struct ProxyProtocol<M, F> {
    state: HeaderState<M, F>,
    within: Duration,
    /// Named in notices.
    peer: Address,
}

enum HeaderState<M, F> {
    Header(HeaderReader, F),
    /// The source is not trusted and is served directly: no header is read.
    Direct(F),
    Untrusted,
    /// While the inner machine is made, and after a refusal.
    Over,
    Inner(Nested<M>),
}

/// A layer that reads a header in front of the connections of a service, for
/// [`Service::layer`](crate::hub::Service::layer). The peer of what is inside is the client, if the
/// header names one. The header itself is available by [`MachineCtx::learned`],
/// [`Conn::learned`](crate::fiber::Conn::learned) or
/// [`Request::learned`](crate::http1::Request::learned).
///
/// If two such layers are nested, the inner one checks its trusted sources against the address in
/// the outer header.
///
/// ```
/// use diesel_proto::proxy_protocol::{self, Header, HeaderConfig};
/// use diesel_proto::{Conn, Error, Service};
///
/// /// Answers with the address of the client, not of the proxy, and with its destination.
/// async fn whoami(mut conn: Conn) -> Result<(), Error> {
///     let destination = conn.learned::<Header>().and_then(|header| header.destination());
///     let text = format!("{} asks {destination:?}\r\n", conn.peer());
///     conn.write(text).await
/// }
///
/// let config = HeaderConfig::default();
/// Service::new(whoami).layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner));
/// ```
pub fn layer(config: &HeaderConfig, ctx: &MachineCtx, inner: Inner) -> impl Machine + use<> {
    let peer = ctx.peer();
    let ctx = ctx.clone();
    ProxyProtocol::with(config, peer, move |header: Option<Header>| {
        if let Some(header) = header {
            if let Some(source) = header.source() {
                ctx.set_peer(source);
            }
            ctx.learn(header);
        }
        inner
    })
}

impl<M: Machine, F: FnOnce(Option<Header>) -> M> ProxyProtocol<M, F> {
    /// A machine that accepts a header from any source, with the defaults of [`HeaderConfig`], and
    /// with `within` as its timeout.
    pub fn new(within: Duration, make: F) -> Self {
        let config = HeaderConfig { within, ..HeaderConfig::default() };
        ProxyProtocol::with(&config, Address::Unnamed, make)
    }

    /// A machine for a connection from `peer`. `make` gets `None` only if `peer` is not trusted and
    /// [`Untrusted::ServeDirectly`] is set.
    pub fn with(config: &HeaderConfig, peer: Address, make: F) -> Self {
        let state = match (config.trusts(peer), config.untrusted) {
            (true, _) => HeaderState::Header(HeaderReader::new(config), make),
            (false, Untrusted::ServeDirectly) => HeaderState::Direct(make),
            (false, Untrusted::Refuse) => HeaderState::Untrusted,
        };
        ProxyProtocol { state, within: config.within, peer }
    }

    fn start(&mut self, now: Instant, actions: &mut Actions<'_>) {
        match core::mem::replace(&mut self.state, HeaderState::Over) {
            HeaderState::Direct(make) => self.begin(now, make(None), actions),
            HeaderState::Untrusted => {
                let notice = format!("{}: not trusted to send a PROXY header", self.peer);
                actions.notice(Notice::Text(notice));
                actions.abort(Cause::Untrusted);
            }
            other => {
                self.state = other;
                actions.set_deadline(now + self.within, Reason::Head);
            }
        }
    }

    /// Takes the bytes of the header, then passes those behind it to the inner machine. Returns how
    /// many both took.
    fn header(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let HeaderState::Header(reader, _) = &mut self.state else { return bytes.len() };
        let (taken, header) = match reader.read(bytes, actions.blocks()) {
            Ok((taken, None)) => return taken,
            Ok((taken, Some(header))) => (taken, header),
            Err(error) => {
                self.refuse(error, actions);
                return bytes.len();
            }
        };
        reader.clear(actions.blocks());
        let HeaderState::Header(_, make) = core::mem::replace(&mut self.state, HeaderState::Over)
        else {
            return taken;
        };
        self.begin(now, make(Some(header)), actions);
        let rest = bytes.get(taken..).unwrap_or_default();
        match rest.is_empty() {
            true => taken,
            false => taken + self.step(now, Input::Bytes(rest), actions),
        }
    }

    fn begin(&mut self, now: Instant, machine: M, actions: &mut Actions<'_>) {
        self.state = HeaderState::Inner(Nested::sharing(machine));
        self.step(now, Input::Start, actions);
    }

    fn refuse(&mut self, error: HeaderError, actions: &mut Actions<'_>) {
        self.end(actions);
        actions.notice(Notice::Text(format!("{}: PROXY header refused at {error}", self.peer)));
        actions.abort(error.cause());
    }

    /// Stops reading the header, and releases what is held.
    fn end(&mut self, actions: &mut Actions<'_>) {
        if let HeaderState::Header(reader, _) = &mut self.state {
            reader.clear(actions.blocks());
        }
        self.state = HeaderState::Over;
    }
}

impl<M: Machine, F: FnOnce(Option<Header>) -> M> Machine for ProxyProtocol<M, F> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let HeaderState::Inner(inner) = &mut self.state {
            let taken = inner.pass_on(now, input, actions);
            inner.settle(None, actions);
            return taken;
        }
        match input {
            Input::Start => self.start(now, actions),
            Input::Bytes(bytes) => return self.header(now, bytes, actions),
            Input::Deadline => {
                self.end(actions);
                actions.abort(Cause::TimedOut(Reason::Head));
            }
            Input::Eof => {
                if let HeaderState::Header(reader, _) = &self.state {
                    let error = reader.ended();
                    self.refuse(error, actions);
                }
            }
            Input::Shutdown => {
                self.end(actions);
                actions.close(Cause::Shutdown);
            }
            Input::Cut(_) => self.end(actions),
            // Nothing is written before the header is complete. An inner machine that starts
            // after a failed write gets `WriteFailed` then.
            Input::WriteFailed | Input::Drained | Input::Wake => {}
        }
        0
    }

    fn held(&self) -> usize {
        match &self.state {
            HeaderState::Header(reader, _) => reader.held(),
            HeaderState::Direct(_) | HeaderState::Untrusted | HeaderState::Over => 0,
            HeaderState::Inner(inner) => inner.held(),
        }
    }

    /// At most [`MAX_V1`](super::MAX_V1) bytes of a header are searched, each once: they are not
    /// counted.
    fn scanned(&self) -> u64 {
        match &self.state {
            HeaderState::Inner(inner) => inner.scanned(),
            _ => 0,
        }
    }
}

impl<M, F> fmt::Debug for ProxyProtocol<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            HeaderState::Header(..) => "ProxyProtocol(header)",
            HeaderState::Direct(_) => "ProxyProtocol(direct)",
            HeaderState::Untrusted => "ProxyProtocol(untrusted)",
            HeaderState::Over => "ProxyProtocol(over)",
            HeaderState::Inner(_) => "ProxyProtocol(inner)",
        })
    }
}
