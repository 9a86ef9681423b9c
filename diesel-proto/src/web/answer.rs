//! [`Endpoint`]: what answers a request once its route is known: a handler, or middleware around
//! one.
//!
//! It must never know routes.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use super::routed_request::RoutedRequest;
use crate::http1::Response;

pub(super) type Endpoint = dyn Fn(RoutedRequest) -> Answer;

/// An endpoint, and how many bytes of a body its parameters read.
#[derive(Clone)]
pub(super) struct LimitedEndpoint {
    pub(super) endpoint: Rc<Endpoint>,
    pub(super) body_limit: usize,
}

/// An endpoint that needs the state of the application, which is known later.
pub(super) type Unbound<S> = Box<dyn FnOnce(&Rc<S>) -> Rc<Endpoint>>;

/// What an endpoint returns.
pub(super) enum Answer {
    Ready(Response),
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl Answer {
    pub(super) fn later(answer: impl Future<Output = Response> + 'static) -> Self {
        Answer::Later(Box::pin(answer))
    }

    /// Polls once a future that never waits, which so needs no place of its own.
    pub(super) fn at_once(answer: impl Future<Output = Response>) -> Self {
        match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Answer::Ready(response),
            Poll::Pending => Answer::Ready(Response::failed(
                "an extractor waits, although its `FromRequest::WAITS` says that it does not",
            )),
        }
    }

    pub(super) async fn response(self) -> Response {
        match self {
            Answer::Ready(response) => response,
            Answer::Later(answer) => answer.await,
        }
    }
}
