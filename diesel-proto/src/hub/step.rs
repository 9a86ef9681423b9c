//! Steps machines: out of the table, and through the hook.

use super::*;

impl Hub {
    /// The fast path of [`step`](Self::step): steps in place and without the hook where no user
    /// code runs. For connections of fibers, and for inputs that drop nothing that is queued.
    /// Returns whether user code may have run.
    #[inline]
    pub(super) fn step_in_place(
        &mut self,
        conn: ConnId,
        f: impl FnOnce(&mut Attached<Top>, Instant, &mut Workspace),
    ) -> bool {
        let core = &*self.core;
        let mut streams = core.streams.borrow_mut();
        let Some(stream) = streams.at(conn.into()) else { return false };
        match &mut stream.state {
            StreamState::Machine(machine) if machine.runs_no_user_code() => {
                f(&mut machine.link, core.now.get(), &mut core.workspace.borrow_mut());
                if stream.wants_more_than_told() {
                    core.list(stream, conn);
                }
            }
            _ => {
                drop(streams);
                self.step(conn, f);
                return true;
            }
        }
        drop(streams);
        core.wake_all();
        false
    }

    /// Steps a machine, out of the table and through the hook.
    pub(super) fn step(
        &mut self,
        conn: ConnId,
        f: impl FnOnce(&mut Attached<Top>, Instant, &mut Workspace),
    ) {
        let core = Rc::clone(&self.core);
        let (mut stream, service) = {
            let mut streams = core.streams.borrow_mut();
            let Some(slot) = streams.at(conn.into()) else { return };
            match ::core::mem::replace(&mut slot.state, StreamState::Running) {
                StreamState::Machine(stream) => {
                    // Listed before it runs: if a panic unwinds from here, the next run closes it.
                    core.list(slot, conn);
                    (stream, slot.service)
                }
                StreamState::Running => return,
            }
        };
        let spare = core.spare_workspace.take().unwrap_or_default();
        let mut workspace = core.workspace.replace(spare);
        let now = core.now.get();
        core.stepping.set(Some((conn, stream.peer)));
        let done = core.call(Task::Machine(conn), || {
            f(&mut stream.link, now, &mut workspace);
        });
        for notice in workspace.notices.drain(..) {
            core.notice(service, notice);
        }
        // The machine may have named a successor before it panicked; the next machine must not get
        // it.
        let successor = workspace.successor.take();
        core.spare_workspace.set(Some(core.workspace.replace(workspace)));
        core.wake_all();
        core.drop_sent();
        if let Some(successor) = successor {
            self.drop_machine(conn, successor);
        }
        if done.is_none() {
            return self.drop_machine(conn, stream);
        }
        if let Some(slot) = core.streams.borrow_mut().at(conn.into()) {
            slot.state = StreamState::Machine(stream);
        }
    }

    /// Ends a stream. Its machine gets `Input::Cut`, unless the machine itself has closed the
    /// stream.
    pub(super) fn end_stream(&mut self, conn: ConnId, end: End) {
        if self.with_flow(conn, |flow| flow.is_closing()) == Some(false) {
            self.step(conn, |link, now, workspace| link.cut(now, end.cause(), workspace));
        }
        self.core.remove_stream(conn, end);
    }

    /// Drops the machines of streams that are gone. This comes last, so that a panic leaves nothing
    /// undone.
    pub(super) fn bury(&mut self) {
        // Drops what is left in the queue after a panic that no hook caught.
        self.core.drop_doomed();
        loop {
            let dead = self.core.dead.borrow_mut().pop();
            let Some((conn, machine)) = dead else { return };
            self.drop_machine(conn, machine);
        }
    }

    /// Drops a machine through the hook: its drop is user code as well.
    pub(super) fn drop_machine<T>(&mut self, conn: ConnId, machine: T) {
        let dropped = self.core.call(Task::Machine(conn), || drop(machine));
        self.core.wake_all();
        self.core.drop_sent();
        if dropped.is_none() {
            self.core.notice(None, Notice::Panicked { peer: None });
        }
    }
}
