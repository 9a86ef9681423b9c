//! The driver keeps bytes that the hub does not take until the hub takes them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{
    Actions, Application, Cause, Config, Input, Instant, Machine, MachineCtx, Service,
};

/// Checks that the bytes count up. It wakes itself all the time, sends a dot every third time, and
/// pauses from then until it is woken again: sometimes the driver is between two turns at that
/// time.
struct Fickle {
    ctx: MachineCtx,
    wakes: u32,
    next: u8,
    counts_up: bool,
}

impl Machine for Fickle {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start | Input::Wake => {
                actions.resume();
                self.wakes += 1;
                if self.wakes.is_multiple_of(3) {
                    actions.send(b".");
                    actions.notify_below(1);
                }
                self.ctx.wake();
            }
            Input::Drained => actions.pause(),
            Input::Bytes(bytes) => {
                for byte in bytes {
                    self.counts_up &= *byte == self.next;
                    self.next = byte.wrapping_add(1);
                }
                return bytes.len();
            }
            Input::Eof => {
                actions.send(if self.counts_up { b"all" } else { b"not all" });
                actions.close(Cause::PeerClosed);
            }
            _ => {}
        }
        0
    }
}

#[test]
fn bytes_that_come_while_a_machine_has_just_paused_are_not_lost() {
    let (told, tell) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut config = Config::default();
        config.polls_per_run = 1;
        let mut app = Application::with_config(config);
        app.handle_signals(false);
        let fickle =
            Service::machine_with(|ctx| Fickle { ctx, wakes: 0, next: 0, counts_up: true });
        let service = app.add_service(fickle, "127.0.0.1:0").unwrap();
        told.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
        app.run()
    });
    let (address, halt) = tell.recv().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = client.try_clone().unwrap();
    let answer = thread::spawn(move || {
        let mut answer = String::new();
        reader.read_to_string(&mut answer).map(|_| answer)
    });
    let bytes: Vec<u8> = (0..20_000).map(|n| n as u8).collect();
    for piece in bytes.chunks(10) {
        client.write_all(piece).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    let answer = answer.join().unwrap().unwrap();
    assert_eq!(answer.trim_start_matches('.'), "all");
    halt.halt();
    server.join().unwrap().unwrap();
}
