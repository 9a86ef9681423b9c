//! [`Dial`]: one attempt to connect, to one address.
//!
//! It must never know that there are other attempts.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::task::{Context, Poll};

use super::Conn;
use super::channel::{ConnectState, error_of};
use super::machine::connecting;
use super::waiting::SpareWaker;
use crate::hub::{Action, Begun, Core, Inner, MachineCtx, MachineStream, Making, StreamState, Top};
use crate::machine::{Address, Attached, ConnectError, Error, Machine, Notice};

/// Puts a layer around the handle of a connection that is being made.
pub(super) type WrapClient = Box<dyn FnOnce(&MachineCtx, Inner) -> Box<dyn Machine>>;

/// An attempt that is under way. Dropping it abandons the attempt.
pub(super) struct Dial {
    address: Address,
    conn: Conn,
}

impl Dial {
    /// Begins to connect, with a layer around the handle's machine if there is one.
    pub(super) fn begin(
        core: &Rc<Core>,
        address: Address,
        layer: Option<WrapClient>,
    ) -> Result<Self, Error> {
        Ok(Dial { address, conn: core.connect(address, layer)? })
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }

    pub(super) fn conn(&self) -> &Conn {
        &self.conn
    }

    pub(super) fn into_conn(self) -> Conn {
        self.conn
    }

    /// Whether the connection is made, and its layer has started the handle.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let core = &self.conn.socket().core;
        let mut spare = SpareWaker::default();
        loop {
            let mut channel = self.conn.socket().channel.borrow_mut();
            if let Some(kind) = channel.connect_error() {
                return Poll::Ready(Err(ConnectError::new(self.address, kind).into()));
            }
            match (channel.connecting, channel.broken()) {
                (ConnectState::No | ConnectState::Failed, _) => return Poll::Ready(Ok(())),
                (ConnectState::Yes, Some(cause)) => return Poll::Ready(Err(error_of(cause))),
                (ConnectState::Yes, None) if core.forbids_waiting(core.now.get()) => {
                    return Poll::Ready(Err(Error::Shutdown));
                }
                (ConnectState::Yes, None) if channel.blocked().writer.register(cx, &mut spare) => {
                    return Poll::Pending;
                }
                (ConnectState::Yes, None) => {
                    drop(channel);
                    spare.fill(cx);
                }
            }
        }
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
