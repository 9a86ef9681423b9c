//! The handler of each example under the laws of machines, with sessions that contain everything
//! that it understands.

use std::time::Duration;

use diesel_driver::http1;
use diesel_driver::{Address, Conn, Ctx, Error, Hub, Service, ServiceConfig};
use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::{HubMachine, Stimulus};

use crate::httpbin_service;
use crate::programs::{
    bytes_or_timeout, chat, combined, echo, echo_timeout, http, oops, proxy, sleep_server,
};

const SECOND: Duration = Duration::from_secs(1);

/// Checks the laws for a service that gets `text`: whole and in parts, with each way to end. Once
/// with much room for output, once with little.
fn lawful(text: &str, add_service: impl Fn(&mut Hub) -> Service) {
    lawful_with(text, |hub, config| add_service(hub).config(config));
}

/// The same, for a handler with a `ServiceConfig`.
fn lawful_with(text: &str, add_service: impl Fn(&mut Hub, ServiceConfig) -> Service) {
    let (first, second) = text.split_at(text.len() / 2);
    let (first, second) = (Stimulus::bytes(first), Stimulus::bytes(second));
    let wait = |seconds| Stimulus::Wait(SECOND * seconds);
    for session in [
        vec![Stimulus::bytes(text), wait(20), Stimulus::Eof, wait(20)],
        vec![Stimulus::bytes(text), Stimulus::Eof, wait(20)],
        vec![first.clone(), wait(2), second.clone(), wait(2), Stimulus::Reset],
        vec![first.clone(), wait(4), second.clone(), Stimulus::Shutdown, wait(20)],
        vec![first, Stimulus::Shutdown, second, wait(20)],
    ] {
        for is_narrow in [false, true] {
            let served = || {
                let mut hub = Hub::default();
                let mut config = ServiceConfig::default();
                if is_narrow {
                    (config.high_water, config.low_water, config.read_ahead) = (16, 4, 4);
                }
                let service = add_service(&mut hub, config);
                let service = hub.add_service(service);
                HubMachine::new(hub, service).room(if is_narrow { 5 } else { 1000 })
            };
            Laws::of(served).early_deadlines().assert(&session);
        }
    }
}

#[test]
fn echoes() {
    let text = "hello\r\n\nanybody there?\nquit\r\nnot any more\n";
    lawful(text, |_| Service::new(echo::echo));
    lawful(text, |_| Service::new(combined::echo));
    lawful(text, |_| Service::new(echo_timeout::patient_echo));
    lawful(text, |_| Service::new(async |conn| oops::oops(conn, |_| ()).await));
}

#[test]
fn a_choice_of_two_bytes_or_a_time() {
    lawful("ab", |_| Service::new(bytes_or_timeout::bytes_or_timeout));
    lawful("abcd", |_| Service::new(bytes_or_timeout::bytes_or_timeout));
}

#[test]
fn a_pause_before_each_answer() {
    lawful("hello\nnot read", |_| {
        Service::new(async |conn| sleep_server::delayed_echo(conn, SECOND).await)
    });
}

/// The only other user in the room is a parrot.
#[test]
fn a_chat() {
    lawful("ann\r\nhello\nis anybody there?\r\n\nbye", |hub| {
        let room = hub.event::<(String, String)>();
        let mut others = room.subscribe();
        let parrot = async move |_: Ctx| -> Result<(), Error> {
            loop {
                let (nick, text) = others.wait().await?;
                others.fire((nick, text.to_uppercase()));
            }
        };
        hub.add_loop(parrot).unwrap();
        Service::new(async move |conn: Conn| chat::chat(conn, room.clone()).await)
    });
}

/// A machine has one stream, so the target of a proxy is never reachable.
#[test]
fn a_proxy_to_nowhere() {
    lawful("hello", |_| Service::new(async |conn| proxy::proxy(conn, Address::Unnamed).await));
}

#[test]
fn a_hello_to_every_request() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
                HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n\
                POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
                GET / HTTP/1.0\r\n\r\n";
    lawful_with(text, |_, config| http1::Service::new(http::hello).connections(config).into());
    let bad = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    lawful_with(bad, |_, config| http1::Service::new(http::hello).connections(config).into());
}

#[test]
fn whatever_is_asked_of_httpbin() {
    for text in [
        "GET /get?a=b HTTP/1.1\r\nHost: a\r\n\r\nGET /status/401 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "PUT /anything HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n3;a=b\r\n all\r\n0\r\nX-Sum: 5\r\n\r\nBREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /chunked/40 HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/40 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream/3 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream/3 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /delay/3000 HTTP/1.1\r\nHost: a\r\n\r\nPUT /get HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        lawful_with(text, |_, config| httpbin_service().connections(config).into());
    }
}
