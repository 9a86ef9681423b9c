//! A panic ends only the connection that it came from, whatever its payload is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::panic::panic_any;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{Application, Conn, Error};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the drop of what a panic carried");
    }
}

async fn fragile(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        if line.trimmed() == "panic" {
            panic_any(Bomb);
        }
        conn.write(line).await?;
    }
}

#[test]
fn a_panic_whose_payload_panics_ends_one_connection_only() {
    let (told, tell) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut app = Application::new();
        app.handle_signals(false);
        let service = app.add_service(fragile, "127.0.0.1:0").unwrap();
        told.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
        app.run()
    });
    let (address, halt) = tell.recv().unwrap();
    let connect = || {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    };
    let (mut bad, mut good) = (connect(), connect());
    bad.write_all(b"panic\n").unwrap();
    assert_eq!(bad.read(&mut [0]).unwrap_or(0), 0);
    good.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    BufReader::new(&good).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    drop(good);
    halt.halt();
    server.join().unwrap().unwrap();
}
