//! Runs clients and servers in the simulated network.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{self, Client, ClientConfig, ClientError};
use diesel_proto::testkit::net::{HostId, LinkOptions, Network};
use diesel_proto::{Conn, Ctx, Error, Hub, IntoService};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const URL: &str = "http://10.0.0.1";

pub(super) fn address() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

/// A link that cuts and delays.
pub(super) fn hostile() -> LinkOptions {
    LinkOptions {
        latency: Duration::ZERO..=SECOND / 10,
        reads: 1..=7,
        writes: 1..=100,
        ..LinkOptions::default()
    }
}

pub(super) fn serve<K>(network: &mut Network, service: impl IntoService<K>) -> HostId {
    serve_at(network, service, address())
}

pub(super) fn serve_at<K>(
    network: &mut Network,
    service: impl IntoService<K>,
    address: SocketAddr,
) -> HostId {
    let mut server = Hub::default();
    let service = server.add_service(service);
    network.host(server, &[(service, address)]).unwrap()
}

/// Runs `ask` in a fiber of a new host.
pub(super) fn start<T: 'static>(
    network: &mut Network,
    ask: impl AsyncFnOnce(&Ctx) -> T + 'static,
) -> (HostId, Rc<Cell<Option<T>>>) {
    let answer = Rc::new(Cell::new(None));
    let (mut hub, told) = (Hub::default(), Rc::clone(&answer));
    let ask = Cell::new(Some(ask));
    let body = async move |ctx: Ctx| {
        let Some(ask) = ask.take() else { return Ok(()) };
        told.set(Some(ask(&ctx).await));
        Ok::<(), Error>(())
    };
    hub.add_loop(body).unwrap();
    (network.lone_host(hub), answer)
}

/// Runs `ask` to its end.
pub(super) fn run<T: 'static>(
    network: &mut Network,
    ask: impl AsyncFnOnce(&Ctx) -> T + 'static,
) -> T {
    let (_, answer) = start(network, ask);
    network.run_for(600 * SECOND).unwrap();
    answer.take().expect("the client never ended")
}

pub(super) fn client(ctx: &Ctx, config: ClientConfig) -> Client {
    Client::builder(ctx).config(config).build()
}

/// The heads of the requests that arrived.
pub(super) type Heads = Rc<RefCell<Vec<String>>>;

/// A server that reads a request of which it knows no more than its head, sends each of these
/// answers to one request, in one or several writes, and closes. Counts its connections.
pub(super) fn scripted(
    answers: &'static [&'static [&'static str]],
) -> (impl AsyncFn(Conn) -> Result<(), Error>, Heads) {
    let heads = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&heads);
    let handler = async move |mut conn: Conn| {
        for pieces in answers {
            let head = conn.until(b"\r\n\r\n").await?;
            seen.borrow_mut().push(String::from_utf8_lossy(&head).into_owned());
            for piece in *pieces {
                match *piece {
                    "sleep" => conn.ctx().sleep(SECOND).await?,
                    "reset" => {
                        conn.abort();
                        return Ok(());
                    }
                    "stall" => {
                        conn.ctx().sleep(1000 * SECOND).await?;
                    }
                    piece => conn.write(piece).await?,
                }
            }
        }
        Ok(())
    };
    (handler, heads)
}

pub(super) async fn text(client: &Client, path: &str) -> Result<String, ClientError> {
    client.get(format!("{URL}{path}")).await?.text().await
}

/// Answers with the method, the target, some fields and the body.
pub(super) async fn mirror(mut request: http1::Request) -> Result<String, Error> {
    let body = request.body().read(1 << 20).await?;
    let mut seen = format!("{} {}", request.method(), request.target_text());
    for name in ["host", "authorization", "cookie", "content-type", "content-length", "x-test"] {
        if let Some(value) = request.header(name) {
            seen += &format!(" {name}={}", String::from_utf8_lossy(value));
        }
    }
    Ok(format!("{seen} [{}]", String::from_utf8_lossy(&body)))
}
