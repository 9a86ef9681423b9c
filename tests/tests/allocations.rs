//! The steady state allocates nothing: a line that arrives whole is echoed without touching the
//! heap, in the hub and in the whole driver.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

use diesel_driver::{
    Action, Address, Application, Blocks, Conn, ConnId, Ctx, Error, Hub, Instant, LineEcho,
    Pipeline, Service, http1,
};

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // It fails while a thread ends.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: it only counts; everything else is the system's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.get()
}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

/// Echoes `lines` as an embedder would that owns all its memory.
fn echo_once(hub: &mut Hub, conn: ConnId, lines: &[u8], actions: &mut Vec<Action>) -> usize {
    let now = Instant::ORIGIN;
    assert_eq!(hub.received(now, conn, lines), lines.len());
    actions.clear();
    hub.run(now, actions);
    assert_eq!(*actions, [Action::Send(conn)]);
    let mut sent = 0;
    while let Some::<usize>(n) =
        hub.outgoing(conn, |slices| slices.iter().map(|slice| slice.len()).sum())
    {
        hub.sent(now, conn, n as u64);
        sent += n;
    }
    sent
}

fn steady_state_of(service: Service) {
    let mut hub = Hub::default();
    let service = hub.add_service(service);
    let conn = hub.accept(Instant::ORIGIN, service, Address::Unnamed).unwrap();
    let mut actions = Vec::with_capacity(8);
    let line = b"a line that arrives whole\r\n";
    let lines = line.repeat(16);
    for _ in 0..10 {
        echo_once(&mut hub, conn, line, &mut actions);
        echo_once(&mut hub, conn, &lines, &mut actions);
    }
    let before = allocations();
    for _ in 0..1000 {
        assert_eq!(echo_once(&mut hub, conn, line, &mut actions), 10 + line.len());
        assert_eq!(echo_once(&mut hub, conn, &lines, &mut actions), 16 * (10 + line.len()));
    }
    assert_eq!(allocations() - before, 0);
}

#[test]
fn a_fiber_echoes_without_allocating() {
    steady_state_of(Service::new(echo));
}

#[test]
fn a_machine_echoes_without_allocating() {
    steady_state_of(Service::machine(|_| LineEcho::default()));
}

/// The number of allocations for each request, after a few requests: alone, sixteen at once, and
/// with a body. It includes sending the answers.
fn requests_of(service: http1::Service) -> u64 {
    let mut hub = Hub::default();
    let service = hub.add_service(service);
    hub.time_of_day(Instant::ORIGIN, 784_111_777);
    let conn = hub.accept(Instant::ORIGIN, service, Address::Unnamed).unwrap();
    let mut actions = Vec::with_capacity(8);
    let get = "GET /path?query HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n".to_owned();
    let post = "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello".to_owned();
    let rounds = [get.clone(), get.repeat(16), post];
    let mut round = |hub: &mut Hub| {
        for bytes in &rounds {
            assert!(echo_once(hub, conn, bytes.as_bytes(), &mut actions) > 0);
        }
    };
    for _ in 0..20 {
        round(&mut hub);
    }
    let before = allocations();
    for _ in 0..1000 {
        round(&mut hub);
    }
    let all = allocations() - before;
    assert_eq!(hub.counters().fibers, 0);
    all.div_ceil(18_000)
}

#[test]
fn a_plain_handler_answers_without_allocating() {
    let hello = |_: http1::Request| http1::Response::text("Hello, World!");
    assert_eq!(requests_of(http1::Service::new(hello)), 0);
}

#[test]
fn an_async_handler_allocates_nothing_either() {
    async fn hello(mut request: http1::Request) -> Result<http1::Response, Error> {
        request.body().read(100).await?;
        Ok(http1::Response::text("Hello, World!"))
    }
    assert_eq!(requests_of(http1::Service::new(hello)), 0);
}

/// The core of the client: requests with and without content, and responses with a body.
#[test]
fn a_client_connection_asks_without_allocating() {
    use http1::{Headers, MessageOutput, RequestLine, RequestOptions, ResponsePart};
    let mut connection = http1::SharedClientConnection::new(Default::default());
    let (mut blocks, mut spans) = (Blocks::new(), http1::FieldSpans::new());
    let mut pipeline = Pipeline::new();
    let mut headers = Headers::new();
    headers.add("Accept", "*/*").unwrap();
    let line = RequestLine::new("PUT", "/path?query", "example.org").unwrap();
    let options = RequestOptions::default();
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    let mut round = || {
        for response in responses {
            let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
            connection.request_whole(&line, &headers, b"content", &options, out).unwrap();
            pipeline.advance(u64::MAX, &mut blocks);
            let (mut rest, mut content) = (response.as_bytes(), 0);
            while let (taken, Some(part)) =
                connection.receive(rest, &mut spans, &mut blocks).unwrap()
            {
                rest = &rest[taken..];
                if let ResponsePart::Data(data) = part {
                    content += data.len();
                }
            }
            assert_eq!(content, 5);
            assert!(connection.is_idle());
        }
    };
    round();
    let before = allocations();
    (0..1000).for_each(|_| round());
    assert_eq!(allocations() - before, 0);
}

/// The number of allocations for each request of an `http1::Client` on a connection that is kept, as
/// counted by the fiber that asks.
fn requests_of_a_client(ask: impl AsyncFn(&http1::Client) + 'static) -> u64 {
    const WARM: u64 = 50;
    const COUNTED: u64 = 1000;
    let counted = Rc::new(Cell::new(None));
    let told = Rc::clone(&counted);
    let mut hub = Hub::default();
    let body = async move |ctx: Ctx| {
        let client = http1::Client::new(&ctx);
        let mut before = 0;
        for n in 0..WARM + COUNTED {
            if n == WARM {
                before = allocations();
            }
            ask(&client).await;
        }
        told.set(Some(allocations() - before));
        Ok::<(), Error>(())
    };
    hub.add_loop(body).unwrap();
    let now = Instant::ORIGIN;
    let (mut actions, mut server) = (Vec::with_capacity(8), None);
    while counted.get().is_none() {
        actions.clear();
        hub.run(now, &mut actions);
        for action in &actions {
            match *action {
                Action::Connect(conn, _) => {
                    assert!(server.replace(conn).is_none(), "another connection");
                    hub.connected(now, conn);
                }
                Action::Send(conn) => {
                    let n = hub.outgoing(conn, |slices| slices.iter().map(|it| it.len()).sum());
                    let n: usize = n.unwrap_or(0);
                    hub.sent(now, conn, n as u64);
                    let response =
                        b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: 5\r\n\r\nhello";
                    assert_eq!(hub.received(now, conn, response), response.len());
                }
                _ => {}
            }
        }
    }
    counted.get().unwrap_or(u64::MAX).div_ceil(COUNTED)
}

#[test]
fn a_client_allocates_at_most_four_times_for_a_request() {
    let get = requests_of_a_client(async |client| {
        let mut response = client.get("http://192.0.2.1/path?query").await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), "hello");
    });
    let post = requests_of_a_client(async |client| {
        let request = client.post("http://192.0.2.1/path?query").header("X-Name", "value");
        let mut response = request.body("content").send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), "hello");
    });
    println!("{get} for a GET, {post} for a POST");
    assert!(get <= 4 && post <= 4, "{get} for a GET, {post} for a POST");
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocations() - before, 1);
}

/// Over real sockets: the handler reads the counter of its thread, which also runs the driver.
#[test]
fn the_driver_echoes_without_allocating() {
    let mut app = Application::new();
    app.handle_signals(false);
    let count = async |mut conn: Conn| {
        loop {
            let line = conn.until_eol().await?;
            if line.trimmed() == "count" {
                conn.write(format!("{}\n", allocations())).await?;
            } else {
                conn.write(line).await?;
            }
        }
    };
    let service = app.add_service(count, "127.0.0.1:0").unwrap();
    let address = app.local_addr(service).unwrap();
    let halt = app.halt_handle();
    let peer = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let mut ask = |line: &[u8]| {
            socket.write_all(line).unwrap();
            // An answer is small, and written at once: it comes whole.
            let mut answer = [0; 64];
            let n = socket.read(&mut answer).unwrap();
            String::from_utf8(answer[..n].to_vec()).unwrap()
        };
        for _ in 0..100 {
            ask(b"warm\n");
        }
        // Asking allocates the answer: the same for both.
        ask(b"count\n");
        let count = |ask: &mut dyn FnMut(&[u8]) -> String| -> u64 {
            ask(b"count\n").trim().parse().unwrap()
        };
        let first = count(&mut ask);
        let before = count(&mut ask);
        let asking = before - first;
        for _ in 0..1000 {
            ask(b"line\n");
        }
        let after = count(&mut ask);
        halt.halt();
        (before, asking, after)
    });
    app.run().unwrap();
    let (before, asking, after) = peer.join().unwrap();
    assert_eq!(after - before, asking);
}
