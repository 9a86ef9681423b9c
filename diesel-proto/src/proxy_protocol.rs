//! The PROXY protocol, version 1, around any machine: a line before the stream in which a proxy
//! says for whom it speaks.
//!
//! Source: <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, section 2.1. The header
//! is one line of at most 107 bytes, its CR LF included:
//!
//! ```text
//! PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n
//! PROXY UNKNOWN anything\r\n
//! ```
//!
//! It has a deadline of its own; what follows it is the inner machine's, which starts only then.
//! This machine must never know what that one is.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::{Actions, Buffer, Cause, Inner, Input, Instant, Machine, Nested, Reason, Seat};

/// The longest header there can be, its line end included.
pub const MAX_HEADER: usize = 107;

/// Who speaks through the proxy, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// A TCP connection.
    Tcp {
        /// Who connected to the proxy.
        source: SocketAddr,
        /// The address that was connected to.
        destination: SocketAddr,
    },
    /// The proxy does not know, or does not say.
    Unknown,
}

/// Why a line is not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// It does not begin with `PROXY `.
    NoSignature,
    /// The protocol is none of `TCP4`, `TCP6`, `UNKNOWN`.
    Protocol,
    /// An address is missing, malformed, or not of the protocol's family.
    Address,
    /// A port is missing, or not a number of 0 to 65535 without leading zeros.
    Port,
    /// Something follows the last port.
    Trailing,
    /// It does not end with CR LF within [`MAX_HEADER`] bytes.
    NoEnd,
}

impl HeaderError {
    /// The rule that was broken, in words.
    pub const fn rule(self) -> &'static str {
        match self {
            HeaderError::NoSignature => "PROXY v1: the stream does not begin with \"PROXY \"",
            HeaderError::Protocol => "PROXY v1: the protocol is not TCP4, TCP6 or UNKNOWN",
            HeaderError::Address => "PROXY v1: an address is missing, malformed or of another kind",
            HeaderError::Port => "PROXY v1: a port is missing or malformed",
            HeaderError::Trailing => "PROXY v1: something follows the last port",
            HeaderError::NoEnd => "PROXY v1: no CR LF within 107 bytes",
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl core::error::Error for HeaderError {}

/// Reads a header line, its CR LF included.
///
/// ```
/// use diesel_proto::proxy_protocol::{HeaderError, Proxied, parse};
///
/// assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Ok(Proxied::Unknown));
/// assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(HeaderError::NoSignature));
/// ```
pub fn parse(line: &[u8]) -> Result<Proxied, HeaderError> {
    // First, for a stream is refused as soon as its beginning is another, however it was cut.
    let rest = line.strip_prefix(b"PROXY ").ok_or(HeaderError::NoSignature)?;
    let rest = rest.strip_suffix(b"\r\n").ok_or(HeaderError::NoEnd)?;
    if line.len() > MAX_HEADER || rest.contains(&b'\r') {
        return Err(HeaderError::NoEnd);
    }
    let mut words = rest.split(|&byte| byte == b' ');
    let is_family: fn(&IpAddr) -> bool = match words.next() {
        Some(b"TCP4") => IpAddr::is_ipv4,
        Some(b"TCP6") => IpAddr::is_ipv6,
        // Whatever follows is to be ignored (section 2.1).
        Some(b"UNKNOWN") => return Ok(Proxied::Unknown),
        _ => return Err(HeaderError::Protocol),
    };
    let mut address = || {
        let text = core::str::from_utf8(words.next()?).ok()?;
        text.parse().ok().filter(is_family)
    };
    let source = address().ok_or(HeaderError::Address)?;
    let destination = address().ok_or(HeaderError::Address)?;
    let source_port = words.next().and_then(port).ok_or(HeaderError::Port)?;
    let destination_port = words.next().and_then(port).ok_or(HeaderError::Port)?;
    if words.next().is_some() {
        return Err(HeaderError::Trailing);
    }
    Ok(Proxied::Tcp {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Digits only: Rust's own parser takes a sign as well, and leading zeros.
fn port(text: &[u8]) -> Option<u16> {
    let plain =
        text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || text.first() != Some(&b'0'));
    core::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// Reads the header, then lets the machine that `make` makes of it have the rest of the stream.
///
/// A stream that does not begin with a header is cut with [`Cause::Protocol`]; one that does not
/// complete it in time, with [`Cause::TimedOut`]`(`[`Reason::Head`]`)`.
pub struct ProxyProtocol<M, F> {
    state: State<M, F>,
    within: Duration,
}

enum State<M, F> {
    Header(Buffer, F),
    /// Between the two, and after a header that is none.
    Over,
    Inner(Nested<M>),
}

/// The header in front of whatever serves the connections of a service: its peer is the one for
/// which the proxy speaks. For [`Service::layer`](crate::Service::layer).
pub fn layer(within: Duration, seat: &Seat, inner: Inner) -> impl Machine + use<> {
    let seat = seat.clone();
    ProxyProtocol::new(within, move |header| {
        if let Proxied::Tcp { source, .. } = header {
            seat.set_peer(source.into());
        }
        inner
    })
}

impl<M: Machine, F: FnOnce(Proxied) -> M> ProxyProtocol<M, F> {
    /// The header has to be complete `within` this time of the start.
    pub fn new(within: Duration, make: F) -> Self {
        ProxyProtocol { state: State::Header(Buffer::new(), make), within }
    }

    /// Looks for the end of the header. Takes its bytes, and of those behind it what the inner
    /// machine takes.
    fn header(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let State::Header(input, _) = &mut self.state else { return 0 };
        let held = input.len();
        input.push(bytes, actions.blocks());
        // The first wrong byte decides, whatever else came with it: so the cut does not.
        let header = match input.find(b"\n", MAX_HEADER) {
            _ if !is_signature_so_far(input.front()) => Err(HeaderError::NoSignature),
            Ok(None) => return bytes.len(),
            Ok(Some(n)) => {
                parse(input.front().get(..n).unwrap_or_default()).map(|header| (header, n))
            }
            Err(_) => Err(HeaderError::NoEnd),
        };
        input.clear(actions.blocks());
        let State::Header(_, make) = core::mem::replace(&mut self.state, State::Over) else {
            return 0;
        };
        let (header, n) = match header {
            Ok(found) => found,
            Err(error) => {
                actions.abort(Cause::Protocol(error.rule()));
                return bytes.len();
            }
        };
        actions.clear_deadline();
        let mut inner = Nested::sharing(make(header));
        inner.pass_on(now, Input::Start, actions);
        // `held < n <= held + len(bytes)`: the header's end is among what just came.
        let taken = n.saturating_sub(held);
        let rest = bytes.get(taken..).unwrap_or_default();
        let mut inner_taken = 0;
        if !rest.is_empty() {
            inner_taken = inner.pass_on(now, Input::Bytes(rest), actions);
        }
        inner.settle(None, actions);
        self.state = State::Inner(inner);
        taken + inner_taken
    }
}

impl<M: Machine, F: FnOnce(Proxied) -> M> Machine for ProxyProtocol<M, F> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if let State::Inner(inner) = &mut self.state {
            let taken = inner.pass_on(now, input, actions);
            inner.settle(None, actions);
            return taken;
        }
        match input {
            Input::Start => actions.set_deadline(now + self.within, Reason::Head),
            Input::Bytes(bytes) => return self.header(now, bytes, actions),
            Input::Deadline => actions.abort(Cause::TimedOut(Reason::Head)),
            Input::Eof => actions.abort(Cause::Protocol(HeaderError::NoEnd.rule())),
            Input::Shutdown => actions.close(Cause::Shutdown),
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        match &self.state {
            State::Header(input, _) => input.len(),
            State::Over => 0,
            State::Inner(inner) => inner.held(),
        }
    }

    /// The header, a hundred bytes at most, is not counted.
    fn scanned(&self) -> u64 {
        match &self.state {
            State::Inner(inner) => inner.scanned(),
            _ => 0,
        }
    }
}

/// Anything else than a header is refused at its first wrong byte, not at its deadline.
fn is_signature_so_far(bytes: &[u8]) -> bool {
    let signature = b"PROXY ";
    let n = bytes.len().min(signature.len());
    bytes[..n] == signature[..n]
}

impl<M, F> fmt::Debug for ProxyProtocol<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Header(..) => "ProxyProtocol(header)",
            State::Over => "ProxyProtocol(over)",
            State::Inner(_) => "ProxyProtocol(inner)",
        })
    }
}
