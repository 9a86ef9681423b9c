//! Time passed: what a run does, in order.
//!
//! Waits that began since the last run count from now; timers that are due wake their fibers behind
//! those that are already ready; fibers and woken machines run; every stream that changed emits its
//! actions; services stop or resume accepting; and a graceful shutdown ends if it can.

use super::*;

impl Hub {
    /// Time passed: fires the timers that are due, polls the fibers and steps the machines that are
    /// ready (within the budget of [`Config::polls_per_run`]), and appends the resulting actions to
    /// `actions`.
    ///
    /// **Repeat while the hub [has more](Self::has_more) to do**, in tests as well: a sleep or a
    /// timeout that begins in one run counts from the `now` of the [next](Self::needs_time) run. If
    /// a test runs the hub only once, and again when the sleep should be over, the sleep begins
    /// only with that second run.
    ///
    /// ```
    /// use core::time::Duration;
    /// use diesel_proto::{Action, Address, Conn, Error, Hub, Instant};
    ///
    /// async fn knock(mut conn: Conn) -> Result<(), Error> {
    ///     conn.ctx().sleep(Duration::from_secs(60)).await?;
    ///     conn.write("still there?\r\n").await?;
    ///     conn.until_eol().await.map(drop)
    /// }
    ///
    /// /// Everything that happens at `now`.
    /// fn run(hub: &mut Hub, now: Instant) -> Vec<Action> {
    ///     let mut actions = Vec::new();
    ///     hub.run(now, &mut actions);
    ///     while hub.has_more() {
    ///         hub.run(now, &mut actions);
    ///     }
    ///     actions
    /// }
    ///
    /// let mut hub = Hub::default();
    /// let service = hub.add_service(knock);
    /// let start = Instant::ORIGIN;
    /// let conn = hub.accept(start, service, Address::Unnamed)?;
    /// assert_eq!(run(&mut hub, start), []);
    /// assert_eq!(run(&mut hub, start + Duration::from_secs(59)), []);
    /// assert_eq!(run(&mut hub, start + Duration::from_secs(60)), [Action::Send(conn)]);
    /// # Ok::<(), diesel_proto::Refused>(())
    /// ```
    pub fn run(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.advance(now);
        if !self.halted {
            self.count_begun();
            self.fire_timers();
            self.run_ready();
            self.pass_over();
            self.let_leave();
            self.emit_actions();
            self.bury();
            self.core.release_files();
            self.accept_or_not();
            self.halt_or_not();
        }
        let asked = &mut *self.core.actions.borrow_mut();
        match actions.is_empty() {
            true => ::core::mem::swap(actions, asked),
            false => actions.append(asked),
        }
    }

    /// Whether [`run`](Self::run) has something to do now, apart from timers: for example, a wait
    /// that [counts from the next run](Self::needs_time). Cheaper than a run that finds nothing to
    /// do.
    pub fn has_more(&self) -> bool {
        if self.halted {
            return !self.core.actions.borrow().is_empty();
        }
        self.core.ready.borrow_mut().has_any()
            || !self.core.woken.borrow().is_empty()
            || !self.core.dirty.borrow().is_empty()
            || !self.core.actions.borrow().is_empty()
            || self.core.count_changed.get()
            || !self.core.leaving.borrow().is_empty()
            || self.core.halt_asked.get()
            || self.is_over()
            || self.core.has_begun()
            || !self.core.called.is_empty()
    }

    /// Whether a wait began that counts from the next [`run`](Self::run). If so, read the clock
    /// again for that run, since user code may have computed for long since the last reading.
    ///
    /// To read the clock again is always correct, and unnecessary in virtual time.
    pub fn needs_time(&self) -> bool {
        !self.halted && self.core.has_begun()
    }

    /// When to call [`run`](Self::run) next if nothing happens before. Call this before waiting:
    /// after this call, a wake-up wakes the embedder's waker. The instant is not later than now if
    /// there is more to do than the last run's budget allowed, or if a wait [counts from the next
    /// run](Self::needs_time). `None` if nothing is scheduled. It is never later than the earliest
    /// timer; it may be earlier, if that timer was cancelled.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.halted {
            return None;
        }
        self.core.ready.borrow_mut().rest();
        if self.has_more() {
            return Some(self.core.now.get());
        }
        let timer = self.core.timers.borrow().next_deadline();
        [timer, self.core.halt_by.get()].into_iter().flatten().min()
    }

    /// Advances the hub's clock. It never goes back.
    pub(super) fn advance(&mut self, now: Instant) {
        self.core.ready.borrow_mut().stay_awake();
        if now > self.core.now.get() {
            self.core.now.set(now);
        }
    }

    /// Makes the waits that began since the last run count from now.
    fn count_begun(&mut self) {
        let core = &*self.core;
        let now = core.now.get();
        if core.grace_begun.replace(false) {
            core.halt_by.set(Some(now + core.config.grace));
        }
        // Nothing here runs user code.
        for wait in core.begun.borrow_mut().drain(..) {
            match wait {
                Begun::Sleep(key, duration) => {
                    let mut timers = core.timers.borrow_mut();
                    let at = now + duration;
                    if timers.deadline(key).is_some_and(|noted| noted < at) {
                        timers.set(key, at);
                    }
                }
                Begun::Stream(id) => {
                    let mut streams = core.streams.borrow_mut();
                    if streams.at(id.into()).is_some_and(|stream| stream.counts_from(now)) {
                        core.dirty.borrow_mut().push(id);
                    }
                }
            }
        }
    }

    pub(super) fn fire_timers(&mut self) {
        if self.core.timers.borrow().is_empty() {
            return;
        }
        let now = self.core.now.get();
        loop {
            let Some(timer) = self.core.timers.borrow_mut().expire(now) else { return };
            self.core.counters.borrow_mut().timers_fired += 1;
            match timer {
                HubTimer::Wake(waker) => self.core.wake(waker),
                HubTimer::Room => {
                    self.core.looks_again.set(false);
                    self.core.count_changed.set(true);
                }
                HubTimer::Stream(key) => self.stream_due(self.core.conn_id(key)),
            }
        }
    }

    pub(super) fn stream_due(&mut self, conn: ConnId) {
        let now = self.core.now.get();
        let due = {
            let mut streams = self.core.streams.borrow_mut();
            let Some(stream) = streams.at(conn.into()) else { return };
            stream.take_timer();
            stream.due(now)
        };
        match due {
            Some(StreamDue::Connect) => self.connect_failed(now, conn, ConnectErrorKind::TimedOut),
            Some(StreamDue::Ask) => self.core.push_action(Action::ReportUnacked(conn)),
            Some(StreamDue::End(end)) => self.end_stream(conn, end),
            Some(StreamDue::Reset) => self.reset(now, conn),
            Some(StreamDue::Idle) => self.step(conn, |link, now, workspace| {
                link.give_up(now, Cause::TimedOut(Reason::Idle), workspace);
            }),
            Some(StreamDue::Machine) => {
                self.step_in_place(conn, |link, now, workspace| link.expired(now, workspace));
            }
            None => {}
        }
        // The stream then sets its timer anew.
        self.core.dirty.borrow_mut().push(conn);
    }

    /// Runs fibers and woken machines alternately, so that neither kind has to wait for all of the
    /// other: a machine may wake itself each time, and so may a fiber.
    pub(super) fn run_ready(&mut self) {
        let mut budget = self.core.config.polls_per_run.max(1);
        while budget > 0 {
            let fiber = self.core.ready.borrow_mut().pop();
            if let Some(index) = fiber {
                budget -= u32::from(self.core.poll_fiber(index));
            }
            let machine = self.core.woken.borrow_mut().pop_front();
            if let Some(conn) = machine {
                // A step that only moves the bytes of a fiber is part of that fiber's turn.
                if self.step_woken(conn) || fiber.is_none() {
                    budget = budget.saturating_sub(1);
                }
            } else if fiber.is_none() {
                return;
            }
        }
    }

    /// Steps a machine that was woken. Returns whether user code may have run.
    pub(super) fn step_woken(&mut self, conn: ConnId) -> bool {
        match self.core.streams.borrow_mut().at(conn.into()) {
            // From now on another wake-up counts.
            Some(stream) => stream.woken = false,
            None => return false,
        }
        self.step_in_place(conn, |link, now, workspace| {
            link.input(now, crate::machine::Input::Wake, workspace)
        })
    }

    /// Passes over all waiters that were called and did not take their turn.
    fn pass_over(&mut self) {
        let core = &self.core;
        while !core.called.is_empty() {
            let is_idle = !core.ready.borrow_mut().has_any();
            let polls = core.counters.borrow().polls;
            let Some(queue) = core.called.take_overdue(polls, is_idle) else { return };
            if let Some(queue) = queue.upgrade() {
                queue.pass_over();
            }
        }
    }

    /// Emits the actions of every stream that changed.
    pub(super) fn emit_actions(&mut self) {
        // Emitting adds nothing to the list; fibers that a close wakes may, at their next poll.
        let mut looked_at = 0;
        loop {
            let Some(conn) = self.core.dirty.borrow().get(looked_at).copied() else { break };
            looked_at += 1;
            if let Some(end) = self.core.emit_actions_of(conn) {
                self.end_stream(conn, end);
            }
        }
        self.core.dirty.borrow_mut().drain(..looked_at);
    }

    /// Subtracts the connections that closed from the counts of their services.
    pub(super) fn count_left(&mut self) {
        for service in self.core.left_services.borrow_mut().drain(..) {
            if let Some(registered) = self.services.get_mut(service.index()) {
                registered.open = registered.open.saturating_sub(1);
            }
        }
    }

    /// Closes the connections that were chosen to make room.
    fn let_leave(&mut self) {
        loop {
            let conn = self.core.leaving.borrow_mut().pop();
            let Some(conn) = conn else { return };
            self.shed(conn);
        }
    }

    /// Emits which services should stop or resume accepting, if that has changed.
    pub(super) fn accept_or_not(&mut self) {
        if !self.core.count_changed.replace(false) {
            return;
        }
        self.count_left();
        let core = &self.core;
        let draining = core.is_draining();
        // At a limit, an idle connection can make room for the next one.
        let full = core.is_full() && !draining && {
            let queue = &mut *core.idle.borrow_mut();
            let has_idle = core.longest_idle(queue, None).is_some();
            if !has_idle {
                core.look_again(queue);
            }
            !has_idle
        };
        for (index, registered) in (0..).zip(&mut self.services) {
            let id = self.core.service_id(index);
            let own_full = registered.open >= registered.config.max_connections && !draining && {
                let queue = registered.idle.get_mut();
                let has_idle = core.longest_idle(queue, Some(id)).is_some();
                if !has_idle {
                    core.look_again(queue);
                }
                !has_idle
            };
            let stop = draining || full || own_full;
            if stop == registered.stopped {
                continue;
            }
            registered.stopped = stop;
            if !stop {
                self.core.push_action(Action::ResumeAccepting(id));
                continue;
            }
            self.core.push_action(Action::StopAccepting(id));
            if draining {
                continue;
            }
            let counters = &mut *self.core.counters.borrow_mut();
            let limit = if full {
                counters.limit_connections += 1;
                Limit::Connections(self.core.config.max_connections)
            } else {
                counters.limit_service_connections += 1;
                Limit::ServiceConnections(registered.config.max_connections)
            };
            self.core.notice(Some(id), Notice::LimitReached(limit));
        }
    }

    /// Whether a shutdown began, and no fiber and no stream is left.
    fn is_over(&self) -> bool {
        self.core.halt_by.get().is_some()
            && self.core.fibers.borrow().len() == 0
            && self.core.streams.borrow().len() == 0
    }

    pub(super) fn halt_or_not(&mut self) {
        let now = self.core.now.get();
        if self.core.halt_asked.replace(false) {
            let had = self.core.halt_by.get();
            self.drain(now, now + self.core.config.grace);
            self.core.grace_begun.set(had.is_none());
        }
        let Some(by) = self.core.halt_by.get() else { return };
        let (fibers, streams) = (self.core.fibers.borrow().len(), self.core.streams.borrow().len());
        if now < by && (fibers > 0 || streams > 0) {
            return;
        }
        self.core.drop_fibers();
        self.core.forget_jobs();
        let streams: Vec<_> = self.core.streams.borrow().keys().collect();
        for key in streams {
            let lingers =
                self.core.streams.borrow_mut().at(key).is_some_and(|at| at.is_lingering());
            // A stream that the end of the grace period cuts off must not look complete.
            let end = if lingers { End::Close } else { End::Abort };
            self.end_stream(self.core.conn_id(key), end(Cause::TimedOut(Reason::Drain)));
        }
        self.bury();
        self.core.release_files();
        self.halted = true;
        self.core.push_action(Action::Halt);
    }
}
