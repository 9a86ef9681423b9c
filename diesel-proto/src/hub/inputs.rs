//! The inputs of a hub, and what each of them records.
//!
//! User code runs here only to make machines and to step them; a step parses bytes in place. A
//! handler that a machine polls begins within its step; other fibers are only woken.

use bytes::Bytes;

use super::*;
use crate::machine::MAX_SLICES;

impl Hub {
    /// A service has a new connection, from `peer`. At a limit on connections, the connection that
    /// has been idle for longest is closed to [make room](super::config::ServiceConfig::shed) for
    /// it.
    ///
    /// # Errors
    ///
    /// At a limit, while the hub shuts down, if there is no such service, or if making the machine
    /// panicked. The embedder must then close the stream. [`Action::StopAccepting`] comes before a
    /// limit is passed.
    pub fn accept(
        &mut self,
        now: Instant,
        service: ServiceId,
        peer: Address,
    ) -> Result<ConnId, Refused> {
        self.advance(now);
        let accepted = self.try_accept(service, peer);
        match accepted {
            Ok(_) => self.core.counters.borrow_mut().accepted += 1,
            Err(refused) => self.refused(service, peer, refused),
        }
        accepted
    }

    /// Whether [`accept`](Self::accept) would take another connection of this service now: for an
    /// embedder that accepts several before the next [`run`](Self::run), which reports the limit by
    /// [`Action::StopAccepting`].
    pub fn may_accept(&self, service: ServiceId) -> bool {
        let core = &self.core;
        let ends = self.halted || core.is_draining() || core.halt_asked.get();
        let own = service.hub == core.tag;
        let Some(registered) = self.services.get(service.index()).filter(|_| own && !ends) else {
            return false;
        };
        let has_idle = |queue: &RefCell<IdleQueue>, service| {
            core.longest_idle(&mut queue.borrow_mut(), service).is_some()
        };
        (!core.is_full() || has_idle(&core.idle, None))
            && (!self.is_full(registered) || has_idle(&registered.idle, Some(service)))
    }

    /// Whether a service has as many connections as it may have. Connections that closed since the
    /// last run may still count.
    fn is_full(&self, registered: &ServiceEntry) -> bool {
        registered.open >= registered.config.max_connections
    }

    /// The embedder is out of something that a connection holds, such as a file descriptor: closes
    /// the connection that has been idle for longest, with [`Cause::Shed`], if there is one that
    /// [may be closed](super::config::ServiceConfig::shed). Returns whether there was one; its
    /// [`Action::Close`] comes with the next run.
    ///
    /// # Cost
    ///
    /// O(log n), amortised, for n connections.
    pub fn make_room(&mut self, now: Instant) -> bool {
        self.advance(now);
        self.shed_one(None)
    }

    /// Closes the connection that has been idle for longest, of one service or of all.
    fn shed_one(&mut self, service: Option<ServiceId>) -> bool {
        let core = &self.core;
        let registered = service.and_then(|service| self.services.get(service.index()));
        let queue = registered.map_or(&core.idle, |registered| &registered.idle);
        let idle = core.longest_idle(&mut queue.borrow_mut(), service);
        if let Some(conn) = idle {
            self.shed(conn);
        }
        idle.is_some()
    }

    pub(super) fn shed(&mut self, conn: ConnId) {
        self.core.counters.borrow_mut().shed += 1;
        self.end_stream(conn, End::Close(Cause::Shed));
    }

    /// Counts a refusal, and reports it, unless the reason is a shutdown or a service that is not
    /// of this hub.
    fn refused(&self, service: ServiceId, peer: Address, refused: Refused) {
        self.core.counters.borrow_mut().refused += 1;
        match refused {
            Refused::Limit(_) => self.core.notice(Some(service), Notice::Refused(refused)),
            Refused::Panicked => self.core.report_panic((Some(service), Some(peer))),
            Refused::Shutdown | Refused::NoSuchService => {}
        }
    }

    pub(super) fn try_accept(&mut self, id: ServiceId, peer: Address) -> Result<ConnId, Refused> {
        self.count_left();
        let core = &self.core;
        let registered = self.services.get_mut(id.index()).filter(|_| id.hub == core.tag);
        let registered = registered.ok_or(Refused::NoSuchService)?;
        if core.is_draining() {
            return Err(Refused::Shutdown);
        }
        let config = Rc::clone(&registered.config);
        if registered.open >= config.max_connections {
            core.counters.borrow_mut().limit_service_connections += 1;
            let limit = Limit::ServiceConnections(config.max_connections);
            if !self.shed_one(Some(id)) {
                return Err(Refused::Limit(limit));
            }
            self.core.notice(Some(id), Notice::LimitReached(limit));
        }
        if let Err(limit) = self.core.room_for_stream() {
            if !self.shed_one(None) {
                return Err(Refused::Limit(limit));
            }
            self.core.notice(Some(id), Notice::LimitReached(limit));
        }
        self.count_left();
        let core = &self.core;
        let registered = self.services.get_mut(id.index()).ok_or(Refused::NoSuchService)?;
        let conn = core.add_stream(Some(id), false);
        core.stepping.set(Some((conn, peer)));
        let ctx = MachineCtx::new(Rc::clone(core), conn);
        let making = Making { ctx, service: Some(id), config: Rc::clone(&config) };
        let make = Rc::clone(&registered.service.make);
        // Counted before the machine is made: if that or its start unwinds, the connection is
        // closed and counted off like others.
        registered.open += 1;
        let made = core.call(Task::Machine(conn), || make(making));
        let Some(made) = made else {
            core.forget_stream(conn);
            registered.open -= 1;
            return Err(Refused::Panicked);
        };
        let stream = MachineStream { link: Attached::new(made), peer, config };
        if let Some(slot) = core.streams.borrow_mut().at(conn.into()) {
            slot.state = StreamState::Machine(Box::new(stream));
        }
        self.step(conn, |link, now, workspace| link.start(now, workspace));
        if let Some(limit) = self.no_fiber_for(conn) {
            self.core.forget_stream(conn);
            self.services[id.index()].open -= 1;
            return Err(Refused::Limit(limit));
        }
        Ok(conn)
    }

    /// The limit because of which a connection got no handler, if there is one.
    fn no_fiber_for(&self, conn: ConnId) -> Option<Limit> {
        match self.with_flow(conn, |flow| flow.end())?? {
            End::Abort(Cause::Limit(limit @ Limit::Fibers(_))) => Some(limit),
            _ => None,
        }
    }

    /// Bytes arrived. Returns how many were taken: all, or none while reading is paused; then keep
    /// them, and offer them again after [`Action::Resume`]. For a connection that is closing or
    /// gone, they are taken and dropped.
    ///
    /// # When bytes are refused
    ///
    /// Actions come only with [`run`](Self::run), so reading may be paused before [`Action::Pause`]
    /// comes. After a run whose actions were carried out, and which left the connection unpaused,
    /// the first call for it takes all bytes. A later call may refuse bytes if any of these inputs
    /// came since:
    ///
    /// - bytes of the same connection: they may have reached the limit of bytes read ahead
    ///   ([`ServiceConfig::read_ahead`](super::config::ServiceConfig::read_ahead)), or paused its
    ///   machine;
    /// - [`accept`](Self::accept) of this connection, [`sent`](Self::sent), [`wake`](Self::wake) or
    ///   [`drain`](Self::drain): each may step its machine, which may pause;
    /// - an input of another connection, if the machine that it steps shares state with this one.
    ///
    /// A refusal is itself a pause: if there was no [`Action::Pause`] before, it comes with the
    /// next run, and [`Action::Resume`] when bytes are accepted again. So an embedder that keeps
    /// the refused bytes until then, and reads no more meanwhile, loses nothing, whatever the order
    /// of its calls.
    #[must_use = "bytes that were not taken must be offered again"]
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) -> usize {
        self.advance(now);
        if self.refuses(conn) {
            return bytes.len();
        }
        {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return bytes.len() };
            if bytes.is_empty() || stream.is_connecting() {
                return bytes.len();
            }
            stream.bytes_arrived(self.core.now.get());
        }
        let mut taken = bytes.len();
        self.step_in_place(conn, |link, now, workspace| {
            taken = link.received(now, bytes, workspace);
        });
        let core = &self.core;
        if taken == 0 {
            // This call tells the embedder that reading is paused, so a `Resume` must follow later.
            if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
                stream.refused(core, conn);
            }
        }
        core.counters.borrow_mut().bytes_in += taken as u64;
        taken
    }

    /// The peer ended its side. Call this after all its bytes were taken, and not while reading is
    /// paused: an embedder that does not read does not see the end.
    pub fn eof(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if self.refuses(conn) {
            return;
        }
        {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            if stream.is_connecting() || !stream.ended() {
                return;
            }
        }
        self.step_in_place(conn, |link, now, workspace| link.eof(now, workspace));
        self.reset_if_dead(conn);
    }

    /// A write to the stream failed. What is queued is lost, the embedder must write nothing more,
    /// and tokens that write fail with [`Error::Reset`]. But go on reading, until the stream ends
    /// ([`eof`](Self::eof)) or reading fails too ([`reset`](Self::reset)): bytes that the peer sent
    /// before it closed are still delivered.
    ///
    /// The connection is closed, though, if it gets no more bytes for the
    /// [`write_stall`](super::config::ServiceConfig::write_stall) of its service.
    pub fn write_failed(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if self.refuses(conn) {
            return;
        }
        {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            if stream.is_connecting() || !stream.write_failed(self.core.now.get()) {
                return;
            }
        }
        if self.with_flow(conn, |flow| flow.is_closing()) == Some(true) {
            // A closing stream reads nothing more.
            return self.reset(now, conn);
        }
        self.step(conn, |link, now, workspace| link.write_failed(now, workspace));
        self.reset_if_dead(conn);
    }

    /// Closes a stream that is dead in both directions.
    fn reset_if_dead(&mut self, conn: ConnId) {
        let dead = {
            let mut streams = self.core.streams.borrow_mut();
            streams.at(conn.into()).is_some_and(|stream| stream.is_dead())
        };
        if dead {
            self.reset(self.core.now.get(), conn);
        }
    }

    /// The stream is broken, both ways; what is queued is dropped.
    pub fn reset(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if self.refuses(conn) {
            return;
        }
        self.step(conn, |link, now, workspace| link.cut(now, Cause::Reset, workspace));
        let settled = |flow: &mut crate::machine::StreamControl| {
            flow.closing().filter(|_| !flow.is_destroyed_by_reset())
        };
        // If there is no stream state, the machine panicked, now or earlier.
        let cause = self
            .with_flow(conn, settled)
            .map_or(Cause::Panicked, |settled| settled.unwrap_or(Cause::Reset));
        self.end_stream(conn, End::Close(cause));
    }

    /// Lends the bytes to send next, oldest first, to `f`: up to 16 slices. Returns `None` if there
    /// are none. Report afterwards how many were [`sent`](Self::sent).
    ///
    /// `f` should only write the bytes: the hub is borrowed meanwhile, so `f` must not use any
    /// handle of the hub.
    pub fn outgoing<R>(&mut self, conn: ConnId, f: impl FnOnce(&[&[u8]]) -> R) -> Option<R> {
        self.outgoing_with(conn, |slices, _| f(slices))
    }

    /// As [`outgoing`](Self::outgoing), and tells how many bytes are queued in all, file regions
    /// included.
    pub(super) fn outgoing_with<R>(
        &mut self,
        conn: ConnId,
        f: impl FnOnce(&[&[u8]], u64) -> R,
    ) -> Option<R> {
        let offer = |flow: &mut crate::machine::StreamControl| {
            let mut slices: [&[u8]; MAX_SLICES] = [&[]; MAX_SLICES];
            let n = flow.output.slices(&mut slices);
            (n > 0).then(|| f(&slices[..n], flow.output.len()))
        };
        self.with_flow(conn, offer)?
    }

    /// The file region that must be sent next; `None` if bytes come next, or nothing. Until it is
    /// [`sent`](Self::sent), [`outgoing`](Self::outgoing) has nothing.
    pub fn file_region(&self, conn: ConnId) -> Option<FileRegion> {
        self.with_flow(conn, |flow| flow.output.file_region())?
    }

    /// Takes up to `most` of the bytes to send next, as segments that own their memory, and appends
    /// them to `into`. Returns how many bytes it took. Report later how many were
    /// [`sent`](Self::sent): until then they count as queued, for back-pressure, for `flush`, and
    /// for closing. See [`Endpoint::take_segments`](crate::machine::Endpoint::take_segments).
    ///
    /// From now on the peer has to take bytes at its [least
    /// rate](super::config::ServiceConfig::write_rate), as after a `sent` that leaves some. Once
    /// the connection is closed or aborted, or a write [failed](Self::write_failed), a late report
    /// does nothing.
    ///
    /// ```
    /// use diesel_proto::{Action, Address, Hub, Instant, LineEcho, Service};
    ///
    /// let (mut hub, now) = (Hub::default(), Instant::ORIGIN);
    /// let service = hub.add_service(Service::machine(|_| LineEcho::default()));
    /// let conn = hub.accept(now, service, Address::Unnamed)?;
    /// assert_eq!(hub.received(now, conn, b"hello\r\n"), 7);
    /// let mut actions = Vec::new();
    /// hub.run(now, &mut actions);
    /// assert_eq!(actions, [Action::Send(conn)]);
    ///
    /// let mut segments = Vec::new();
    /// hub.take_segments(now, conn, 64 << 10, &mut segments);
    /// assert_eq!(segments.concat(), b"you said: hello\r\n");
    /// // Once the kernel has taken them:
    /// assert_eq!(hub.sent(now, conn, 17), 0);
    /// # Ok::<(), diesel_proto::Refused>(())
    /// ```
    pub fn take_segments(
        &mut self,
        now: Instant,
        conn: ConnId,
        most: usize,
        into: &mut Vec<Bytes>,
    ) -> usize {
        self.advance(now);
        if self.refuses(conn) {
            return 0;
        }
        let core = &self.core;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return 0 };
        let blocks = &mut core.workspace.borrow_mut().blocks;
        let take = |flow: &mut StreamControl| {
            let taken = flow.output.take_segments(most, into, blocks);
            (taken, flow.output.len())
        };
        let (taken, queued) = stream.with_flow(take).unwrap_or_default();
        if taken > 0 && stream.progress.sent(core.now.get(), queued) {
            core.list(stream, conn);
        }
        taken
    }

    /// `n` bytes were written: of what was [`outgoing`](Self::outgoing), or
    /// [taken](Self::take_segments), or of the [`file_region`](Self::file_region) that came first.
    /// Report 0 once when the stream would block. A larger number counts as all of these bytes:
    /// nothing that is queued behind them is dropped. Returns how many bytes are still queued.
    pub fn sent(&mut self, now: Instant, conn: ConnId, n: u64) -> u64 {
        self.advance(now);
        if self.refuses(conn) {
            return 0;
        }
        let Some((sent, drained)) = self
            .with_flow(conn, |flow| (self.core.advance(&mut flow.output, n), flow.take_drained()))
        else {
            return 0;
        };
        self.core.drop_sent();
        if drained {
            // The machine is stepped only if it requested `Drained`.
            self.step_in_place(conn, |link, now, workspace| {
                link.input(now, crate::machine::Input::Drained, workspace);
            });
        }
        let core = &self.core;
        core.counters.borrow_mut().bytes_out += sent;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return 0 };
        let flow = |flow: &mut StreamControl| (flow.output.len(), flow.is_half_closed());
        let (left, closing) = stream.with_flow(flow).unwrap_or_default();
        if stream.progress.sent(core.now.get(), left) || closing {
            core.list(stream, conn);
        }
        left
    }

    /// The answer to [`Action::ReportUnacked`]: of the bytes that were written, the peer has not
    /// acknowledged the last `n`. Does nothing if there was no such action.
    pub fn unacked(&mut self, now: Instant, conn: ConnId, n: u64) {
        self.advance(now);
        let core = &self.core;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return };
        if stream.unacked(core.now.get(), n) {
            core.list(stream, conn);
        }
    }

    /// The connection that [`Action::Connect`] asked for is open.
    pub fn connected(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if !self.refuses(conn) && self.opened(conn) {
            self.step(conn, |link, now, workspace| link.start(now, workspace));
        }
    }

    /// The connection that [`Action::Connect`] asked for could not be made.
    pub fn connect_failed(&mut self, now: Instant, conn: ConnId, why: ConnectErrorKind) {
        self.advance(now);
        if !self.refuses(conn) && self.opened(conn) {
            self.end_stream(conn, End::Close(Cause::Connect(why)));
        }
    }

    /// Notes that connecting is over, successfully or not. Returns whether this was not known
    /// before.
    fn opened(&mut self, conn: ConnId) -> bool {
        match self.core.streams.borrow_mut().at(conn.into()) {
            Some(stream) if stream.is_connecting() => {
                stream.opened(self.core.now.get());
                true
            }
            _ => false,
        }
    }

    /// State shared with the machine of this connection changed: steps it with
    /// [`Input::Wake`](crate::machine::Input::Wake).
    pub fn wake(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if !self.refuses(conn) {
            self.step_in_place(conn, |link, now, workspace| {
                link.input(now, crate::machine::Input::Wake, workspace);
            });
        }
    }

    /// Whether an id belongs to another hub, which is reported in a notice (but not after
    /// [`Action::Halt`]).
    #[inline]
    pub(super) fn refuses(&self, conn: ConnId) -> bool {
        let refuses = conn.hub != self.core.tag;
        if refuses && !self.halted {
            self.core.notice(None, Notice::OtherHub(conn));
        }
        refuses
    }

    /// Sets the time of day, in seconds since 1970 (UTC). From now on the hub advances it itself,
    /// by `now`. Call this at the start, and again every few seconds, since the wall clock may be
    /// adjusted.
    pub fn time_of_day(&mut self, now: Instant, unix_seconds: u64) {
        self.advance(now);
        self.core.time_of_day.set(Some((self.core.now.get(), unix_seconds)));
    }

    /// Begins a graceful shutdown: the hub accepts no more connections; every token that waits or
    /// would have to wait fails with [`Error::Shutdown`] (but `write` and `flush` may wait until
    /// `deadline`); what is queued is sent. [`Action::Halt`] comes when nothing is left, or at
    /// `deadline`.
    ///
    /// Requests that have begun may finish: the handler of an HTTP request may go on waiting for
    /// its body, for clients and connections, for fibers that it spawned, and for a time before
    /// `deadline`; but not for an event, which may never come.
    pub fn drain(&mut self, now: Instant, deadline: Instant) {
        self.advance(now);
        let halt_by = &self.core.halt_by;
        halt_by.set(Some(halt_by.get().map_or(deadline, |by| by.min(deadline))));
        self.core.grace_begun.set(false);
        if self.core.draining.replace(true) {
            return;
        }
        self.core.count_changed.set(true);
        let fibers: Vec<_> = self.core.fibers.borrow().keys().collect();
        for key in fibers {
            self.core.wake_fiber(key.index);
        }
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            self.step_in_place(self.core.conn_id(key), |link, now, workspace| {
                link.input(now, crate::machine::Input::Shutdown, workspace)
            });
        }
    }
}
