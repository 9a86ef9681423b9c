//! [`Lease`]: a link, while a call uses it.
//!
//! Rules of this file:
//!
//! - An answer reaches only the call that asked for it: a lease that is dropped gives its link back
//!   if the exchange is complete and nothing is unread. Otherwise the link is closed, with a reset if
//!   anything was cut off, or the server has answered and does not read the rest of the request.
//!
//! It must never know requests.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::alarm::Alarm;
use super::config::ClientTimeouts;
use super::dial::{dial, failed_at};
use super::error::{ClientError, Phase, Timeout};
use super::link::Link;
use super::pool::Origin;
use super::proxy::Proxy;
use super::shared::ClientShared;
use super::url::Url;
use super::watch::watch;
use crate::fiber::Permit;
use crate::http1::syntax::Scheme;
use crate::machine::Error;

pub(super) struct Lease {
    pub(super) client: Rc<ClientShared>,
    origin: Rc<Origin>,
    /// Given back after the link.
    permit: Option<Permit>,
    pub(super) link: Option<Box<Link>>,
}

/// Which link a call may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkKind {
    /// An idle one, if there is one.
    Any,
    /// A new one, since an idle one was of no use.
    New,
}

impl Lease {
    /// Waits for a link to the origin of a URL: an idle one, or a new one.
    pub(super) async fn take(
        client: &Rc<ClientShared>,
        url: &Url,
        proxy: Option<&Proxy>,
        kind: LinkKind,
        timeouts: &ClientTimeouts,
        alarm: &mut Alarm,
    ) -> Result<Lease, ClientError> {
        let limits = &client.config.pool;
        let key = pool_key(url, proxy);
        let origin = client.pool.origin(&key, &client.ctx, limits);
        let mut lease = Lease { client: Rc::clone(client), origin, permit: None, link: None };
        lease.permit = Some(match lease.origin.permits.try_acquire() {
            Some(permit) => permit,
            None => wait(client, &lease.origin, url, timeouts, alarm).await?,
        });
        if kind == LinkKind::Any {
            lease.link = client.pool.take(&lease.origin, client.ctx.now(), limits);
        } else {
            client.pool.drop_one(&lease.origin);
        }
        if lease.link.is_none() {
            let mut link = dial(client, url, proxy, timeouts, alarm).await?;
            watch(client, &lease.origin, &mut link).map_err(|error| {
                ClientError::Connect(failed_at(Phase::Connect, url, None), error)
            })?;
            lease.link = Some(link);
        }
        Ok(lease)
    }

    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.link.as_deref_mut()
    }

    pub(super) fn client(&self) -> &Rc<ClientShared> {
        &self.client
    }
}

/// What shares connections: an origin, a proxy for `http`, or an origin through a proxy.
fn pool_key<'a>(url: &'a Url, proxy: Option<&Proxy>) -> Cow<'a, str> {
    match (proxy, url.scheme()) {
        (None, _) => url.origin().into(),
        (Some(proxy), Scheme::Http) => format!("via {}", proxy.url().authority()).into(),
        (Some(proxy), Scheme::Https) => {
            format!("{} via {}", url.origin(), proxy.url().authority()).into()
        }
    }
}

/// Waits for a permit.
async fn wait(
    client: &ClientShared,
    origin: &Origin,
    url: &Url,
    timeouts: &ClientTimeouts,
    alarm: &mut Alarm,
) -> Result<Permit, ClientError> {
    let at = || failed_at(Phase::Queue, url, None);
    let limit = client.config.pool.waiting;
    if origin.waiting.get() >= limit {
        return Err(ClientError::Queue(at(), limit));
    }
    let _place = Place::new(&origin.waiting);
    alarm.begin(Phase::Queue, Timeout::Queue, timeouts.queue);
    let mut acquire = pin!(origin.permits.acquire());
    let acquired = poll_fn(|cx| match acquire.as_mut().poll(cx) {
        Poll::Ready(acquired) => Poll::Ready(Ok(acquired)),
        Poll::Pending => alarm.poll(cx).map(Err),
    });
    match acquired.await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(Error::Shutdown)) => Err(ClientError::Shutdown),
        Ok(Err(error)) => Err(ClientError::Connect(at(), error)),
        Err((timeout, after)) => Err(ClientError::TimedOut(at(), timeout, after)),
    }
}

/// A place among those that wait.
struct Place<'a>(&'a Cell<usize>);

impl<'a> Place<'a> {
    fn new(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Place(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (client, origin) = (&self.client, &self.origin);
        if let Some(link) = self.link.take() {
            if link.is_reusable() && !client.is_closed.get() && !client.ctx.draining() {
                client.pool.give_back(origin, link, client.ctx.now(), &client.config.pool);
            } else if link.is_complete() && !link.has_unread() && !link.is_queued {
                drop(link);
            } else {
                link.abort();
            }
        }
        drop(self.permit.take());
        client.pool.tidy(origin, 1);
    }
}
