//! The driver and its poller: what only real sockets can show.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{Application, Conn, Error};

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

#[test]
fn a_loop_that_is_always_ready_does_not_keep_the_sockets_waiting() {
    let (told, tell) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut app = Application::new();
        let service = app.add_service(echo, "127.0.0.1:0").unwrap();
        app.add_loop(async |ctx| {
            loop {
                ctx.sleep(Duration::ZERO).await?;
            }
        })
        .unwrap();
        told.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
        app.run()
    });
    let (address, halt) = tell.recv().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    BufReader::new(&client).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    drop(client);
    halt.halt();
    server.join().unwrap().unwrap();
}
