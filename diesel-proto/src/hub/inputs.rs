//! What happened: the closed list of inputs, and what each writes down.
//!
//! Nothing of the application runs here but what makes machines, and their steps, which parse where
//! the bytes lie. A fiber that answers for a machine begins within its step; others are only woken.

use bytes::Bytes;

use super::*;

impl Hub {
    /// A service has a new connection, from `peer`. At a limit on connections, one that is idle
    /// [makes room](super::config::ServiceConfig::shed) for it: the longest idle is closed.
    ///
    /// # Errors
    ///
    /// At a limit, while the hub shuts down, or if there is no such service: the stream is to be
    /// closed. [`Action::StopAccepting`] comes before a limit is passed.
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
    /// embedder that accepts several before the next [`run`](Self::run), which says it by
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

    /// Whether a service has as many connections as it may have. Those that have closed since the
    /// last run are counted then.
    fn is_full(&self, registered: &ServiceEntry) -> bool {
        registered.open >= registered.config.max_connections
    }

    /// The embedder lacks what a connection holds, such as a descriptor: the connection that has been
    /// idle for longest is closed, with [`Cause::Shed`], if there is one that
    /// [may be](super::config::ServiceConfig::shed). Returns whether; [`Action::Close`] comes with the next
    /// run.
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

    /// Counts a refusal, and tells it: but not one of a shutdown, which is told by itself, nor one
    /// of a service that is none of this hub.
    fn refused(&self, service: ServiceId, peer: Address, refused: Refused) {
        self.core.counters.borrow_mut().refused += 1;
        match refused {
            Refused::Limit(_) => self.core.notice(Some(service), Notice::Refused(refused)),
            Refused::Panicked => self.core.tell_panic((Some(service), Some(peer))),
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
        // Counted before: should making or starting it unwind, it is closed like others.
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

    /// The limit that left a connection without its handler, if one did.
    fn no_fiber_for(&self, conn: ConnId) -> Option<Limit> {
        match self.with_flow(conn, |flow| flow.end())?? {
            End::Abort(Cause::Limit(limit @ Limit::Fibers(_))) => Some(limit),
            _ => None,
        }
    }

    /// Bytes arrived. Returns how many were taken: all, or none while reading is paused (keep
    /// them, and offer them again after [`Action::Resume`]). For a connection that is closing, or
    /// gone, they are taken and dropped.
    ///
    /// # When bytes are refused
    ///
    /// Actions come only with [`run`](Self::run), so reading may be paused some time before
    /// [`Action::Pause`] says so. After a run whose actions were obeyed, and which left the
    /// connection unpaused, the first call for it takes all. Another call may refuse if any input
    /// came since:
    ///
    /// - bytes of the same connection: they may have filled what it reads ahead
    ///   ([`ServiceConfig::read_ahead`](super::config::ServiceConfig::read_ahead)), or paused its machine;
    /// - [`accept`](Self::accept) of this connection, [`sent`](Self::sent), [`wake`](Self::wake) or
    ///   [`drain`](Self::drain): each may step its machine, which may pause;
    /// - an input of another connection, if what that steps shares something with this one.
    ///
    /// A refusal is itself a pause: if [`Action::Pause`] was not said before, it comes with the next
    /// run, and [`Action::Resume`] when the bytes are welcome again. So an embedder that keeps what
    /// was refused until then, and reads no more meanwhile, loses nothing, whatever the order of
    /// its calls.
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
            stream.heard(self.core.now.get());
        }
        let mut taken = bytes.len();
        self.step_in_place(conn, |link, now, workspace| {
            taken = link.received(now, bytes, workspace);
        });
        let core = &self.core;
        if taken == 0 {
            // The embedder learns from this very call that reading is paused: so it will be told when
            // to go on.
            if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
                stream.refused(core, conn);
            }
        }
        core.counters.borrow_mut().bytes_in += taken as u64;
        taken
    }

    /// The peer will send no more. To be said after all its bytes were taken, and not while reading
    /// is paused: who does not read does not see the end.
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

    /// A write to the stream failed. What is queued is lost, nothing more is to be written, and who
    /// writes is told so with [`Error::Reset`]. But read on, until the stream ends
    /// ([`eof`](Self::eof)) or reading fails too ([`reset`](Self::reset)): what the peer sent before
    /// it closed is still there, and is delivered.
    ///
    /// A connection that gets no more bytes for the
    /// [`write_stall`](super::config::ServiceConfig::write_stall) of its service is closed, though.
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
            // Nothing is read any more.
            return self.reset(now, conn);
        }
        self.step(conn, |link, now, workspace| link.write_failed(now, workspace));
        self.reset_if_dead(conn);
    }

    /// Closes a stream on which nothing goes any more, either way.
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
        // Without a flow: its machine panicked, now or earlier.
        let cause = self
            .with_flow(conn, settled)
            .map_or(Cause::Panicked, |settled| settled.unwrap_or(Cause::Reset));
        self.end_stream(conn, End::Close(cause));
    }

    /// Lends what is to be sent next, oldest first, to `f`: up to 16 slices. `None` if there is
    /// nothing. Say afterwards how much was [`sent`](Self::sent).
    ///
    /// `f` only writes the bytes: the hub is borrowed meanwhile, so it must not use any handle of
    /// the hub.
    pub fn outgoing<R>(&mut self, conn: ConnId, f: impl FnOnce(&[&[u8]]) -> R) -> Option<R> {
        let offer = |flow: &mut crate::machine::StreamControl| {
            let mut slices: [&[u8]; 16] = [&[]; 16];
            let n = flow.output.slices(&mut slices);
            (n > 0).then(|| f(&slices[..n]))
        };
        self.with_flow(conn, offer)?
    }

    /// The region that comes next, if that is not bytes: then [`outgoing`](Self::outgoing) has
    /// nothing before it is [`sent`](Self::sent).
    pub fn file_region(&self, conn: ConnId) -> Option<FileRegion> {
        self.with_flow(conn, |flow| flow.output.file_region())?
    }

    /// Takes up to `most` of the bytes that are to be sent next as segments that own their memory, and
    /// puts them behind those in `into`; returns how many bytes that is. Say later how much was
    /// [`sent`](Self::sent): until then it counts as queued, for back-pressure, for `flush`, and for
    /// closing. See [`Endpoint::take_segments`](crate::machine::Endpoint::take_segments).
    ///
    /// From here on the stream has to take bytes at its
    /// [least rate](super::config::ServiceConfig::write_rate), as it has to after a `sent` that leaves some.
    /// Once the connection is closed or aborted, or a write [failed](Self::write_failed), a report of
    /// what was out does nothing.
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

    /// The stream took `n` bytes of what was outgoing, or [taken](Self::take_segments), or of the [`file_region`](Self::file_region) that
    /// came first: zero, too, is to be said, once, when it takes no more. More than that counts as
    /// all of it: nothing that comes behind is dropped. Returns how many are still queued.
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
            // Only a machine that asked to be told is stepped.
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

    /// Of the bytes that the stream took, its peer has not acknowledged the last `n`: the answer to
    /// [`Action::ReportUnacked`]. Unasked, it does nothing.
    pub fn unacked(&mut self, now: Instant, conn: ConnId, n: u64) {
        self.advance(now);
        let core = &self.core;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return };
        if stream.unacked(core.now.get(), n) {
            core.list(stream, conn);
        }
    }

    /// The connection that [`Action::Connect`] asked for is there.
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

    /// Connecting is over, one way or the other. Returns whether that is news.
    fn opened(&mut self, conn: ConnId) -> bool {
        match self.core.streams.borrow_mut().at(conn.into()) {
            Some(stream) if stream.is_connecting() => {
                stream.opened(self.core.now.get());
                true
            }
            _ => false,
        }
    }

    /// What the machine of this connection shares with others changed: it is stepped with
    /// [`Input::Wake`](crate::machine::Input::Wake).
    pub fn wake(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        if !self.refuses(conn) {
            self.step_in_place(conn, |link, now, workspace| {
                link.input(now, crate::machine::Input::Wake, workspace);
            });
        }
    }

    /// Whether a name is another hub's, which is told (but not after [`Action::Halt`]).
    #[inline]
    fn refuses(&self, conn: ConnId) -> bool {
        let refuses = conn.hub != self.core.tag;
        if refuses && !self.halted {
            self.core.notice(None, Notice::OtherHub(conn));
        }
        refuses
    }

    /// The clock on the wall says so many seconds since 1970 (UTC). From here on the hub counts them
    /// itself, by `now`: say it at the start, and again every few seconds, for that clock may be
    /// set.
    pub fn time_of_day(&mut self, now: Instant, unix_seconds: u64) {
        self.advance(now);
        self.core.time_of_day.set(Some((self.core.now.get(), unix_seconds)));
    }

    /// Begins an orderly shutdown: no more connections; every token that waits, and every one that
    /// would, fails with [`Error::Shutdown`] (`write` and `flush` may wait until `deadline`); what
    /// is queued is sent. [`Action::Halt`] comes when nothing is left, or at `deadline`.
    ///
    /// A request that was begun is to be finished: the handler of an HTTP request may go on waiting
    /// for its body, for clients and connections, for fibers that it began, and for a time that is
    /// before `deadline`; but not for an event, which may never come.
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
