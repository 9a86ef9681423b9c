//! A tunnel between two connections, after an upgrade.
//!
//! Rules of this file:
//!
//! - Each direction ends alone: an end of one side becomes a half-close of the other.
//! - A side that breaks is a cut of the other, never an orderly end.
//! - Back-pressure: what a side does not take is not read from the other.
//!
//! It must never know what goes through it.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use crate::fiber::{Conn, Ctx, First2, Reader, Writer, first};
use crate::machine::Error;
use crate::time::Instant;

/// Copies between both until both have ended, or one breaks, or nothing came for `idle`.
pub(super) async fn relay(down: Conn, up: Conn, idle: Duration) -> Result<(), Error> {
    let ctx = down.ctx();
    let (from_down, to_down) = down.split();
    let (from_up, to_up) = up.split();
    let last = Cell::new(ctx.now());
    let mut onward = pin!(copy(&ctx, from_down, to_up, &last, idle));
    let mut back = pin!(copy(&ctx, from_up, to_down, &last, idle));
    let mut done = [None, None];
    poll_fn(|cx| {
        let [sent, received] = &mut done;
        if sent.is_none()
            && let Poll::Ready(result) = onward.as_mut().poll(cx)
        {
            *sent = Some(result);
        }
        if received.is_none()
            && let Poll::Ready(result) = back.as_mut().poll(cx)
        {
            *received = Some(result);
        }
        match (&*sent, &*received) {
            // The other direction fails by the cut, too; its bytes have nowhere to go.
            (Some(Err(error)), _) | (_, Some(Err(error))) => Poll::Ready(Err(*error)),
            (Some(Ok(())), Some(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    })
    .await
    .map_err(|end| match end {
        RelayEnd::Idle => Error::application("a tunnel was idle for too long"),
        RelayEnd::Broken => Error::Reset,
        RelayEnd::Shutdown => Error::Shutdown,
    })
}

/// Why a direction ended early.
#[derive(Clone, Copy)]
enum RelayEnd {
    Idle,
    Broken,
    Shutdown,
}

impl From<Error> for RelayEnd {
    fn from(error: Error) -> Self {
        match error {
            Error::Shutdown => RelayEnd::Shutdown,
            _ => RelayEnd::Broken,
        }
    }
}

/// Copies to the end. Whatever else ends it cuts the connection that it writes to.
async fn copy(
    ctx: &Ctx,
    from: Reader,
    to: Writer,
    last: &Cell<Instant>,
    idle: Duration,
) -> Result<(), RelayEnd> {
    let mut to = CutUnlessDone(Some(to));
    let mut from = from;
    loop {
        let piece = {
            let mut read = pin!(from.some());
            loop {
                let until = last.get() + idle;
                match first((read.as_mut(), ctx.sleep_until(until))).await {
                    First2::A(piece) => break piece,
                    First2::B(Err(_)) => return Err(RelayEnd::Shutdown),
                    // The other direction may have been busy.
                    First2::B(Ok(())) if ctx.now() < last.get() + idle => {}
                    First2::B(Ok(())) => return Err(RelayEnd::Idle),
                }
            }
        };
        last.set(ctx.now());
        match piece {
            Ok(piece) => {
                if let Some(to) = &mut to.0 {
                    to.write(piece).await?;
                }
                last.set(ctx.now());
            }
            Err(Error::Closed) if from.is_at_end() => {
                // Dropping the writer is a half-close.
                to.0 = None;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A writer that is cut when it is dropped, so that its peer does not mistake that for the end.
struct CutUnlessDone(Option<Writer>);

impl Drop for CutUnlessDone {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            writer.cut();
        }
    }
}
