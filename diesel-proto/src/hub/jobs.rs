//! The look-ups, jobs and requests for files that fibers wait for: what the embedder was asked for,
//! and its answers.
//!
//! ```text
//!   token ──ask──▶ entry ──Resolve, Job──▶ the embedder
//!                    ▲ └──take_job───────▶    │  (a closure is not part of an action)
//!   token ◀──poll────┴──resolved, completed───┘
//!   token dropped: the entry is gone; Cancel, unless it was answered; a late answer is dropped
//! ```
//!
//! An entry lives as long as its token, so there are at most [`Config::max_jobs`], and, for files,
//! [`Config::max_file_requests`]: each kind of question has its own limit, so that one that hangs
//! leaves room for the others.
//!
//! No user code runs while the table is borrowed: closures, values and wakers are moved out first.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use super::Hub;
use super::action::Action;
#[cfg(doc)]
use super::config::Config;
use super::core::Core;
use super::job::{Job, JobOutcome};
use super::job_entry::{JobAnswer, JobEntry, JobKind, JobState};
use crate::machine::{FileAnswer, HostName, JobId, Key, Limit, Notice, ResolveErrorKind};
use crate::time::Instant;

impl Core {
    /// Asks for the addresses of a name.
    pub(crate) fn ask_addresses(&self, name: HostName) -> Result<JobId, Limit> {
        let id = self.add_job(JobState::Asked, JobKind::Name)?;
        self.push_action(Action::Resolve(id, name));
        Ok(id)
    }

    /// Asks for a job to be run.
    pub(crate) fn ask_job<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JobId, Limit> {
        let id = self.add_job(JobState::Ready(Job::new(run)), JobKind::Closure)?;
        self.push_action(Action::Job(id));
        Ok(id)
    }

    fn add_job(&self, state: JobState, kind: JobKind) -> Result<JobId, Limit> {
        let most = self.config.max_jobs;
        let awaited = self.jobs.borrow().len() - self.files.requests.get();
        if awaited >= most {
            // The state holds a closure, which is dropped when nothing is borrowed.
            let limit = Limit::Jobs(most);
            self.counters.borrow_mut().limit_jobs += 1;
            self.notice(None, Notice::LimitReached(limit));
            self.call_other(|| drop(state));
            return Err(limit);
        }
        Ok(self.insert_job(state, kind))
    }

    pub(super) fn insert_job(&self, state: JobState, kind: JobKind) -> JobId {
        let key = self.jobs.borrow_mut().insert(JobEntry { state, kind, waker: None });
        JobId { key, hub: self.tag }
    }

    fn remove_job(&self, key: Key) -> Option<JobEntry> {
        let entry = self.jobs.borrow_mut().remove(key)?;
        if let JobKind::File | JobKind::Open(_) = entry.kind {
            self.files.requests.set(self.files.requests.get() - 1);
        }
        Some(entry)
    }

    /// Takes the answer, if there is one. `None` if there is no such entry.
    pub(crate) fn poll_job(&self, id: JobId, cx: &Context<'_>) -> Poll<Option<JobAnswer>> {
        let key = Key::from(id);
        let is_registered = {
            let mut jobs = self.jobs.borrow_mut();
            let Some(entry) = jobs.at(key) else { return Poll::Ready(None) };
            if matches!(entry.state, JobState::Answered(_)) {
                drop(jobs);
                let entry = self.remove_job(key);
                return Poll::Ready(match entry.map(|entry| entry.state) {
                    Some(JobState::Answered(answer)) => Some(answer),
                    _ => None,
                });
            }
            entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        };
        if !is_registered {
            // User code may run here, but no input of the hub.
            let waker = cx.waker().clone();
            let former = match self.jobs.borrow_mut().at(key) {
                Some(entry) => entry.waker.replace(waker),
                None => Some(waker),
            };
            drop(former);
        }
        Poll::Pending
    }

    /// The token was dropped.
    pub(crate) fn forget_job(&self, id: JobId) {
        let Some(JobEntry { state, kind, waker }) = self.remove_job(id.into()) else { return };
        drop(waker);
        if let JobKind::Open(file) = kind {
            match state {
                JobState::Answered(_) => self.close_file(file),
                _ => self.forget_file(file),
            }
        }
        match state {
            JobState::Asked | JobState::Taken => self.cancel_job(id),
            JobState::Ready(job) => {
                self.cancel_job(id);
                self.call_other(|| drop(job));
            }
            JobState::Answered(answer) => self.call_other(|| drop(answer)),
        }
    }

    /// The hub halts: nothing is awaited any more, even by tokens that outlive their fibers.
    pub(super) fn forget_jobs(&self) {
        loop {
            let key = self.jobs.borrow().first_from(0);
            let Some(key) = key else { return };
            self.forget_job(JobId { key, hub: self.tag });
        }
    }

    fn cancel_job(&self, id: JobId) {
        self.push_action(Action::Cancel(id));
        self.need_run();
    }
}

impl Hub {
    /// The answer to an [`Action::Resolve`]: the addresses of the name, in the order in which the
    /// system prefers them (RFC 6724), or why there are none. Their ports do not count. No address
    /// at all is [`ResolveErrorKind::NotFound`]. If nobody waits for it any more, it is dropped.
    ///
    /// ```
    /// use diesel_proto::{Action, Ctx, Hub, Instant};
    ///
    /// let mut hub = Hub::default();
    /// hub.add_loop(async |ctx: Ctx| {
    ///     ctx.connect("example.com:80").await?.write("hello\r\n").await
    /// })?;
    /// let (now, mut actions) = (Instant::ORIGIN, Vec::new());
    /// hub.run(now, &mut actions);
    /// let Some(Action::Resolve(job, name)) = actions.pop() else { panic!("{actions:?}") };
    /// assert_eq!(name.as_str(), "example.com");
    ///
    /// hub.resolved(now, job, Ok(vec!["192.0.2.7:0".parse().unwrap()]));
    /// hub.run(now, &mut actions);
    /// let Some(Action::Connect(_, address)) = actions.pop() else { panic!("{actions:?}") };
    /// assert_eq!(address.to_string(), "192.0.2.7:80");
    /// # Ok::<(), diesel_proto::Limit>(())
    /// ```
    pub fn resolved(
        &mut self,
        now: Instant,
        job: JobId,
        addresses: Result<Vec<SocketAddr>, ResolveErrorKind>,
    ) {
        self.advance(now);
        if !self.refuses_job(job) {
            self.answer(job, JobAnswer::Addresses(addresses));
        }
    }

    /// Takes the closure of an [`Action::Job`] out of the hub, to run it in any thread. `None` if
    /// nobody waits for it any more, or if it was taken before. This is not an input: a hub does the
    /// same whether or not its jobs are taken.
    ///
    /// An embedder without threads may run it at once, or whenever it suits:
    ///
    /// ```
    /// use diesel_proto::{Action, Ctx, Error, Hub, Instant};
    ///
    /// let mut hub = Hub::default();
    /// hub.add_loop(async |ctx: Ctx| {
    ///     assert_eq!(ctx.unblock(|| 6 * 7).await?, 42);
    ///     ctx.halt();
    ///     Ok(())
    /// })?;
    /// let (now, mut actions) = (Instant::ORIGIN, Vec::new());
    /// hub.run(now, &mut actions);
    /// let [Action::Job(id)] = actions[..] else { panic!("{actions:?}") };
    /// let job = hub.take_job(id).expect("it is awaited");
    /// let outcome = std::thread::spawn(|| job.run()).join().expect("panics are caught");
    /// hub.completed(now, id, outcome);
    ///
    /// actions.clear();
    /// hub.run(now, &mut actions);
    /// assert!(actions.contains(&Action::Halt));
    /// # Ok::<(), diesel_proto::Limit>(())
    /// ```
    pub fn take_job(&mut self, job: JobId) -> Option<Job> {
        if self.refuses_job(job) {
            return None;
        }
        let mut jobs = self.core.jobs.borrow_mut();
        let entry = jobs.at(job.into())?;
        if !matches!(entry.state, JobState::Ready(_)) {
            return None;
        }
        match ::core::mem::replace(&mut entry.state, JobState::Taken) {
            JobState::Ready(job) => Some(job),
            _ => None,
        }
    }

    /// The [job](Action::Job) ended: what it returned, or why it did not. If nobody waits for it any
    /// more, the outcome is dropped.
    pub fn completed(&mut self, now: Instant, job: JobId, outcome: JobOutcome) {
        self.advance(now);
        if self.refuses_job(job) {
            return self.core.call_other(|| drop(outcome));
        }
        self.answer(job, JobAnswer::Outcome(outcome));
    }

    /// Returns whether the answer is awaited.
    pub(super) fn answer(&mut self, job: JobId, answer: JobAnswer) -> bool {
        let core = &self.core;
        let mut jobs = core.jobs.borrow_mut();
        let fits = |entry: &&mut JobEntry| match (&answer, entry.kind) {
            _ if matches!(entry.state, JobState::Answered(_)) => false,
            (JobAnswer::Addresses(_), kind) => kind == JobKind::Name,
            (JobAnswer::Outcome(_), kind) => kind == JobKind::Closure,
            (JobAnswer::File(Ok(FileAnswer::Opened { .. })), kind) => {
                matches!(kind, JobKind::Open(_))
            }
            (JobAnswer::File(Ok(_)), kind) => kind == JobKind::File,
            (JobAnswer::File(Err(_)), kind) => matches!(kind, JobKind::File | JobKind::Open(_)),
        };
        let Some(entry) = jobs.at(job.into()).filter(fits) else {
            drop(jobs);
            core.call_other(|| drop(answer));
            return false;
        };
        let is_open =
            matches!(answer, JobAnswer::File(Ok(FileAnswer::Opened { content: None, .. })));
        if let JobKind::Open(file) = entry.kind
            && !is_open
        {
            core.forget_file(file);
        }
        let former = ::core::mem::replace(&mut entry.state, JobState::Answered(answer));
        let waker = entry.waker.take();
        drop(jobs);
        if let JobState::Ready(job) = former {
            core.call_other(|| drop(job));
        }
        if let Some(waker) = waker {
            core.wake(waker);
        }
        true
    }

    /// Whether an id belongs to another hub, which is reported in a notice.
    pub(super) fn refuses_job(&self, job: JobId) -> bool {
        let refuses = job.hub != self.core.tag;
        if refuses && !self.halted {
            self.core.notice(None, Notice::OtherHubJob(job));
        }
        refuses
    }
}
