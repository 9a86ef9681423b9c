//! Passes every connection on to another address.
//!
//! Both ways go at once, each at the pace of its slower end; what either side ends, ends for the
//! other. If either way fails, both end.
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

use std::pin::pin;

use diesel_driver::{Address, Application, Conn, Error, First2, Reader, Service, Writer, first};
use diesel_examples::{Failure, address, command_line, print_line};

/// Passes a connection on to `target`. A direction that ends leaves the other; one that fails takes
/// it along, and both connections end.
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

/// One way, until either end of it is closed. Dropping the writer ends its side, once everything is
/// sent; where the stream was cut off, so is what is passed on.
///
/// An end that takes no more is no failure yet: what it had sent before it closed is still on the
/// other way.
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
    let [listen, to] = command_line(
        "Passes every connection on to another address.",
        [
            address("listen", "127.0.0.1:7000", "where to listen; port 0 takes a free one"),
            address("to", "127.0.0.1:7050", "where to pass connections on to"),
        ],
    );
    let target = to.socket_addr()?.into();
    let mut app = Application::new();
    let proxy = Service::new(async move |conn| proxy(conn, target).await);
    let service = app.add_service(proxy, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
