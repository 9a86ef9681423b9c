//! How a machine runs: out of the table, and through the hook.

use super::*;

impl Hub {
    /// Lets a machine run, out of the table and through the hook. Does nothing for a connection
    /// that a fiber holds.
    pub(super) fn step(
        &mut self,
        conn: ConnId,
        f: impl FnOnce(&mut Link<Box<dyn Machine>>, Instant, &mut Workspace),
    ) {
        let core = Rc::clone(&self.core);
        let (mut stream, service) = {
            let mut streams = core.streams.borrow_mut();
            let Some(slot) = streams.at(conn.into()) else { return };
            match ::core::mem::replace(&mut slot.state, StreamState::Stepping) {
                StreamState::Machine(stream) => (stream, slot.service),
                other => {
                    slot.state = other;
                    return;
                }
            }
        };
        // Noted before it runs: should a panic unwind from here, the next run closes it.
        core.dirty.borrow_mut().push(conn);
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
        // It may have named one before it panicked, and the next machine would take it for its own.
        let successor = workspace.successor.take();
        core.spare_workspace.set(Some(core.workspace.replace(workspace)));
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

    /// Drops the machines of streams that are gone. Last of all: a panic leaves nothing undone.
    pub(super) fn bury(&mut self) {
        // What a panic that no hook caught has left.
        self.core.drop_doomed();
        loop {
            let dead = self.core.dead.borrow_mut().pop();
            let Some((conn, machine)) = dead else { return };
            self.drop_machine(conn, machine);
        }
    }

    /// A machine's drop is the stranger's code as well.
    pub(super) fn drop_machine<T>(&mut self, conn: ConnId, machine: T) {
        if self.core.call(Task::Machine(conn), || drop(machine)).is_none() {
            self.core.counters.borrow_mut().panics += 1;
            self.core.notice(None, Notice::Panicked { peer: None });
        }
    }
}
