//! What happened: the closed list of inputs, and what each writes down.
//!
//! Nothing of the application runs here but what makes machines, and their steps, which parse where
//! the bytes lie. A fiber that answers for a machine begins within its step; others are only woken.

use super::*;

impl Hub {
    /// A service has a new connection, from `peer`.
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
        let counters = &mut *self.core.counters.borrow_mut();
        match accepted {
            Ok(_) => counters.accepted += 1,
            Err(_) => counters.refused += 1,
        }
        accepted
    }

    /// Whether [`accept`](Self::accept) would take another connection of this service now: for an
    /// embedder that accepts several before the next [`run`](Self::run), which says it by
    /// [`Action::StopAccepting`].
    pub fn may_accept(&self, service: ServiceId) -> bool {
        let core = &self.core;
        let room = core.streams.borrow().len() < core.config.max_connections;
        let ends = self.halted || core.is_draining() || core.halt_asked.get();
        self.services.get(service.index()).is_some_and(|registered| {
            room && !ends && registered.open < registered.config.max_connections
        })
    }

    pub(super) fn try_accept(&mut self, id: ServiceId, peer: Address) -> Result<ConnId, Refused> {
        let core = &self.core;
        let registered = self.services.get_mut(id.index()).ok_or(Refused::NoSuchService)?;
        if core.is_draining() {
            return Err(Refused::Shutdown);
        }
        let config = Rc::clone(&registered.config);
        if registered.open >= config.max_connections {
            core.counters.borrow_mut().limit_service_connections += 1;
            return Err(Refused::Limit(Limit::ServiceConnections(config.max_connections)));
        }
        core.room_for_stream().map_err(Refused::Limit)?;
        let conn = match registered.service.start.clone() {
            Start::Fiber(handler) => {
                let socket = core.add_socket(Some(id), peer, &config, Connecting::No);
                let conn = socket.id;
                // Its idle deadline begins, though nothing else may ever happen to it.
                core.look_at(&socket);
                // If there is no room for the fiber, dropping the handle closes the connection.
                let future = handler(Conn::new(Rc::clone(&socket)));
                if let Err(limit) = core.add_fiber(Role::Handler(socket), future) {
                    core.forget_stream(conn);
                    return Err(Refused::Limit(limit));
                }
                if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
                    stream.handled = true;
                }
                conn
            }
            Start::Machine(make) => {
                let conn = core.add_machine(id);
                let seat = Seat::new(Rc::clone(core), conn);
                core.stepping.set(Some((conn, peer)));
                let made = core.call(Task::Machine(conn), || make(seat));
                let Some(made) = made else {
                    core.forget_stream(conn);
                    return Err(Refused::Panicked);
                };
                let stream = MachineStream { link: Link::new(made), peer, config };
                if let Some(slot) = core.streams.borrow_mut().at(conn.into()) {
                    slot.state = StreamState::Machine(Box::new(stream));
                }
                conn
            }
        };
        registered.open += 1;
        // Does nothing for a fiber. Counted before: should a panic unwind, it is closed like others.
        self.step(conn, |link, now, workspace| link.start(now, workspace));
        Ok(conn)
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
    ///   ([`ServiceConfig::read_ahead`](crate::ServiceConfig::read_ahead)), or paused its machine;
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
        let core = &self.core;
        let taken = {
            let mut streams = core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return bytes.len() };
            if bytes.is_empty() || stream.is_connecting() {
                return bytes.len();
            }
            stream.heard(core.now.get());
            match &stream.state {
                StreamState::Socket(socket) => {
                    let channel = &mut *socket.channel.borrow_mut();
                    let held = channel.input.len();
                    let full = held >= socket.config.read_ahead;
                    if channel.reader_dropped || channel.flow.is_closing() || channel.eof {
                        Some(bytes.len())
                    } else if full && !channel.reader.is_waiting() {
                        core.look_at(socket);
                        Some(0)
                    } else {
                        channel.input.push(bytes, &mut core.slices.borrow_mut());
                        core.wakers.borrow_mut().extend(channel.reader.take());
                        if held + bytes.len() >= socket.config.read_ahead {
                            core.look_at(socket);
                        }
                        Some(bytes.len())
                    }
                }
                _ => None,
            }
        };
        let taken = taken.unwrap_or_else(|| {
            let mut taken = bytes.len();
            self.step(conn, |link, now, workspace| {
                taken = link.received(now, bytes, workspace);
            });
            taken
        });
        let core = &self.core;
        if taken == 0 {
            // It learns that reading is paused from this very call: so it will be told when to go on.
            if let Some(stream) = core.streams.borrow_mut().at(conn.into()) {
                stream.refused(core, conn);
            }
        }
        core.counters.borrow_mut().bytes_in += taken as u64;
        core.wake_all();
        taken
    }

    /// The peer will send no more. To be said after all its bytes were taken, and not while reading
    /// is paused: who does not read does not see the end.
    pub fn eof(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        let socket = {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            if stream.is_connecting() || !stream.ended() {
                return;
            }
            match &stream.state {
                StreamState::Socket(socket) => Some(Rc::clone(socket)),
                _ => None,
            }
        };
        match socket {
            Some(socket) => {
                let wakers = {
                    let channel = &mut *socket.channel.borrow_mut();
                    channel.eof = true;
                    [channel.reader.take(), channel.take_watcher()]
                };
                self.core.look_at(&socket);
                wakers.into_iter().flatten().for_each(|waker| self.core.wake(waker));
            }
            None => self.step(conn, |link, now, workspace| link.eof(now, workspace)),
        }
        self.reset_if_dead(conn);
    }

    /// A write to the stream failed. What is queued is lost, nothing more is to be written, and who
    /// writes is told so with [`Error::Reset`]. But read on, until the stream ends
    /// ([`eof`](Self::eof)) or reading fails too ([`reset`](Self::reset)): what the peer sent before
    /// it closed is still there, and is delivered.
    ///
    /// A connection that gets no more bytes for the
    /// [`write_stall`](crate::ServiceConfig::write_stall) of its service is closed, though.
    pub fn write_failed(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        let socket = {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            if stream.is_connecting() || !stream.write_failed(self.core.now.get()) {
                return;
            }
            match &stream.state {
                StreamState::Socket(socket) => Some(Rc::clone(socket)),
                _ => None,
            }
        };
        if self.with_flow(conn, |flow| flow.is_closing()) == Some(true) {
            // Nobody reads any more.
            return self.reset(now, conn);
        }
        match socket {
            Some(socket) => {
                let waker = {
                    let channel = &mut *socket.channel.borrow_mut();
                    channel.flow.break_writing();
                    self.core.clear(&mut channel.flow.output);
                    channel.writer.take()
                };
                self.core.drop_sent();
                self.core.look_at(&socket);
                waker.into_iter().for_each(|waker| self.core.wake(waker));
            }
            None => self.step(conn, |link, now, workspace| link.write_failed(now, workspace)),
        }
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
        if self.socket_of(conn).is_none() {
            self.step(conn, |link, now, workspace| link.reset(now, workspace));
        }
        let settled =
            |flow: &mut crate::Flow| flow.closing().filter(|_| !flow.is_destroyed_by_reset());
        // Without a flow: its machine panicked, now or earlier.
        let cause = self
            .with_flow(conn, settled)
            .map_or(Cause::Panicked, |settled| settled.unwrap_or(Cause::Reset));
        self.core.end_stream(conn, End::Close(cause));
    }

    /// Lends what is to be sent next, oldest first, to `f`: up to 16 slices. `None` if there is
    /// nothing. Say afterwards how much was [`sent`](Self::sent).
    ///
    /// `f` only writes the bytes: the hub is borrowed meanwhile, so it must not use any handle of
    /// the hub.
    pub fn outgoing<R>(&mut self, conn: ConnId, f: impl FnOnce(&[&[u8]]) -> R) -> Option<R> {
        let offer = |flow: &mut crate::Flow| {
            let mut slices: [&[u8]; 16] = [&[]; 16];
            let n = flow.output.slices(&mut slices);
            (n > 0).then(|| f(&slices[..n]))
        };
        self.with_flow(conn, offer)?
    }

    /// The region that comes next, if that is not bytes: then [`outgoing`](Self::outgoing) has
    /// nothing before it is [`sent`](Self::sent).
    pub fn external(&self, conn: ConnId) -> Option<External> {
        self.with_flow(conn, |flow| flow.output.external())?
    }

    /// The stream took `n` bytes of what was outgoing, or of the [`external`](Self::external) that
    /// came first: zero, too, is to be said, once, when it takes no more. More than that counts as
    /// all of it: nothing that comes behind is dropped. Returns how many are still queued.
    pub fn sent(&mut self, now: Instant, conn: ConnId, n: u64) -> u64 {
        self.advance(now);
        let core = &self.core;
        let now = core.now.get();
        let (left, sent) = {
            let mut streams = core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return 0 };
            let StreamState::Socket(socket) = &stream.state else {
                drop(streams);
                return self.machine_sent(conn, n);
            };
            let channel = &mut *socket.channel.borrow_mut();
            let flow = &mut channel.flow;
            let sent = core.advance(&mut flow.output, n);
            let left = flow.output.len();
            let closing = flow.is_half_closed();
            if flow.take_drained() {
                core.wakers.borrow_mut().extend(channel.writer.take());
            }
            let progress = stream.progress.sent(now, sent, left);
            if closing || progress {
                core.look_at(socket);
            }
            (left, sent)
        };
        core.counters.borrow_mut().bytes_out += sent;
        core.wake_all();
        core.drop_sent();
        left
    }

    /// Steps the machine only if it asked to be told.
    pub(super) fn machine_sent(&mut self, conn: ConnId, n: u64) -> u64 {
        let Some((sent, drained)) = self
            .with_flow(conn, |flow| (self.core.advance(&mut flow.output, n), flow.take_drained()))
        else {
            return 0;
        };
        self.core.drop_sent();
        if drained {
            self.step(conn, |link, now, workspace| link.input(now, Input::Drained, workspace));
        }
        let core = &self.core;
        core.counters.borrow_mut().bytes_out += sent;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return 0 };
        let flow = |flow: &mut Flow| (flow.output.len(), flow.is_half_closed());
        let (left, closing) = stream.with_flow(flow).unwrap_or_default();
        if stream.progress.sent(core.now.get(), sent, left) || closing {
            core.dirty.borrow_mut().push(conn);
        }
        left
    }

    /// The connection that [`Action::Connect`] asked for is there.
    pub fn connected(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        self.connect_settled(conn, Connecting::No);
    }

    /// The connection that [`Action::Connect`] asked for could not be made.
    pub fn connect_failed(&mut self, now: Instant, conn: ConnId, why: ConnectErrorKind) {
        self.advance(now);
        self.connect_settled(conn, Connecting::Failed(why));
    }

    pub(super) fn connect_settled(&mut self, conn: ConnId, outcome: Connecting) {
        {
            let mut streams = self.core.streams.borrow_mut();
            match streams.at(conn.into()) {
                Some(stream) if stream.is_connecting() => stream.opened(self.core.now.get()),
                _ => return,
            }
        }
        let Some(socket) = self.socket_of(conn) else { return };
        let waker = {
            let channel = &mut *socket.channel.borrow_mut();
            channel.connecting = outcome;
            channel.writer.take()
        };
        self.core.look_at(&socket);
        if let Some(waker) = waker {
            self.core.wake(waker);
        }
        if matches!(outcome, Connecting::Failed(_)) {
            self.core.end_stream(conn, End::Close(Cause::Done));
        }
    }

    /// What the machine of this connection shares with others changed: it is stepped with
    /// [`Input::Wake`].
    pub fn wake(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        self.step(conn, |link, now, workspace| link.input(now, Input::Wake, workspace));
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
            self.step(key.into(), |link, now, workspace| {
                link.input(now, Input::Shutdown, workspace);
            });
        }
    }
}
