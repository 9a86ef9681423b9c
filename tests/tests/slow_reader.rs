//! A peer that reads slowly, over loopback: for seconds the kernel reports no room, because it
//! holds megabytes that the peer has not read; still this is not a write stall.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use diesel_driver::{Config, Conn, Service};
use diesel_tests::Running;
use socket2::{Domain, Socket, Type};

/// Sends without end; its peers must take 5 KB/s, averaged over two seconds.
fn flooding() -> Running {
    Running::start(Config::default(), |app| {
        let flood = Service::new(async |mut conn: Conn| {
            loop {
                conn.write(vec![b'x'; 64 << 10]).await?;
            }
        });
        let flood = flood.write_stall(Duration::from_secs(2)).write_rate(5_000);
        app.add_service(flood, "127.0.0.1:0")
    })
}

/// A client with a small receive buffer, so that the sending side must buffer the rest.
fn visit(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn a_reader_that_keeps_the_rate_is_served_and_one_that_stops_is_cut() {
    let running = flooding();
    let mut client = visit(running.address);
    let mut bytes = vec![0; 10_000];
    let start = Instant::now();
    // 200 KB/s at most, for a few times as long as a stall may last: a busy machine may take most
    // of that away. The megabytes that the kernel holds still last for seconds.
    while start.elapsed() < Duration::from_secs(7) {
        client.read_exact(&mut bytes).expect("it is not cut");
        thread::sleep(Duration::from_millis(50));
    }
    // It is cut within somewhat more than twice that time: with a reset, because the rest is never
    // read.
    thread::sleep(Duration::from_secs(6));
    // What had come before may still be read.
    let error = (0..10_000).find_map(|_| client.read_exact(&mut bytes).err());
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::ConnectionReset));
}
