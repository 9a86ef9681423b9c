//! Coming from h11.
//!
//! [h11](https://h11.readthedocs.io) is an HTTP/1.1 implementation in Python that does no I/O: you
//! feed it bytes and take events, you give it events and take bytes.
//! [`http1::ServerConnection`](crate::http1::ServerConnection) is the same idea, for the server's role.
//! (There is no client role yet; h11 has both.)
//!
//! | h11 | here |
//! | --- | --- |
//! | `Connection(our_role=SERVER)` | [`ServerConnection::new`](crate::http1::ServerConnection::new) |
//! | `receive_data(data)` | [`received(&data)`](crate::http1::ServerConnection::received): says how much was taken |
//! | `receive_data(b"")` | [`eof()`](crate::http1::ServerConnection::eof) |
//! | `next_event()` → `NEED_DATA`, `PAUSED` | [`next_event()`](crate::http1::ServerConnection::next_event) → `None`; [`wants_input()`](crate::http1::ServerConnection::wants_input) tells which |
//! | `Request`, `Data`, `EndOfMessage`, `ConnectionClosed` | [`RequestEvent::Request`](crate::http1::RequestEvent), `Data`, `End`, `Closed` |
//! | `send(Response(..))` | [`respond`](crate::http1::ServerConnection::respond) |
//! | `send(Data(..))`, `send(EndOfMessage())` | [`data`](crate::http1::ServerConnection::data), [`end`](crate::http1::ServerConnection::end); or [`respond_whole`](crate::http1::ServerConnection::respond_whole) for all at once |
//! | the bytes that `send` returns | [`outgoing`](crate::http1::ServerConnection::outgoing), then [`sent`](crate::http1::ServerConnection::sent) |
//! | `start_next_cycle()` | not needed: the next request follows when this one is answered |
//! | `RemoteProtocolError` | [`Rejection`](crate::http1::Rejection), with the [`Rule`](crate::http1::Rule) that was broken; [`reject`](crate::http1::ServerConnection::reject) answers it |
//! | `LocalProtocolError` | [`LocalProtocolError`](crate::http1::LocalProtocolError): nothing is sent |
//! | `our_state`, `their_state` | [`state()`](crate::http1::ServerConnection): both sides in one table, printed in the docs of [`http1`](crate::http1#states) |
//! | `MUST_CLOSE` | [`must_close()`](crate::http1::ServerConnection::must_close) |
//! | `SWITCHED_PROTOCOL`, `trailing_data` | an upgrade; what was not taken belongs to the next protocol |
//! | `max_incomplete_event_size` | [`Limits`](crate::http1::Limits): one for each part, each independent of how TCP cut the bytes |
//! | `they_are_waiting_for_100_continue` | [`ask_for_body`](crate::http1::ServerConnection::ask_for_body): sends `100 Continue` if it is due |
//!
//! # A session
//!
//! ```
//! use diesel_proto::http1::{ConnectionConfig, Headers, RequestEvent, ServerConnection, Status};
//!
//! let mut http = ServerConnection::new(ConnectionConfig::default());
//! let bytes = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
//! assert_eq!(http.received(bytes), bytes.len());
//!
//! let mut body = Vec::new();
//! while let Some(event) = http.next_event()? {
//!     match event {
//!         RequestEvent::Request(head) => assert_eq!(head.view().method(), "POST"),
//!         RequestEvent::Data(data) => body.extend_from_slice(&data),
//!         RequestEvent::End(_trailers) => {
//!             http.respond_whole(Status::OK, &Headers::new(), &body)?;
//!         }
//!         RequestEvent::Closed => {}
//!     }
//! }
//! let answer = http.take_outgoing();
//! assert_eq!(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
//! assert!(!http.must_close());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! The documentation of [`ServerConnection`](crate::http1::ServerConnection) has a complete loop around
//! it, over any `Read + Write`.
//!
//! # What is above it
//!
//! h11 ends here, and leaves time, memory and concurrency to the caller: how long a client may take for
//! a head, how fast a body has to arrive, what happens when the client does not read, what a shutdown
//! does to a request. These are state machines as well, and the layers above have them, still without
//! I/O:
//!
//! - [`http1::Standalone`](crate::http1::Standalone) makes a [`Machine`](crate::machine::Machine) of a plain
//!   function from request to response, with limits, deadlines, keep-alive, draining and lingering. An
//!   [`Endpoint`](crate::machine::Endpoint) runs it in your event loop.
//! - [`http1::Service`](crate::http1::Service) has `async` handlers too, and runs in a
//!   [`Hub`](crate::hub::Hub).
//!
//! ```
//! use diesel_proto::http1::{Request, Service, Standalone};
//! use diesel_proto::{Address, Cause, Endpoint, Instant, Reason};
//!
//! let service = Service::new(|request: Request| format!("you asked for {}\n", request.path()));
//! let machines = Standalone::new(service).expect("the handler is a plain function");
//! let now = Instant::ORIGIN;
//! let mut endpoint = Endpoint::new(machines.machine(Address::Unnamed), now);
//!
//! // A client that sends half a head, and then nothing, is answered with 408 in time.
//! let half = b"GET / HTTP/1.1\r\n";
//! assert_eq!(endpoint.received(now, half), half.len());
//! let deadline = endpoint.next_deadline().unwrap();
//! assert_eq!(deadline.reason, Reason::Head);
//! endpoint.expired(deadline.at);
//! assert!(endpoint.take_outgoing(deadline.at).starts_with(b"HTTP/1.1 408 "));
//! ```
//!
//! # Differences that may surprise
//!
//! - **Strictness.** h11 accepts some things that this parser refuses: a bare LF as a line end,
//!   obsolete line folding, and others. [`Rule`](crate::http1::Rule) is the list of what is refused, and
//!   why.
//! - **Order of reading.** The next request is parsed after the previous one was answered; until then,
//!   its bytes wait, and `wants_input` is false.
//! - **Values.** Events own their data, and can be kept or sent to another thread.
//!   [`SharedServerConnection`](crate::http1::SharedServerConnection) parses in place, without copying.
