//! An event that was reported for one connection never reaches another one that reuses its index.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use diesel_driver::{Application, Config, Conn, ServiceId};
use diesel_tests::{Running, connect};
use socket2::{Domain, Socket, Type};

/// More than the driver passes to the hub at once, so that the hub runs between two events that
/// were reported together.
const CROWD: usize = 30;
/// Few, so that the hub has several runs, and closes connections, between two such events.
const POLLS_PER_RUN: u32 = 8;

/// A peer that accepts nothing: its backlog is full, so that an attempt to connect to it neither
/// succeeds nor fails.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _backlog: Vec<TcpStream>,
}

impl Silent {
    fn new() -> Silent {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let mut backlog = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            backlog.push(stream);
        }
        Silent { address, _listener: listener, _backlog: backlog }
    }
}

#[test]
fn a_connect_in_the_place_of_an_aborted_connection_is_not_done_by_its_late_event() {
    let silent = Silent::new();
    let nobody = silent.address;
    // The application's thread is blocked between these two, while its peers send.
    let (block, blocked) = mpsc::channel::<()>();
    let (stands, standing) = mpsc::channel::<()>();

    let build = move |app: &mut Application| -> std::io::Result<ServiceId> {
        let crowd: Rc<RefCell<Vec<Conn>>> = Rc::default();
        let blocked = Rc::new(blocked);
        let serve = async move |mut conn: Conn| {
            let ctx = conn.ctx();
            match &*conn.bytes(1).await? {
                b"c" => {
                    conn.write("c").await?;
                    crowd.borrow_mut().push(conn);
                    return Ok(());
                }
                b"b" => {
                    stands.send(()).unwrap();
                    let _ = blocked.recv();
                    return Ok(());
                }
                _ => {}
            }
            conn.write("!").await?;
            conn.bytes(1).await?;
            for conn in crowd.take() {
                conn.abort();
            }
            // Until the next run of the hub: their indices are free then.
            for _ in 0..POLLS_PER_RUN {
                ctx.sleep(Duration::ZERO).await?;
            }
            let mut connects = Vec::new();
            for _ in 0..CROWD {
                let ctx = ctx.clone();
                let connect = async move { ctx.connect(nobody).await.map(|_| ()) };
                connects.push(conn.ctx().spawn(connect)?);
            }
            ctx.sleep(Duration::from_millis(300)).await?;
            let done = connects.iter().filter(|connect| connect.is_finished()).count();
            connects.iter().for_each(|connect| connect.abort());
            conn.write(format!("{done}\n")).await
        };
        app.add_service(serve, "127.0.0.1:0")
    };
    let mut config = Config::default();
    config.polls_per_run = POLLS_PER_RUN;
    let running = Running::start(config, build);

    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut stream = connect(running.address);
        stream.write_all(b"c").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        crowd.push(stream);
    }
    let mut aborts = connect(running.address);
    aborts.write_all(b"a").unwrap();
    aborts.read_exact(&mut [0]).unwrap();
    let mut stops = connect(running.address);
    stops.write_all(b"b").unwrap();
    standing.recv().unwrap();

    // Reported together, in this order.
    aborts.write_all(b"!").unwrap();
    for stream in &mut crowd {
        stream.write_all(b"late").unwrap();
    }
    drop(block);
    let mut done = String::new();
    aborts.read_to_string(&mut done).unwrap();
    assert_eq!(done, "0\n", "connects to a peer that accepts nothing");
}
