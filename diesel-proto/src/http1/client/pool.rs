//! [`Origin`]: the connections to one origin, and the calls that wait for one. [`Pool`]: all of them.
//!
//! Rules of this file:
//!
//! - `links in use + idle links <= per_origin`: a call takes a permit before it takes an idle link or
//!   makes one, and makes one only when none is idle.
//! - The link that was used last is used next, so that the others can expire.
//! - An origin without links and calls is forgotten.
//!
//! It must never know requests.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::task::{Context, Poll};

use super::config::PoolLimits;
use super::link::{Link, Watch};
use crate::fiber::{Ctx, Semaphore};
use crate::time::Instant;

#[derive(Default)]
pub(super) struct Pool {
    origins: RefCell<BTreeMap<Box<str>, Rc<Origin>>>,
    /// Of all origins.
    idle: Cell<usize>,
}

/// The connections to one origin.
pub(super) struct Origin {
    key: Box<str>,
    pub(super) permits: Semaphore,
    /// Calls that wait for a permit.
    pub(super) waiting: Cell<usize>,
    /// The link that was used last is the last one.
    #[allow(clippy::vec_box, reason = "links are moved, and large")]
    idle: RefCell<Vec<Box<Link>>>,
}

impl Pool {
    /// The connections to this origin.
    pub(super) fn origin(&self, key: &str, ctx: &Ctx, limits: &PoolLimits) -> Rc<Origin> {
        if let Some(origin) = self.origins.borrow().get(key) {
            return Rc::clone(origin);
        }
        let origin = Rc::new(Origin {
            key: key.into(),
            permits: ctx.semaphore(limits.per_origin.max(1)),
            waiting: Cell::new(0),
            idle: RefCell::new(Vec::new()),
        });
        self.origins.borrow_mut().insert(key.into(), Rc::clone(&origin));
        origin
    }

    /// Takes an idle link that can be used.
    pub(super) fn take(
        &self,
        origin: &Origin,
        now: Instant,
        limits: &PoolLimits,
    ) -> Option<Box<Link>> {
        loop {
            let link = origin.idle.borrow_mut().pop()?;
            self.idle.set(self.idle.get().saturating_sub(1));
            // A link that is dropped here closes.
            if link.is_reusable() && now < expiry(&link, limits) {
                return Some(link);
            }
        }
    }

    /// Drops an idle link, the one that was used least recently.
    pub(super) fn drop_one(&self, origin: &Origin) {
        let link = {
            let mut idle = origin.idle.borrow_mut();
            if idle.is_empty() {
                return;
            }
            idle.remove(0)
        };
        self.idle.set(self.idle.get().saturating_sub(1));
        drop(link);
    }

    /// Keeps a link for the next call, or closes it.
    pub(super) fn give_back(
        &self,
        origin: &Origin,
        mut link: Box<Link>,
        now: Instant,
        limits: &PoolLimits,
    ) {
        let has_room = origin.idle.borrow().len() < limits.idle.min(limits.per_origin)
            && self.idle.get() < limits.idle_in_all;
        link.idle_since = now;
        let Some(watch) = link.watch.as_ref().map(|watched| Rc::clone(&watched.0)) else { return };
        if !has_room || !link.is_reusable() || now >= expiry(&link, limits) {
            return;
        }
        // The watcher is woken when anything arrives; nobody else reads from now on.
        let waker = watch.waker.borrow().clone();
        let polled = match &waker {
            Some(waker) => link.poll_unusable(&mut Context::from_waker(waker)),
            None => Poll::Pending,
        };
        if polled.is_pending() {
            origin.idle.borrow_mut().push(link);
            self.idle.set(self.idle.get() + 1);
        }
    }

    /// For the watcher of a link: waits until the link, if it is idle, can be used no more; then it
    /// closes. Returns until when it may be idle, if it is.
    pub(super) fn poll_idle(
        &self,
        origin: &Origin,
        watch: &Rc<Watch>,
        now: Instant,
        limits: &PoolLimits,
        cx: &mut Context<'_>,
    ) -> Option<Instant> {
        let mut link = {
            let mut idle = origin.idle.borrow_mut();
            let is_watched =
                |link: &Link| link.watch.as_ref().is_some_and(|it| Rc::ptr_eq(&it.0, watch));
            let at = idle.iter().position(|link| is_watched(link))?;
            // The order of the others stays.
            (at, idle.remove(at))
        };
        let until = expiry(&link.1, limits);
        if now < until && link.1.poll_unusable(cx).is_pending() {
            let idle = &mut *origin.idle.borrow_mut();
            idle.insert(link.0.min(idle.len()), link.1);
            return Some(until);
        }
        self.idle.set(self.idle.get().saturating_sub(1));
        drop(link);
        None
    }

    /// Call when a link or a call of the origin is gone: forgets the origin if it was the last.
    /// `own`: how many references the caller has.
    pub(super) fn tidy(&self, origin: &Rc<Origin>, own: usize) {
        if Rc::strong_count(origin) <= own + 1 && origin.idle.borrow().is_empty() {
            let removed = {
                let mut origins = self.origins.borrow_mut();
                match origins.get(&origin.key) {
                    Some(kept) if Rc::ptr_eq(kept, origin) => origins.remove(&origin.key),
                    _ => None,
                }
            };
            drop(removed);
        }
    }

    /// Closes all idle links.
    pub(super) fn clear(&self) {
        let origins = core::mem::take(&mut *self.origins.borrow_mut());
        self.idle.set(0);
        for origin in origins.values() {
            let idle = core::mem::take(&mut *origin.idle.borrow_mut());
            drop(idle);
        }
    }

    /// The number of idle links.
    pub(super) fn idle(&self) -> usize {
        self.idle.get()
    }

    /// The number of origins that are known.
    pub(super) fn origins(&self) -> usize {
        self.origins.borrow().len()
    }
}

/// Until when an idle link may be used.
fn expiry(link: &Link, limits: &PoolLimits) -> Instant {
    (link.idle_since + limits.idle_time).min(link.made + limits.lifetime)
}
