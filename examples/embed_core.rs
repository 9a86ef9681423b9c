//! HTTP by the bare protocol in a loop of `mio`, which is edge-triggered. The protocol knows neither
//! time nor handlers. Numbers are lines of the contract of `diesel_proto::http1::ServerConnection`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use diesel_examples::embed::{self, Clock, Failure, LISTEN};
use diesel_examples::handlers::HELLO;
use diesel_proto::http1::{ConnectionConfig, Headers, RequestEvent, ServerConnection, Status};
use diesel_proto::hub::embed::{ReadOutcome, WriteOutcome};
use mio::net::{TcpListener, TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};

const STOP: Token = Token(0);
const LISTENER: Token = Token(1);
/// A connection without an event of the protocol for this long is closed: part of a head is none.
const IDLE: Duration = Duration::from_secs(10);

struct Connection {
    socket: TcpStream,
    http: ServerConnection,
    echo: Option<Vec<u8>>, // The body so far, if it is asked for.
    lingers: bool,         // Our side is ended, and what still comes is dropped.
    active: Instant,
}

impl Connection {
    /// Does all that can be done without waiting. Returns whether the connection goes on.
    fn proceed(&mut self, scratch: &mut [u8]) -> bool {
        loop {
            if !self.lingers && self.answer().is_err() {
                self.http.reject();
            }
            let (mut socket, mut slices) = (&self.socket, [&[][..]; 16]);
            let n = self.http.outgoing(&mut slices);
            if n > 0 {
                match WriteOutcome::from_io(&slices[..n], |slices| socket.write_vectored(slices)) {
                    WriteOutcome::Took(0) => return true,
                    WriteOutcome::Took(n) => {
                        self.http.sent(n as u64); // 4
                        self.active = Instant::now();
                    }
                    WriteOutcome::Failed { .. } => return false,
                }
                continue;
            }
            if self.http.must_close() && !self.lingers {
                self.lingers = self.socket.shutdown(std::net::Shutdown::Write).is_ok(); // 5
            }
            if !self.lingers && !self.http.wants_input() {
                return false; // The client has ended its side, and has all answers.
            }
            match ReadOutcome::from_io(scratch, |bytes| socket.read(bytes)) {
                ReadOutcome::Nothing => return true,
                ReadOutcome::Eof if !self.lingers => self.http.eof(), // 1
                ReadOutcome::Eof | ReadOutcome::Reset => return false,
                ReadOutcome::Bytes { bytes, .. } => _ = self.http.received(bytes), // 1
            }
        }
    }

    /// Answers the requests that have arrived, as long as the client takes the answers.
    fn answer(&mut self) -> Result<(), Failure> {
        while self.http.queued() < 256 << 10 {
            let Some(event) = self.http.next_event()? else { break }; // 2
            self.active = Instant::now();
            match event {
                RequestEvent::Request(head) => {
                    let line = (head.view().method(), head.view().target_text());
                    self.echo = (line == ("POST", "/echo")).then(Vec::new);
                    self.http.ask_for_body();
                }
                RequestEvent::Data(data) => _ = self.echo.as_mut().map(|echo| echo.extend(&*data)),
                RequestEvent::End(_) => {
                    let answer = self.echo.as_deref().unwrap_or(HELLO.as_bytes());
                    self.http.respond_whole(Status::OK, &Headers::new(), answer)?; // 3
                }
                RequestEvent::Closed => {}
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let [listener] = embed::listen("HTTP by the bare protocol, in a loop of mio.", [LISTEN])?;
    let (mut poll, mut listener) = (Poll::new()?, TcpListener::from_std(listener));
    let mut stop = UnixStream::from_std(embed::stop_signal()?);
    poll.registry().register(&mut stop, STOP, Interest::READABLE)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::<Token, Connection>::new();
    let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; 64 << 10]);
    let (mut stopping, mut last, clock) = (None::<Instant>, LISTENER, Clock::start());
    while stopping.is_none_or(|at| !connections.is_empty() && at.elapsed() < embed::GRACE) {
        embed::uninterrupted(poll.poll(&mut events, Some(IDLE / 40)))?;
        while let (None, Ok((mut socket, _))) = (stopping, listener.accept()) {
            last = Token(last.0 + 1);
            poll.registry().register(&mut socket, last, Interest::READABLE | Interest::WRITABLE)?;
            let http = ServerConnection::new(ConnectionConfig::default());
            let (echo, lingers, active) = (None, false, Instant::now());
            connections.insert(last, Connection { socket, http, echo, lingers, active });
        }
        let mut ready: Vec<Token> = events.iter().map(|event| event.token()).collect();
        if ready.contains(&STOP) {
            stopping = Some(Instant::now());
            connections.values_mut().for_each(|connection| connection.http.give_up());
            ready = connections.keys().copied().collect();
        }
        for token in ready {
            let Some(connection) = connections.get_mut(&token) else { continue };
            connection.http.set_time(clock.unix_seconds());
            if !connection.proceed(&mut scratch) {
                connections.remove(&token);
            }
        }
        connections.retain(|_, connection| connection.active.elapsed() < IDLE);
    }
    Ok(())
}
