//! A hub in an event loop of `calloop`, whose sources call back, level-triggered. Numbers are lines
//! of the contract in `diesel_proto::hub::embed`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::Waker;

use calloop::generic::Generic;
use calloop::{EventLoop, LoopHandle, Mode, PostAction, RegistrationToken};
use diesel_examples::embed::{self, CHAT, Clock, Failure, LISTEN, Listeners};
use diesel_proto::hub::embed::*;
use diesel_proto::{ConnId, End, Hub, Instant, Notice, ServiceId};

type App = (Hub, Streams<Socket>, Sockets);
type Socket = (Rc<TcpStream>, Option<RegistrationToken>);

struct Sockets {
    handle: LoopHandle<'static, App>,
    listeners: Listeners<(Rc<TcpListener>, RegistrationToken)>,
    scratch: Vec<u8>,
    clock: Clock,
}

impl Transport for Sockets {
    type Stream = Socket;
    type Incoming = TcpStream;

    fn read(&mut self, (stream, _): &mut Socket) -> ReadOutcome<'_> {
        ReadOutcome::from_io(&mut self.scratch, |bytes| (&**stream).read(bytes))
    }

    fn write(&mut self, (stream, _): &mut Socket, slices: &[&[u8]]) -> WriteOutcome {
        WriteOutcome::from_io(slices, |slices| (&**stream).write_vectored(slices))
    }

    fn shut_down(&mut self, _: ConnId, (stream, _): &mut Socket) -> Result<(), Lost> {
        embed::half_close(&**stream) // 11
    }

    fn watch(&mut self, conn: ConnId, socket: &mut Socket, to: Interest) -> Result<(), Lost> {
        let (stream, source) = socket;
        source.take().into_iter().for_each(|source| self.handle.remove(source));
        if to == Interest::NONE {
            return Ok(()); // 10: otherwise, a hang-up is reported all the time.
        }
        let to = calloop::Interest { readable: to.readable, writable: to.writable };
        let watched = Generic::new(Rc::clone(stream), to, Mode::Level);
        let added = self.handle.insert_source(watched, move |ready, _, (hub, streams, sockets)| {
            let (calloop::Readiness { readable, writable, .. }, now) = (ready, sockets.now());
            streams.ready(hub, sockets, now, conn, Interest { readable, writable }.into()); // 4
            Ok(PostAction::Continue)
        });
        *source = Some(added.map_err(|_| Lost)?);
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, socket: Option<Socket>, end: End) {
        let Some((stream, source)) = socket else { return };
        source.into_iter().for_each(|source| self.handle.remove(source));
        embed::close(Some(stream), end); // 12
    }

    fn accept(&mut self, _: Instant, service: ServiceId) -> AcceptOutcome<TcpStream> {
        self.listeners.accept(service, |(listener, _)| listener.accept())
    }

    fn open(&mut self, conn: ConnId, stream: TcpStream) -> Result<Socket, Lost> {
        stream.set_nonblocking(true).map_err(|_| Lost)?; // 7
        let _ = stream.set_nodelay(true);
        let mut socket = (Rc::new(stream), None);
        self.watch(conn, &mut socket, Interest::READABLE).map(|()| socket)
    }

    // 10: listening sockets are edge-triggered, and report again what was not accepted.
    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {
        self.listeners.0.iter().for_each(|(_, (_, source))| drop(self.handle.update(source)));
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        embed::log(&notice);
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }
}

fn main() -> Result<(), Failure> {
    let (mut event_loop, clock) = (EventLoop::<App>::try_new()?, Clock::start());
    let handle = event_loop.handle();
    // No handler here awaits other threads: otherwise, a waker that wakes the loop.
    let (hub, services) = embed::hub(Waker::noop().clone())?;
    let sockets = embed::listen("HTTP and a chat in a loop of calloop.", [LISTEN, CHAT])?;
    let mut listeners = Listeners(Vec::new());
    for (service, listener) in services.into_iter().zip(sockets.map(Rc::new)) {
        let source = Generic::new(Rc::clone(&listener), calloop::Interest::READ, Mode::Edge);
        let source = handle.insert_source(source, move |_, _, (hub, streams, sockets)| {
            streams.accept(hub, sockets, sockets.clock.now(), service); // 4
            Ok(PostAction::Continue)
        })?;
        listeners.0.push((service, (listener, source)));
    }
    let stop = Generic::new(embed::stop_signal()?, calloop::Interest::READ, Mode::Level);
    handle.insert_source(stop, move |_, _, (hub, ..)| {
        hub.drain(clock.now(), clock.now() + embed::GRACE); // 5
        Ok(PostAction::Remove)
    })?;
    let sockets = Sockets { handle, listeners, scratch: vec![0; 256 << 10], clock };
    let mut app = (hub, Streams::default(), sockets);
    loop {
        let (hub, streams, sockets) = &mut app;
        let now = clock.tell(hub); // 1, 6
        if !streams.end_round(hub, sockets, now) {
            return Ok(()); // 2
        }
        event_loop.dispatch(hub.time_to_wake(clock.now()), &mut app)?; // 3
    }
}
