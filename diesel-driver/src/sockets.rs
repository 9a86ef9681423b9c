//! The transport of a hub, by the sockets of the system: implements each call of the trait.
//!
//! It must never know the hub, nor in which order calls come: the loop in
//! [`diesel_proto::hub::embed`] decides that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use diesel_proto::hub::embed::{
    AcceptOutcome, ConnectOutcome, Interest, Lost, ReadOutcome, RegionOutcome, Transport,
    WriteOutcome,
};
use diesel_proto::hub::{Job, JobOutcome};
use diesel_proto::machine::{FileAnswer, FileRequest};
use diesel_proto::{
    Address, ConnId, ConnectErrorKind, End, FileErrorKind, FileId, FileRegion, HostName, Hub,
    Instant, JobId, Notice, Refused, ResolveErrorKind, ServiceId,
};
use log::Level;
use polling::Poller;
use socket2::Socket;

use crate::clock::Clock;
use crate::connect;
use crate::files::{Asked, Files};
use crate::journal::Journal;
use crate::key::{Generations, PollKey};
use crate::listen::{ListenOptions, Listener};
use crate::pool::{Answer, Pool, Ticket, Work};
use crate::registered::Registered;
use crate::socket::SocketStream;

/// The size of the buffer of one read. Large bodies cost a third less with this than with 64 KiB;
/// bytes that a machine does not take are kept until it resumes.
const SCRATCH: usize = 256 << 10;

pub(crate) struct Sockets {
    poller: Arc<Poller>,
    clock: Clock,
    pub(crate) journal: Journal,
    listeners: Vec<Listener>,
    generations: Generations,
    pub(crate) pool: Pool,
    pub(crate) files: Files,
    /// Threads for files.
    pub(crate) file_pool: Pool,
    scratch: Box<[u8]>,
    /// An error of a listening socket that ends the application.
    broken: Option<io::Error>,
}

impl Sockets {
    pub(crate) fn new(poller: Arc<Poller>, clock: Clock) -> Self {
        let pool = Pool::new(Arc::clone(&poller));
        let file_pool = Pool::new(Arc::clone(&poller));
        Sockets {
            poller,
            clock,
            journal: Journal::new(clock),
            listeners: Vec::new(),
            generations: Generations::default(),
            pool,
            files: Files::default(),
            file_pool,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            broken: None,
        }
    }

    pub(crate) fn poller(&self) -> &Arc<Poller> {
        &self.poller
    }

    pub(crate) fn listen(
        &mut self,
        service: ServiceId,
        listener: std::net::TcpListener,
        options: ListenOptions,
    ) -> io::Result<()> {
        let key = PollKey::of_listener(self.listeners.len()).ok_or(io::ErrorKind::OutOfMemory)?;
        self.listeners.push(Listener::new(service, listener, options, &self.poller, key)?);
        Ok(())
    }

    pub(crate) fn local_addr(&self, service: ServiceId) -> io::Result<SocketAddr> {
        let listener = self.listeners.iter().find(|listener| listener.service == service);
        listener.ok_or(io::ErrorKind::NotFound)?.local_addr()
    }

    /// The service of a listening socket.
    pub(crate) fn service_of(&self, listener: usize) -> Option<ServiceId> {
        self.listeners.get(listener).map(|listener| listener.service)
    }

    /// When the next pause of a listening socket ends.
    pub(crate) fn resting_until(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(Listener::resting_until).min()
    }

    /// Resumes accepting on the listening sockets whose pause is over.
    pub(crate) fn rested(&mut self, now: Instant) {
        self.each_listener(|listener, journal| listener.rested(now, journal));
    }

    /// What threads have found out since the last call.
    pub(crate) fn take_answers(&mut self) -> impl Iterator<Item = (Ticket, Answer)> + use<> {
        let (answers, of_files) = (self.pool.take_answers(), self.file_pool.take_answers());
        answers.into_iter().chain(of_files)
    }

    /// Returns the error that ends the application, if there was one.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn each_listener(&mut self, mut f: impl FnMut(&mut Listener, &mut Journal) -> io::Result<()>) {
        for listener in &mut self.listeners {
            if let Err(error) = f(listener, &mut self.journal) {
                self.broken.get_or_insert(error);
            }
        }
    }

    fn register(
        &mut self,
        conn: ConnId,
        socket: Socket,
        interest: Interest,
    ) -> io::Result<SocketStream> {
        let key = self.generations.next_key(conn.index()).ok_or(io::ErrorKind::OutOfMemory)?;
        let registered = Registered::new(socket, &self.poller, key, interest);
        let registered = registered.inspect_err(|error| {
            self.journal.own(Level::Warn, "watch", format_args!("cannot watch {conn:?}: {error}"));
        });
        Ok(SocketStream::new(registered?))
    }

    /// If a system call fails on a stream, that connection is lost, and no other.
    fn lost(&mut self, conn: ConnId, result: io::Result<()>) -> Result<(), Lost> {
        result.map_err(|error| {
            self.journal.own(Level::Warn, "lost", format_args!("{conn:?} is lost: {error}"));
            Lost
        })
    }
}

impl Transport for Sockets {
    type Stream = SocketStream;
    type Incoming = Socket;

    #[inline]
    fn read(&mut self, stream: &mut SocketStream) -> ReadOutcome<'_> {
        stream.receive(&mut self.scratch)
    }

    #[inline]
    fn write(&mut self, stream: &mut SocketStream, slices: &[&[u8]]) -> WriteOutcome {
        stream.send(slices)
    }

    #[inline]
    fn write_before_region(&mut self, stream: &mut SocketStream, slices: &[&[u8]]) -> WriteOutcome {
        stream.send_more(slices)
    }

    fn write_region(
        &mut self,
        conn: ConnId,
        stream: &mut SocketStream,
        region: FileRegion,
    ) -> RegionOutcome {
        let outcome = match self.files.send_region(conn, stream, region, &mut self.scratch) {
            Ok(outcome) => outcome,
            Err(unread) => match self.file_pool.begin(Ticket::Region(conn), Work::Load(unread)) {
                Err(Answer::Loaded(Err(why))) => RegionOutcome::Failed(why),
                _ => RegionOutcome::Pending,
            },
        };
        if let RegionOutcome::Failed(why) = outcome {
            let FileRegion { offset, len, .. } = region;
            self.journal.own(
                Level::Warn,
                "region",
                format_args!(
                    "{conn:?} is cut, {len} bytes at {offset} of a file are missing: {why}"
                ),
            );
        }
        outcome
    }

    fn file(
        &mut self,
        job: JobId,
        request: FileRequest,
    ) -> Poll<Result<FileAnswer, FileErrorKind>> {
        let work = match self.files.ask(request, &mut self.scratch) {
            Asked::Now(answer) => return Poll::Ready(answer),
            Asked::Later(work) => work,
        };
        match self.file_pool.begin(Ticket::Job(job), Work::File(work)) {
            Err(Answer::File(_, Err(why))) => Poll::Ready(Err(why)),
            _ => Poll::Pending,
        }
    }

    fn close_file(&mut self, file: FileId) {
        self.files.close(file);
    }

    fn shut_down(&mut self, conn: ConnId, stream: &mut SocketStream) -> Result<(), Lost> {
        self.lost(conn, stream.half_close())
    }

    fn watch(
        &mut self,
        conn: ConnId,
        stream: &mut SocketStream,
        interest: Interest,
    ) -> Result<(), Lost> {
        self.lost(conn, stream.watch(interest))
    }

    fn close(&mut self, now: Instant, conn: ConnId, stream: Option<SocketStream>, end: End) {
        if self.files.forget_region(conn) {
            self.file_pool.cancel(Ticket::Region(conn));
        }
        let Some(stream) = stream else { return };
        if end.is_abort() {
            stream.reset_on_close();
        }
        drop(stream);
        // A descriptor is free again: listening sockets that paused can accept.
        self.each_listener(|listener, journal| listener.go_on(now, journal));
    }

    fn accept(&mut self, now: Instant, service: ServiceId) -> AcceptOutcome<Socket> {
        let mut listeners = self.listeners.iter_mut();
        let Some(listener) = listeners.find(|listener| listener.service == service) else {
            return AcceptOutcome::Nothing;
        };
        listener.accept(now, &mut self.journal).unwrap_or_else(|error| {
            self.broken.get_or_insert(error);
            AcceptOutcome::Nothing
        })
    }

    /// If the socket cannot be watched, the connection is lost.
    fn open(&mut self, conn: ConnId, socket: Socket) -> Result<SocketStream, Lost> {
        self.register(conn, socket, Interest::READABLE).map_err(|_| Lost)
    }

    fn refuse(&mut self, _: ServiceId, peer: Address, _: Socket, why: Refused) {
        self.journal.own(Level::Debug, "refused", format_args!("{peer} refused: {why}"));
    }

    fn connect(
        &mut self,
        conn: ConnId,
        address: Address,
    ) -> Result<SocketStream, ConnectErrorKind> {
        let Address::Socket(address) = address else { return Err(ConnectErrorKind::Unsupported) };
        let socket = connect::begin(address)?;
        let stream = self.register(conn, socket, Interest::WRITABLE);
        stream.map_err(|error| connect::kind_of(&error))
    }

    fn connected(&mut self, stream: &mut SocketStream, hung_up: bool) -> ConnectOutcome {
        match connect::outcome(stream.socket()) {
            ConnectOutcome::Done => match stream.watch(Interest::READABLE) {
                Ok(()) => ConnectOutcome::Done,
                Err(error) => ConnectOutcome::Failed(connect::kind_of(&error)),
            },
            ConnectOutcome::UnderWay if hung_up => {
                ConnectOutcome::Failed(ConnectErrorKind::Other(libc::ENOTCONN))
            }
            outcome => outcome,
        }
    }

    fn resolve(
        &mut self,
        job: JobId,
        name: &HostName,
    ) -> Poll<Result<Vec<SocketAddr>, ResolveErrorKind>> {
        match self.pool.begin(Ticket::Job(job), Work::Resolve(name.clone())) {
            Err(Answer::Addresses(answer)) => Poll::Ready(answer),
            _ => Poll::Pending,
        }
    }

    fn run_job(&mut self, id: JobId, job: Job) -> Poll<JobOutcome> {
        match self.pool.begin(Ticket::Job(id), Work::Job(job)) {
            Err(Answer::Outcome(outcome)) => Poll::Ready(outcome),
            _ => Poll::Pending,
        }
    }

    fn cancel(&mut self, job: JobId) {
        self.pool.cancel(Ticket::Job(job));
        self.file_pool.cancel(Ticket::Job(job));
    }

    fn unacked(&mut self, stream: &mut SocketStream) -> Option<u64> {
        stream.unacked().ok()
    }

    fn accepts(&mut self, now: Instant, service: ServiceId, accepts: bool) {
        self.each_listener(|listener, journal| match listener.service == service {
            true => listener.stop(now, !accepts, journal),
            false => Ok(()),
        });
    }

    fn ran(&mut self) {
        self.journal.hub_ran();
    }

    fn notice(&mut self, hub: &Hub, service: Option<ServiceId>, notice: Notice) {
        self.journal.tell(hub, service, notice);
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }
}
