//! The state of a hub as an embedder knows it from the actions, with the guarantees it relies on.

use std::collections::{BTreeMap, BTreeSet};

use diesel_proto::{Action, ConnId, ServiceId};

/// Connections and services as the actions show them.
#[derive(Default)]
pub struct Shadow {
    pub open: BTreeMap<ConnId, Told>,
    gone: BTreeSet<ConnId>,
    stopped: BTreeSet<ServiceId>,
    pub halted: bool,
}

/// The state of one connection as the actions show it.
#[derive(Default)]
pub struct Told {
    pub connecting: bool,
    pub sending: bool,
    pub paused: bool,
    half_closed: bool,
    /// Bytes were refused without a preceding `Pause`.
    pub owes_pause: bool,
}

impl Shadow {
    pub fn accepted(&mut self, conn: ConnId) {
        self.is_new(conn, Told::default());
    }

    fn is_new(&mut self, conn: ConnId, told: Told) {
        assert!(!self.gone.contains(&conn), "{conn:?} names something again");
        assert!(self.open.insert(conn, told).is_none(), "{conn:?} is there already");
    }

    /// Checks that an action is possible in this state, and applies it.
    pub fn told(&mut self, action: &Action) {
        assert!(!self.halted || matches!(action, Action::Notice(..)), "{action:?} after Halt");
        match *action {
            Action::Connect(conn, _) => {
                self.is_new(conn, Told { connecting: true, ..Told::default() });
            }
            Action::Send(conn) => {
                let told = self.at(conn, action);
                assert!(!told.connecting, "{action:?} while connecting");
                assert!(!std::mem::replace(&mut told.sending, true), "{action:?} again");
            }
            Action::Pause(conn) => {
                let told = self.at(conn, action);
                told.owes_pause = false;
                assert!(!std::mem::replace(&mut told.paused, true), "{action:?} again");
            }
            Action::Resume(conn) => {
                let told = self.at(conn, action);
                assert!(std::mem::replace(&mut told.paused, false), "{action:?} of nothing");
            }
            Action::HalfClose(conn) => {
                let told = self.at(conn, action);
                assert!(!told.sending, "{action:?} before everything was sent");
                assert!(!std::mem::replace(&mut told.half_closed, true), "{action:?} again");
            }
            Action::Close(conn, _) | Action::Abort(conn, _) => {
                assert!(self.open.remove(&conn).is_some(), "{action:?} of nothing");
                self.gone.insert(conn);
            }
            Action::StopAccepting(id) => assert!(self.stopped.insert(id), "{action:?} again"),
            Action::ResumeAccepting(id) => assert!(self.stopped.remove(&id), "{action:?}"),
            Action::Halt => {
                assert!(self.open.is_empty(), "Halt while connections are open");
                self.halted = true;
            }
            _ => {}
        }
    }

    fn at(&mut self, conn: ConnId, action: &Action) -> &mut Told {
        self.open.get_mut(&conn).unwrap_or_else(|| panic!("{action:?} of nothing"))
    }
}
