//! Makes a connection to the host of a URL, or to a proxy.
//!
//! ```text
//!   URL ──▶ Target ──▶ Ctx::connect ──▶ [tunnel] ──▶ [TLS] ──▶ Link
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
use super::proxy::Proxy;
use super::shared::ClientShared;
use super::tunnel::{Tunnel, TunnelFailure, TunnelProgress, TunnelReport, TunnelRequest};
use super::url::Url;
use crate::fiber::Connect;
use crate::http1::connection::SharedClientConnection;
use crate::http1::syntax::Scheme;
use crate::machine::{Address, Error, Reason, Target};

/// Makes a connection.
pub(super) async fn dial(
    client: &ClientShared,
    url: &Url,
    proxy: Option<&Proxy>,
    timeouts: &ClientTimeouts,
    alarm: &mut Alarm,
) -> Result<Box<Link>, ClientError> {
    // Its phases have timeouts of their own.
    alarm.begin_untimed(Phase::Connect);
    let to = proxy.map_or(url, Proxy::url);
    let connect = match client.hosts.get(to.authority()) {
        Some(address) => client.ctx.connect(*address),
        None => match Target::new(to.host(), to.port()) {
            Ok(target) => client.ctx.connect(target),
            Err(error) => return Err(failure(url, proxy, timeouts, None, error.into())),
        },
    };
    let connect = connect.resolve_within(timeouts.resolve).connect_within(timeouts.connect);
    let connect = match url.scheme() {
        Scheme::Http => connect,
        Scheme::Https => secured(client, url, timeouts, connect)?,
    };
    let report = TunnelReport::default();
    let connect = match (proxy, url.scheme()) {
        (Some(proxy), Scheme::Https) => {
            let (agent, within) = (client.headers.get("user-agent"), timeouts.first_byte);
            let request = TunnelRequest::new(url, proxy, agent, within, &client.protocol, &report)?;
            // The outermost layer: TLS is within the tunnel.
            connect.layer(move |ctx, inner| Tunnel::new(request, ctx.peer(), inner))
        }
        _ => connect,
    };
    let mut connect = pin!(connect);
    let connected = poll_fn(|cx| match connect.as_mut().poll(cx) {
        Poll::Ready(connected) => Poll::Ready(Ok(connected)),
        Poll::Pending => alarm.poll(cx).map(Err),
    });
    let conn = match connected.await {
        Ok(connected) => connected.map_err(|error| match report.get() {
            TunnelProgress::None => failure(url, proxy, timeouts, None, error),
            TunnelProgress::Asked(peer) => {
                no_tunnel(url, timeouts, peer, TunnelFailure::Broken, error)
            }
            TunnelProgress::Failed(peer, why) => no_tunnel(url, timeouts, peer, why, error),
            TunnelProgress::Open(peer) => failure(url, proxy, timeouts, Some(peer), error),
        })?,
        Err((timeout, after)) => {
            let (phase, peer) = match report.get() {
                TunnelProgress::None => (Phase::Connect, None),
                TunnelProgress::Asked(peer) | TunnelProgress::Failed(peer, _) => {
                    (Phase::Tunnel, Some(peer))
                }
                TunnelProgress::Open(peer) => (Phase::Tls, Some(peer)),
            };
            let at = not_reached(phase, url, proxy, peer);
            return Err(ClientError::TimedOut(at, timeout, after));
        }
    };
    let protocol = SharedClientConnection::new(Arc::clone(&client.protocol));
    Ok(Link::new(conn, protocol, client.ctx.now()))
}

/// What it means for the call that the proxy made no tunnel.
fn no_tunnel(
    url: &Url,
    timeouts: &ClientTimeouts,
    proxy: Address,
    failure: TunnelFailure,
    error: Error,
) -> ClientError {
    if matches!(error, Error::Shutdown) {
        return ClientError::Shutdown;
    }
    let at = failed_at(Phase::Tunnel, url, Some(proxy));
    match failure {
        TunnelFailure::Refused(status) => ClientError::Tunnel(at, status),
        TunnelFailure::Rejected(rejection) => ClientError::Response(at, rejection),
        TunnelFailure::Broken => ClientError::Broken(at, error),
        TunnelFailure::TimedOut => {
            ClientError::TimedOut(at, Timeout::FirstByte, timeouts.first_byte)
        }
    }
}

/// What it means for the call that no connection was made. `tunnel`: there is one through the proxy,
/// which has this address.
fn failure(
    url: &Url,
    proxy: Option<&Proxy>,
    timeouts: &ClientTimeouts,
    tunnel: Option<Address>,
    error: Error,
) -> ClientError {
    let phase = match &error {
        Error::Shutdown => return ClientError::Shutdown,
        Error::Resolve(_) => Phase::Resolve,
        Error::Tls(_) | Error::TimedOut(Reason::Handshake) => Phase::Tls,
        _ if tunnel.is_some() => Phase::Tls,
        _ => Phase::Connect,
    };
    let peer = match &error {
        Error::Connect(error) => Some(error.address),
        _ => tunnel,
    };
    let at = not_reached(phase, url, proxy, peer);
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

/// Where it failed: until there is a connection, that is at the proxy, if there is one.
fn not_reached(
    phase: Phase,
    url: &Url,
    proxy: Option<&Proxy>,
    peer: Option<Address>,
) -> Box<FailedAt> {
    let mut at = failed_at(phase, url, peer);
    if let (Phase::Resolve | Phase::Connect, Some(proxy)) = (phase, proxy) {
        at.proxy = Some(proxy.url().authority().into());
    }
    at
}

pub(super) fn failed_at(phase: Phase, url: &Url, peer: Option<Address>) -> Box<FailedAt> {
    Box::new(FailedAt { phase, origin: url.origin().into(), peer, proxy: None })
}
