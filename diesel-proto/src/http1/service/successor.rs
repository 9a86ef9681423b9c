//! What takes over a connection after an upgrade.
//!
//! It must never know how the upgrade was negotiated.

use alloc::boxed::Box;
use alloc::rc::Rc;

use crate::fiber::ConnHandler;
use crate::hub::{MachineCtx, ServiceConfig};
use crate::machine::Machine;

/// What speaks the protocol after an upgrade: a [`Machine`], or a [handler of
/// connections](crate::fiber::ConnHandler), `async |conn: Conn| ..`. `HandlerVariant` is inferred.
///
/// Example: see [`Response::upgrade`](super::response::Response::upgrade).
pub trait Successor<HandlerVariant>: sealed::Sealed<HandlerVariant> {
    #[doc(hidden)]
    fn into_make(self) -> MakeSuccessor;
}

/// Makes the machine that takes over a connection, from its [`MachineCtx`].
#[doc(hidden)]
pub struct MakeSuccessor(pub(in crate::http1) Box<Make>);

type Make = dyn FnOnce(&MachineCtx, &Rc<ServiceConfig>) -> Box<dyn Machine>;

mod sealed {
    pub trait Sealed<HandlerVariant> {}
}

/// Marks machines.
///
/// Example: see [`Response::upgrade`](super::response::Response::upgrade).
#[derive(Debug)]
pub enum ByMachine {}

/// Marks handlers of connections, of any kind.
///
/// Example: see [`Response::upgrade`](super::response::Response::upgrade).
#[derive(Debug)]
pub struct ByHandler<HandlerVariant>(HandlerVariant);

impl<M: Machine + 'static> sealed::Sealed<ByMachine> for M {}

impl<M: Machine + 'static> Successor<ByMachine> for M {
    fn into_make(self) -> MakeSuccessor {
        MakeSuccessor(Box::new(move |_, _| Box::new(self)))
    }
}

impl<H: ConnHandler<HandlerVariant> + 'static, HandlerVariant: 'static>
    sealed::Sealed<ByHandler<HandlerVariant>> for H
{
}

impl<H: ConnHandler<HandlerVariant> + 'static, HandlerVariant: 'static>
    Successor<ByHandler<HandlerVariant>> for H
{
    fn into_make(self) -> MakeSuccessor {
        MakeSuccessor(Box::new(move |ctx, config| Box::new(ctx.serve(self, config))))
    }
}
