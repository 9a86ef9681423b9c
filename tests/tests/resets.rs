//! A peer can distinguish a connection that was cut off from one that ended.

use std::io::{ErrorKind, Read, Write};

use diesel_driver::{Application, Conn};
use diesel_proto::{Actions, Cause, Input, Instant, Machine, Service};
use diesel_tests::connect;

/// Ends the connection in the way that the first byte selects.
struct Ends;

impl Machine for Ends {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let Input::Bytes(bytes) = input else { return 0 };
        actions.send(b"some of it");
        match bytes[0] {
            b'x' => actions.close(Cause::Done),
            b'c' => actions.cut(Cause::Failed),
            _ => actions.abort(Cause::Failed),
        }
        bytes.len()
    }
}

#[test]
fn a_connection_that_was_cut_off_is_reset_and_one_that_ended_is_not() {
    let mut app = Application::new();
    app.handle_signals(false);
    let machine = app.add_service(Service::machine(|_| Ends), "127.0.0.1:0").unwrap();
    let handler = async |mut conn: Conn| {
        conn.write("some of it").await?;
        conn.flush().await?;
        conn.abort();
        Ok(())
    };
    let handler = app.add_service(handler, "127.0.0.1:0").unwrap();
    let addresses = [machine, handler].map(|service| app.local_addr(service).unwrap());
    let halt = app.halt_handle();
    let peers = std::thread::spawn(move || {
        let hears = |address, says: &[u8]| {
            let mut stream = connect(address);
            stream.write_all(says).unwrap();
            let mut heard = Vec::new();
            let read = stream.read_to_end(&mut heard).map_err(|error| error.kind());
            (String::from_utf8(heard).unwrap(), read)
        };
        let all = || "some of it".to_string();
        assert_eq!(hears(addresses[0], b"x"), (all(), Ok(10)));
        assert_eq!(hears(addresses[0], b"c"), (all(), Err(ErrorKind::ConnectionReset)));
        let aborted = hears(addresses[0], b"a");
        assert_eq!(aborted, (String::new(), Err(ErrorKind::ConnectionReset)));
        assert_eq!(hears(addresses[1], b"").1, Err(ErrorKind::ConnectionReset));
        halt.halt();
    });
    app.run().unwrap();
    peers.join().unwrap();
}
