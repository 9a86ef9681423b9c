//! HTTP by endpoints over io_uring, whose calls complete later: until then the kernel uses their
//! memory. Numbers are lines of the contract of `diesel_proto::Endpoint`.

use std::collections::HashMap;
use std::io;
use std::mem::{ManuallyDrop, replace};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

use diesel_examples::embed::{self, Clock, Failure, LISTEN};
use diesel_examples::handlers::hello;
use diesel_proto::http1::{Service, Standalone};
use diesel_proto::machine::CompletionIo;
use diesel_proto::{Address, Instant, Machine};
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue::Entry};

const TICK: Duration = Duration::from_millis(250);
/// What a completion is about: one of these, or a receive of a connection, or a send of one.
const STOP: u64 = 0;
const ACCEPT: u64 = 1;
const SEND: u64 = 1 << 63;

type Connection = (TcpStream, CompletionIo<Box<dyn Machine>>);

fn push(ring: &mut IoUring, entry: Entry) {
    // SAFETY: entries name memory of a `CompletionIo`, which leaves it where it is while the call is
    // in flight; until then, its connection stays in the table, and that is never dropped.
    while unsafe { ring.submission().push(&entry) }.is_err() {
        let _ = ring.submit();
    }
}

/// Begins all that can be begun. Returns whether the connection goes on.
fn proceed(id: u64, (socket, io): &mut Connection, ring: &mut IoUring, now: Instant) -> bool {
    let fd = Fd(socket.as_raw_fd());
    io.endpoint().drain_notices().for_each(|notice| embed::log(&notice)); // 9
    if let Some(end) = io.end() {
        let _ = io.is_in_flight().then(|| socket.shutdown(Shutdown::Both)); // It completes.
        let _ = (!io.is_in_flight()).then(|| embed::close(Some(&*socket), end)); // 8
        return io.is_in_flight();
    }
    if let Some(into) = io.begin_receive(now) {
        let receive = opcode::Recv::new(fd, into.as_mut_ptr(), into.len() as u32);
        push(ring, receive.build().user_data(id)); // 2
    }
    if let Some(bytes) = io.begin_send(now) {
        let send = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32);
        push(ring, send.flags(libc::MSG_NOSIGNAL).build().user_data(id | SEND)); // 5
    } else if io.must_shut_down() {
        let _ = socket.shutdown(Shutdown::Write); // 7
    }
    true
}

fn main() -> Result<(), Failure> {
    let Ok(mut ring) = IoUring::new(1024) else {
        println!("this kernel refuses io_uring");
        return Ok(());
    };
    let ([listener], clock) = (embed::listen("HTTP over io_uring.", [LISTEN])?, Clock::start());
    listener.set_nonblocking(false)?;
    let Some(http) = Standalone::new(Service::new(hello)) else { return Ok(()) };
    let stop = embed::stop_signal()?;
    let poll = opcode::PollAdd::new(Fd(stop.as_raw_fd()), libc::POLLIN as u32);
    push(&mut ring, poll.build().user_data(STOP));
    let mut connections = ManuallyDrop::new(HashMap::<u64, Connection>::new());
    let (mut last, mut accepts, mut ticked, mut stopping) = (ACCEPT, false, Instant::ORIGIN, None);
    while stopping.is_none_or(|at| !connections.is_empty() && clock.now() < at + embed::GRACE) {
        let args = Timespec::from(TICK);
        let _ = ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&args));
        let (now, mut ready) = (clock.now(), Vec::new());
        http.time_of_day(clock.unix_seconds());
        let completed: Vec<_> = ring.completion().collect();
        for entry in completed {
            let (id, result) = (entry.user_data(), entry.result());
            accepts &= id != ACCEPT || cqueue::more(entry.flags());
            let done = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            match (id, connections.get_mut(&(id & !SEND))) {
                (STOP, _) => {
                    stopping = Some(now);
                    connections.values_mut().for_each(|(_, io)| io.endpoint().shutdown(now));
                    ready.extend(connections.keys().copied());
                }
                (ACCEPT, _) if result >= 0 => {
                    // SAFETY: the kernel has just made this descriptor; nothing else owns it.
                    let socket = unsafe { TcpStream::from_raw_fd(result) };
                    let peer = socket.peer_addr().map_or(Address::Unnamed, Address::from);
                    let machine: Box<dyn Machine> = Box::new(http.machine(peer));
                    last += 1; // 1
                    connections.insert(last, (socket, CompletionIo::new(machine, now, 16 << 10)));
                    ready.push(last);
                }
                (_, Some((_, io))) if id & SEND == 0 => io.received(now, done), // 2, 3
                (_, Some((_, io))) => io.sent(now, done),                       // 5
                _ => {}
            }
            ready.push(id & !SEND);
        }
        if now - ticked >= TICK {
            ticked = now;
            connections.values_mut().for_each(|(_, io)| io.expired(now)); // 4
            ready.extend(connections.keys().copied());
            if !replace(&mut accepts, true) {
                let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build();
                push(&mut ring, accept.user_data(ACCEPT));
            }
        }
        for id in ready {
            if connections.get_mut(&id).is_some_and(|it| !proceed(id, it, &mut ring, now)) {
                connections.remove(&id);
            }
        }
    }
    Ok(())
}
