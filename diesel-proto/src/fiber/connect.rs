//! [`Connect`]: connects to an address, or to a host by its name.
//!
//! ```text
//!   Target ──name──▶ `lookup` ──addresses──▶ `race` ──each──▶ `dial` ──▶ Conn
//!      └─────address───────────────────────────────────────────▲
//! ```

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::Conn;
use super::dial::{Dial, WrapClient};
use super::lookup::{Lookup, loopback};
use super::race::Race;
use crate::hub::{Core, Inner, MachineCtx};
use crate::machine::{Address, Error, HostName, Machine, Target, TargetError};

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
    target: Result<Target, TargetError>,
    wrap: Option<WrapClient>,
    resolve: Duration,
    connect: Option<Duration>,
    stage: ConnectStage,
}

enum ConnectStage {
    New,
    Resolving(Box<Lookup>),
    Dialing(Dial),
    Racing(Box<Race>),
    Done,
}

impl Connect {
    pub(super) fn new(core: Rc<Core>, target: Result<Target, TargetError>) -> Self {
        let resolve = core.config.names.resolve;
        Connect { core, target, wrap: None, resolve, connect: None, stage: ConnectStage::New }
    }

    /// How long the look-up of a name may take, instead of
    /// [`NameConfig::resolve`](crate::hub::NameConfig::resolve). After that, it fails with an
    /// [`Error::Resolve`].
    pub fn resolve_within(mut self, timeout: Duration) -> Self {
        self.resolve = timeout;
        self
    }

    /// How long connecting may take, with all addresses of a name together, and without the look-up
    /// and the handshake of a layer; instead of
    /// [`ServiceConfig::connect`](crate::hub::ServiceConfig::connect) of
    /// [`Config::client`](crate::hub::Config::client), if that is longer. After that, it fails with
    /// an [`Error::Connect`].
    pub fn connect_within(mut self, timeout: Duration) -> Self {
        self.connect = Some(timeout);
        self
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

    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Result<Conn, Error>> {
        loop {
            match &mut self.stage {
                ConnectStage::New => self.stage = self.begin()?,
                ConnectStage::Resolving(lookup) => {
                    let addresses = ready!(lookup.poll(cx))?;
                    let name = lookup.name().clone();
                    self.stage = self.race(Some(name), addresses);
                }
                ConnectStage::Dialing(dial) => {
                    ready!(dial.poll(cx))?;
                    let ConnectStage::Dialing(dial) = self.take_stage() else { continue };
                    return Poll::Ready(Ok(dial.into_conn()));
                }
                ConnectStage::Racing(race) => return race.poll(cx),
                ConnectStage::Done => return Poll::Ready(Err(Error::AlreadyDone)),
            }
        }
    }

    fn begin(&mut self) -> Result<ConnectStage, Error> {
        if self.core.forbids_waiting(self.core.now.get()) {
            return Err(Error::Shutdown);
        }
        Ok(match self.target.clone()? {
            Target::Name(name, port) if name.is_localhost() => {
                self.race(Some(name), loopback(port))
            }
            Target::Name(name, port) => {
                let lookup = Lookup::begin(&self.core, name, port, self.resolve)?;
                ConnectStage::Resolving(Box::new(lookup))
            }
            Target::Address(Address::Socket(address)) if self.connect.is_some() => {
                self.race(None, vec![address])
            }
            Target::Address(address) => {
                ConnectStage::Dialing(Dial::begin(&self.core, address, self.wrap.take())?)
            }
        })
    }

    fn race(
        &mut self,
        name: Option<HostName>,
        addresses: vec::Vec<core::net::SocketAddr>,
    ) -> ConnectStage {
        let within = self.connect.unwrap_or(self.core.config.client.connect);
        let race = Race::new(&self.core, name, addresses, self.wrap.take(), within);
        ConnectStage::Racing(Box::new(race))
    }

    fn take_stage(&mut self) -> ConnectStage {
        core::mem::replace(&mut self.stage, ConnectStage::Done)
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Future for Connect {
    type Output = Result<Conn, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.core.may_go_on(cx))?;
        let outcome = ready!(self.poll_stage(cx));
        // What did not win is abandoned.
        drop(self.take_stage());
        self.core.spend_token();
        Poll::Ready(outcome)
    }
}
