//! A client: one connection to one address, shared by any number of callers.
//!
//! Rules:
//!
//! - Calls get their turns in the order in which they were made; a call has the connection to
//!   itself. A call that is not polled when its turn comes is passed over.
//! - An answer reaches only the call that asked for it, and bytes that no call asked for reach
//!   none: a call that finds such bytes closes the connection. So the connection is closed after a
//!   call, unless the call sent and took nothing, or succeeded with nothing left unread, and with
//!   something read if anything was sent. Only the call itself can know better: see
//!   [`Conn::mark_in_step`].
//! - A fiber watches the connection, so a close between two calls is noticed when it happens.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::channel::{ByteCounts, ConnShared};
use super::waiting::{SpareWaker, WaitingWaker};
use super::{Conn, Ctx};
use crate::hub::Called;
use crate::hub::{Inner, MachineCtx};
use crate::machine::{Cause, Error, IntoTarget, Limit, Machine, Target, TargetError};

/// A connection to a server, and the queue of calls on it. Cheap to clone: all clones are the same
/// client. The connection closes when the last clone is dropped.
///
/// ```
/// # use core::net::SocketAddr;
/// # use diesel_proto::*;
/// struct EchoClient(Client);
///
/// impl EchoClient {
///     async fn echo(&self, message: &str) -> Result<Line, Error> {
///         self.0
///             .call(async |conn: &mut Conn| {
///                 conn.write((message, "\r\n")).await?;
///                 conn.until_eol().await
///             })
///             .await
///     }
/// }
///
/// async fn ask(ctx: Ctx) -> Result<(), Error> {
///     let address = SocketAddr::from(([127, 0, 0, 1], 7050));
///     let client = EchoClient(Client::connect(&ctx, address).await?);
///     println!("{}", client.echo("hello").await?.trimmed());
///     Ok(())
/// }
/// # Hub::default().add_loop(ask).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Rc<ClientShared>,
}

/// Settings of a [`Client`]. Made by [`Client::builder`].
///
/// ```
/// # use diesel_proto::*;
/// async fn ask(ctx: Ctx) -> Result<(), Error> {
///     let address = core::net::SocketAddr::from(([10, 0, 0, 1], 7050));
///     let client = Client::builder(&ctx, address)
///         .on_close(|cause| println!("closed: {cause}"))
///         .reconnect(true)
///         .max_waiting(100)
///         .build();
///     let answer = client
///         .call(async |conn: &mut Conn| {
///             conn.write("hello\r\n").await?;
///             conn.until_eol().await
///         })
///         .await?;
///     assert_eq!(answer.trimmed(), "hello");
///     Ok(())
/// }
/// # Hub::default().add_loop(ask).unwrap();
/// ```
pub struct ClientBuilder {
    ctx: Ctx,
    target: Result<Target, TargetError>,
    on_connect: Option<Box<dyn OnConnect>>,
    on_close: Option<Rc<dyn Fn(Cause)>>,
    wrap: Option<Rc<Wrap>>,
    reconnect: bool,
    max_waiting: usize,
}

/// Puts a layer around each new connection.
type Wrap = dyn Fn(&MachineCtx, Inner) -> Box<dyn Machine>;

struct ClientShared {
    settings: ClientBuilder,
    /// The open connection, while no call uses it.
    conn: RefCell<Option<Conn>>,
    /// A call uses the connection, or is making it.
    busy: Cell<bool>,
    was_connected: Cell<bool>,
    closed: Cell<bool>,
    /// The last connection was closed because a call was abandoned: later calls report that.
    abandoned: Cell<bool>,
    /// Calls that wait for their turn, by ascending tickets.
    waiting: RefCell<VecDeque<Queued>>,
    next_ticket: Cell<u64>,
}

impl Client {
    /// Connects to an address, or to a host by its name, with no hooks, and without reconnecting.
    ///
    /// # Errors
    ///
    /// As [`Ctx::connect`].
    pub async fn connect(ctx: &Ctx, target: impl IntoTarget) -> Result<Client, Error> {
        Client::builder(ctx, target).connect().await
    }

    /// Starts building a client with other settings. A name is resolved for each new connection.
    pub fn builder(ctx: &Ctx, target: impl IntoTarget) -> ClientBuilder {
        ClientBuilder {
            ctx: ctx.clone(),
            target: target.into_target(),
            on_connect: None,
            on_close: None,
            wrap: None,
            reconnect: false,
            max_waiting: 1024,
        }
    }

    /// Waits for its turn, then runs `call` on the connection and returns its result.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped while it waits for its turn has no effect. Nor does a `call` that
    /// sent and took nothing, however it ends. Otherwise the connection is closed
    ///
    /// - with [`Cause::CallAbandoned`] if `call` fails with any error, is dropped, returns without
    ///   having read anything although it sent something, or ended our side by a half-close;
    /// - with [`Cause::Unasked`] if `call` returns and leaves bytes unread.
    ///
    /// A call that is not polled when its turn comes loses its place to the next one, and queues up
    /// again when it is polled: so a call that is forgotten ([`core::mem::forget`]) does not block
    /// the others. A call that is forgotten after its turn has begun keeps the connection for ever.
    ///
    /// If a call knows that nothing more will arrive, it can call [`Conn::mark_in_step`] after all
    /// that it sends and takes: then the connection is kept, however the call ends. A call must
    /// read every answer that it asks for: if it returns after the first of two, the client cannot
    /// distinguish the second from the next call's answer.
    ///
    /// If bytes that no call asked for arrive between two calls, the next call closes the
    /// connection with [`Cause::Unasked`], and makes a new one if the client reconnects.
    ///
    /// # Errors
    ///
    /// The error of `call`. [`Error::Closed`] or [`Error::CallAbandoned`] if the connection is gone
    /// and the client does not reconnect; if it does, the error of connecting. [`Error::Limit`] if
    /// [`max_waiting`](ClientBuilder::max_waiting) calls wait already.
    pub async fn call<T, F>(&self, call: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(&mut Conn) -> Result<T, Error>,
    {
        let turn = CallTurn::wait(&self.shared).await?;
        let mut lease = Lease::take(turn).await?;
        let Some(conn) = &mut lease.conn else { return Err(Error::Closed) };
        let result = call(conn).await;
        lease.finish(result.is_ok());
        result
    }

    /// Whether there is no usable connection: it was never made, was closed by either side, or was
    /// abandoned.
    pub fn is_closed(&self) -> bool {
        if self.shared.busy.get() {
            return false;
        }
        self.shared.conn.borrow().as_ref().is_none_or(Conn::is_closed)
    }

    /// Closes the connection once everything queued is sent; a call that has its turn runs to its
    /// end first. Later calls fail, even if the client reconnects.
    pub fn close(&self) {
        self.shared.closed.set(true);
        let conn = self.shared.conn.borrow_mut().take();
        drop(conn);
    }
}

impl ClientBuilder {
    /// Sets a hook that runs on each new connection before any call: for a greeting or a login.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: AsyncFn(&mut Conn) -> Result<(), Error> + 'static,
    {
        self.on_connect = Some(Box::new(hook));
        self
    }

    /// Puts a layer around each new connection, as [`Connect::layer`](super::Connect::layer) does.
    /// The layer added last is the outermost.
    pub fn layer<L: Machine + 'static>(
        mut self,
        wrap: impl Fn(&MachineCtx, Inner) -> L + 'static,
    ) -> Self {
        let within = self.wrap.take();
        self.wrap = Some(Rc::new(move |machine_ctx, inner| {
            let inner = match &within {
                Some(within) => Inner::boxed(within(machine_ctx, inner)),
                None => inner,
            };
            Box::new(wrap(machine_ctx, inner))
        }));
        self
    }

    /// Sets a hook that runs when a connection is gone, with the cause, on a separate fiber.
    pub fn on_close(mut self, hook: impl Fn(Cause) + 'static) -> Self {
        self.on_close = Some(Rc::new(hook));
        self
    }

    /// Whether a call makes a new connection if the last one is gone. Off by default. A call that
    /// was running when the connection broke still fails: it is unknown how much of it the server
    /// did.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// How many calls may wait for their turn. 1024 by default.
    pub fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// Builds a client that connects at its first call.
    pub fn build(self) -> Client {
        Client {
            shared: Rc::new(ClientShared {
                settings: self,
                conn: RefCell::new(None),
                busy: Cell::new(false),
                was_connected: Cell::new(false),
                closed: Cell::new(false),
                abandoned: Cell::new(false),
                waiting: RefCell::new(VecDeque::new()),
                next_ticket: Cell::new(0),
            }),
        }
    }

    /// Builds a client and connects it.
    ///
    /// # Errors
    ///
    /// As [`Ctx::connect`], or the error of `on_connect`.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.build();
        client.call(async |_: &mut Conn| Ok(())).await?;
        Ok(client)
    }
}

/// A call that waits for its turn.
struct Queued {
    ticket: u64,
    waiting: WaitingWaker,
    /// Its turn came, and it was woken for it.
    called: bool,
}

/// The right to use the connection. Dropping it gives the next call its turn.
struct CallTurn {
    shared: Rc<ClientShared>,
}

impl CallTurn {
    async fn wait(shared: &Rc<ClientShared>) -> Result<CallTurn, Error> {
        // A call may fail without ever waiting, so it costs a token of the budget here.
        let core = shared.settings.ctx.core();
        poll_fn(|cx| {
            ready!(core.may_go_on(cx))?;
            core.spend_token();
            Poll::Ready(Ok::<_, Error>(()))
        })
        .await?;
        if !shared.busy.get() && shared.waiting.borrow().is_empty() {
            shared.busy.set(true);
            return Ok(CallTurn { shared: Rc::clone(shared) });
        }
        let max = shared.settings.max_waiting;
        if shared.waiting.borrow().len() >= max {
            shared.settings.ctx.core().counters.borrow_mut().limit_calls += 1;
            return Err(Error::Limit(Limit::Calls(max)));
        }
        let ticket = shared.queue_up(&mut shared.waiting.borrow_mut());
        let mut place = QueuePlace { shared: Rc::clone(shared), ticket };
        poll_fn(move |cx| place.poll(cx)).await
    }
}

impl Drop for CallTurn {
    fn drop(&mut self) {
        self.shared.busy.set(false);
        self.shared.call_next();
    }
}

/// A call's place in the queue. Dropping it leaves the queue.
struct QueuePlace {
    shared: Rc<ClientShared>,
    ticket: u64,
}

impl QueuePlace {
    /// Its index in the queue, whose tickets ascend.
    fn position(&self, waiting: &VecDeque<Queued>) -> Option<usize> {
        waiting.binary_search_by_key(&self.ticket, |queued| queued.ticket).ok()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<CallTurn, Error>> {
        let shared = &self.shared;
        let mut spare = SpareWaker::default();
        loop {
            let mut waiting = shared.waiting.borrow_mut();
            if self.position(&waiting).is_none() {
                // It was passed over: it queues up again.
                self.ticket = shared.queue_up(&mut waiting);
            }
            let first = waiting.front().is_some_and(|queued| queued.ticket == self.ticket);
            if first && !shared.busy.get() {
                let place = waiting.pop_front();
                shared.busy.set(true);
                drop(waiting);
                drop(place);
                return Poll::Ready(Ok(CallTurn { shared: Rc::clone(shared) }));
            }
            if shared.settings.ctx.draining() {
                return Poll::Ready(Err(Error::Shutdown));
            }
            let mine = self.position(&waiting).and_then(|index| waiting.get_mut(index));
            let Some(mine) = mine else { return Poll::Pending };
            if mine.waiting.register(cx, &mut spare) {
                mine.called = false;
                return Poll::Pending;
            }
            drop(waiting);
            spare.fill(cx);
        }
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mine = {
            let mut waiting = self.shared.waiting.borrow_mut();
            self.position(&waiting).and_then(|index| waiting.remove(index))
        };
        if mine.is_some() && !self.shared.busy.get() {
            self.shared.call_next();
        }
    }
}

/// The connection, while a call uses it.
struct Lease {
    turn: CallTurn,
    conn: Option<Conn>,
    /// The traffic before the call began.
    before: ByteCounts,
}

impl Lease {
    async fn take(turn: CallTurn) -> Result<Lease, Error> {
        let shared = Rc::clone(&turn.shared);
        if shared.closed.get() {
            return Err(Error::Closed);
        }
        let conn = shared.conn.borrow_mut().take();
        if let Some(conn) = conn {
            if conn.has_unread() {
                // This call would mistake these bytes for its answer.
                conn.close_with(Cause::Unasked, true);
            } else if !conn.is_closed() {
                let before = begin(&conn);
                return Ok(Lease { turn, conn: Some(conn), before });
            }
        }
        let settings = &shared.settings;
        if shared.was_connected.get() && !settings.reconnect {
            return Err(match shared.abandoned.get() {
                true => Error::CallAbandoned,
                false => Error::Closed,
            });
        }
        let mut connect = settings.ctx.connect(settings.target.clone());
        if let Some(wrap) = settings.wrap.clone() {
            connect = connect.layer(move |machine_ctx, inner| wrap(machine_ctx, inner));
        }
        let mut conn = connect.await?;
        let mut before = begin(&conn);
        if let Some(hook) = &settings.on_connect {
            hook.run(&mut conn).await?;
            if !is_in_step(&conn, before, true) {
                conn.close_with(Cause::CallAbandoned, false);
                return Err(Error::CallAbandoned);
            }
            before = begin(&conn);
        }
        watch(&shared, conn.socket())?;
        shared.was_connected.set(true);
        shared.abandoned.set(false);
        Ok(Lease { turn, conn: Some(conn), before })
    }

    /// Ends the call: gives the connection back, unless the next call might read what this one
    /// left. What this one queued is still sent.
    fn finish(&mut self, is_answered: bool) {
        let Some(conn) = self.conn.take() else { return };
        let shared = &self.turn.shared;
        if is_in_step(&conn, self.before, is_answered) {
            shared.give_back(conn);
        } else if is_answered && conn.has_unread() {
            conn.close_with(Cause::Unasked, true);
        } else if !conn.is_closed() {
            shared.abandoned.set(true);
            conn.close_with(Cause::CallAbandoned, false);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let shared = &self.turn.shared;
        if is_in_step(&conn, self.before, false) {
            return shared.give_back(conn);
        }
        shared.abandoned.set(true);
        conn.close_with(Cause::CallAbandoned, true);
    }
}

/// Begins a call: the connection is in step until something is queued or taken.
fn begin(conn: &Conn) -> ByteCounts {
    let channel = &mut *conn.socket().channel.borrow_mut();
    let traffic = channel.traffic();
    channel.watched.get_or_insert_default().in_step = traffic;
    traffic
}

/// Whether the next call may use the connection.
fn is_in_step(conn: &Conn, before: ByteCounts, is_answered: bool) -> bool {
    let channel = conn.socket().channel.borrow();
    if !channel.input.is_empty() || channel.half_closed {
        return false;
    }
    let now = channel.traffic();
    let is_marked = channel.watched.as_ref().is_some_and(|watched| watched.in_step == now);
    let is_exchanged = now.queued == before.queued || now.taken > before.taken;
    is_marked || (is_answered && is_exchanged)
}

impl ClientShared {
    /// Keeps a connection for the next call, unless the client or the hub is closing.
    fn give_back(&self, conn: Conn) {
        if !self.closed.get() && !self.settings.ctx.draining() {
            let former = self.conn.replace(Some(conn));
            drop(former);
        }
    }

    /// Adds a call to the queue.
    fn queue_up(&self, waiting: &mut VecDeque<Queued>) -> u64 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket + 1);
        waiting.push_back(Queued { ticket, waiting: WaitingWaker::default(), called: false });
        ticket
    }

    /// Gives the call that has waited longest its turn.
    fn call_next(self: &Rc<Self>) {
        let waker = {
            let mut waiting = self.waiting.borrow_mut();
            let Some(next) = waiting.front_mut() else { return };
            next.called = true;
            next.waiting.take()
        };
        let core = self.settings.ctx.core();
        if let Some(waker) = waker {
            core.wake(waker);
        }
        core.expect(Rc::downgrade(self) as Weak<dyn Called>);
    }
}

impl Called for ClientShared {
    /// Called after every woken fiber was polled. If the call whose turn has come did not take it,
    /// the call was forgotten, or its fiber awaits something else: it loses its place.
    fn pass_over(self: Rc<Self>) {
        let passed = {
            let mut waiting = self.waiting.borrow_mut();
            let is_free = !self.busy.get();
            let is_absent = waiting.front().is_some_and(|next| next.called);
            if is_free && is_absent { waiting.pop_front() } else { None }
        };
        if passed.is_some() {
            self.call_next();
        }
    }
}

/// Spawns the fiber that watches a connection until it is gone.
fn watch(shared: &Rc<ClientShared>, socket: &Rc<ConnShared>) -> Result<(), Error> {
    let (shared, socket) = (Rc::downgrade(shared), Rc::clone(socket));
    let on_close = shared.upgrade().and_then(|shared| shared.settings.on_close.clone());
    socket.core.clone().spawn(async move {
        let cause = poll_fn(|cx| poll_gone(&shared, &socket, cx)).await;
        // Drops an idle connection that the peer closed.
        if let Some(shared) = shared.upgrade() {
            let mut kept = shared.conn.borrow_mut();
            let conn = kept.take_if(|conn| Rc::ptr_eq(conn.socket(), &socket));
            drop(kept);
            drop(conn);
        }
        if let Some(on_close) = on_close {
            on_close(cause);
        }
        Ok(())
    })?;
    Ok(())
}

fn poll_gone(
    shared: &Weak<ClientShared>,
    socket: &ConnShared,
    cx: &mut Context<'_>,
) -> Poll<Cause> {
    let mut spare = SpareWaker::default();
    loop {
        let mut channel = socket.channel.borrow_mut();
        let closing = channel.closing();
        if let Some(cause) = closing.or(channel.eof.then_some(Cause::PeerClosed)) {
            return Poll::Ready(cause);
        }
        if channel.watched.get_or_insert_default().watcher.register(cx, &mut spare) {
            break;
        }
        drop(channel);
        spare.fill(cx);
    }
    let idle = shared.upgrade().is_none_or(|shared| !shared.busy.get());
    if socket.core.is_draining() && idle {
        return Poll::Ready(Cause::Shutdown);
    }
    Poll::Pending
}

/// An [`AsyncFn`] that can be kept.
trait OnConnect {
    fn run<'a>(
        &'a self,
        conn: &'a mut Conn,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
}

impl<F: AsyncFn(&mut Conn) -> Result<(), Error>> OnConnect for F {
    fn run<'a>(
        &'a self,
        conn: &'a mut Conn,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>> {
        Box::pin(async move { self(conn).await })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("target", &self.shared.settings.target).finish()
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("target", &self.target).finish()
    }
}
