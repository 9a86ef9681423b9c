//! What hosts of a network learn when they resolve names, and how their jobs run.
//!
//! It must never know what an address leads to.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::Network;
use super::transcript::Happened;
use super::wire::WireEvent;
use crate::hub::{Job, JobOutcome};
use crate::machine::{HostName, JobError, JobId, ResolveErrorKind};

/// What a host learns when it resolves a name.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::ResolveErrorKind;
/// use diesel_proto::testkit::net::{NameAnswer, Network};
///
/// let mut network = Network::new(7);
/// network.name("a.example", ["10.0.0.1".parse()?, "2001:db8::1".parse()?]);
/// network.name("slow.example", NameAnswer::from(["10.0.0.1".parse()?]).after(Duration::from_secs(3)));
/// network.name("broken.example", ResolveErrorKind::ServerFailed);
/// network.name("silent.example", NameAnswer::NEVER);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// The addresses, in the order in which the system prefers them, or why there are none.
    pub addresses: Result<Vec<IpAddr>, ResolveErrorKind>,
    /// How long the answer takes; `None`: there is none.
    pub delay: Option<Duration>,
}

impl NameAnswer {
    /// There is no answer.
    pub const NEVER: NameAnswer =
        NameAnswer { addresses: Err(ResolveErrorKind::TimedOut), delay: None };

    /// The same answer, after this time.
    pub fn after(self, delay: Duration) -> Self {
        NameAnswer { delay: Some(delay), ..self }
    }
}

impl<const N: usize> From<[IpAddr; N]> for NameAnswer {
    fn from(addresses: [IpAddr; N]) -> Self {
        NameAnswer { addresses: Ok(addresses.into()), delay: Some(Duration::ZERO) }
    }
}

impl From<ResolveErrorKind> for NameAnswer {
    fn from(kind: ResolveErrorKind) -> Self {
        NameAnswer { addresses: Err(kind), delay: Some(Duration::ZERO) }
    }
}

/// How the [jobs](crate::fiber::Ctx::unblock) of a network's hosts run. In any case they run in the
/// thread of the test, since the network has no other: a job that blocks, blocks the test.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::testkit::net::{JobPlan, Network};
///
/// let mut network = Network::new(7);
/// network.jobs(JobPlan::After(Duration::from_millis(20)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobPlan {
    /// At once, and no time passes.
    #[default]
    AtOnce,
    /// At the end of this time. One that is cancelled before does not run.
    After(Duration),
    /// Never: as if all threads hung.
    Never,
    /// Jobs fail with this error.
    Fail(JobError),
}

#[derive(Default)]
pub(super) struct Names {
    answers: BTreeMap<String, NameAnswer>,
    jobs: JobPlan,
    /// Jobs that run later, by their hosts.
    waiting: BTreeMap<(usize, JobId), Job>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("answers", &self.answers).finish_non_exhaustive()
    }
}

impl Network {
    /// Sets what every host learns when it resolves `name`. A name of which nothing is known is not
    /// found, at once. What was asked before has the former answer.
    pub fn name(&mut self, name: &str, answer: impl Into<NameAnswer>) {
        self.names.answers.insert(name.to_ascii_lowercase(), answer.into());
    }

    /// Sets how jobs run that begin from now on. [At once](JobPlan::AtOnce) by default.
    pub fn jobs(&mut self, plan: JobPlan) {
        self.names.jobs = plan;
    }

    /// The answer, if it comes at once.
    pub(super) fn resolve(
        &mut self,
        host: usize,
        job: JobId,
        name: &HostName,
    ) -> Option<Result<Vec<SocketAddr>, ResolveErrorKind>> {
        self.transcript.add(self.now, host, None, Happened::Resolves(name));
        let answer = match self.names.answers.get(name.as_str()) {
            Some(answer) => answer.clone(),
            None => ResolveErrorKind::NotFound.into(),
        };
        let addresses =
            answer.addresses.map(|ips| ips.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect());
        if answer.delay? > Duration::ZERO {
            let due = WireEvent::Resolved(host, job, addresses);
            self.due.insert(self.now + answer.delay?, due);
            return None;
        }
        self.tell_resolved(host, &addresses);
        Some(addresses)
    }

    pub(super) fn resolved(
        &mut self,
        host: usize,
        job: JobId,
        addresses: Result<Vec<SocketAddr>, ResolveErrorKind>,
    ) {
        self.tell_resolved(host, &addresses);
        let now = self.now;
        if let Some(app) = self.hosts.get_mut(host).and_then(|at| at.app.as_mut()) {
            app.hub.resolved(now, job, addresses);
            self.make_busy(host);
        }
    }

    fn tell_resolved(
        &mut self,
        host: usize,
        addresses: &Result<Vec<SocketAddr>, ResolveErrorKind>,
    ) {
        let what = match addresses {
            Ok(addresses) => Happened::Resolved(addresses),
            Err(kind) => Happened::NotResolved(*kind),
        };
        self.transcript.add(self.now, host, None, what);
    }

    /// The outcome, if it comes at once.
    pub(super) fn run_job(&mut self, host: usize, id: JobId, job: Job) -> Option<JobOutcome> {
        match self.names.jobs {
            JobPlan::AtOnce => {
                let outcome = job.run();
                self.transcript.add(self.now, host, None, Happened::JobEnded(outcome.end()));
                Some(outcome)
            }
            JobPlan::After(delay) => {
                self.names.waiting.insert((host, id), job);
                self.due.insert(self.now + delay, WireEvent::JobDue(host, id));
                None
            }
            JobPlan::Never => {
                self.names.waiting.insert((host, id), job);
                None
            }
            JobPlan::Fail(error) => {
                self.transcript.add(self.now, host, None, Happened::JobEnded(Err(error)));
                Some(error.into())
            }
        }
    }

    pub(super) fn job_due(&mut self, host: usize, id: JobId) {
        let Some(job) = self.names.waiting.remove(&(host, id)) else { return };
        if self.hosts.get(host).is_none_or(|at| at.halted) {
            return;
        }
        let outcome = job.run();
        let now = self.now;
        self.transcript.add(now, host, None, Happened::JobEnded(outcome.end()));
        if let Some(app) = self.hosts.get_mut(host).and_then(|at| at.app.as_mut()) {
            app.hub.completed(now, id, outcome);
            self.make_busy(host);
        }
    }

    pub(super) fn cancel_job(&mut self, host: usize, id: JobId) {
        self.names.waiting.remove(&(host, id));
    }
}
