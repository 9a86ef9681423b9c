//! Makes a connection to the host of a URL.
//!
//! ```text
//!   URL ──▶ Target ──▶ Ctx::connect ──▶ [TLS] ──▶ Link
//! ```
//!
//! It must never know pools.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::alarm::Alarm;
use super::config::ClientTimeouts;
use super::error::{ClientError, FailedAt, InvalidRequest, Phase, Timeout};
use super::link::Link;
use super::shared::ClientShared;
use super::url::Url;
use crate::fiber::Connect;
use crate::http1::connection::SharedClientConnection;
use crate::http1::syntax::Scheme;
use crate::machine::{Address, Error, Reason, Target};

/// Makes a connection.
pub(super) async fn dial(
    client: &ClientShared,
    url: &Url,
    timeouts: &ClientTimeouts,
    alarm: &mut Alarm,
) -> Result<Box<Link>, ClientError> {
    // Its phases have timeouts of their own.
    alarm.begin_untimed(Phase::Connect);
    let connect = match client.hosts.get(url.authority()) {
        Some(address) => client.ctx.connect(*address),
        None => match Target::new(url.host(), url.port()) {
            Ok(target) => client.ctx.connect(target),
            Err(error) => return Err(failure(url, timeouts, error.into())),
        },
    };
    let connect = connect.resolve_within(timeouts.resolve).connect_within(timeouts.connect);
    let connect = match url.scheme() {
        Scheme::Http => connect,
        Scheme::Https => secured(client, url, timeouts, connect)?,
    };
    let mut connect = pin!(connect);
    let connected = poll_fn(|cx| match connect.as_mut().poll(cx) {
        Poll::Ready(connected) => Poll::Ready(Ok(connected)),
        Poll::Pending => alarm.poll(cx).map(Err),
    });
    let conn = match connected.await {
        Ok(connected) => connected.map_err(|error| failure(url, timeouts, error))?,
        Err((timeout, after)) => {
            let at = failed_at(Phase::Connect, url, None);
            return Err(ClientError::TimedOut(at, timeout, after));
        }
    };
    let protocol = SharedClientConnection::new(Arc::clone(&client.protocol));
    Ok(Link::new(conn, protocol, client.ctx.now()))
}

/// What it means for the call that no connection was made.
fn failure(url: &Url, timeouts: &ClientTimeouts, error: Error) -> ClientError {
    let phase = match &error {
        Error::Shutdown => return ClientError::Shutdown,
        Error::Resolve(_) => Phase::Resolve,
        Error::Tls(_) | Error::TimedOut(Reason::Handshake) => Phase::Tls,
        _ => Phase::Connect,
    };
    let peer = match &error {
        Error::Connect(error) => Some(error.address),
        _ => None,
    };
    let at = failed_at(phase, url, peer);
    match error.timed_out() {
        Some(Reason::Resolve) => ClientError::TimedOut(at, Timeout::Resolve, timeouts.resolve),
        Some(Reason::Connect) => ClientError::TimedOut(at, Timeout::Connect, timeouts.connect),
        Some(Reason::Handshake) => ClientError::TimedOut(at, Timeout::Tls, timeouts.tls),
        _ => ClientError::Connect(at, error),
    }
}

#[cfg(feature = "tls")]
fn secured(
    client: &ClientShared,
    url: &Url,
    timeouts: &ClientTimeouts,
    connect: Connect,
) -> Result<Connect, InvalidRequest> {
    let tls = client.tls.clone().ok_or(InvalidRequest::NoTls)?.within(timeouts.tls);
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let name = crate::tls::ServerName::try_from(host).map_err(|_| InvalidRequest::TlsName)?;
    let name = name.to_owned();
    Ok(connect.layer(move |ctx, inner| tls.layer(name, ctx, inner)))
}

#[cfg(not(feature = "tls"))]
fn secured(
    _: &ClientShared,
    _: &Url,
    _: &ClientTimeouts,
    _: Connect,
) -> Result<Connect, InvalidRequest> {
    Err(InvalidRequest::NoTls)
}

pub(super) fn failed_at(phase: Phase, url: &Url, peer: Option<Address>) -> Box<FailedAt> {
    Box::new(FailedAt { phase, origin: url.origin().into(), peer })
}
