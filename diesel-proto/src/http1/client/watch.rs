//! The watcher of a link: a fiber that closes the link when it is idle and its time is over, when the
//! server closed it, or when bytes arrive that answer no request.
//!
//! It must never know calls.

use alloc::rc::{Rc, Weak};
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::link::{Link, Watch, Watched};
use super::pool::Origin;
use super::shared::ClientShared;
use super::timer::Timer;
use crate::machine::Error;

struct Watcher {
    client: Weak<ClientShared>,
    origin: Weak<Origin>,
    watch: Rc<Watch>,
    timer: Timer,
}

/// Has the link watched for as long as it exists. While the hub is shutting down, it is not, and is
/// not kept after its call.
pub(super) fn watch(
    client: &Rc<ClientShared>,
    origin: &Rc<Origin>,
    link: &mut Link,
) -> Result<(), Error> {
    let watch = Rc::new(Watch::default());
    let mut watcher = Watcher {
        client: Rc::downgrade(client),
        origin: Rc::downgrade(origin),
        watch: Rc::clone(&watch),
        timer: Timer::default(),
    };
    match client.ctx.spawn(poll_fn(move |cx| watcher.poll(cx))) {
        Ok(_) => link.watch = Some(Watched(watch)),
        Err(Error::Shutdown) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

impl Watcher {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.watch.is_gone.get() {
                return Poll::Ready(());
            }
            let (Some(client), Some(origin)) = (self.client.upgrade(), self.origin.upgrade())
            else {
                return Poll::Ready(());
            };
            let is_known = |waker: &core::task::Waker| waker.will_wake(cx.waker());
            if !self.watch.waker.borrow().as_ref().is_some_and(is_known) {
                let former = self.watch.waker.replace(Some(cx.waker().clone()));
                drop(former);
            }
            let (now, limits) = (client.ctx.now(), &client.config.pool);
            let until = client.pool.poll_idle(&origin, &self.watch, now, limits, cx);
            if self.watch.is_gone.get() {
                client.pool.tidy(&origin, 1);
                return Poll::Ready(());
            }
            // While it is in use, it is looked at now and then: whoever gives it back sets no timer.
            let at = until.unwrap_or(now + limits.idle_time);
            ready!(self.timer.poll(&client.ctx, at, cx));
        }
    }
}
