//! Sending into a closed output, and reporting more bytes as sent than are queued: this is an error
//! or has no effect; nothing that counts as sent is ever lost.

use std::sync::Arc;

use diesel_proto::http1::{
    BodyLength, ConnectionConfig, FieldSpans, Headers, LocalProtocolError, MessageOutput,
    SharedServerConnection, Status,
};
use diesel_proto::*;

const NOW: Instant = Instant::ORIGIN;

/// A connection that has received a request.
struct Server {
    connection: SharedServerConnection,
    blocks: Blocks,
    pipeline: Pipeline,
}

impl Server {
    fn with(request: &[u8]) -> Self {
        let mut connection = SharedServerConnection::new(Arc::new(ConnectionConfig::default()));
        let (mut blocks, mut spans) = (Blocks::new(), FieldSpans::default());
        let (n, event) = connection.receive(request, &mut spans, &mut blocks).unwrap();
        assert!(event.is_some() && n == request.len());
        Server { connection, blocks, pipeline: Pipeline::new() }
    }

    fn command<R>(
        &mut self,
        f: impl FnOnce(&mut SharedServerConnection, &mut MessageOutput<'_>) -> R,
    ) -> R {
        f(&mut self.connection, &mut MessageOutput::new(&mut self.pipeline, &mut self.blocks))
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn every_command_of_http_into_a_closed_output_is_an_error_and_changes_nothing() {
    let none = Headers::new();
    let unknown = BodyLength::Unknown;
    let mut server = Server::with(GET);
    server.pipeline.close();
    let closed = Err(LocalProtocolError::Closed);
    assert_eq!(server.command(|it, out| it.inform(Status::EARLY_HINTS, &none, out)), closed);
    assert_eq!(server.command(|it, out| it.respond(Status::OK, &none, unknown, None, out)), closed);
    assert_eq!(
        server.command(|it, out| it.respond_whole(Status::OK, &none, b"hello", None, out)),
        closed
    );
    // The answer is still owed: it goes out into an output that is open.
    server.pipeline = Pipeline::new();
    assert_eq!(server.command(|it, out| it.respond(Status::OK, &none, unknown, None, out)), Ok(()));

    let len = server.pipeline.len();
    server.pipeline.close();
    assert_eq!(server.command(|it, out| it.data(b"hello", out)), closed);
    assert_eq!(server.command(|it, out| it.data_bytes(vec![b'x'; 9_000].into(), out)), closed);
    assert_eq!(server.command(|it, out| it.end(&none, out)), closed);
    assert_eq!(server.pipeline.len(), len);
    server.pipeline = Pipeline::new();
    assert_eq!(server.command(|it, out| it.data(b"hello", out)), Ok(()));
    assert_eq!(server.command(|it, out| it.end(&none, out)), Ok(()));
}

#[test]
fn an_upgrade_into_a_closed_output_is_an_error() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut server = Server::with(request);
    server.pipeline.close();
    let switched = server.command(|it, out| it.switch(&Headers::new(), "echo", None, out));
    assert_eq!(switched, Err(LocalProtocolError::Closed));
    assert!(!server.connection.is_switched());
}

#[test]
fn a_request_for_the_body_into_a_closed_output_is_not_used_up() {
    let request =
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut server = Server::with(request);
    server.pipeline.close();
    server.command(|it, out| it.ask_for_body(out));
    assert!(server.pipeline.is_empty());
    server.pipeline = Pipeline::new();
    server.command(|it, out| it.ask_for_body(out));
    assert_eq!(server.pipeline.len(), b"HTTP/1.1 100 Continue\r\n\r\n".len() as u64);
}

/// Sends ten bytes and a region; half-closes when woken, and records whether `is_half_closed` shows
/// it.
struct Sender {
    shows: bool,
}

const REGION: FileRegion = FileRegion { id: 1, offset: 0, len: 100 };

impl Machine for Sender {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => {
                actions.send(b"ten bytes.");
                actions.send_file_region(REGION);
                actions.send(b"end");
            }
            Input::Wake => {
                assert!(!actions.is_half_closed());
                actions.half_close();
                self.shows = actions.is_half_closed() && !actions.is_closing();
            }
            _ => {}
        }
        0
    }
}

#[test]
fn an_endpoint_keeps_an_unsent_region() {
    let mut endpoint = Endpoint::new(Sender { shows: false }, NOW);
    endpoint.sent(NOW, 1_000);
    assert_eq!((endpoint.queued(), endpoint.file_region()), (103, Some(REGION)));
    endpoint.sent(NOW, 40);
    let rest = FileRegion { offset: 40, len: 60, ..REGION };
    assert_eq!((endpoint.queued(), endpoint.file_region()), (63, Some(rest)));
    endpoint.sent(NOW, 1_000);
    assert_eq!(endpoint.take_outgoing(NOW), b"end");
}

#[test]
fn a_hub_keeps_an_unsent_region() {
    let mut hub = Hub::default();
    let service = hub.add_service(Service::machine(|_| Sender { shows: false }));
    let conn = hub.accept(NOW, service, Address::Unnamed).unwrap();
    assert_eq!(hub.sent(NOW, conn, 1_000), 103);
    assert_eq!(hub.file_region(conn), Some(REGION));
    assert_eq!(hub.counters().bytes_out, 10);
}

#[test]
fn a_machine_can_see_that_what_it_sends_would_be_dropped() {
    let mut endpoint = Endpoint::new(Sender { shows: false }, NOW);
    endpoint.wake(NOW);
    let Upgradable::First(sender) = endpoint.machine() else { panic!("it did not give way") };
    assert!(sender.shows);
}

#[test]
fn whatever_a_handler_writes_behind_its_end_is_an_error() {
    let mut hub = Hub::default();
    let service = hub.add_service(async |mut conn: Conn| {
        conn.half_close();
        assert!(matches!(conn.write("text").await, Err(Error::Closed)));
        assert!(matches!(conn.write(format_args!("{}", 1)).await, Err(Error::Closed)));
        assert!(matches!(conn.write(("a", vec![0; 9_000])).await, Err(Error::Closed)));
        Ok(())
    });
    hub.accept(NOW, service, Address::Unnamed).unwrap();
    hub.run(NOW, &mut Vec::new());
    assert_eq!((hub.counters().failures, hub.counters().panics), (0, 0));
}
