//! Passes one request on.
//!
//! ```text
//!   Request ──▶ refused? ──▶ fields ──▶ [ upstream ──▶ call ] ──▶ Response
//!                                           ▲   │
//!                                           └───┘  unreached, or unanswered and harmless
//! ```
//!
//! It must never know how a response is made of that of an upstream.

use alloc::borrow::Cow;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::RefCell;

use super::answer::{answer, headers_of};
use super::failure::{explained, is_unanswered, is_unsent, response_to};
use super::fields::{FieldKind, copy_end_to_end, is_trailer};
use super::forwarded::{self, ForwardedFor};
use super::settings::{Policy, ProxyShared, ReverseProxy, ip_of};
use crate::http1::{
    Body, ClientError, ClientRequest, FieldsView, Framing, Headers, InvalidField, Request,
    RequestWriter, Response, Scheme, Status, Target, Url, Version,
};
use crate::machine::Error;

/// The body of a request, until a call begins to send it. So a call that sent nothing can be made
/// again.
type Unsent = Rc<RefCell<Option<Body>>>;

impl ReverseProxy {
    /// Passes a request on to an upstream, and waits for the head of its response. The bodies follow
    /// as they arrive, both ways.
    ///
    /// It never fails: what goes wrong is a response, 400, 502, 503, 504 or 508, and a notice.
    ///
    /// If the future is dropped, or the response, the call to the upstream ends, and its connection is
    /// closed.
    pub async fn forward(&self, mut request: Request) -> Response {
        let proxy = &self.shared;
        let policy = &proxy.policy;
        let headers = match prepare(&request, policy) {
            Ok(headers) => headers,
            Err(response) => return *response,
        };
        let framing = match request.framing() {
            Framing::Length(0) => Framing::Empty,
            framing => framing,
        };
        let is_websocket = framing == Framing::Empty && asks_for_websocket(&request);
        let unsent = (framing != Framing::Empty)
            .then(|| Unsent::new(RefCell::new(Some(request.take_body()))));
        let is_repeatable = unsent.is_none()
            && matches!(request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let mut attempts = proxy.upstreams.begin();
        let ctx = request.ctx();
        let mut last = None;
        while let Some((at, upstream)) = proxy.upstreams.pick(&attempts, ctx.now()) {
            let mut call = call(proxy, &request, request.host(), &upstream.url).headers(&headers);
            if let Some(unsent) = &unsent {
                call = with_body(call, unsent, framing);
                if request.expects_continue() {
                    call = call.expect_continue();
                }
            }
            if is_websocket {
                call = call.upgrade("websocket");
            }
            match call.send().await {
                Ok(response) => {
                    proxy.upstreams.is_up(at);
                    // A body that the upstream did not want is not asked for.
                    drop(unsent.and_then(|unsent| unsent.take()));
                    return answer(proxy, response, request.method() == "HEAD").await;
                }
                Err(error) => {
                    let goes_on = match is_unsent(&error) {
                        true => {
                            proxy.upstreams.is_down(at, ctx.now());
                            true
                        }
                        false => is_repeatable && is_unanswered(&error),
                    };
                    proxy.upstreams.failed(&mut attempts, at);
                    last = Some(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        // There is an upstream, so there is an error.
        response_to(last.unwrap_or(ClientError::Shutdown))
    }
}

/// The fields of the request that is passed on; or the response, if it is not.
fn prepare(request: &Request, policy: &Policy) -> Result<Headers, alloc::boxed::Box<Response>> {
    let refuse = |status, why| Err(explained(status, why).into());
    if request.method() == "CONNECT" {
        return refuse(Status::NOT_IMPLEMENTED, "no tunnels are made here");
    }
    if request.method() == "TRACE" && request.framing() != Framing::Empty {
        // RFC 9110, 9.3.8.
        return refuse(Status::BAD_REQUEST, "TRACE with content");
    }
    let fields = request.headers();
    if is_loop(fields, &policy.name) {
        return refuse(Status::LOOP_DETECTED, "the request was here before");
    }
    let hops = match request.method() {
        "OPTIONS" | "TRACE" => match max_forwards(fields) {
            Ok(Some(0)) if request.method() == "OPTIONS" => {
                return Err(Response::empty().into());
            }
            // It would show what a front proxy added to the request.
            Ok(Some(0)) => return refuse(Status::FORBIDDEN, "TRACE ends here"),
            Ok(hops) => hops,
            Err(()) => return refuse(Status::BAD_REQUEST, "a Max-Forwards that is no number"),
        },
        _ => None,
    };
    headers_for(request, policy, hops)
        .map_err(|invalid| Response::failed(Error::application(invalid)).into())
}

fn headers_for(
    request: &Request,
    policy: &Policy,
    hops: Option<u64>,
) -> Result<Headers, InvalidField> {
    let fields = request.headers();
    let is_trusted = policy.trusts(request.peer());
    let other = |kind, name: &str| match kind {
        FieldKind::Via => true,
        FieldKind::MaxForwards => hops.is_none(),
        FieldKind::Forwarding => is_trusted && !forwarded::is_written(name),
        FieldKind::Hop | FieldKind::EndToEnd => false,
    };
    let mut headers = Headers::new();
    copy_end_to_end(fields, &mut headers, other);
    if let Some(hops) = hops {
        headers.add("Max-Forwards", (hops - 1).to_string())?;
    }
    headers.append(policy.via(request.version()));
    let client = ForwardedFor {
        address: ip_of(request.peer()),
        host: request.host(),
        scheme: scheme_of(request),
    };
    let trusted = is_trusted.then_some(fields);
    forwarded::write(&client, trusted, policy.forwarded, &mut headers)?;
    Ok(headers)
}

/// A call for what the request asks for.
fn call(
    proxy: &Rc<ProxyShared>,
    request: &Request,
    host: Option<&str>,
    url: &Url,
) -> ClientRequest {
    let method = match request.method() {
        "GET" => Cow::Borrowed("GET"),
        "HEAD" => Cow::Borrowed("HEAD"),
        "POST" => Cow::Borrowed("POST"),
        method => Cow::Owned(method.to_string()),
    };
    let mut call = proxy.client.request(method, url).target(origin_form(request));
    if let Some(host) = host.filter(|_| !proxy.policy.upstream_host) {
        call = call.host(host);
    }
    let (informer, proxy) = (request.informer(), Rc::clone(proxy));
    call.on_informational(move |head| {
        // 100 is sent when the body is read, which is when the upstream says so.
        if head.status() != Status::CONTINUE {
            let headers = headers_of(head.fields(), proxy.policy.via(head.version()));
            informer.inform(head.status(), headers);
        }
    })
}

/// The target without scheme and host (RFC 9112, 3.2.1).
fn origin_form(request: &Request) -> alloc::boxed::Box<str> {
    match request.target() {
        Target::Absolute { path, query, .. } => match query {
            Some(query) => format!("{path}?{query}").into(),
            None => path.into(),
        },
        _ => request.target_text().into(),
    }
}

fn with_body(call: ClientRequest, unsent: &Unsent, framing: Framing) -> ClientRequest {
    let unsent = Rc::clone(unsent);
    let write = async move |out: &mut RequestWriter| {
        let Some(mut body) = unsent.take() else { return Err(Error::AlreadyDone) };
        while let Some(piece) = body.some().await? {
            out.write(piece).await?;
        }
        for (name, value) in body.trailers().iter().filter(|(name, _)| is_trailer(name)) {
            out.trailer(name, value).map_err(Error::application)?;
        }
        Ok(())
    };
    match framing {
        Framing::Length(length) => call.stream_sized(length, write),
        Framing::Chunked | Framing::Empty => call.stream(write),
    }
}

/// Whether `websocket` is among the protocols that the client asks for (RFC 6455, 4.1).
fn asks_for_websocket(request: &Request) -> bool {
    request.method() == "GET"
        && request.version() == Version::Http11
        && request.upgrade().is_some()
        && request.headers().get_all("upgrade").any(|value| {
            value
                .split(|&byte| byte == b',')
                .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
        })
}

/// Whether Via names this proxy.
fn is_loop(fields: FieldsView<'_>, name: &str) -> bool {
    fields.get_all("via").any(|value| {
        value.split(|&byte| byte == b',').any(|hop| {
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(name.as_bytes()))
        })
    })
}

/// The value of Max-Forwards, if there is one.
fn max_forwards(fields: FieldsView<'_>) -> Result<Option<u64>, ()> {
    let mut values = fields.get_all("max-forwards");
    let Some(value) = values.next() else { return Ok(None) };
    // A sign can be parsed, too.
    let is_number = value.iter().all(u8::is_ascii_digit);
    let text = String::from_utf8_lossy(value);
    match text.parse() {
        Ok(number) if is_number && values.next().is_none() => Ok(Some(number)),
        _ => Err(()),
    }
}

#[cfg(feature = "tls")]
fn scheme_of(request: &Request) -> Scheme {
    if request.tls().is_some() { Scheme::Https } else { Scheme::Http }
}

#[cfg(not(feature = "tls"))]
fn scheme_of(_: &Request) -> Scheme {
    Scheme::Http
}
