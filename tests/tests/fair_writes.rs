//! A stream that always has output, and a peer that takes it, do not delay other streams.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::mpsc;

use diesel_driver::{Actions, Application, Config, Conn, Error, Input, Instant, Machine, Service};
use diesel_proto::hub::embed::Budgets;
use diesel_tests::{Running, connect};

/// The size of one write.
const PIECE: usize = 64 << 10;
/// More events than the driver passes to the hub at once.
const NEIGHBOURS: usize = 20;

/// After the first byte, it sends whenever there is room.
struct Flood(Rc<Cell<usize>>);

impl Machine for Flood {
    fn step(&mut self, _now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = if let Input::Bytes(bytes) = input { bytes.len() } else { 0 };
        if matches!(input, Input::Bytes(_) | Input::Drained) {
            actions.send(&[b'x'; PIECE]);
            actions.notify_below(1);
            self.0.set(self.0.get() + PIECE);
        }
        taken
    }
}

#[test]
fn a_machine_that_sends_whenever_there_is_room_gives_way_to_what_was_reported_with_it() {
    assert_gives_way(|flooded| Service::machine(move |_| Flood(Rc::clone(&flooded))));
}

#[test]
fn so_does_a_fiber_that_flushes_whatever_it_writes() {
    assert_gives_way(|flooded| {
        Service::new(async move |mut conn: Conn| {
            conn.bytes(2).await?;
            loop {
                flooded.set(flooded.get() + PIECE);
                conn.write(vec![b'x'; PIECE]).await?;
                conn.flush().await?;
            }
        })
    });
}

fn assert_gives_way(flood: impl FnOnce(Rc<Cell<usize>>) -> Service + Send + 'static) {
    let (block, blocked) = mpsc::channel::<()>();
    let (stands, standing) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();

    let build = move |app: &mut Application| {
        let flooded = Rc::new(Cell::new(0));
        let flood = app.add_service(flood(Rc::clone(&flooded)), "127.0.0.1:0")?;
        sender.send(app.local_addr(flood)?).unwrap();

        // At a `b` it blocks its thread; at any other byte it reports how much was flooded by then.
        let handler = async move |mut conn: Conn| -> Result<(), Error> {
            conn.write(".").await?;
            if *conn.bytes(1).await? == *b"b" {
                stands.send(()).unwrap();
                let _ = blocked.recv();
            }
            conn.write(format!("{}", flooded.get())).await
        };
        app.add_service(handler, "127.0.0.1:0")
    };
    let running = Running::start(Config::default(), build);

    let mut flood = connect(receiver.recv().unwrap());
    let mut all: Vec<_> = (0..=NEIGHBOURS).map(|_| connect(running.address)).collect();
    for stream in &mut all {
        stream.read_exact(&mut [0]).unwrap();
    }
    let mut stops = all.pop().unwrap();
    stops.write_all(b"b").unwrap();
    standing.recv().unwrap();
    // Reported together, in this order.
    flood.write_all(b"go").unwrap();
    all.iter_mut().for_each(|stream| stream.write_all(b"?").unwrap());
    drop(block);

    let flooded: Vec<usize> = all
        .into_iter()
        .map(|mut stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text.parse().unwrap()
        })
        .collect();
    // What the socket buffers is a multiple of that.
    let most = flooded.iter().max().unwrap();
    assert!(*most <= Budgets::default().sent + 2 * PIECE, "{flooded:?}");
}
