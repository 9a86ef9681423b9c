//! What a hub costs without a socket: lines echoed by a fiber and by a machine, connections that
//! come and go.

use diesel_proto::{
    Action, Address, Conn, ConnId, Error, Hub, Instant, LineEcho, Service, ServiceId,
};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const NOW: Instant = Instant::ORIGIN;

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

struct Embedder {
    hub: Hub,
    service: ServiceId,
    actions: Vec<Action>,
}

impl Embedder {
    fn new(service: Service) -> Self {
        let mut hub = Hub::default();
        let service = hub.add_service(service);
        Embedder { hub, service, actions: Vec::new() }
    }

    fn accept(&mut self) -> ConnId {
        let conn = self.hub.accept(NOW, self.service, Address::Unnamed).unwrap();
        self.obey();
        conn
    }

    /// What a driver does, but that its kernel takes everything.
    fn obey(&mut self) {
        loop {
            self.hub.run(NOW, &mut self.actions);
            for action in self.actions.drain(..) {
                if let Action::Send(conn) = action {
                    let count = |slices: &[&[u8]]| slices.iter().map(|slice| slice.len()).sum();
                    while let Some::<usize>(n) = self.hub.outgoing(conn, count) {
                        if self.hub.sent(NOW, conn, n as u64) == 0 {
                            break;
                        }
                    }
                }
            }
            if !self.hub.has_more() {
                return;
            }
        }
    }
}

/// Batches of lines of 64 bytes, as pipelined by one peer.
#[divan::bench(args = [1, 16, 256])]
fn fiber_echo(bencher: Bencher<'_, '_>, lines: usize) {
    batches(bencher, lines, Service::new(echo));
}

#[divan::bench(args = [1, 16, 256])]
fn machine_echo(bencher: Bencher<'_, '_>, lines: usize) {
    batches(bencher, lines, Service::machine(|_| LineEcho::default()));
}

fn batches(bencher: Bencher<'_, '_>, lines: usize, service: Service) {
    let mut embedder = Embedder::new(service);
    let conn = embedder.accept();
    let batch = [[b'x'; 62].as_slice(), b"\r\n"].concat().repeat(lines);
    bencher.counter(ItemsCount::new(lines)).bench_local(|| {
        let taken = embedder.hub.received(NOW, conn, black_box(&batch));
        embedder.obey();
        taken
    });
}

/// A connection that comes, is greeted, and goes.
#[divan::bench]
fn accept_and_close(bencher: Bencher<'_, '_>) {
    let mut embedder =
        Embedder::new(Service::new(async |mut conn: Conn| conn.write("hi\r\n").await));
    bencher.bench_local(|| {
        let conn = embedder.accept();
        embedder.hub.eof(NOW, conn);
        embedder.obey();
    });
}
