//! [`join_all`]: waits for all futures of a list.
//!
//! ```text
//!   woken ──▶ JoinedWaker: sets its flag, wakes the fiber ──▶ poll: polls those whose flag is set
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::{Context, Poll, Waker};

/// Waits for all futures of a list, side by side in one fiber, and returns their results in the
/// order of the list.
///
/// It neither spawns nor needs `'static`: the futures may borrow from the fiber around it. They are
/// first polled in the order of the list; after that, a future is polled when it was woken, those
/// that were woken together in the order of the list. Dropping this token drops those that are not
/// done: so the first error ends the others in `first((join_all(..), failed.wait()))`, say.
///
/// # Cost
///
/// Two allocations for each future. Each wake-up of the fiber looks at a flag of each future, and
/// polls those that were woken. For very many futures, or to see each result as it comes,
/// [spawn](super::ctx::Ctx::spawn) fibers; a [semaphore](super::ctx::Ctx::semaphore) bounds how many
/// do something at a time.
///
/// ```
/// # use diesel_proto::*;
/// use diesel_proto::fiber::join_all;
///
/// async fn greet(ctx: Ctx) -> Result<(), Error> {
///     let hosts = ["a.example", "b.example", "c.example"];
///     let greetings = join_all(hosts.map(async |host| {
///         let mut conn = ctx.connect((host, 7050)).await?;
///         conn.write(("hello, ", host, "\r\n")).await?;
///         conn.until_eol().await
///     }));
///     for (host, greeting) in hosts.iter().zip(greetings.await) {
///         println!("{host}: {}", greeting?.trimmed());
///     }
///     Ok(())
/// }
/// # Hub::default().add_loop(greet).unwrap();
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let futures = futures.into_iter().map(|it| Joined::Waits(Box::pin(it), None));
    let futures: Vec<_> = futures.collect();
    JoinAll { left: futures.len(), futures, fiber: None }
}

/// Waits for all futures of a list. Made by [`join_all`]. Polled again after it is done, it never
/// completes.
///
/// Example: see [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    futures: Vec<Joined<F>>,
    left: usize,
    /// The waker of the fiber for which the wakers of the futures were made.
    fiber: Option<Waker>,
}

enum Joined<F: Future> {
    Waits(Pin<Box<F>>, Option<(Arc<JoinedWaker>, Waker)>),
    Done(F::Output),
    /// Its result was taken.
    Taken,
}

/// The waker of one future.
struct JoinedWaker {
    is_woken: AtomicBool,
    fiber: Waker,
}

impl Wake for JoinedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        self.fiber.wake_by_ref();
    }
}

/// Its futures are pinned in their boxes.
impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let JoinAll { futures, left, fiber } = &mut *self;
        if *left == 0 && !futures.is_empty() && futures.iter().all(Joined::is_taken) {
            return Poll::Pending;
        }
        let is_same = fiber.as_ref().is_some_and(|fiber| fiber.will_wake(cx.waker()));
        if !is_same {
            *fiber = Some(cx.waker().clone());
        }
        for joined in futures.iter_mut() {
            let Joined::Waits(future, waker) = joined else { continue };
            if !is_same {
                *waker = None;
            }
            let (own, waker) = waker.get_or_insert_with(|| {
                let is_woken = AtomicBool::new(true);
                let own = Arc::new(JoinedWaker { is_woken, fiber: cx.waker().clone() });
                (Arc::clone(&own), Waker::from(own))
            });
            if !own.is_woken.swap(false, SeqCst) {
                continue;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                *joined = Joined::Done(output);
                *left -= 1;
            }
        }
        match *left {
            0 => Poll::Ready(futures.iter_mut().filter_map(Joined::take).collect()),
            _ => Poll::Pending,
        }
    }
}

impl<F: Future> Joined<F> {
    fn is_taken(&self) -> bool {
        matches!(self, Joined::Taken)
    }

    fn take(&mut self) -> Option<F::Output> {
        match core::mem::replace(self, Joined::Taken) {
            Joined::Done(output) => Some(output),
            _ => None,
        }
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll")
            .field("futures", &self.futures.len())
            .field("left", &self.left)
            .finish()
    }
}
