//! A turn: runs the hub and carries out its actions, until there is nothing to do.

use core::task::Poll;

use super::super::Hub;
use super::super::action::Action;
use super::streams::Again;
use super::{Lost, Streams, Transport};
use crate::machine::{ConnId, ConnectErrorKind, End, FileAnswer, FileRequest};
use crate::time::Instant;

impl<S> Streams<S> {
    /// Runs the hub and carries out its actions, until there is nothing to do, or the
    /// [budget](super::Budgets::runs) is used up: then [`Hub::next_wake`] returns an instant that
    /// is not later than now.
    pub fn turn<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant)
    where
        T: Transport<Stream = S>,
    {
        for _ in 0..self.budgets.runs {
            if self.halted {
                return;
            }
            // User code may have computed for long since the clock was read.
            let now = if hub.needs_time() { transport.now() } else { now };
            let mut actions = core::mem::take(&mut self.actions);
            self.again.iter_mut().for_each(|again| again.is_due = true);
            hub.run(now, &mut actions);
            transport.ran();
            for action in actions.drain(..) {
                self.obey(hub, transport, now, action);
            }
            self.actions = actions;
            self.connect_again(hub, transport, now);
            if !hub.has_more() {
                return;
            }
        }
    }

    /// Ends a round, and begins the next one: takes a [turn](Self::turn), and then [reads
    /// on](Self::read_on) with a turn after each time, until every stream that was ready is used up
    /// or its budget is spent. Call this after the events of a wait were reported, before waiting
    /// again. Returns false when the hub has [halted](Self::has_halted): the loop ends.
    #[must_use = "the loop ends when the hub has halted"]
    pub fn end_round<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant) -> bool
    where
        T: Transport<Stream = S>,
    {
        self.turn(hub, transport, now);
        while self.read_on(hub, transport, now) {
            self.turn(hub, transport, now);
        }
        self.begin_round();
        !self.halted
    }

    fn obey<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, action: Action)
    where
        T: Transport<Stream = S>,
    {
        match action {
            Action::Send(conn) => self.send(hub, transport, now, conn),
            Action::Pause(conn) => self.pause(hub, transport, now, conn, true),
            Action::Resume(conn) => self.pause(hub, transport, now, conn, false),
            Action::HalfClose(conn) => {
                let Some(stream) = self.stream(conn) else { return };
                if let Err(Lost) = transport.shut_down(conn, stream) {
                    hub.reset(now, conn);
                }
            }
            Action::Close(conn, cause) => self.end(hub, transport, now, conn, End::Close(cause)),
            Action::Abort(conn, cause) => self.end(hub, transport, now, conn, End::Abort(cause)),
            Action::ReportUnacked(conn) => {
                // If it is not known, the hub measures the peer by the bytes that were written.
                let unacked = self.stream(conn).and_then(|stream| transport.unacked(stream));
                if let Some(n) = unacked {
                    hub.unacked(now, conn, n);
                }
            }
            Action::Connect(conn, address) => match transport.connect(conn, address) {
                Ok(stream) => self.add(conn, stream, true),
                // Try again once the idle connection is closed.
                Err(ConnectErrorKind::OutOfResources) if hub.make_room(now) => {
                    self.again.push(Again { conn, address, is_due: false });
                }
                Err(why) => hub.connect_failed(now, conn, why),
            },
            Action::Resolve(job, name) => {
                if let Poll::Ready(addresses) = transport.resolve(job, &name) {
                    hub.resolved(now, job, addresses);
                }
            }
            Action::Job(id) => {
                let Some(job) = hub.take_job(id) else { return };
                if let Poll::Ready(outcome) = transport.run_job(id, job) {
                    hub.completed(now, id, outcome);
                }
            }
            Action::File(job, request) => {
                let file = match &request {
                    FileRequest::Open { file, .. } => Some(*file),
                    _ => None,
                };
                let Poll::Ready(answer) = transport.file(job, request) else { return };
                let opened = matches!(answer, Ok(FileAnswer::Opened { content: None, .. }));
                let is_awaited = hub.file_answered(now, job, answer);
                if let Some(file) = file.filter(|_| opened && !is_awaited) {
                    transport.close_file(file);
                }
            }
            Action::CloseFile(file) => transport.close_file(file),
            Action::Cancel(job) => transport.cancel(job),
            Action::StopAccepting(service) => transport.accepts(now, service, false),
            Action::ResumeAccepting(service) => transport.accepts(now, service, true),
            Action::Notice(service, notice) => transport.notice(hub, service, notice),
            Action::Halt => self.halted = true,
        }
    }

    /// Closes a stream. What it held may serve a connection that waits.
    fn end<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, conn: ConnId, end: End)
    where
        T: Transport<Stream = S>,
    {
        self.close(transport, now, conn, end);
        for service in self.exhausted.drain(..).filter(|service| hub.may_accept(*service)) {
            transport.accepts(now, service, true);
        }
    }

    /// Tries again those connections for which there should be room now.
    fn connect_again<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant)
    where
        T: Transport<Stream = S>,
    {
        while let Some(at) = self.again.iter().position(|again| again.is_due) {
            let Again { conn, address, .. } = self.again.remove(at);
            match transport.connect(conn, address) {
                Ok(stream) => self.add(conn, stream, true),
                Err(why) => hub.connect_failed(now, conn, why),
            }
        }
    }
}
