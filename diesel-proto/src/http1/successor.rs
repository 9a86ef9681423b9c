//! What takes over a connection when HTTP gives way to another protocol.
//!
//! It must never know how that was agreed on.

use alloc::boxed::Box;
use alloc::rc::Rc;

use crate::{ConnHandler, Machine, Seat, ServiceConfig};

/// What speaks another protocol behind HTTP: a [`Machine`], or a
/// [handler of connections](crate::ConnHandler), `async |conn: Conn| ..`. `Kind` is inferred.
///
/// See [`Response::upgrade`](super::Response::upgrade).
pub trait Successor<Kind>: sealed::Sealed<Kind> {
    #[doc(hidden)]
    fn into_make(self) -> MakeSuccessor;
}

/// Makes the machine that takes over the connection of a seat.
#[doc(hidden)]
pub struct MakeSuccessor(pub(super) Box<Make>);

type Make = dyn FnOnce(&Seat, &Rc<ServiceConfig>) -> Box<dyn Machine>;

mod sealed {
    pub trait Sealed<Kind> {}
}

/// Marks machines.
#[derive(Debug)]
pub enum ByMachine {}

/// Marks handlers of connections, of whatever kind.
#[derive(Debug)]
pub struct ByHandler<Kind>(Kind);

impl<M: Machine + 'static> sealed::Sealed<ByMachine> for M {}

impl<M: Machine + 'static> Successor<ByMachine> for M {
    fn into_make(self) -> MakeSuccessor {
        MakeSuccessor(Box::new(move |_, _| Box::new(self)))
    }
}

impl<H: ConnHandler<Kind> + 'static, Kind: 'static> sealed::Sealed<ByHandler<Kind>> for H {}

impl<H: ConnHandler<Kind> + 'static, Kind: 'static> Successor<ByHandler<Kind>> for H {
    fn into_make(self) -> MakeSuccessor {
        MakeSuccessor(Box::new(move |seat, config| Box::new(seat.serve(self, config))))
    }
}
