//! [`Core`]: what the hub shares with the handles it gives out: the tables, the clock reading, the
//! queues.
//!
//! Everything is accessed through short borrows. The one rule: *no borrow is held while user code
//! runs*, be it a poll, a `Drop`, a waker or a hook. Values to drop or to wake are moved out first.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::action::{Action, Counters};
use super::begun::{self, Begun};
use super::called::{Called, CalledQueues};
use super::config::{Config, ServiceConfig};
use super::doomed::Doomed;
use super::fiber_entry::{Fiber, Role};
use super::file_table::FileTable;
use super::hook::Hook;
use super::idle::IdleQueue;
use super::job_entry::JobEntry;
use super::outgoing::Outgoing;
use super::random::{HubRandom, Seed};
use super::stream::{MachineStream, Stream};
use super::wake::ReadyQueue;

use crate::buf::{Blocks, Pipeline};
use crate::machine::{Address, Error, Notice, Workspace};
use crate::machine::{ConnId, FiberId, ServiceId};
use crate::machine::{HubTag, Key, KeyedTable};
use crate::time::{Instant, TimerKey, Timers};

pub(crate) struct Core {
    /// The tag in the ids of this hub.
    pub(crate) tag: HubTag,
    pub(crate) config: Config,
    pub(crate) client_config: Rc<ServiceConfig>,
    pub(crate) now: Cell<Instant>,
    /// The time of day in seconds since 1970, and when it was set.
    pub(crate) time_of_day: Cell<Option<(Instant, u64)>>,
    /// The generator of random numbers. `None` until a seed was set, or the first number was drawn.
    pub(super) random: RefCell<Option<HubRandom>>,
    /// The connection whose machine was made or stepped last, and its peer, since the stream is out
    /// of the table meanwhile.
    pub(crate) stepping: Cell<Option<(ConnId, Address)>>,
    /// The hook that wraps each run of user code.
    pub(crate) hook: RefCell<Option<Rc<Hook>>>,
    /// How many tokens the fiber that is being polled may still use in this pass.
    tokens: Cell<u32>,
    /// The fiber that is being polled.
    pub(crate) polling: Cell<Option<FiberId>>,
    /// Whether the fiber that is being polled was aborted meanwhile.
    pub(super) aborts_polled: Cell<bool>,
    pub(crate) draining: Cell<bool>,
    /// There is no hub, only this core: see [`NoHub`](super::NoHub).
    pub(crate) is_detached: Cell<bool>,
    /// When a graceful shutdown ends at the latest.
    pub(crate) halt_by: Cell<Option<Instant>>,
    pub(crate) halt_asked: Cell<bool>,
    /// Waits that count from the next run.
    pub(crate) begun: RefCell<Vec<Begun>>,
    /// Whether the grace period counts from the next run.
    pub(crate) grace_begun: Cell<bool>,
    /// The embedder's waker: woken when there is something to do while the hub rests.
    embedder_waker: Waker,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) fibers: RefCell<KeyedTable<Fiber>>,
    pub(crate) doomed: Doomed,
    pub(crate) spawned: Cell<usize>,
    pub(crate) streams: RefCell<KeyedTable<Stream>>,
    /// Look-ups, jobs and requests for files that are awaited.
    pub(super) jobs: RefCell<KeyedTable<JobEntry>>,
    pub(super) files: FileTable,
    pub(crate) timers: RefCell<Timers<HubTimer>>,
    pub(crate) slices: RefCell<Blocks<Rc<Vec<u8>>>>,
    pub(crate) workspace: RefCell<Box<Workspace>>,
    /// Takes the place of `workspace` while a machine runs with that.
    /// Blocks that it lends meanwhile go back to the other: each pool keeps a bounded number.
    pub(crate) spare_workspace: Cell<Option<Box<Workspace>>>,
    pub(crate) actions: RefCell<Vec<Action>>,
    /// Streams whose actions are emitted before the run ends, each once.
    pub(crate) dirty: RefCell<Vec<ConnId>>,
    /// Connections whose machines were woken, each once, in that order.
    pub(crate) woken: RefCell<VecDeque<ConnId>>,
    /// Wakers to wake once nothing is borrowed.
    pub(crate) wakers: RefCell<VecDeque<Waker>>,
    /// Bytes that were queued by reference and are sent, to be dropped once nothing is borrowed.
    pub(crate) sent_bytes: RefCell<Vec<Bytes>>,
    /// Spare empty queues of handles. The boxes are kept: their allocation is what is saved.
    #[allow(clippy::vec_box)]
    outputs: RefCell<Vec<Box<Outgoing>>>,
    /// Machines whose streams are gone, to be dropped through the hook.
    pub(crate) dead: RefCell<Vec<(ConnId, Box<MachineStream>)>>,
    pub(super) called: CalledQueues,
    /// The connections of all services that were idle at the last scan.
    pub(super) idle: RefCell<IdleQueue>,
    /// Idle connections that are closed before this run ends.
    pub(super) leaving: RefCell<Vec<ConnId>>,
    /// Whether a timer is set to check again for idle connections.
    pub(super) looks_again: Cell<bool>,
    /// Whether the number of streams changed, so that services may have to stop or resume
    /// accepting.
    pub(crate) count_changed: Cell<bool>,
    /// The services of connections that closed.
    pub(crate) left_services: RefCell<Vec<ServiceId>>,
    pub(crate) counters: RefCell<Counters>,
}

/// What to do when a timer fires.
pub(crate) enum HubTimer {
    Wake(Waker),
    Stream(Key),
    /// Check again whether there is room for a connection.
    Room,
}

impl Core {
    pub(crate) fn new(config: Config, embedder_waker: Waker) -> Self {
        Core {
            tag: HubTag::new(),
            client_config: Rc::new(config.client.clone()),
            config,
            now: Cell::new(Instant::ORIGIN),
            time_of_day: Cell::new(None),
            random: RefCell::new(None),
            stepping: Cell::new(None),
            hook: RefCell::new(None),
            tokens: Cell::new(0),
            polling: Cell::new(None),
            aborts_polled: Cell::new(false),
            draining: Cell::new(false),
            is_detached: Cell::new(false),
            halt_by: Cell::new(None),
            halt_asked: Cell::new(false),
            begun: RefCell::new(Vec::new()),
            grace_begun: Cell::new(false),
            ready: RefCell::new(ReadyQueue::new(embedder_waker.clone())),
            embedder_waker,
            fibers: RefCell::new(KeyedTable::new()),
            doomed: Doomed::default(),
            spawned: Cell::new(0),
            streams: RefCell::new(KeyedTable::new()),
            jobs: RefCell::new(KeyedTable::new()),
            files: FileTable::new(),
            timers: RefCell::new(Timers::new()),
            slices: RefCell::new(Blocks::new()),
            workspace: RefCell::default(),
            spare_workspace: Cell::default(),
            actions: RefCell::new(Vec::new()),
            dirty: RefCell::new(Vec::new()),
            woken: RefCell::new(VecDeque::new()),
            wakers: RefCell::new(VecDeque::new()),
            sent_bytes: RefCell::new(Vec::new()),
            outputs: RefCell::default(),
            dead: RefCell::new(Vec::new()),
            called: CalledQueues::default(),
            idle: RefCell::default(),
            leaving: RefCell::default(),
            looks_again: Cell::new(false),
            count_changed: Cell::new(false),
            left_services: RefCell::new(Vec::new()),
            counters: RefCell::new(Counters::default()),
        }
    }

    /// The time of day now, if it was ever set.
    pub(crate) fn unix_seconds(&self) -> Option<u64> {
        let (told, seconds) = self.time_of_day.get()?;
        Some(seconds.saturating_add((self.now.get() - told).as_secs()))
    }

    /// The next random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut random = self.random.borrow_mut();
        let random = random.get_or_insert_with(|| {
            self.notice(None, Notice::Unseeded);
            HubRandom::new(Seed::from_number(0))
        });
        random.draw()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether the fiber that is being polled must not wait, because the hub shuts down. Requests
    /// that have begun may finish: the handler of a request may wait for what comes, or may come,
    /// before the grace period ends.
    pub(crate) fn forbids_waiting(&self, until: Instant) -> bool {
        self.is_draining()
            && !(self.halt_by.get().is_some_and(|by| until < by) && self.serves_request())
    }

    fn serves_request(&self) -> bool {
        let Some(polled) = self.polling.get() else { return false };
        let mut fibers = self.fibers.borrow_mut();
        fibers.at(polled.into()).is_some_and(|fiber| matches!(fiber.role, Role::Machine(_)))
    }

    /// Gives tokens to the fiber that is polled next. Returns how many the last one had left.
    pub(crate) fn refill_tokens(&self) -> u32 {
        self.tokens.replace(self.config.tokens_per_pass.max(1))
    }

    pub(crate) fn restore_tokens(&self, tokens: u32) {
        self.tokens.set(tokens);
    }

    /// Whether the fiber may use another token in this pass. If not, it goes to the end of the
    /// queue, so that a peer that sends without pause does not starve others.
    ///
    /// There are tokens only while a fiber of this hub is polled. A fiber of another hub would be
    /// polled again for ever, so it gets an error.
    pub(crate) fn may_go_on(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.tokens.get() > 0 {
            return Poll::Ready(Ok(()));
        }
        if self.polling.get().is_none() {
            return Poll::Ready(Err(Error::OtherHub));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(crate) fn spend_token(&self) {
        self.tokens.set(self.tokens.get().saturating_sub(1));
    }

    /// Makes the fiber that is being polled yield at its next token.
    pub(crate) fn spend_all_tokens(&self) {
        self.tokens.set(0);
    }

    /// The id of a connection, to be given out.
    pub(crate) fn conn_id(&self, key: Key) -> ConnId {
        ConnId { key, hub: self.tag }
    }

    pub(crate) fn service_id(&self, index: u32) -> ServiceId {
        ServiceId { index, hub: self.tag }
    }

    /// Wakes a fiber once nothing is borrowed.
    #[inline]
    pub(crate) fn put_off(&self, waker: Option<Waker>) {
        self.wakers.borrow_mut().extend(waker);
    }

    /// Wakes the wakers that were put off, in that order.
    #[inline]
    pub(crate) fn wake_all(&self) {
        loop {
            let Some(waker) = self.wakers.borrow_mut().pop_front() else { return };
            self.wake(waker);
        }
    }

    /// Wakes at once; nothing may be borrowed. A waker that the hub did not make is user code.
    #[inline]
    pub(crate) fn wake(&self, waker: Waker) {
        let is_own = self.ready.borrow().is_own(&waker);
        match is_own {
            true => waker.wake(),
            false => self.call_other(|| waker.wake()),
        }
    }

    /// Lends an empty queue to a handle, which gives it back.
    pub(crate) fn lend_output(&self) -> Box<Outgoing> {
        self.outputs.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a queue back. What is left in it is dropped unsent. `blocks`: if the caller has
    /// borrowed them.
    pub(crate) fn give_back_output(&self, mut output: Box<Outgoing>, blocks: Option<&mut Blocks>) {
        if !output.pipeline.is_empty() {
            match blocks {
                Some(blocks) => self.clear_into(&mut output.pipeline, blocks),
                None => self.clear(&mut output.pipeline),
            }
        }
        output.forget_pieces();
        let mut spare = self.outputs.borrow_mut();
        if spare.len() < Blocks::<Vec<u8>>::KEEP_SMALL {
            spare.push(output);
        }
    }

    /// Advances `output` by `n` bytes that were sent. Call [`drop_sent`](Self::drop_sent) once
    /// nothing is borrowed.
    #[inline]
    pub(crate) fn advance(&self, output: &mut Pipeline, n: u64) -> u64 {
        let blocks = &mut self.workspace.borrow_mut().blocks;
        output.advance_with(n, blocks, |bytes| self.sent_bytes.borrow_mut().push(bytes))
    }

    /// Drops all of `output` unsent. Call [`drop_sent`](Self::drop_sent) once nothing is borrowed.
    pub(crate) fn clear(&self, output: &mut Pipeline) {
        self.clear_into(output, &mut self.workspace.borrow_mut().blocks);
    }

    /// As [`clear`](Self::clear), for a caller that has borrowed the blocks.
    pub(crate) fn clear_into(&self, output: &mut Pipeline, blocks: &mut Blocks) {
        output.clear_with(blocks, |bytes| self.sent_bytes.borrow_mut().push(bytes));
    }

    /// Drops the bytes by reference that were sent.
    #[inline]
    pub(crate) fn drop_sent(&self) {
        loop {
            let Some(bytes) = self.sent_bytes.borrow_mut().pop() else { return };
            self.call_other(|| drop(bytes));
        }
    }

    /// Makes the fiber at `index` ready.
    pub(crate) fn wake_fiber(&self, index: u32) {
        let is_resting = self.ready.borrow().wake(index);
        if is_resting {
            self.embedder_waker.wake_by_ref();
        }
    }

    /// The peer of a connection.
    pub(crate) fn peer(&self, id: ConnId) -> Address {
        match self.stepping.get() {
            Some((stepping, peer)) if stepping == id => peer,
            _ => self.streams.borrow_mut().at(id.into()).map_or(Address::Unnamed, |it| it.peer()),
        }
    }

    /// Schedules a step of a connection's machine with `Input::Wake`: once, when its turn comes,
    /// however often this is called before.
    pub(crate) fn wake_machine(&self, id: ConnId) {
        {
            let mut streams = self.streams.borrow_mut();
            match streams.at(id.into()) {
                Some(stream) if !stream.woken => stream.woken = true,
                _ => return,
            }
        }
        self.woken.borrow_mut().push_back(id);
        self.need_run();
    }

    /// There is something to do: if the hub rests, wakes the embedder's waker, so that it runs the
    /// hub. For changes by user code outside of a run; within a run, the embedder asks `next_wake`
    /// before it waits.
    pub(crate) fn need_run(&self) {
        let is_resting = self.ready.borrow().is_resting();
        if is_resting {
            self.embedder_waker.wake_by_ref();
        }
    }

    pub(crate) fn push_action(&self, action: Action) {
        self.actions.borrow_mut().push(action);
    }

    /// Emits a notice, and counts it.
    pub(crate) fn notice(&self, service: Option<ServiceId>, notice: Notice) {
        match notice {
            Notice::Failed { .. } => self.counters.borrow_mut().failures += 1,
            Notice::Panicked { .. } => self.counters.borrow_mut().panics += 1,
            _ => {}
        }
        self.push_action(Action::Notice(service, notice));
    }

    /// Notes a wait that begins now. Cheap: a push. Waits that were given up since the last run are
    /// dropped when they outnumber those that may still be waiting.
    pub(crate) fn begin(&self, wait: Begun) {
        let begun = &mut *self.begun.borrow_mut();
        if begun.len() >= begun::KEEP {
            let timers = self.timers.borrow();
            let open = self.counters.borrow().open as usize;
            if begun.len() >= begun::KEEP + 2 * (timers.len() + open) {
                begun.retain(|wait| match wait {
                    Begun::Sleep(key, _) => timers.deadline(*key).is_some(),
                    Begun::Stream(_) => true,
                });
            }
        }
        begun.push(wait);
    }

    /// Cancels the timer of a sleep. If it is the wait that began last, its note is removed as
    /// well: so a `first` that sleeps in each iteration of a loop leaves no notes behind.
    pub(crate) fn give_up_sleep(&self, key: TimerKey) {
        {
            let begun = &mut *self.begun.borrow_mut();
            if begun.last().is_some_and(|last| matches!(last, Begun::Sleep(it, _) if *it == key)) {
                begun.pop();
            }
        }
        self.cancel_timer(key);
    }

    /// Whether some wait counts from the next run.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.borrow().is_empty() || self.grace_begun.get()
    }

    /// Expects the first waiter of `queue`, which was woken just now, to take its turn.
    pub(crate) fn expect(&self, queue: Weak<dyn Called>) {
        let ahead = self.ready.borrow_mut().len() as u64;
        self.called.expect(self.counters.borrow().polls + ahead, queue);
    }

    pub(crate) fn add_timer(&self, at: Instant, timer: HubTimer) -> TimerKey {
        self.timers.borrow_mut().insert(at, timer)
    }

    /// Cancels a timer; its value is dropped when nothing is borrowed.
    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let timer = self.timers.borrow_mut().cancel(key);
        drop(timer);
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}
