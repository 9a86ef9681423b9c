//! A hub in an event loop of `mio`, whose poller is edge-triggered: it reports a stream when that
//! becomes ready, and not again. Numbers are lines of the contract in `diesel_proto::hub::embed`.

use std::io::{Read, Write};
use std::task::Waker;

use diesel_examples::embed::{self, CHAT, Clock, Failure, LISTEN, Listeners};
use diesel_proto::hub::embed::*;
use diesel_proto::{ConnId, End, Hub, Instant, Notice, ServiceId};
use mio::net::{TcpListener, TcpStream, UnixStream};
use mio::{Events, Poll, Registry, Token};

const STOP: Token = Token(usize::MAX);
/// Listening sockets have tokens from here on; streams have the indices of their ids.
const LISTENERS: usize = usize::MAX - 100;
const BOTH: mio::Interest = mio::Interest::READABLE.add(mio::Interest::WRITABLE);

struct Sockets {
    registry: Registry,
    listeners: Listeners<TcpListener>,
    scratch: Vec<u8>,
    clock: Clock,
}

impl Transport for Sockets {
    type Stream = TcpStream;
    type Incoming = TcpStream;

    fn read(&mut self, stream: &mut TcpStream) -> ReadOutcome<'_> {
        ReadOutcome::from_io(&mut self.scratch, |bytes| stream.read(bytes))
    }

    fn write(&mut self, stream: &mut TcpStream, slices: &[&[u8]]) -> WriteOutcome {
        WriteOutcome::from_io(slices, |slices| stream.write_vectored(slices))
    }

    fn shut_down(&mut self, _: ConnId, stream: &mut TcpStream) -> Result<(), Lost> {
        embed::half_close(stream) // 11
    }

    // 10: registered for both all the time; registering again makes the poller look again.
    fn watch(&mut self, conn: ConnId, stream: &mut TcpStream, _: Interest) -> Result<(), Lost> {
        self.registry.reregister(stream, Token(conn.index()), BOTH).map_err(|_| Lost)
    }

    fn close(&mut self, _: Instant, _: ConnId, stream: Option<TcpStream>, end: End) {
        embed::close(stream, end); // 12
    }

    fn accept(&mut self, _: Instant, service: ServiceId) -> AcceptOutcome<TcpStream> {
        self.listeners.accept(service, TcpListener::accept)
    }

    fn open(&mut self, conn: ConnId, mut stream: TcpStream) -> Result<TcpStream, Lost> {
        let _ = stream.set_nodelay(true);
        let registered = self.registry.register(&mut stream, Token(conn.index()), BOTH);
        registered.map(|()| stream).map_err(|_| Lost)
    }

    // 10: connections may wait that were reported while the hub did not accept.
    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {
        for (at, (_, listener)) in self.listeners.0.iter_mut().enumerate() {
            let _ = self.registry.reregister(listener, Token(LISTENERS + at), BOTH);
        }
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        embed::log(&notice);
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }
}

fn main() -> Result<(), Failure> {
    // No handler here awaits other threads: otherwise, a waker that wakes the poller.
    let (mut hub, services) = embed::hub(Waker::noop().clone())?;
    let sockets = embed::listen("HTTP and a chat in a loop of mio.", [LISTEN, CHAT])?;
    let mut poll = Poll::new()?;
    let mut stop = UnixStream::from_std(embed::stop_signal()?);
    poll.registry().register(&mut stop, STOP, mio::Interest::READABLE)?;
    let mut listeners = Listeners(Vec::new());
    for (at, (service, socket)) in services.into_iter().zip(sockets).enumerate() {
        let mut listener = TcpListener::from_std(socket);
        poll.registry().register(&mut listener, Token(LISTENERS + at), BOTH)?;
        listeners.0.push((service, listener));
    }
    let (registry, clock) = (poll.registry().try_clone()?, Clock::start());
    let mut sockets = Sockets { registry, listeners, scratch: vec![0; 256 << 10], clock };
    let (mut streams, mut events) = (Streams::default(), Events::with_capacity(1024));
    let mut now = clock.tell(&mut hub); // 1
    while streams.end_round(&mut hub, &mut sockets, now) {
        embed::uninterrupted(poll.poll(&mut events, hub.time_to_wake(clock.now())))?; // 3
        now = clock.tell(&mut hub); // 6
        for event in &events {
            match event.token() {
                STOP => hub.drain(now, now + embed::GRACE), // 5
                Token(at) if at >= LISTENERS => {
                    streams.accept(&mut hub, &mut sockets, now, services[at - LISTENERS]);
                }
                Token(at) => {
                    let Some((conn, _)) = streams.at(at) else { continue };
                    let ends = event.is_read_closed() || event.is_error();
                    let (readable, writable) = (event.is_readable() || ends, event.is_writable());
                    let ready = Ready { readable, writable, ends, ..Ready::default() };
                    streams.ready(&mut hub, &mut sockets, now, conn, ready); // 4
                }
            }
        }
    }
    Ok(())
}
