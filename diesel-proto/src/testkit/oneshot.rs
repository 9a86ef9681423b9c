//! [`Oneshot`]: one request to a service, and the whole response, without a socket.
//!
//! The request goes over the simulated [network](super::net), and through all that a connection of
//! the service does: limits, deadlines, framing, in virtual time.
//!
//! It must never know what the service does.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use super::net::{Happened, Network, PeerState};
use crate::http1::{
    BodyLength, ClientConnection, ClientConnectionConfig, Headers, RequestLine, RequestOptions,
    ResponseEvent, ResponseHead, Status,
};
use crate::hub::{Hub, IntoService};
use crate::machine::Notice;
use crate::time::Instant;

/// One request, for a test of a handler or of routes.
///
/// A panic of the handler is caught, and answered, as the driver does it (with the feature `std`).
///
/// ```
/// use diesel_proto::http1::{Request, Service, Status};
/// use diesel_proto::testkit::Oneshot;
///
/// let service = Service::new(|request: Request| format!("{} bytes", request.content().len()));
/// let answer = Oneshot::put("/rooms/7").header("X-Key", "42").body("hello").send(service);
/// assert_eq!((answer.status, answer.text()), (Status::OK, "5 bytes"));
/// assert_eq!(answer.headers.get_str("Content-Length"), Some("7"));
/// ```
///
/// # Panics
///
/// Its methods panic if the request is not valid, and if there is no complete response: in a test,
/// that is a failure.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Oneshot {
    method: String,
    target: String,
    headers: Headers,
    body: Vec<u8>,
    expects_continue: bool,
}

/// The virtual time after which there will be no response: 10 minutes.
const PATIENCE: Duration = Duration::from_secs(600);

impl Oneshot {
    /// A request with this method and target, which may have any form.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        let (method, target) = (method.into(), target.into());
        let (headers, body) = (Headers::new(), Vec::new());
        Oneshot { method, target, headers, body, expects_continue: false }
    }

    /// Adds a field.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value).expect("a valid field");
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body only when the service asks for it with `100 Continue` (RFC 9110, 10.1.1).
    pub fn expects_continue(mut self) -> Self {
        self.expects_continue = true;
        self
    }

    /// Sets the body to a form, which is encoded already: `a=1&b=2`.
    pub fn form(self, form: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded").body(form)
    }

    /// Sets the body to a value, as JSON.
    #[cfg(feature = "json")]
    pub fn json(self, value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("a value that JSON can hold");
        self.header("Content-Type", "application/json").body(body)
    }

    /// Sends the request to a service, as the only request of a connection, and waits for the whole
    /// response.
    pub fn send<K>(mut self, service: impl IntoService<K>) -> Answered {
        let mut hub = Hub::default();
        let service = hub.add_service(service);
        catch_panics(&mut hub);
        let mut network = Network::new(0);
        let notices = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&notices);
        network.watch(move |happening| {
            if let Happened::Notice(notice) = &happening.what {
                seen.borrow_mut().push((*notice).clone());
            }
        });
        let host = network.lone_host(hub);
        let peer = network.connect_to(host, service);
        let mut client = ClientConnection::new(ClientConnectionConfig::default());
        self.queue(&mut client);
        network.send(peer, client.take_outgoing());
        let mut answer = Answered::new();
        let (mut unread, mut step) = (Vec::new(), Duration::ZERO);
        while network.now() < Instant::ORIGIN + PATIENCE {
            network.run_for(step).unwrap_or_else(|restless| panic!("{restless}"));
            step = (step * 2).max(Duration::from_millis(1));
            let got = network.got(peer).len();
            unread.extend(network.take_got(peer, got));
            if answer.read(&mut client, &mut unread).unwrap_or_else(|why| panic!("{self:?}: {why}"))
            {
                answer.notices = notices.take();
                return answer;
            }
            if self.expects_continue && answer.interim.contains(&Status::CONTINUE) {
                self.expects_continue = false;
                let sent = client.data(&self.body).and_then(|()| client.end(&Headers::new()));
                sent.unwrap_or_else(|error| panic!("{self:?}: {error}"));
                network.send(peer, client.take_outgoing());
            }
            match network.peer_state(peer) {
                PeerState::Open => {}
                PeerState::Ended => client.eof(),
                _ => client.cut(),
            }
        }
        panic!("{self:?} has no complete response within {PATIENCE:?}; so far, {answer:?}");
    }

    fn queue(&self, client: &mut ClientConnection) {
        let line = RequestLine::new(&self.method, &self.target, "test");
        let line = line.unwrap_or_else(|invalid| panic!("{self:?}: {invalid}"));
        let options = RequestOptions { expects_continue: true, ..RequestOptions::default() };
        let length = BodyLength::Exactly(self.body.len() as u64);
        match self.expects_continue {
            true => client.request(&line, &self.headers, length, &options),
            false => client.request_whole(&line, &self.headers, &self.body, &options),
        }
        .unwrap_or_else(|invalid| panic!("{self:?}: {invalid}"));
    }
}

macro_rules! methods {
    ($($name:ident $method:literal)*) => {
        impl Oneshot {
            $(
                #[doc = concat!("A ", $method, " request.")]
                pub fn $name(target: impl Into<String>) -> Self {
                    Oneshot::new($method, target)
                }
            )*
        }
    };
}

methods! {
    get "GET"
    head "HEAD"
    post "POST"
    put "PUT"
    patch "PATCH"
    delete "DELETE"
    options "OPTIONS"
}

#[cfg(feature = "std")]
fn catch_panics(hub: &mut Hub) {
    extern crate std;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    hub.set_poll_hook(alloc::boxed::Box::new(|_, run| {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            core::mem::forget(payload);
        }
    }));
}

#[cfg(not(feature = "std"))]
fn catch_panics(_: &mut Hub) {}

/// A whole response.
///
/// Example: see [`Oneshot`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Answered {
    /// Its status.
    pub status: Status,
    /// Its fields.
    pub headers: Headers,
    /// Its content, decoded from any framing.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
    /// The status of each interim response before it.
    pub interim: Vec<Status>,
    /// What the application reported meanwhile, such as a handler that failed.
    pub notices: Vec<Notice>,
}

impl Answered {
    fn new() -> Self {
        Answered {
            status: Status::OK,
            headers: Headers::new(),
            body: Vec::new(),
            trailers: Headers::new(),
            interim: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The content, which must be UTF-8.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("{self:?} is no text"))
    }

    /// The content, read as JSON.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    /// Reads what has arrived. Returns whether the response is complete.
    fn read(
        &mut self,
        client: &mut ClientConnection,
        unread: &mut Vec<u8>,
    ) -> Result<bool, String> {
        loop {
            let taken = client.received(unread);
            unread.drain(..taken);
            while let Some(event) = client.next_event().map_err(|error| error.to_string())? {
                if self.add(event)? {
                    return Ok(true);
                }
            }
            if taken == 0 {
                return Ok(false);
            }
        }
    }

    /// Adds what the server did. Returns whether the response is complete.
    fn add(&mut self, event: ResponseEvent) -> Result<bool, String> {
        match event {
            ResponseEvent::Informational(head) => self.interim.push(head.view().status()),
            ResponseEvent::Response(head) => self.set_head(head.view()),
            ResponseEvent::Data(data) => self.body.extend_from_slice(&data),
            ResponseEvent::End(trailers) => {
                self.trailers = trailers;
                return Ok(true);
            }
            ResponseEvent::Switched(head) => {
                self.set_head(head.view());
                return Ok(true);
            }
            ResponseEvent::Closed => return Err("closed without a response".to_string()),
        }
        Ok(false)
    }

    fn set_head(&mut self, head: ResponseHead<'_>) {
        self.status = head.status();
        self.headers = head.fields().into();
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("\"{}\"", self.body.escape_ascii()))
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}
