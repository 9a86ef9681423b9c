//! [`Pool`]: a few threads for what blocks: look-ups of names by the system, and jobs; in a pool of
//! their own, files, so that names and jobs that hang do not hold them up.
//!
//! ```text
//!   the event loop                         threads, up to `most`
//!     begin ──▶ queue ──▶ resolve, Job::run, files ──▶ answers ──▶ has_answers, Poller::notify
//!     take_answers ◀──────────────────────────────────────┘
//! ```
//!
//! Rules of this file:
//!
//! - A thread is started when there is work and none is free. One that found no work for
//!   [`IDLE`] ends.
//! - Nothing can stop a thread: what hangs keeps it, up to all of them. The queue does not grow
//!   meanwhile: the hub bounds what is awaited, and what it cancels leaves the queue.
//! - When the pool is dropped, threads that are free end. One that hangs may outlive the
//!   application; what it returns then is dropped there.
//!
//! It must never know what a job does, nor a socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use diesel_proto::hub::{Job, JobOutcome};
use diesel_proto::{ConnId, FileErrorKind, FileId, HostName, JobError, JobId, ResolveErrorKind};
use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType};
use polling::Poller;

use crate::files::{FileResult, FileWork, Unread, load};

/// How many threads there are at most, unless the program says otherwise.
pub(crate) const THREADS: usize = 4;

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Who waits for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// A fiber.
    Job(JobId),
    /// A connection, of which a region of a file is being sent.
    Region(ConnId),
}

/// What a thread does.
pub(crate) enum Work {
    Resolve(HostName),
    Job(Job),
    File(FileWork),
    /// Read a part of a file, so that it is in the page cache.
    Load(Unread),
}

/// What came of it.
pub(crate) enum Answer {
    Addresses(Result<Vec<SocketAddr>, ResolveErrorKind>),
    Outcome(JobOutcome),
    /// The file that the work was to open, and what came of that.
    File(Option<FileId>, FileResult),
    Loaded(Result<(), FileErrorKind>),
}

pub(crate) struct Pool {
    most: usize,
    shared: Arc<PoolShared>,
}

struct PoolShared {
    poller: Arc<Poller>,
    state: Mutex<PoolState>,
    work: Condvar,
    has_answers: AtomicBool,
}

#[derive(Default)]
struct PoolState {
    queue: VecDeque<(Ticket, Work)>,
    answers: Vec<(Ticket, Answer)>,
    threads: usize,
    /// Those of the threads that wait for work.
    free: usize,
    is_closed: bool,
}

impl Pool {
    /// A pool without threads so far. It notifies `poller` of answers.
    pub(crate) fn new(poller: Arc<Poller>) -> Self {
        let shared = PoolShared {
            poller,
            state: Mutex::default(),
            work: Condvar::new(),
            has_answers: AtomicBool::new(false),
        };
        Pool { most: THREADS, shared: Arc::new(shared) }
    }

    /// How many threads there may be from now on. With none, nothing can begin.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Queues `work`, and starts a thread if none is free. Returns an answer if it cannot.
    pub(crate) fn begin(&mut self, ticket: Ticket, work: Work) -> Result<(), Answer> {
        if self.most == 0 {
            return Err(work.refused(true));
        }
        let mut state = self.shared.lock();
        state.queue.push_back((ticket, work));
        if state.free >= state.queue.len() || state.threads >= self.most {
            drop(state);
            self.shared.work.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let started =
            thread::Builder::new().name("diesel-pool".into()).spawn(move || shared.run_thread());
        if started.is_ok() {
            return Ok(());
        }
        let mut state = self.shared.lock();
        state.threads -= 1;
        if state.threads > 0 {
            // Another thread does it later.
            return Ok(());
        }
        let unserved = state.queue.pop_back();
        drop(state);
        match unserved {
            Some((_, work)) => Err(work.refused(false)),
            None => Ok(()),
        }
    }

    /// Drops queued work. What has begun goes on.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        let cancelled = {
            let queue = &mut self.shared.lock().queue;
            queue.iter().position(|(queued, _)| *queued == ticket).and_then(|at| queue.remove(at))
        };
        discard(cancelled);
    }

    /// The answers since the last call, in the order in which the work was done.
    pub(crate) fn take_answers(&mut self) -> Vec<(Ticket, Answer)> {
        match self.shared.has_answers.swap(false, Ordering::Acquire) {
            true => std::mem::take(&mut self.shared.lock().answers),
            false => Vec::new(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let (queue, answers) = {
            let state = &mut *self.shared.lock();
            state.is_closed = true;
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.answers))
        };
        self.shared.work.notify_all();
        discard((queue, answers));
    }
}

impl PoolShared {
    /// No user code runs while it is locked, so it is whole even if a thread panicked.
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_thread(&self) {
        while let Some((ticket, work)) = self.next() {
            let answer = work.run();
            let mut state = self.lock();
            if state.is_closed {
                drop(state);
                return discard(answer);
            }
            state.answers.push((ticket, answer));
            drop(state);
            self.has_answers.store(true, Ordering::Release);
            // This fails only if the system is out of memory; the next event wakes the driver
            // anyway.
            let _ = self.poller.notify();
        }
    }

    /// The next work; `None` if there was none for long, or the pool is closed.
    fn next(&self) -> Option<(Ticket, Work)> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(work) = state.queue.pop_front() {
                return Some(work);
            }
            state.free += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.free -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

/// Drops what belongs to user code, whose drop may panic.
fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}

impl Work {
    fn run(self) -> Answer {
        match self {
            Work::Resolve(name) => Answer::Addresses(resolve(&name)),
            Work::Job(job) => Answer::Outcome(job.run()),
            Work::File(work) => Answer::File(work.opens(), work.run()),
            Work::Load(Unread { file, offset, len }) => Answer::Loaded(load(&file, offset, len)),
        }
    }

    /// The answer if there is no thread: because there may be none, or because none can be started.
    fn refused(self, by_choice: bool) -> Answer {
        let (name, job, file) = match by_choice {
            true => {
                (ResolveErrorKind::Unsupported, JobError::Unsupported, FileErrorKind::Unsupported)
            }
            false => (
                ResolveErrorKind::OutOfResources,
                JobError::OutOfResources,
                FileErrorKind::OutOfResources,
            ),
        };
        match self {
            Work::Resolve(_) => Answer::Addresses(Err(name)),
            Work::Job(_) => Answer::Outcome(job.into()),
            Work::File(work) => Answer::File(work.opens(), Err(file)),
            Work::Load(_) => Answer::Loaded(Err(file)),
        }
    }
}

/// Asks the system, in the order that it prefers: its files, its servers, whatever it is set up to
/// ask.
fn resolve(name: &HostName) -> Result<Vec<SocketAddr>, ResolveErrorKind> {
    // Otherwise each address comes once for each kind of socket.
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = dns_lookup::getaddrinfo(Some(name.as_str()), None, Some(hints));
    match found {
        Ok(found) => Ok(found.flatten().map(|it| it.sockaddr).collect()),
        Err(error) => Err(kind_of(error)),
    }
}

fn kind_of(error: LookupError) -> ResolveErrorKind {
    match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => ResolveErrorKind::NotFound,
        LookupErrorKind::Again => ResolveErrorKind::Temporary,
        LookupErrorKind::Fail => ResolveErrorKind::ServerFailed,
        LookupErrorKind::Memory => ResolveErrorKind::OutOfResources,
        LookupErrorKind::System => {
            let error = std::io::Error::from(error);
            match crate::connect::is_exhausted(&error) {
                true => ResolveErrorKind::OutOfResources,
                false => ResolveErrorKind::Other(error.raw_os_error().unwrap_or(0)),
            }
        }
        _ => ResolveErrorKind::Other(error.error_num()),
    }
}
