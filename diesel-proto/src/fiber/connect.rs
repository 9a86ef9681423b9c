//! [`Connect`]: connects to an address.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::Conn;
use super::channel::{ConnectState, error_of};
use super::machine::connecting;
use super::waiting::SpareWaker;
use crate::hub::{Action, Begun, Core, Inner, MachineCtx, MachineStream, Making, StreamState, Top};
use crate::machine::{Address, Attached, ConnectError, Error, Machine, Notice};

/// Puts a layer around the handle of a connection that is being made.
type WrapClient = Box<dyn FnOnce(&MachineCtx, Inner) -> Box<dyn Machine>>;

/// Waits for a connection to be made. Made by [`Ctx::connect`](super::ctx::Ctx::connect). Dropping
/// it before it is done abandons the attempt. It makes at most one connection: polled again after it
/// is done, it fails with [`Error::AlreadyDone`].
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn dial(ctx: Ctx) -> Result<Conn, Error> {
///     let address = core::net::SocketAddr::from(([10, 0, 0, 1], 7050));
///     // The inner error is that of connecting, the outer one that of the timeout.
///     ctx.timeout(Duration::from_secs(3), ctx.connect(address)).await?
/// }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    core: Rc<Core>,
    address: Address,
    wrap: Option<WrapClient>,
    conn: Option<Conn>,
    is_done: bool,
}

impl Connect {
    pub(super) fn new(core: Rc<Core>, address: Address) -> Self {
        Connect { core, address, wrap: None, conn: None, is_done: false }
    }

    /// Puts a layer around the connection, as [`Service::layer`](crate::hub::Service::layer) does
    /// for accepted ones. The token completes when the layer starts its inner machine. The layer
    /// added last is the outermost.
    pub fn layer<L: Machine + 'static>(
        mut self,
        wrap: impl FnOnce(&MachineCtx, Inner) -> L + 'static,
    ) -> Self {
        let inner_wrap = self.wrap.take();
        self.wrap = Some(Box::new(move |machine_ctx, inner| {
            let inner = match inner_wrap {
                Some(inner_wrap) => Inner::boxed(inner_wrap(machine_ctx, inner)),
                None => inner,
            };
            Box::new(wrap(machine_ctx, inner))
        }));
        self
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Future for Connect {
    type Output = Result<Conn, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Connect { core, address, wrap, conn, is_done } = &mut *self;
        ready!(core.may_go_on(cx))?;
        if *is_done {
            core.spend_token();
            return Poll::Ready(Err(Error::AlreadyDone));
        }
        let connecting = match conn.take() {
            Some(connecting) => connecting,
            None => match core.connect(*address, wrap.take()) {
                Ok(connecting) => connecting,
                Err(error) => {
                    *is_done = true;
                    core.spend_token();
                    return Poll::Ready(Err(error));
                }
            },
        };
        let mut spare = SpareWaker::default();
        let outcome = loop {
            let mut channel = connecting.socket().channel.borrow_mut();
            if let Some(kind) = channel.connect_error() {
                break Err(ConnectError { address: *address, kind }.into());
            }
            let (state, broken) = (channel.connecting, channel.broken());
            break match (state, broken) {
                (ConnectState::No | ConnectState::Failed, _) => {
                    drop(channel);
                    Ok(connecting)
                }
                (ConnectState::Yes, Some(cause)) => Err(error_of(cause)),
                (ConnectState::Yes, None) if core.forbids_waiting(core.now.get()) => {
                    Err(Error::Shutdown)
                }
                (ConnectState::Yes, None) if channel.blocked().writer.register(cx, &mut spare) => {
                    drop(channel);
                    *conn = Some(connecting);
                    return Poll::Pending;
                }
                (ConnectState::Yes, None) => {
                    drop(channel);
                    spare.fill(cx);
                    continue;
                }
            };
        };
        *is_done = true;
        core.spend_token();
        Poll::Ready(outcome)
    }
}

impl Core {
    /// Begins to connect, with a layer around the handle's machine if `layer` is given.
    fn connect(self: &Rc<Self>, address: Address, wrap: Option<WrapClient>) -> Result<Conn, Error> {
        if self.forbids_waiting(self.now.get()) {
            return Err(Error::Shutdown);
        }
        if let Err(limit) = self.room_for_stream() {
            self.notice(None, Notice::LimitReached(limit));
            // No machine can be stepped here: the other connection is closed later in this run.
            if !self.make_room_later() {
                return Err(Error::Limit(limit));
            }
        }
        let id = self.add_stream(None, true);
        self.stepping.set(Some((id, address)));
        let config = Rc::clone(&self.client_config);
        let mut ctx = MachineCtx::new(Rc::clone(self), id);
        if wrap.is_some() {
            ctx.layered();
        }
        let making = Making { ctx, service: None, config: Rc::clone(&config) };
        let (machine, conn) = connecting(&making);
        let mut top = Top::Fiber(machine);
        if let Some(wrap) = wrap {
            top = Top::Other(wrap(&making.ctx, Inner::made(top)));
        }
        let stream = MachineStream { link: Attached::new(top), peer: address, config };
        if let Some(slot) = self.streams.borrow_mut().at(id.into()) {
            slot.state = StreamState::Machine(Box::new(stream));
        }
        self.counters.borrow_mut().connects += 1;
        self.push_action(Action::Connect(id, address));
        self.begin(Begun::Stream(id));
        Ok(Conn::new(conn))
    }
}
