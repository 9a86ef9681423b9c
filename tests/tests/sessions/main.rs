//! The sessions of every example, in virtual time and without sockets. Most are scripts, which are
//! played with the input cut in two at every position.

mod bytes_or_timeout;
mod chat;
mod clocker;
mod combined;
mod comet;
mod echo;
mod echo_client;
mod echo_timeout;
mod fire;
mod http;
mod httpbin;
mod httpbin_authentication;
mod httpbin_pages;
mod httpbin_streams;
mod httpbin_targets;
mod laws;
mod notes;
mod oops;
mod programs;
mod proxy;
mod reverse_proxy;
mod sleep_server;
mod sse;
mod telnet;

use std::cell::RefCell;

use diesel_driver::web::Routes;
use diesel_driver::{Conn, Hub, IntoService, Service, http1};

/// An application with one service.
fn with<Kind>(service: impl IntoService<Kind>) -> Hub {
    let mut hub = Hub::default();
    hub.add_service(service);
    hub
}

/// The service of `httpbin`. Its routes are made once, since scripts are played at each cut.
fn httpbin_service() -> http1::Service {
    thread_local!(static ROUTES: Routes = programs::httpbin::routes().unwrap());
    ROUTES.with(programs::httpbin::service)
}

/// Collects what programs would print: a peer of the service `terminal` reads it, from the first
/// line on.
fn terminal(hub: &mut Hub) -> impl Fn(&str) + Clone + 'static {
    let lines = hub.event::<String>();
    let unread = RefCell::new(Some(lines.subscribe()));
    let terminal = Service::new(async move |mut conn: Conn| {
        let mut unread = unread.take().expect("there is one terminal");
        loop {
            let line = unread.wait().await?;
            conn.write((line, "\r\n")).await?;
        }
    });
    hub.add_service(terminal.named("terminal"));
    move |line| lines.fire(line.to_string())
}
