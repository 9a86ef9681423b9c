//! [`Timeout`]: waits for a future, and not for ever.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::sleep::Sleep;
use crate::machine::{Error, Reason};

pin_project! {
    /// Made by [`Ctx::timeout`](super::Ctx::timeout). As large as the future and a sleep.
    pub(super) struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    pub(super) fn new(sleep: Sleep, future: F) -> Self {
        Timeout { future, sleep }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let timeout = self.project();
        if let Poll::Ready(output) = timeout.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(Pin::new(timeout.sleep).poll(cx))?;
        Poll::Ready(Err(Error::TimedOut(Reason::Application("timeout"))))
    }
}
