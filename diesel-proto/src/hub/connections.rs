//! The connections of a hub: adds them, makes room for them, and removes them.

use super::action::Action;
use super::core::{Core, HubTimer};
use super::idle::{IdleQueue, RESCAN};
use super::stream::{Stream, StreamState};
use crate::machine::{Cause, ConnId, End, Limit, Notice, ServiceId};

impl Core {
    /// Whether the hub may have one more connection.
    pub(crate) fn room_for_stream(&self) -> Result<(), Limit> {
        if !self.is_full() {
            return Ok(());
        }
        let max = self.config.max_connections;
        self.counters.borrow_mut().limit_connections += 1;
        Err(Limit::Connections(max))
    }

    /// Adds a stream before its machine is made, since the machine needs the id. If making the
    /// machine unwinds, the next run closes the stream.
    pub(crate) fn add_stream(&self, service: Option<ServiceId>, connecting: bool) -> ConnId {
        let mut stream = Stream::of_machine(service, connecting, self.now.get());
        stream.listed = true;
        let key = self.streams.borrow_mut().insert(stream);
        let id = self.conn_id(key);
        self.dirty.borrow_mut().push(id);
        self.count_changed.set(true);
        self.counters.borrow_mut().open += 1;
        id
    }

    /// Removes a stream that the embedder does not know of.
    pub(crate) fn forget_stream(&self, id: ConnId) {
        let stream = self.streams.borrow_mut().remove(id.into());
        if let Some(Stream { state: StreamState::Machine(machine), .. }) = stream {
            self.dead.borrow_mut().push((id, machine));
        }
        let counters = &mut *self.counters.borrow_mut();
        counters.open = counters.open.saturating_sub(1);
    }

    /// Removes a stream and emits its last action. Its machine is dropped later.
    pub(super) fn remove_stream(&self, id: ConnId, end: End) {
        let cause = end.cause();
        let Some(mut stream) = self.streams.borrow_mut().remove(id.into()) else { return };
        if let Some(timer) = stream.take_timer() {
            self.cancel_timer(timer);
        }
        {
            let counters = &mut *self.counters.borrow_mut();
            counters.open = counters.open.saturating_sub(1);
        }
        let is_told = match cause {
            Cause::TimedOut(_) | Cause::Limit(_) | Cause::Protocol(_) => true,
            Cause::Tls(error) => !error.is_ordinary(),
            _ => false,
        };
        if is_told {
            self.notice(stream.service, Notice::Cut { peer: stream.peer(), cause });
        }
        if cause == Cause::Panicked && matches!(stream.state, StreamState::Running) {
            self.notice(stream.service, Notice::Panicked { peer: None });
        }
        self.push_action(match end {
            End::Close(cause) => Action::Close(id, cause),
            End::Abort(cause) => Action::Abort(id, cause),
        });
        self.count_changed.set(true);
        self.left_services.borrow_mut().extend(stream.service);
        match stream.state {
            StreamState::Machine(machine) => self.dead.borrow_mut().push((id, machine)),
            StreamState::Running => {}
        }
    }

    /// The connection that has been idle for longest, of one service or of all.
    pub(super) fn longest_idle(
        &self,
        queue: &mut IdleQueue,
        service: Option<ServiceId>,
    ) -> Option<ConnId> {
        let idle = queue.longest(&mut self.streams.borrow_mut(), self.now.get(), service);
        idle.map(|key| self.conn_id(key))
    }

    /// Sets a timer to check again whether a connection of this queue has become idle, if one may.
    pub(super) fn look_again(&self, queue: &IdleQueue) {
        if queue.has_others() && !self.looks_again.replace(true) {
            let at = self.now.get() + RESCAN;
            self.add_timer(at, HubTimer::Room);
        }
    }

    /// Whether the hub has as many connections as it may have. Those that are being closed to make
    /// room do not count.
    pub(super) fn is_full(&self) -> bool {
        let leaving = self.leaving.borrow().len();
        self.streams.borrow().len() - leaving >= self.config.max_connections
    }

    /// Schedules the close of the connection that has been idle for longest before this run ends.
    /// Returns whether there is one.
    pub(crate) fn make_room_later(&self) -> bool {
        let idle = self.longest_idle(&mut self.idle.borrow_mut(), None);
        if let Some(conn) = idle {
            if let Some(stream) = self.streams.borrow_mut().at(conn.into()) {
                stream.leaves();
            }
            self.leaving.borrow_mut().push(conn);
        }
        idle.is_some()
    }
}
