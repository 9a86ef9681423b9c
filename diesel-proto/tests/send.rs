//! Which types may be sent to another thread, and which not: checked when this file is compiled.
//!
//! The programs that must not compile are in the documentation: at `Hub` (sent to another thread),
//! `Ctx` (reading in a loop without a connection), `first` (two waits for one connection). Next to
//! each is one that differs only in that point, and compiles.

use std::rc::Rc;

use diesel_proto::fiber::{Connect, Sleep};
use diesel_proto::*;

const fn is_send<T: Send>() {}

/// Does not compile for a type that is `Send`: which of the two implementations is meant?
trait NotSend<Which> {
    fn check() {}
}
impl<T: ?Sized> NotSend<()> for T {}
impl<T: ?Sized + Send> NotSend<u8> for T {}

macro_rules! is_not_send {
    ($($type:ty),+ $(,)?) => { $(let _ = <$type as NotSend<_>>::check;)+ };
}

/// Keeps something that belongs to one thread.
struct Local(#[allow(dead_code)] Rc<()>);

impl Machine for Local {
    fn step(&mut self, _: Instant, _: Input<'_>, _: &mut Actions<'_>) -> usize {
        0
    }
}

#[test]
fn machines_and_parts_may_go_to_another_thread() {
    is_send::<Endpoint<LineEcho>>();
    is_send::<(SharedEndpoint<LineEcho>, Workspace)>();
    is_send::<Endpoint<Box<dyn Machine + Send>>>();
    is_send::<Endpoint<ProxyProtocol<LineEcho, fn(Option<proxy_protocol::Header>) -> LineEcho>>>();
    is_send::<Buffer>();
    is_send::<Pipeline>();
    is_send::<Blocks>();
    is_send::<StreamControl>();
    is_send::<Workspace>();
    is_send::<Timers<u64>>();
    // What a driver may want to pass on.
    is_send::<Action>();
    is_send::<Notice>();
    is_send::<Counters>();
    is_send::<Config>();
    is_send::<ServiceConfig>();
}

#[test]
fn a_hub_and_its_fibers_stay_in_their_thread() {
    is_not_send!(Hub, Service, Conn, Reader, Writer, Ctx, Client);
    is_not_send!(Event<u32>, Subscription<u32>, JoinHandle<u32>, Sleep, Connect);
    is_not_send!(Chunk, Line, Buffer<Rc<Vec<u8>>>);
    is_not_send!(Endpoint<Local>);
}

#[test]
fn an_endpoint_does_go_to_another_thread() {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(LineEcho::default(), now);
    let _ = endpoint.received(now, b"hel");
    let received = std::thread::spawn(move || {
        let _ = endpoint.received(now, b"lo\n");
        endpoint.take_outgoing(now)
    });
    assert_eq!(received.join().unwrap(), b"you said: hello\n");
}
