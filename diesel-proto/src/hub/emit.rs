//! Emits the actions of a connection: compares what its machine wants with the actions emitted so
//! far.

use super::action::Action;
use super::begun::Begun;
use super::core::{Core, HubTimer};
use super::stream::{Phase, Stream, StreamState, lingers_for};
use crate::machine::{Cause, ConnId, End};
use crate::time::{Instant, TimerKey};

impl Stream {
    /// Emits actions for what has changed since the last call, and sets the stream's one timer.
    /// Returns how the stream ends, if it does.
    pub(crate) fn emit_actions(&mut self, core: &Core, id: ConnId) -> Option<End> {
        let now = core.now.get();
        self.listed = false;
        let Stream { state, phase, .. } = self;
        let (flow, input, config) = match state {
            StreamState::Machine(stream) => {
                let input = stream.link.flow.is_closing() || stream.link.wants_input();
                (&mut stream.link.flow, input, &*stream.config)
            }
            StreamState::Running => return Some(End::Abort(Cause::Panicked)),
        };

        if let Some(cause) = flow.closing().filter(|_| *phase == Phase::Connecting) {
            return Some(End::Close(cause));
        }
        if *phase != Phase::Connecting {
            if flow.output.is_empty() {
                self.progress.sending = false;
                if let Some(end) = flow.end() {
                    let failed = self.progress.failed;
                    let over = self.peer_ended || failed || config.linger.is_zero();
                    if end.is_abort() || (over && !flow.awaits_cause) {
                        return Some(match end {
                            // Not everything arrived at the peer.
                            End::Close(Cause::Done | Cause::PeerClosed) if failed => {
                                End::Close(Cause::Reset)
                            }
                            end => end,
                        });
                    }
                    if *phase == Phase::Open {
                        *phase = Phase::Lingering;
                        self.progress.since = now;
                        core.begin(Begun::Stream(id));
                    }
                }
                if flow.is_half_closed() && !self.half_close_reported {
                    self.half_close_reported = true;
                    core.push_action(Action::HalfClose(id));
                }
            } else if !self.progress.sending {
                self.progress.sending = true;
                core.push_action(Action::Send(id));
            }
            // Once the peer has ended its side there is nothing to read, so reading is not
            // paused or resumed any more.
            if self.pause_reported == input && !self.peer_ended {
                self.pause_reported = !input;
                self.last_received = now;
                if input && config.idle.is_some() {
                    core.begin(Begun::Stream(id));
                }
                core.push_action(if input { Action::Resume(id) } else { Action::Pause(id) });
            }
        }

        let deadline = match *phase {
            Phase::Connecting => Some(self.progress.since + config.connect),
            Phase::Lingering => Some(
                self.progress.since
                    + lingers_for(flow.awaits_cause, self.peer_ended, config.linger),
            ),
            Phase::Open => {
                let stall = match self.progress.failed {
                    true => Some(self.progress.since.max(self.last_received) + config.write_stall),
                    false => self.progress.deadline(config),
                };
                let closing = flow.is_closing();
                let listening = !closing && !self.pause_reported;
                let idle = config.idle.filter(|_| listening).map(|idle| self.last_received + idle);
                let own = flow.deadline().map(|deadline| deadline.at);
                earlier(earlier(stall, idle), own)
            }
        };
        set_timer(&mut self.timer, core, id, deadline);
        None
    }

    /// Bytes were refused, so the embedder knows that reading is paused: emits the pause now.
    pub(crate) fn refused(&mut self, core: &Core, id: ConnId) {
        if !core::mem::replace(&mut self.pause_reported, true) {
            core.push_action(Action::Pause(id));
        }
    }
}

/// The earlier of two instants, each of which may be missing.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn set_timer(timer: &mut Option<TimerKey>, core: &Core, id: ConnId, deadline: Option<Instant>) {
    match (*timer, deadline) {
        (None, None) => {}
        (None, Some(at)) => *timer = Some(core.add_timer(at, HubTimer::Stream(id.into()))),
        (Some(key), Some(at)) => {
            let mut timers = core.timers.borrow_mut();
            if timers.deadline(key) != Some(at) && !timers.set(key, at) {
                *timer = Some(timers.insert(at, HubTimer::Stream(id.into())));
            }
        }
        (Some(key), None) => {
            *timer = None;
            core.cancel_timer(key);
        }
    }
}

impl Core {
    /// Emits the actions of one stream: see [`Stream::emit_actions`].
    pub(crate) fn emit_actions_of(&self, id: ConnId) -> Option<End> {
        self.streams.borrow_mut().at(id.into())?.emit_actions(self, id)
    }

    /// Puts a stream on the list of those whose actions are emitted before the run ends.
    pub(crate) fn list(&self, stream: &mut Stream, id: ConnId) {
        if !core::mem::replace(&mut stream.listed, true) {
            self.dirty.borrow_mut().push(id);
        }
    }
}
