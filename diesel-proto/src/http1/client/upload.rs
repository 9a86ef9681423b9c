//! The body of a request that is written while it is sent.
//!
//! ```text
//!   user code ──▶ RequestWriter ──▶ [ queue ] ──▶ exchange ──▶ connection
//! ```
//!
//! Rules of this file:
//!
//! - Back-pressure: a server that does not read stops the function that writes.
//! - Cancel safety: a write that is dropped before it is ready has queued nothing.
//! - The function that writes is dropped with the upload, and the only writer with it.
//! - No user code runs while the queue is borrowed.
//!
//! It must never know how a body is framed.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::buf::{Blocks, Pipeline};
use crate::fiber::Payload;
use crate::http1::syntax::{Field, Headers, InvalidField};
use crate::machine::Error;

/// Above this many queued bytes, a write waits.
const HIGH_WATER: u64 = 64 << 10;

/// Writes the body of a request, piece by piece. See
/// [`ClientRequest::stream`](super::ClientRequest::stream).
///
/// ```
/// use diesel_proto::http1::{Client, ClientError, RequestWriter};
///
/// async fn upload(client: &Client) -> Result<(), ClientError> {
///     let request = client.put("http://192.0.2.1/numbers").stream(async |body: &mut RequestWriter| {
///         for n in 0..1000 {
///             body.write(format_args!("{n}\n")).await?;
///         }
///         body.trailer("Server-Timing", "total;dur=1")?;
///         Ok(())
///     });
///     let response = request.await?;
///     assert!(response.status().is_success());
///     Ok(())
/// }
/// ```
pub struct RequestWriter {
    queue: Rc<RefCell<UploadQueue>>,
}

/// What was written and is not sent.
#[derive(Default)]
struct UploadQueue {
    pipeline: Pipeline,
    blocks: Blocks,
    trailers: Headers,
    /// Waits for room.
    waker: Option<Waker>,
}

/// A function that writes a body, and what it returned a future for.
pub(super) type WriteBody = dyn FnOnce(RequestWriter) -> WriteFuture;

type WriteFuture = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// A body that is being written.
pub(super) struct Upload {
    /// `None`: it is complete.
    future: Option<WriteFuture>,
    queue: Rc<RefCell<UploadQueue>>,
    /// What is sent next.
    staged: Pipeline,
    /// Those to be sent at the end.
    trailers: Headers,
    is_chunked: bool,
}

/// A part of a body, to be sent.
pub(super) struct Staged<'a> {
    /// To be taken out.
    pub(super) data: &'a mut Pipeline,
    /// If the body ends with this part.
    pub(super) trailers: Option<&'a Headers>,
}

impl RequestWriter {
    /// Queues a piece of the body: any type that [`Conn::write`](crate::fiber::Conn::write)
    /// accepts. Waits only while at least 64 KiB are queued here, which the connection takes up to
    /// its own [`high_water`](crate::hub::ServiceConfig::high_water). Cancel safe.
    ///
    /// If nothing more is sent, because the server has answered that it will not have it, or is gone,
    /// the function that writes is dropped where it waits. The call reports that in its own way.
    ///
    /// # Errors
    ///
    /// None at present.
    pub async fn write<P: Payload>(&mut self, mut payload: P) -> Result<(), Error> {
        poll_fn(|cx| {
            let queue = &mut *self.queue.borrow_mut();
            if queue.pipeline.len() < HIGH_WATER {
                return Poll::Ready(());
            }
            if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                queue.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        let (mut pipeline, mut blocks) = {
            let queue = &mut *self.queue.borrow_mut();
            (core::mem::take(&mut queue.pipeline), core::mem::take(&mut queue.blocks))
        };
        let queued = payload.queue_in(&mut pipeline, &mut blocks);
        let queue = &mut *self.queue.borrow_mut();
        (queue.pipeline, queue.blocks) = (pipeline, blocks);
        queued.map_err(|_| Error::Closed)
    }

    /// Adds a trailer. It is sent if the body is chunked, that is, if its length was not given.
    ///
    /// # Errors
    ///
    /// If the name or the value is not valid in a field.
    pub fn trailer(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        let field = Field::new(name.as_ref(), value.as_ref())?;
        self.queue.borrow_mut().trailers.push(field);
        Ok(())
    }
}

impl Upload {
    pub(super) fn new(write: Box<WriteBody>, is_chunked: bool) -> Self {
        let queue = Rc::new(RefCell::default());
        let future = write(RequestWriter { queue: Rc::clone(&queue) });
        let (staged, trailers) = (Pipeline::new(), Headers::new());
        Upload { future: Some(future), queue, staged, trailers, is_chunked }
    }

    /// Runs the function, and takes what it wrote.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Result<Staged<'_>, Error> {
        if let Some(future) = &mut self.future
            && let Poll::Ready(written) = future.as_mut().poll(cx)
        {
            self.future = None;
            written?;
            let trailers = core::mem::take(&mut self.queue.borrow_mut().trailers);
            if self.is_chunked {
                self.trailers = trailers;
            }
        }
        if self.staged.is_empty() {
            let waker = {
                let queue = &mut *self.queue.borrow_mut();
                core::mem::swap(&mut self.staged, &mut queue.pipeline);
                queue.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
        let is_last = self.future.is_none() && self.queue.borrow().pipeline.is_empty();
        Ok(Staged { data: &mut self.staged, trailers: is_last.then_some(&self.trailers) })
    }
}

impl fmt::Debug for RequestWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queue.borrow().pipeline.len();
        f.debug_struct("RequestWriter").field("queued", &queued).finish_non_exhaustive()
    }
}
