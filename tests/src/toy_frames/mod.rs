//! A protocol like WebSocket, reached by an upgrade of HTTP, and written as by a user: it uses only
//! the public API.
//!
//! - [`frame`]: frames like those of RFC 6455, section 5.2, without fragments.
//! - [`echo`]: a machine that handles frames itself.
//! - [`layer`]: a layer that frames the bytes of any machine.
//!
//! The handshake is simpler than WebSocket's: the client asks to upgrade to `toy-frames` with a
//! `Toy-Key`, and gets the reversed key as `Toy-Accept`.

pub mod echo;
pub mod frame;
pub mod layer;

use diesel_proto::http1::{Request, Response, Service, Status};
use diesel_proto::{Cause, Machine, Reason};

/// The name of the protocol in the `Upgrade` field.
pub const PROTOCOL: &str = "toy-frames";

/// A service that upgrades clients that request it to the machine that `make` returns.
pub fn service<M: Machine + Send + 'static>(make: impl Fn() -> M + 'static) -> Service {
    Service::new(move |request: Request| handshake(&request, &make))
}

fn handshake<M: Machine + Send + 'static>(request: &Request, make: impl Fn() -> M) -> Response {
    let asks = request.upgrade() == Some(PROTOCOL.as_bytes());
    match request.header_str("Toy-Key").filter(|_| asks) {
        Some(key) => Response::upgrade(PROTOCOL, make()).header("Toy-Accept", accept(key)),
        None => Response::text("this is spoken in toy-frames\n").status(Status::BAD_REQUEST),
    }
}

/// The answer to a key.
pub fn accept(key: &str) -> String {
    key.chars().rev().collect()
}

/// The head of a client's request.
pub fn request(key: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: toy.example\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\
         Toy-Key: {key}\r\n\r\n"
    )
}

/// The code in a closing frame that says why (RFC 6455, section 7.4.1).
fn code_of(cause: Cause) -> u16 {
    match cause {
        Cause::Protocol(_) => 1002,
        Cause::Limit(_) => 1009,
        Cause::Shutdown | Cause::TimedOut(Reason::Idle) => 1001,
        _ => 1000,
    }
}
