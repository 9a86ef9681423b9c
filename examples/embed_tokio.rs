//! A hub as one task of tokio, so that handlers can await whatever tokio has. Readiness is a waker
//! that is woken once. Numbers are lines of the contract in `diesel_proto::hub::embed`.

use std::task::{Context, Waker};
use std::time::Duration;

use diesel_examples::embed::{self, CHAT, Clock, Failure, LISTEN, Listeners, SLOW};
use diesel_proto::hub::embed::*;
use diesel_proto::{ConnId, End, Hub, Instant, Notice, ServiceId, http1};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy)]
enum Woken {
    Hub,
    Stop,
    Listener(ServiceId),
    Stream(ConnId),
}

struct Sockets {
    listeners: Listeners<(TcpListener, Waker)>,
    queue: WakeQueue<Woken>,
    scratch: Vec<u8>,
    clock: Clock,
}

impl Transport for Sockets {
    type Stream = (TcpStream, Waker);
    type Incoming = TcpStream;

    fn read(&mut self, (stream, _): &mut Self::Stream) -> ReadOutcome<'_> {
        ReadOutcome::from_io(&mut self.scratch, |bytes| stream.try_read(bytes))
    }

    fn write(&mut self, (stream, _): &mut Self::Stream, slices: &[&[u8]]) -> WriteOutcome {
        WriteOutcome::from_io(slices, |slices| stream.try_write_vectored(slices))
    }

    fn shut_down(&mut self, _: ConnId, (stream, _): &mut Self::Stream) -> Result<(), Lost> {
        embed::half_close(stream) // 11
    }

    // 10: what is ready already does not wake the waker later.
    fn watch(&mut self, _: ConnId, socket: &mut Self::Stream, to: Interest) -> Result<(), Lost> {
        let ((stream, waker), cx) = (&socket, &mut Context::from_waker(&socket.1));
        let readable = to.readable && stream.poll_read_ready(cx).is_ready();
        if (to.writable && stream.poll_write_ready(cx).is_ready()) || readable {
            waker.wake_by_ref();
        }
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, socket: Option<Self::Stream>, end: End) {
        embed::close(socket.map(|(stream, _)| stream), end); // 12
    }

    fn accept(&mut self, _: Instant, service: ServiceId) -> AcceptOutcome<TcpStream> {
        self.listeners.accept(service, |(listener, waker)| {
            embed::or_would_block(listener.poll_accept(&mut Context::from_waker(waker)))
        })
    }

    fn open(&mut self, conn: ConnId, stream: TcpStream) -> Result<Self::Stream, Lost> {
        let _ = stream.set_nodelay(true);
        let mut socket = (stream, self.queue.waker(Woken::Stream(conn)));
        self.watch(conn, &mut socket, Interest::READABLE).map(|()| socket)
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {
        self.listeners.0.iter().for_each(|(_, (_, waker))| waker.wake_by_ref()); // 10
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        embed::log(&notice);
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }
}

async fn run() -> Result<(), Failure> {
    let (queue, clock, scratch) = (WakeQueue::default(), Clock::start(), vec![0; 256 << 10]);
    let (mut hub, [http, chat]) = embed::hub(queue.waker(Woken::Hub))?;
    let slow = hub.add_service(http1::Service::new(async |_: http1::Request| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        "Hello at last!"
    }));
    let sockets = embed::listen("HTTP and a chat in a task of tokio.", [LISTEN, CHAT, SLOW])?;
    let (mut streams, mut listeners) = (Streams::default(), Listeners(Vec::new()));
    for (service, socket) in [http, chat, slow].into_iter().zip(sockets) {
        let waker = queue.waker(Woken::Listener(service));
        listeners.0.push((service, (TcpListener::from_std(socket)?, waker)));
    }
    embed::wake_on_stop(queue.waker(Woken::Stop))?;
    let mut sockets = Sockets { listeners, queue: queue.clone(), scratch, clock };
    let mut now = clock.tell(&mut hub); // 1
    sockets.accepts(now, http, true);
    while streams.end_round(&mut hub, &mut sockets, now) {
        tokio::task::yield_now().await; // Otherwise, tokio may not look for what else is ready.
        let wait = hub.time_to_wake(clock.now()).unwrap_or(Duration::MAX);
        let woken = tokio::time::timeout(wait, queue.woken()).await; // 3
        now = clock.tell(&mut hub); // 6
        for name in woken.unwrap_or_default() {
            match name {
                Woken::Hub => {}
                Woken::Stop => hub.drain(now, now + embed::GRACE), // 5
                Woken::Listener(of) => streams.accept(&mut hub, &mut sockets, now, of),
                Woken::Stream(of) => streams.ready(&mut hub, &mut sockets, now, of, Ready::WOKEN),
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Without tokio's budget: it makes streams that are ready seem to block.
    tokio::task::LocalSet::new().block_on(&runtime, tokio::task::unconstrained(run()))
}
