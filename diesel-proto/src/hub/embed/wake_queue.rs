//! [`WakeQueue`]: one task that waits for many wakers.
//!
//! It must never know what the names stand for.

extern crate std;

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Wakers that each have a name, and the task that handles what they report: for event loops whose
/// readiness wakes a waker, such as those of `async` runtimes. All streams of a hub are then served
/// by one task, which learns which of them are ready without asking each. A name is a number, a
/// [`ConnId`](crate::machine::ConnId), or an enum of the embedder. Needs feature `std`.
///
/// ```
/// use std::future::Future;
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// use diesel_proto::hub::embed::WakeQueue;
///
/// let queue = WakeQueue::default();
/// let (first, second) = (queue.waker("first"), queue.waker("second"));
/// second.wake_by_ref();
/// first.wake_by_ref();
/// let mut woken = pin!(queue.woken());
/// let polled = woken.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// assert_eq!(polled, Poll::Ready(vec!["second", "first"]));
/// ```
pub struct WakeQueue<N>(Arc<Mutex<Queued<N>>>);

struct Queued<N> {
    names: Vec<N>,
    /// The task that waits.
    task: Option<Waker>,
}

struct Named<N> {
    name: N,
    queue: WakeQueue<N>,
}

impl<N> Clone for WakeQueue<N> {
    fn clone(&self) -> Self {
        WakeQueue(Arc::clone(&self.0))
    }
}

impl<N> Default for WakeQueue<N> {
    fn default() -> Self {
        WakeQueue(Arc::new(Mutex::new(Queued { names: Vec::new(), task: None })))
    }
}

impl<N: Clone + Send + Sync + 'static> WakeQueue<N> {
    /// A waker that reports `name`. It can be woken by any thread.
    pub fn waker(&self, name: N) -> Waker {
        Waker::from(Arc::new(Named { name, queue: self.clone() }))
    }
}

impl<N> WakeQueue<N> {
    /// Waits until a waker is woken, and returns the names that were reported since the last call,
    /// in order. A name may come more than once. If this future is dropped, nothing is lost.
    pub async fn woken(&self) -> Vec<N> {
        poll_fn(|cx| {
            let mut queued = self.lock();
            if queued.names.is_empty() {
                queued.task = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(core::mem::take(&mut queued.names))
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Queued<N>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Clone + Send + Sync + 'static> Wake for Named<N> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let task = {
            let mut queued = self.queue.lock();
            queued.names.push(self.name.clone());
            queued.task.take()
        };
        // Without the lock: a waker is foreign code.
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<N: fmt::Debug> fmt::Debug for WakeQueue<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WakeQueue").field(&self.lock().names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::future::Future;
    use core::pin::pin;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Context;

    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_task_is_woken_once_and_gets_all_names() {
        let (queue, counts) = (WakeQueue::default(), Arc::new(Counts(AtomicUsize::new(0))));
        let task = Waker::from(Arc::clone(&counts));
        let mut cx = Context::from_waker(&task);
        let waker = queue.waker(7);
        assert!(pin!(queue.woken()).poll(&mut cx).is_pending());
        waker.wake_by_ref();
        queue.waker(8).wake();
        waker.wake_by_ref();
        assert_eq!(counts.0.load(Ordering::Relaxed), 1);
        assert_eq!(pin!(queue.woken()).poll(&mut cx), Poll::Ready(vec![7, 8, 7]));
        assert!(pin!(queue.woken()).poll(&mut cx).is_pending());
        waker.wake();
        assert_eq!(counts.0.load(Ordering::Relaxed), 2);
    }
}
