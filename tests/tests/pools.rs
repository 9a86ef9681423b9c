//! Memory of a hub in which fibers write while a machine is being stepped.
//!
//! A handler of HTTP requests starts within the step of its connection, which borrows the hub's
//! blocks for that time; what the handler writes to another connection uses blocks of a second
//! pool, which are returned to the first. Neither keeps more than its limit, so memory stays
//! bounded.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use diesel_driver::{Action, Address, Conn, ConnId, Ctx, Error, Hub, Instant, http1};

/// Counts the bytes that each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // It fails while a thread ends.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: it only counts; everything else is the system's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::ORIGIN;
/// Rounds, in each of which a handler is polled within a step.
const REQUESTS: usize = 1_000_000;
/// The growth that is allowed: both pools may still fill up with small and large blocks.
const WARM: usize = 2_000;

/// Sends all output.
fn send(hub: &mut Hub, conn: ConnId) -> usize {
    let mut sent = 0;
    while let Some::<usize>(n) =
        hub.outgoing(conn, |slices| slices.iter().map(|slice| slice.len()).sum())
    {
        hub.sent(NOW, conn, n as u64);
        sent += n;
    }
    sent
}

/// A service whose handler writes to another connection before it answers.
fn passing_on() -> (Hub, ConnId, ConnId) {
    let mut hub = Hub::default();
    let other: Rc<RefCell<Option<Conn>>> = Rc::default();
    let kept = Rc::clone(&other);
    hub.add_loop(async move |ctx: Ctx| {
        let conn = ctx.connect(std::net::SocketAddr::from(([192, 0, 2, 1], 7))).await?;
        *kept.borrow_mut() = Some(conn);
        Ok(())
    })
    .unwrap();
    let service = hub.add_service(http1::Service::new(async move |request: http1::Request| {
        let mut conn = other.borrow_mut().take().ok_or("it is written to already")?;
        let written = conn.write((request.method().to_owned(), "\n")).await;
        *other.borrow_mut() = Some(conn);
        written?;
        Ok::<_, Error>(http1::Response::text("passed on"))
    }));
    let mut actions = Vec::new();
    hub.run(NOW, &mut actions);
    let [Action::Connect(to, _)] = actions[..] else { panic!("{actions:?}") };
    hub.connected(NOW, to);
    hub.run(NOW, &mut actions);
    let from = hub.accept(NOW, service, Address::Unnamed).unwrap();
    (hub, from, to)
}

#[test]
fn what_handlers_write_within_a_step_takes_no_more_memory_after_a_million_requests() {
    let (mut hub, from, to) = passing_on();
    let request = b"GET /some/path HTTP/1.1\r\nHost: example.org\r\n\r\n";
    let batch = request.repeat(100);
    let mut actions = Vec::with_capacity(64);
    let mut rounds = |requests: usize| {
        let (mut answered, mut passed_on) = (0, 0);
        for _ in 0..requests / 100 {
            let mut rest = &batch[..];
            while !rest.is_empty() {
                rest = &rest[hub.received(NOW, from, rest)..];
                loop {
                    actions.clear();
                    hub.run(NOW, &mut actions);
                    answered += send(&mut hub, from);
                    passed_on += send(&mut hub, to);
                    if !hub.has_more() {
                        break;
                    }
                }
            }
        }
        (answered, passed_on)
    };
    rounds(WARM);
    let before = HELD.get();
    let (answered, passed_on) = rounds(REQUESTS);
    assert!(answered > 0);
    assert_eq!(passed_on, REQUESTS * "GET\n".len());
    let grown = HELD.get() - before;
    // A fraction of a byte for each.
    assert!(grown < 512 << 10, "{grown} bytes more are held");
}
