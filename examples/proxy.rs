//! Forwards every connection to another address.
//!
//! It copies both directions at once, each at the pace of its slower end (back-pressure). When one
//! side ends its direction, the proxy half-closes the other connection; if a direction fails, both
//! connections close.
//!
//! ```text
//! $ cargo run --release --example echo
//! listening on 127.0.0.1:7050
//!
//! $ cargo run --release --example proxy -- --to 127.0.0.1:7050
//! listening on 127.0.0.1:7000
//!
//! $ telnet localhost 7000
//! hello
//! you said: hello
//! ```
//!
//! With `--tls-cert` and `--tls-key` its clients speak TLS, and the target need not.

use std::pin::pin;

use diesel_driver::{Address, Application, Conn, Error, First2, Reader, Service, Writer, first};
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, tls_acceptor,
};

/// Forwards a connection to `target`. If a direction ends, the other one goes on; if one fails,
/// both connections close.
pub async fn proxy(conn: Conn, target: Address) -> Result<(), Error> {
    let (from_target, to_target) = conn.ctx().connect(target).await?.split();
    let (from_peer, to_peer) = conn.split();
    let mut there = pin!(pass_on(from_peer, to_target));
    let mut back = pin!(pass_on(from_target, to_peer));
    match first((there.as_mut(), back.as_mut())).await {
        First2::A(ended) => {
            ended?;
            back.await
        }
        First2::B(ended) => {
            ended?;
            there.await
        }
    }
}

/// Copies one direction until either end of it is closed. Dropping the writer half-closes its
/// connection once everything is sent. If the input was cut off, the output is cut off, too.
///
/// If the writer's peer takes no more, that is not a failure yet: what that peer sent before it
/// closed may still be in the other direction.
async fn pass_on(mut from: Reader, mut to: Writer) -> Result<(), Error> {
    loop {
        let bytes = match from.some().await {
            Ok(bytes) => bytes,
            Err(Error::Closed) => return Ok(()),
            Err(error) => {
                to.cut();
                return Err(error);
            }
        };
        match to.write(bytes).await {
            Ok(()) => {}
            Err(Error::Closed | Error::Reset) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Failure> {
    let [listen, to, cert, key] = command_line(
        "Forwards every connection to another address. With a certificate, it ends TLS.",
        [
            address("listen", "127.0.0.1:7000", "address to listen on; port 0: any free port"),
            address("to", "127.0.0.1:7050", "address to forward to"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let target = to.socket_addr()?.into();
    let mut app = Application::new();
    let mut service = Service::new(async move |conn| proxy(conn, target).await);
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
