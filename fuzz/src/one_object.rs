//! Compares the HTTP connection that owns its buffers with the one that borrows them.

use std::fmt::Write;
use std::sync::Arc;

use diesel_proto::http1::{
    ConnectionConfig, FieldSpans, Headers, MessageOutput, Received, Rejection, RequestEvent,
    RequestHead, ServerConnection, SharedServerConnection, Status,
};
use diesel_proto::{Blocks, Pipeline};

/// What was read, as text, and what was sent.
#[derive(Debug, Default, PartialEq)]
struct Session {
    read: String,
    sent: Vec<u8>,
}

/// Both read and send the same, although one gets the stream in two parts. Each request is answered
/// when it is complete.
pub fn says_the_same(config: &ConnectionConfig, stream: &[u8]) {
    let (head, tail) = stream.split_at(stream.len() / 2);
    assert_eq!(with_its_memory(config, [head, tail]), with_memory_lent(config, stream));
}

fn with_its_memory(config: &ConnectionConfig, parts: [&[u8]; 2]) -> Session {
    let mut session = Session::default();
    let mut connection = ServerConnection::new(config.clone());
    for part in parts {
        assert_eq!(connection.received(part), part.len(), "each request is answered");
        loop {
            match connection.next_event() {
                Ok(Some(RequestEvent::Request(head))) => {
                    session.request(&head.view());
                    connection.ask_for_body();
                }
                Ok(Some(RequestEvent::Data(data))) => session.data(&data),
                Ok(Some(RequestEvent::End(trailers))) => {
                    session.end(&trailers);
                    connection.respond_whole(Status::NOT_FOUND, &Headers::new(), b"no").unwrap();
                }
                Ok(Some(RequestEvent::Closed)) => panic!("closed without an end of the stream"),
                Ok(None) => break,
                Err(rejection) => {
                    session.refused(rejection);
                    connection.reject();
                }
            }
        }
    }
    session.sent = connection.take_outgoing();
    session
}

fn with_memory_lent(config: &ConnectionConfig, stream: &[u8]) -> Session {
    let mut session = Session::default();
    let mut connection = SharedServerConnection::new(Arc::new(config.clone()));
    let (mut blocks, mut spans, mut pipeline) = (Blocks::new(), FieldSpans::new(), Pipeline::new());
    let mut rest = stream;
    loop {
        let (taken, event) = match connection.receive(rest, &mut spans, &mut blocks) {
            Ok((_, None)) => break,
            Ok((taken, Some(event))) => (taken, event),
            Err(rejection) => {
                session.refused(rejection);
                connection.reject(None, &mut MessageOutput::new(&mut pipeline, &mut blocks));
                break;
            }
        };
        rest = &rest[taken..];
        let mut is_bodiless = false;
        match event {
            Received::Request(head) => {
                session.request(&head);
                is_bodiless = true;
            }
            Received::Data(data) => session.data(data),
            Received::End(trailers) => session.end(&Headers::from(trailers)),
        }
        let out = &mut MessageOutput::new(&mut pipeline, &mut blocks);
        if connection.request_is_complete() {
            if is_bodiless {
                session.end(&Headers::new());
            }
            connection.respond_whole(Status::NOT_FOUND, &Headers::new(), b"no", None, out).unwrap();
        } else {
            connection.ask_for_body(out);
        }
    }
    let mut slices = [&[][..]; 1024];
    let n = pipeline.slices(&mut slices);
    session.sent = slices[..n].concat();
    session
}

impl Session {
    fn request(&mut self, head: &RequestHead<'_>) {
        let _ = writeln!(self.read, "{head:?} {:?}", head.framing());
    }

    fn data(&mut self, data: &[u8]) {
        let _ = write!(self.read, "{}", data.escape_ascii());
    }

    fn end(&mut self, trailers: &Headers) {
        let _ = writeln!(self.read, "\nend {trailers:?}");
    }

    fn refused(&mut self, rejection: Rejection) {
        let _ = writeln!(self.read, "\n{rejection:?}");
    }
}
