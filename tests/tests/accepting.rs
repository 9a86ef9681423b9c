//! The driver accepts connections in batches, within the limits, and does not run the hub between
//! two of them.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{Application, Config, Conn, Ctx, Error, Service};
use diesel_tests::connect;

/// As many as the driver accepts at once.
const NEWCOMERS: usize = 60;

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    (0..NEWCOMERS).map(|_| connect(address)).collect()
}

#[test]
fn a_crowd_that_waits_is_let_in_without_a_turn_for_each() {
    let mut app = Application::new();
    app.handle_signals(false);
    let turns = Rc::new(Cell::new(0_u64));
    let came: Rc<RefCell<Vec<u64>>> = Rc::default();

    let (at, comes) = (Rc::clone(&turns), Rc::clone(&came));
    let handler = async move |_conn: Conn| {
        comes.borrow_mut().push(at.get());
        Ok(())
    };
    let service = app.add_service(handler, "127.0.0.1:0").unwrap();
    let crowd = crowd(app.local_addr(service).unwrap());

    // A busy hub, which uses up any budget of a turn.
    let count = Rc::clone(&turns);
    let comes = Rc::clone(&came);
    app.add_loop(async move |ctx: Ctx| {
        while comes.borrow().len() < NEWCOMERS {
            count.set(count.get() + 1);
            ctx.sleep(Duration::ZERO).await?;
        }
        ctx.halt();
        Ok(())
    })
    .unwrap();
    app.run().unwrap();

    // The hub's budget for a run, and how often the driver runs it before it looks at the sockets.
    let turn = u64::from(Config::default().polls_per_run) * 16;
    let came = came.borrow();
    let took = came[NEWCOMERS - 1] - came[0];
    assert!(took < 4 * turn, "the last came {took} polls after the first");
    drop(crowd);
}

/// Of many clients, as many are served as the limit allows, and one more for each that leaves. None
/// is refused: that would end its connection.
fn assert_heeded(config: Config, service: impl FnOnce() -> Service + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let (begin, begun) = mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let mut app = Application::with_config(config);
        app.handle_signals(false);
        let service = app.add_service(service(), "127.0.0.1:0").unwrap();
        sender.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
        begun.recv().unwrap();
        app.run().unwrap();
    });
    let (address, halt) = receiver.recv().unwrap();
    let mut crowd = crowd(address);
    crowd.iter_mut().for_each(|stream| stream.write_all(b"hello\n").unwrap());
    begin.send(()).unwrap();
    for stream in crowd {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
    }
    halt.halt();
    server.join().unwrap();
}

#[test]
fn the_limit_of_the_service_is_heeded_within_a_batch() {
    for limit in [1, 7] {
        assert_heeded(Config::default(), move || Service::new(echo).max_connections(limit));
    }
}

#[test]
fn the_limit_of_the_application_is_heeded_within_a_batch() {
    for limit in [1, 7] {
        let mut config = Config::default();
        config.max_connections = limit;
        assert_heeded(config, || Service::new(echo));
    }
}
