//! [`PeerEnded`]: waits until the peer ends its side.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::channel::ConnShared;
use super::waiting::SpareWaker;

/// Waits until the peer ends its side. Made by [`Writer::peer_ended`](super::Writer::peer_ended). Polled
/// again after that, it completes at once.
///
/// Example: see [`Writer::peer_ended`](super::Writer::peer_ended).
#[must_use = "futures do nothing unless awaited"]
pub struct PeerEnded {
    socket: Rc<ConnShared>,
}

impl PeerEnded {
    pub(super) fn new(socket: Rc<ConnShared>) -> Self {
        PeerEnded { socket }
    }
}

impl Future for PeerEnded {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut spare = SpareWaker::default();
        loop {
            let mut channel = self.socket.channel.borrow_mut();
            if channel.eof || channel.is_broken {
                return Poll::Ready(());
            }
            if channel.wait_for_end(cx, &mut spare) {
                return Poll::Pending;
            }
            drop(channel);
            spare.fill(cx);
        }
    }
}

impl fmt::Debug for PeerEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerEnded({:?})", self.socket)
    }
}
