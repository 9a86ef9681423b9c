//! Makes a response for the client of a response of an upstream.
//!
//! It must never know how the request was sent.

use alloc::rc::Rc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::failure::{explained, response_to};
use super::fields::{FieldKind, copy_end_to_end, is_trailer};
use super::relay::relay;
use super::settings::ProxyShared;
use crate::buf::Chunk;
use crate::fiber::Conn;
use crate::http1::{
    BodyWriter, ClientError, ClientResponse, FieldsView, Headers, Response, Status,
};
use crate::machine::Error;

/// A response in place of that of an upstream. `is_head`: it answers HEAD.
pub(super) async fn answer(
    proxy: &Rc<ProxyShared>,
    mut response: ClientResponse,
    is_head: bool,
) -> Response {
    let status = response.status();
    if status == Status::PROXY_AUTHENTICATION_REQUIRED {
        // Its challenge is for one hop, and this proxy has no credentials.
        return explained(Status::BAD_GATEWAY, "the upstream asks for Proxy-Authorization");
    }
    let headers = headers_of(response.headers(), proxy.policy.via(response.version()));
    if let Some(conn) = response.upgraded() {
        let idle = proxy.policy.tunnel_idle;
        let tunnel = async move |down: Conn, up: Conn| relay(down, up, idle).await;
        return upgrade(conn, tunnel).headers(headers);
    }
    let length = response.content_length();
    if is_head || status == Status::NOT_MODIFIED {
        let answer = length.map_or(Response::new(status), Response::head_only);
        return answer.status(status).headers(headers);
    }
    if response.is_at_end() {
        return Response::new(status).headers(headers);
    }
    // The head is not sent yet, so that an error in the first piece can still be told.
    let first = match here(&mut response).await {
        Some(Err(error)) => return response_to(error),
        first => first.and_then(Result::ok).flatten(),
    };
    let answer = match (length, first) {
        // A short body often comes with its head: then it is sent with it, too.
        (Some(length), Some(whole)) if whole.len() as u64 == length => Response::chunk(whole),
        (Some(length), first) => {
            Response::stream_exactly(length, async move |out: &mut BodyWriter| {
                pass_on(response, first, out).await
            })
        }
        (None, first) => {
            Response::stream(async move |out: &mut BodyWriter| pass_on(response, first, out).await)
        }
    };
    answer.status(status).headers(headers)
}

/// The piece of the body that is here already. `None`: none is.
async fn here(response: &mut ClientResponse) -> Option<Result<Option<Chunk>, ClientError>> {
    let mut some = pin!(response.some());
    poll_fn(|cx| {
        Poll::Ready(match some.as_mut().poll(cx) {
            Poll::Ready(piece) => Some(piece),
            Poll::Pending => None,
        })
    })
    .await
}

async fn pass_on(
    mut response: ClientResponse,
    first: Option<Chunk>,
    out: &mut BodyWriter,
) -> Result<(), Error> {
    if let Some(piece) = first {
        out.write(piece).await?;
    }
    while let Some(piece) = response.some().await? {
        out.write(piece).await?;
    }
    for (name, value) in response.trailers().iter().filter(|(name, _)| is_trailer(name)) {
        out.trailer(name, value).map_err(Error::application)?;
    }
    Ok(())
}

/// The fields of a response, interim ones too, that are for every recipient; and Via.
pub(super) fn headers_of(fields: FieldsView<'_>, via: &Headers) -> Headers {
    let mut headers = Headers::new();
    let other = |kind, _: &str| matches!(kind, FieldKind::Via | FieldKind::Forwarding);
    copy_end_to_end(fields, &mut headers, other);
    headers.append(via);
    headers
}

/// Agrees to the upgrade, and runs the tunnel on both connections.
fn upgrade(up: Conn, tunnel: impl AsyncFn(Conn, Conn) -> Result<(), Error> + 'static) -> Response {
    // A handler may be called more than once; this one is called for one connection.
    let up = core::cell::Cell::new(Some(up));
    Response::upgrade("websocket", async move |down: Conn| match up.take() {
        Some(up) => tunnel(down, up).await,
        None => Err(Error::AlreadyDone),
    })
}
