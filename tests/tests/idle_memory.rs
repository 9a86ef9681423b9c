//! Idle connections are cheap: an idle endpoint owns no memory, whatever passed through it before,
//! and `held` reports that. Measured in bytes that are allocated and not freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use diesel_proto::hub::embed::{
    ConnectOutcome, Interest, Lost, ReadOutcome, Ready, Streams, Transport, WriteOutcome,
};
use diesel_proto::web::{ServerEvent, event_stream};
use diesel_proto::{
    Actions, Address, Cause, Conn, ConnId, ConnectErrorKind, End, Endpoint, Error, Hub, Input,
    Instant, LineEcho, Machine, Notice, Service, ServiceId, SharedEndpoint, Workspace, http1,
};

/// Counts what each thread allocates, and what of that is not freed.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(allocations: u64, bytes: isize) {
    // It fails while a thread ends.
    let _ = ALLOCATIONS.try_with(|it| it.set(it.get() + allocations));
    let _ = LIVE.try_with(|it| it.set(it.get() + bytes));
}

// SAFETY: it only counts; everything else is the system's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE.get()
}

const NOW: Instant = Instant::ORIGIN;
const BURST: usize = 600_000;

/// The limits of bytes for an idle connection, table entries included: of an echo fiber, and of
/// HTTP, and of a stream of events.
const ECHO: isize = 737;
const HTTP: isize = 464;
const EVENTS: isize = 1024;

/// Echoes its input; takes only a part of it, and the rest when it is woken; makes a notice.
struct Echo;

impl Machine for Echo {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                let taken = bytes.len().div_ceil(2);
                actions.send(&bytes[..taken]);
                actions.notice(Notice::Text("a notice".into()));
                return taken;
            }
            Input::Wake => actions.resume(),
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

fn burst(endpoint: &mut Endpoint<Echo>, bytes: &[u8]) {
    assert_eq!(endpoint.received(NOW, bytes), bytes.len());
    let mut taken = endpoint.take_outgoing(NOW).len();
    while endpoint.held() > 0 {
        assert!(live() >= endpoint.held() as isize, "what is held is somewhere");
        endpoint.wake(NOW);
        taken += endpoint.take_outgoing(NOW).len();
    }
    assert_eq!(taken, bytes.len());
    assert!(endpoint.drain_notices().count() > 0);
}

#[test]
fn an_endpoint_that_is_idle_after_a_burst_owns_nothing() {
    let bytes = vec![b'x'; BURST];
    let lines = b"a line of twenty-four..\n".repeat(BURST / 24);
    let before = live();
    let mut endpoint = Endpoint::new(Echo, NOW);
    for _ in 0..3 {
        burst(&mut endpoint, &bytes);
        assert_eq!((endpoint.held(), live() - before), (0, 0));
    }
    // Nor while the machine itself holds the beginning of a line: that is one block.
    let mut echo = Endpoint::new(LineEcho::default(), NOW);
    assert_eq!(echo.received(NOW, &lines[..50_000]), 50_000);
    assert!(echo.take_outgoing(NOW).len() > 50_000);
    assert!(live() - before <= 4096, "{} bytes for {}", live() - before, echo.held());
    echo.reset(NOW);
    drop(echo);
    assert_eq!(live() - before, 0);
}

#[test]
fn a_thousand_endpoints_that_share_a_workspace_own_nothing_but_themselves() {
    let bytes = vec![b'x'; BURST];
    let mut workspace = Workspace::new();
    let echo = |endpoint: &mut SharedEndpoint<Echo>, workspace: &mut Workspace, n: usize| {
        assert_eq!(endpoint.received(NOW, &bytes[..n], workspace), n);
        let mut taken = endpoint.take_outgoing(NOW, workspace).len();
        while endpoint.held() > 0 {
            endpoint.wake(NOW, workspace);
            taken += endpoint.take_outgoing(NOW, workspace).len();
        }
        assert_eq!((taken, endpoint.held()), (n, 0));
        assert!(workspace.drain_notices().count() > 0);
    };
    let mut first = SharedEndpoint::new(Echo, NOW, &mut workspace);
    echo(&mut first, &mut workspace, BURST);

    let before = live();
    let mut endpoints = Vec::with_capacity(1000);
    endpoints.extend((0..1000).map(|_| SharedEndpoint::new(Echo, NOW, &mut workspace)));
    for endpoint in &mut endpoints {
        echo(endpoint, &mut workspace, BURST / 100);
    }
    echo(&mut endpoints[0], &mut workspace, BURST);
    let each = (live() - before) / 1000;
    assert!(each <= 256, "{each} bytes each");

    // And the memory that they share can be freed.
    workspace.release();
    let themselves = 1000 * size_of::<SharedEndpoint<Echo>>() as isize;
    assert!(live() - before <= themselves, "{} bytes", live() - before);
    echo(&mut endpoints[0], &mut workspace, BURST);
}

#[test]
fn an_exchange_allocates_nothing_in_a_shared_workspace() {
    let mut workspace = Workspace::new();
    let mut endpoint = SharedEndpoint::new(LineEcho::default(), NOW, &mut workspace);
    let mut echo = |workspace: &mut Workspace| {
        assert_eq!(endpoint.received(NOW, b"a line that arrives whole\n", workspace), 26);
        let queued = endpoint.queued();
        assert_eq!(queued, 36);
        endpoint.sent(NOW, queued, workspace);
    };
    echo(&mut workspace);
    let before = ALLOCATIONS.get();
    (0..1000).for_each(|_| echo(&mut workspace));
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn an_endpoint_keeps_notices_until_they_are_read() {
    let mut endpoint = Endpoint::new(Echo, NOW);
    assert_eq!(endpoint.received(NOW, b"x"), 1);
    assert_eq!(endpoint.take_outgoing(NOW), b"x");
    endpoint.wake(NOW);
    assert_eq!(endpoint.drain_notices().count(), 1);
    assert_eq!(endpoint.drain_notices().count(), 0);
}

/// Streams as large as a socket with its registration, each of which delivers the same bytes once.
struct Once(&'static [u8]);

type Stream = [u64; 3];

impl Transport for Once {
    type Stream = Stream;
    type Incoming = Stream;

    fn read(&mut self, stream: &mut Stream) -> ReadOutcome<'_> {
        match std::mem::replace(&mut stream[0], 0) {
            0 => ReadOutcome::Nothing,
            _ => ReadOutcome::Bytes { bytes: self.0, filled: false },
        }
    }

    fn write(&mut self, stream: &mut Stream, slices: &[&[u8]]) -> WriteOutcome {
        let n = slices.concat().len();
        stream[1] += n as u64;
        WriteOutcome::Took(n)
    }

    fn open(&mut self, _: ConnId, stream: Stream) -> Result<Stream, Lost> {
        Ok(stream)
    }

    fn connect(&mut self, _: ConnId, _: Address) -> Result<Stream, ConnectErrorKind> {
        Err(ConnectErrorKind::Unsupported)
    }

    fn connected(&mut self, _: &mut Stream, _: bool) -> ConnectOutcome {
        ConnectOutcome::Done
    }

    fn shut_down(&mut self, _: ConnId, _: &mut Stream) -> Result<(), Lost> {
        Ok(())
    }

    fn watch(&mut self, _: ConnId, _: &mut Stream, _: Interest) -> Result<(), Lost> {
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, _: Option<Stream>, _: End) {}

    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {}

    fn now(&mut self) -> Instant {
        NOW
    }
}

/// The bytes of heap for each connection that is idle after one exchange, in the hub and in the
/// loop around it.
fn of_each_idle_connection(
    service: impl FnOnce(&mut Hub) -> Service,
    request: &'static [u8],
) -> isize {
    // All tables have doubled in between, and are full both times.
    const FEW: usize = 1024;
    let (mut hub, mut transport, mut streams) = (Hub::default(), Once(request), Streams::default());
    let service = service(&mut hub);
    let service = hub.add_service(service);
    let mut exchange = || {
        let incoming = [1, 0, 0];
        let peer = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 7)));
        let conn = streams.accept_one(&mut hub, &mut transport, NOW, service, peer, incoming);
        let conn = conn.unwrap();
        let ready = Ready { readable: true, ..Ready::default() };
        streams.begin_round();
        streams.ready(&mut hub, &mut transport, NOW, conn, ready);
        streams.turn(&mut hub, &mut transport, NOW);
        assert!(streams.stream(conn).unwrap()[1] > 0);
    };
    (0..FEW).for_each(|_| exchange());
    let before = live();
    (0..FEW).for_each(|_| exchange());
    (live() - before) / FEW as isize
}

#[test]
fn an_idle_connection_of_a_fiber_is_small() {
    async fn echo(mut conn: Conn) -> Result<(), Error> {
        loop {
            let line = conn.until_eol().await?;
            conn.write(("you said: ", line)).await?;
        }
    }
    let each =
        of_each_idle_connection(|_| Service::new(echo), b"a line of thirty-two characters\r\n");
    assert!(each <= ECHO, "{each} bytes each");
}

#[test]
fn an_idle_connection_of_http_is_small() {
    let request = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n";
    let hello = |_: http1::Request| http1::Response::text("Hello, World!");
    let each = of_each_idle_connection(|_| http1::Service::new(hello).into(), request);
    assert!(each <= HTTP, "{each} bytes each");
    let hello = async |_: http1::Request| Ok::<_, Error>(http1::Response::text("Hello, World!"));
    let each = of_each_idle_connection(|_| http1::Service::new(hello).into(), request);
    assert!(each <= HTTP, "{each} bytes each");
}

#[test]
fn an_idle_stream_of_events_is_small() {
    let service = |hub: &mut Hub| {
        let news = hub.event::<u64>();
        let stream = move |_: http1::Request| {
            let mut news = news.subscribe();
            event_stream(async move |events| {
                loop {
                    let number = events.wait(news.wait()).await??;
                    events.send(&ServerEvent::new(number.to_string())).await?;
                }
            })
        };
        http1::Service::new(stream).into()
    };
    let each = of_each_idle_connection(service, b"GET /news HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(each <= EVENTS, "{each} bytes each");
}
