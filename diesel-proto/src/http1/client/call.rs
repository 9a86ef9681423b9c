//! Sends a request: on an idle connection or a new one, again if that is safe, and on along
//! redirects.
//!
//! ```text
//!   request ──▶ lease ──▶ exchange ──▶ response
//!      ▲          ▲ stale, and safe: once  │
//!      │          └────────────────────────┤
//!      └─────────── redirect ◀─────────────┘
//! ```
//!
//! Rules of this file:
//!
//! - A request is sent again only on a new connection, only if the pooled one ended before any byte
//!   of the response, and only if the method is idempotent or nothing was sent (RFC 9110, 9.2.2;
//!   RFC 9112, 9.3.1).
//!
//! It must never know how a message is framed.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::future::{Future, IntoFuture, poll_fn};
use core::pin::Pin;
use core::time::Duration;

use super::alarm::Alarm;
use super::encode;
use super::error::{ClientError, InvalidRequest};
use super::exchange::{Content, Exchange, ExchangeError, HeadKind};
use super::lease::{Lease, LinkKind};
use super::parts::{RequestBody, RequestParts};
use super::proxy::Proxy;
use super::redirect;
use super::request::ClientRequest;
use super::response::ClientResponse;
use super::shared::ClientShared;
use super::upload::Upload;
use super::url::Url;
use crate::http1::connection::LocalProtocolError;
use crate::http1::message::{BodyLength, RequestLine, RequestOptions, first_own_field};
use crate::http1::syntax::{Field, FieldSpans, Headers, InvalidField, Scheme, Status};
use crate::time::Instant;

impl ClientRequest {
    /// Sends the request, and waits for the head of the response. `.await` does the same, for one
    /// more allocation.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]. A status of 400 and above is not an error.
    pub async fn send(self) -> Result<ClientResponse, ClientError> {
        let ClientRequest { client, parts } = self;
        let mut parts = parts?;
        let result = follow(&client, &mut parts).await;
        client.give_back_parts(parts);
        result
    }
}

impl IntoFuture for ClientRequest {
    type Output = Result<ClientResponse, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

async fn follow(
    client: &Rc<ClientShared>,
    parts: &mut RequestParts,
) -> Result<ClientResponse, ClientError> {
    if let Some(credentials) = parts.url.credentials()
        && parts.headers.get("authorization").is_none()
    {
        parts.headers.set("Authorization", encode::basic_of(credentials))?;
    }
    for field in client.headers.iter() {
        if parts.headers.get(field.0).is_none() {
            parts.headers.push(Field::new(field.0, field.1)?);
        }
    }
    if let Some(name) = first_own_field(&parts.headers) {
        return Err(InvalidRequest::WrittenByClient(name.into()).into());
    }
    #[cfg(feature = "gzip")]
    let inflates = client.gzip.filter(|_| super::gzip::ask(&mut parts.headers));
    let total = parts.timeouts.total;
    let total = (client.ctx.now() + total, total);
    let mut followed = 0;
    loop {
        let response = call(client, parts, total).await?;
        if !redirect::is_followed(&response, parts.redirects) {
            #[cfg(feature = "gzip")]
            let response = match inflates {
                Some(limit) => response.inflated(limit),
                None => response,
            };
            return Ok(response);
        }
        redirect::follow(&response, parts, &mut followed, client.config.allow_downgrade)?;
        // Its connection can be used again if the rest of it has arrived.
        drop(response);
    }
}

/// Sends one request, and again if that is safe.
async fn call(
    client: &Rc<ClientShared>,
    parts: &mut RequestParts,
    total: (Instant, Duration),
) -> Result<ClientResponse, ClientError> {
    let proxy = client.proxies.for_url(&parts.url).map_err(InvalidRequest::Proxy)?;
    // What cannot be sent needs no connection.
    let upgrade = parts.upgrade.as_deref();
    let as_given = (parts.target.as_deref(), parts.host.as_deref());
    request_line(&parts.method, &parts.url, as_given, proxy, &mut String::new())?
        .check(
            &parts.headers,
            parts.body.length(),
            &RequestOptions { upgrade, ..RequestOptions::default() },
        )
        .map_err(LocalProtocolError::from)?;
    let (mut kind, mut expects) = (LinkKind::Any, parts.expects_continue);
    loop {
        let mut alarm = Alarm::new(&client.ctx, total);
        let lease =
            Lease::take(client, &parts.url, proxy, kind, &parts.timeouts, &mut alarm).await?;
        let mut exchange = Exchange::new(lease, alarm, parts.timeouts);
        let is_reused = exchange.is_reused();
        match exchange_once(client, parts, proxy, &mut exchange, expects).await {
            Ok((_, spans)) if expects && is_refused(&spans, parts) => {
                // RFC 9110, 10.1.1: once more, without the expectation.
                expects = false;
                client.give_back_spans(spans);
            }
            Ok((head, spans)) => {
                let peer = exchange.peer();
                let (exchange, conn) = match head {
                    HeadKind::Whole => (None, None),
                    HeadKind::WithBody => (Some(exchange), None),
                    HeadKind::Switched => (None, exchange.into_conn()),
                };
                let (client, url) = (Rc::clone(client), parts.url.take());
                return Ok(ClientResponse::new(client, spans, url, peer, exchange, conn));
            }
            Err(ExchangeError::Stale(_, is_sent))
                if kind == LinkKind::Any && is_reused && may_repeat(parts, is_sent) =>
            {
                kind = LinkKind::New;
            }
            Err(ExchangeError::Client(error) | ExchangeError::Stale(error, _)) => {
                return Err(error);
            }
        }
    }
}

/// Sends a request on one connection, and waits for the head of the response.
async fn exchange_once(
    client: &ClientShared,
    parts: &mut RequestParts,
    proxy: Option<&Proxy>,
    exchange: &mut Exchange,
    expects_continue: bool,
) -> Result<(HeadKind, Box<FieldSpans>), ExchangeError> {
    let RequestParts { method, url, target, host, headers, body, interim, upgrade, .. } = parts;
    let mut absolute = String::new();
    let as_given = (target.as_deref(), host.as_deref());
    let line =
        request_line(method, url, as_given, proxy, &mut absolute).map_err(ClientError::from)?;
    let cookies = client.cookie_field(url, headers);
    let proxy = proxy.filter(|_| is_asked_itself(url));
    let headers = for_hop(headers, proxy, cookies).map_err(ClientError::from)?;
    let mut content = match body {
        RequestBody::Whole(body) => Some(Content::Whole(body.clone())),
        RequestBody::Stream(..) => match core::mem::replace(body, RequestBody::Gone) {
            RequestBody::Stream(length, write) => {
                let upload = Upload::new(write, length == BodyLength::Unknown);
                Some(Content::Stream(length, Box::new(upload)))
            }
            _ => None,
        },
        RequestBody::Gone => None,
    };
    let upgrade = upgrade.as_deref();
    let options = RequestOptions { expects_continue, upgrade, ..RequestOptions::default() };
    poll_fn(|cx| exchange.poll_send(cx, &line, &headers, &mut content, &options, url)).await?;
    let mut spans = client.lend_spans();
    let head = poll_fn(|cx| exchange.poll_head(cx, &mut spans, url, interim)).await?;
    client.keep_cookies(url, spans.kept_response().fields());
    Ok((head, spans))
}

/// The request line, as it is sent to a proxy, or to the server. `as_given`: the target and the host, if
/// they are not those of the URL. `absolute`: memory for a target.
fn request_line<'a>(
    method: &'a str,
    url: &'a Url,
    as_given: (Option<&'a str>, Option<&'a str>),
    proxy: Option<&Proxy>,
    absolute: &'a mut String,
) -> Result<RequestLine<'a>, InvalidRequest> {
    let target = match (proxy.filter(|_| is_asked_itself(url)), as_given.0) {
        (None, None) => url.target(),
        (None, Some(target)) => target,
        (Some(_), None) => url.as_str(),
        (Some(_), Some(target)) => {
            absolute.push_str(url.origin());
            // RFC 9112, 3.2.4: a proxy is asked for `*` by a URL without a path.
            absolute.push_str(target.trim_start_matches('*'));
            absolute
        }
    };
    let host = as_given.1.unwrap_or(url.authority());
    RequestLine::new(method, target, host).map_err(InvalidRequest::Line)
}

/// Whether a proxy is asked for this URL itself. Through a tunnel, the server is asked as if there was
/// no proxy.
fn is_asked_itself(url: &Url) -> bool {
    url.scheme() == Scheme::Http
}

/// The fields as they are sent to a proxy, or to the server: only a proxy gets a
/// Proxy-Authorization. The cookies of the client are for this request alone: another one, after a
/// redirect, has its own.
fn for_hop<'a>(
    headers: &'a Headers,
    proxy: Option<&Proxy>,
    cookies: Option<String>,
) -> Result<Cow<'a, Headers>, InvalidField> {
    const NAME: &str = "Proxy-Authorization";
    let is_given = headers.get(NAME).is_some();
    let mut headers = match proxy.map(|proxy| proxy.authorization()) {
        Some(Some(authorization)) if !is_given => {
            let mut headers = headers.clone();
            headers.set(NAME, authorization)?;
            Cow::Owned(headers)
        }
        None if is_given => {
            let mut headers = headers.clone();
            headers.remove(NAME);
            Cow::Owned(headers)
        }
        _ => Cow::Borrowed(headers),
    };
    if let Some(cookies) = cookies {
        headers.to_mut().set("Cookie", cookies)?;
    }
    Ok(headers)
}

/// Whether the server refused the expectation: then the request is sent again without it.
fn is_refused(spans: &FieldSpans, parts: &RequestParts) -> bool {
    let is_refused = spans.kept_response().status() == Status::EXPECTATION_FAILED;
    is_refused && matches!(parts.body, RequestBody::Whole(_))
}

/// Whether the request can be sent again on another connection.
fn may_repeat(parts: &RequestParts, is_sent: bool) -> bool {
    let is_idempotent =
        matches!(&*parts.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
    matches!(parts.body, RequestBody::Whole(_)) && (is_idempotent || !is_sent)
}
