//! Look-ups and jobs in an embedder's loop: a transport that knows neither, one that answers at once,
//! and one that answers later.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use diesel_proto::hub::embed::*;
use diesel_proto::hub::{Job, JobOutcome};
use diesel_proto::machine::{FileAnswer, FileInfo, FileRequest, FileTime};
use diesel_proto::*;

const NOW: Instant = Instant::ORIGIN;

/// A transport without streams. `None`: what the trait does by default.
#[derive(Default)]
struct Asked {
    answers: Option<Poll<Result<Vec<SocketAddr>, ResolveErrorKind>>>,
    /// Look-ups and jobs that are to be answered later.
    later: Vec<(JobId, Option<Job>)>,
    cancelled: Vec<JobId>,
    closed: Vec<FileId>,
}

impl Transport for Asked {
    type Stream = ();
    type Incoming = ();

    fn read(&mut self, (): &mut ()) -> ReadOutcome<'_> {
        ReadOutcome::Nothing
    }

    fn write(&mut self, (): &mut (), _: &[&[u8]]) -> WriteOutcome {
        WriteOutcome::Took(0)
    }

    fn shut_down(&mut self, _: ConnId, (): &mut ()) -> Result<(), Lost> {
        Ok(())
    }

    fn watch(&mut self, _: ConnId, (): &mut (), _: Interest) -> Result<(), Lost> {
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, _: Option<()>, _: End) {}

    fn open(&mut self, _: ConnId, (): ()) -> Result<(), Lost> {
        Ok(())
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {}

    fn now(&mut self) -> Instant {
        NOW
    }

    fn resolve(
        &mut self,
        job: JobId,
        name: &HostName,
    ) -> Poll<Result<Vec<SocketAddr>, ResolveErrorKind>> {
        assert_eq!(name.as_str(), "example.com");
        self.later.push((job, None));
        self.answers.clone().expect("it is not asked for")
    }

    fn run_job(&mut self, id: JobId, job: Job) -> Poll<JobOutcome> {
        match self.answers {
            Some(Poll::Ready(_)) => Poll::Ready(job.run()),
            _ => {
                self.later.push((id, Some(job)));
                Poll::Pending
            }
        }
    }

    /// Opens every file at once.
    fn file(&mut self, _: JobId, _: FileRequest) -> Poll<Result<FileAnswer, FileErrorKind>> {
        let info = FileInfo { len: 1, modified: FileTime::default(), number: 1 };
        Poll::Ready(Ok(FileAnswer::Opened { info, content: None }))
    }

    fn close_file(&mut self, file: FileId) {
        self.closed.push(file);
    }

    fn cancel(&mut self, job: JobId) {
        self.cancelled.push(job);
    }
}

/// The same, without what it knows of names and jobs.
struct Plain(Asked);

impl Transport for Plain {
    type Stream = ();
    type Incoming = ();

    fn read(&mut self, stream: &mut ()) -> ReadOutcome<'_> {
        self.0.read(stream)
    }

    fn write(&mut self, stream: &mut (), slices: &[&[u8]]) -> WriteOutcome {
        self.0.write(stream, slices)
    }

    fn shut_down(&mut self, conn: ConnId, stream: &mut ()) -> Result<(), Lost> {
        self.0.shut_down(conn, stream)
    }

    fn watch(&mut self, conn: ConnId, stream: &mut (), to: Interest) -> Result<(), Lost> {
        self.0.watch(conn, stream, to)
    }

    fn close(&mut self, now: Instant, conn: ConnId, stream: Option<()>, end: End) {
        self.0.close(now, conn, stream, end);
    }

    fn open(&mut self, conn: ConnId, incoming: ()) -> Result<(), Lost> {
        self.0.open(conn, incoming)
    }

    fn accepts(&mut self, now: Instant, service: ServiceId, accepts: bool) {
        self.0.accepts(now, service, accepts);
    }

    fn now(&mut self) -> Instant {
        NOW
    }
}

type Seen = Rc<RefCell<Vec<String>>>;

/// A hub that runs a job and connects to a name.
fn hub() -> (Hub, Seen) {
    let (mut hub, seen) = (Hub::default(), Seen::default());
    for connects in [false, true] {
        let noted = Rc::clone(&seen);
        let body = async move |ctx: Ctx| {
            let outcome = match connects {
                false => ctx.unblock(|| 42).await.map(|it| it.to_string()),
                true => ctx.connect("example.com:80").await.map(|it| it.peer().to_string()),
            };
            noted.borrow_mut().push(outcome.unwrap_or_else(|error| error.to_string()));
            core::future::pending().await
        };
        hub.add_loop(body).unwrap();
    }
    (hub, seen)
}

#[test]
fn a_transport_that_knows_neither_says_so_at_once() {
    let (mut hub, seen) = hub();
    let (mut streams, mut transport) = (Streams::default(), Plain(Asked::default()));
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert_eq!(
        *seen.borrow(),
        ["jobs are not supported here", "cannot resolve example.com: names are not supported here"]
    );
}

#[test]
fn answers_that_come_at_once_are_used_in_the_same_turn() {
    let (mut hub, seen) = hub();
    let addresses = Ok(vec!["192.0.2.1:0".parse().unwrap()]);
    let answers = Some(Poll::Ready(addresses));
    let (mut streams, mut transport) = (Streams::default(), Asked { answers, ..Asked::default() });
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    // It cannot connect, but it knows to what.
    let refused = "cannot connect to example.com: 192.0.2.1:80: this kind of address is not \
                   supported";
    assert_eq!(*seen.borrow(), ["42", refused]);
    assert_eq!(hub.next_wake(), None);
}

#[test]
fn answers_that_come_later_are_used_in_the_next_round() {
    let (mut hub, seen) = hub();
    let (mut streams, mut transport) =
        (Streams::default(), Asked { answers: Some(Poll::Pending), ..Asked::default() });
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert!(seen.borrow().is_empty() && hub.next_wake().is_some());
    for (id, job) in transport.later.drain(..) {
        match job {
            Some(job) => hub.completed(NOW, id, job.run()),
            None => hub.resolved(NOW, id, Err(ResolveErrorKind::Temporary)),
        }
    }
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert_eq!(
        *seen.borrow(),
        ["42", "cannot resolve example.com: no name server answers at the moment"]
    );
    assert!(transport.cancelled.is_empty());
}

#[test]
fn what_is_not_awaited_any_more_is_cancelled() {
    let (mut hub, _) = hub();
    let (mut streams, mut transport) =
        (Streams::default(), Asked { answers: Some(Poll::Pending), ..Asked::default() });
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    hub.drain(NOW, NOW + Duration::from_secs(1));
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    let asked: Vec<_> = transport.later.iter().map(|(id, _)| *id).collect();
    assert_eq!(transport.cancelled, asked);
    assert_eq!(asked.len(), 2);
}

/// A hub that opens a file, or gives that up in the same poll.
fn opening(gives_up: bool) -> (Hub, Seen) {
    let (mut hub, seen) = (Hub::default(), Seen::default());
    let (directory, noted) = (hub.add_directory(), Rc::clone(&seen));
    hub.add_loop(async move |ctx: Ctx| {
        let open = ctx.open(directory, "a");
        let told = match gives_up {
            true => format!("{:?}", matches!(first((open, async {})).await, First2::B(()))),
            false => format!("{:?}", open.await.map(|file| file.len())),
        };
        noted.borrow_mut().push(told);
        core::future::pending().await
    })
    .unwrap();
    (hub, seen)
}

#[test]
fn files_are_not_supported_by_default_and_can_be_opened_at_once() {
    let (mut hub, seen) = opening(false);
    let (mut streams, mut transport) = (Streams::default(), Plain(Asked::default()));
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert_eq!(*seen.borrow(), ["Err(File(Unsupported))"]);

    let (mut hub, seen) = opening(false);
    let (mut streams, mut transport) = (Streams::default(), Asked::default());
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert_eq!(*seen.borrow(), ["Ok(1)"]);
    assert_eq!(transport.closed.len(), 1);
}

#[test]
fn a_file_that_is_opened_and_not_awaited_is_closed() {
    let (mut hub, seen) = opening(true);
    let (mut streams, mut transport) = (Streams::default(), Asked::default());
    assert!(streams.end_round(&mut hub, &mut transport, NOW));
    assert_eq!(*seen.borrow(), ["true"]);
    assert_eq!((transport.closed.len(), transport.cancelled.len()), (1, 1));
}
