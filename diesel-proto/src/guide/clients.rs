//! Clients.
//!
//! A [`Client`] is one connection that many fibers share. Calls are queued, and each has the connection
//! to itself.
//!
//! ```
//! # use core::net::SocketAddr;
//! use diesel_proto::{Client, Conn, Ctx, Error, Line};
//!
//! #[derive(Clone)]
//! struct EchoClient(Client);
//!
//! impl EchoClient {
//!     async fn echo(&self, message: &str) -> Result<Line, Error> {
//!         let call = async |conn: &mut Conn| {
//!             conn.write((message, "\r\n")).await?;
//!             conn.until_eol().await
//!         };
//!         self.0.call(call).await
//!     }
//! }
//!
//! async fn caller(ctx: Ctx) -> Result<(), Error> {
//!     let address = SocketAddr::from(([127, 0, 0, 1], 7050));
//!     let client = EchoClient(Client::connect(&ctx, address).await?);
//!     println!("{}", client.echo("hello").await?.trimmed());
//!     Ok(())
//! }
//! # diesel_proto::Hub::default().add_loop(caller).unwrap();
//! ```
//!
//! What is connected to may also be a name: `Client::connect(&ctx, "example.com:7050")`. It is resolved
//! for each connection, and its addresses are tried as [`Ctx::connect`] says. In a test, the simulated
//! network resolves it (`testkit::net::Network::name`), and an application can be shown to survive a
//! resolver that hangs.
//!
//! The answer to one call must never be read by the next. So a call closes the connection if it fails,
//! is dropped, leaves bytes unread, or sends something and reads nothing; the next call makes another
//! connection, or fails with [`Error::CallAbandoned`]. A call that knows that it has read its whole
//! answer can say so:
//!
//! ```
//! use diesel_proto::{Client, Conn, Error, Line};
//!
//! async fn get(client: &Client, key: &str) -> Result<Line, Error> {
//!     let call = async |conn: &mut Conn| {
//!         conn.write(("get ", key, "\r\n")).await?;
//!         let answer = conn.until_eol().await?;
//!         if answer.starts_with(b"error ") {
//!             // It is the whole answer: the next call may have the connection.
//!             conn.mark_in_step();
//!             return Err(Error::application(answer.trimmed().into_owned()));
//!         }
//!         Ok(answer)
//!     };
//!     client.call(call).await
//! }
//! ```
//!
//! A call has to read everything that it asked for: if it sends two requests and reads one answer, the
//! second answer may arrive during the next call.
//!
//! [`Client::builder`] has the rest: what to do on connecting and on closing, and whether a call
//! that finds the connection gone makes another.
//!
//! # HTTP
//!
//! [`http1::Client`] asks any server. It makes connections as it needs them, and keeps them for later
//! calls, which have the same promise: an answer reaches only the call that asked for it.
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::http1::{Client, ClientError};
//! use diesel_proto::{Ctx, Error};
//!
//! async fn watch(ctx: Ctx) -> Result<(), Error> {
//!     let client = Client::new(&ctx);
//!     loop {
//!         let request = client.get("http://example.org/health").timeout(Duration::from_secs(2));
//!         match request.await {
//!             Ok(response) => println!("{}", response.status()),
//!             // It says what the call was doing, with which address, and which rule or limit it was.
//!             Err(ClientError::Shutdown) => return Err(Error::Shutdown),
//!             Err(error) => println!("{error}"),
//!         }
//!         ctx.sleep(Duration::from_secs(10)).await?;
//!     }
//! }
//! # diesel_proto::Hub::default().add_loop(watch).unwrap();
//! ```
//!
//! A client repeats a request by itself only if a pooled connection turned out to be closed, and only if
//! that is safe. Whether to try again later is up to the program, which knows what a repetition does:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::Ctx;
//! use diesel_proto::http1::{Client, ClientError, ClientResponse, Status};
//!
//! /// Asks up to four times, for some seconds in all. Only for what may happen twice, such as a GET.
//! async fn get(ctx: &Ctx, client: &Client, url: &str) -> Result<ClientResponse, ClientError> {
//!     let mut pause = Duration::from_millis(200);
//!     for _ in 0..3 {
//!         match client.get(url).timeout(Duration::from_secs(2)).await {
//!             Ok(response) if response.status() != Status::SERVICE_UNAVAILABLE => return Ok(response),
//!             // Another attempt would fail in the same way: it is this program that is to blame.
//!             Err(error) if !error.is_of_server() => return Err(error),
//!             _ => {}
//!         }
//!         // Up to twice as long, so that many clients do not come back at the same moment.
//!         let [random] = ctx.random();
//!         let after = pause + pause * u32::from(random) / 256;
//!         ctx.sleep(after).await?;
//!         pause *= 4;
//!     }
//!     client.get(url).timeout(Duration::from_secs(2)).await
//! }
//! ```
//!
//! A body is read whole ([`text`](http1::ClientResponse::text), [`bytes`](http1::ClientResponse::bytes),
//! both with a limit), or piece by piece ([`some`](http1::ClientResponse::some)); it is sent whole, or
//! written while it is sent ([`stream`](http1::ClientRequest::stream)). `https` needs settings of TLS
//! (`ClientBuilder::tls`); the driver makes some from what the system trusts (`platform_connector`).
//! With the feature `gzip`, a client can ask for compressed bodies, and decodes them as they are read,
//! up to a limit (`ClientBuilder::gzip`).
//!
//! A request may ask for another protocol ([`upgrade`](http1::ClientRequest::upgrade)): after a 101, the
//! connection is the caller's ([`upgraded`](http1::ClientResponse::upgraded)).
//!
//! Requests go through a proxy if the client has one ([`proxy`](http1::ClientBuilder::proxy)): with the
//! whole URL, or, for `https`, through a tunnel (CONNECT). The driver reads proxies from the
//! environment (`environment_proxies`), if the program asks for that. A variable that names no proxy
//! fails only the requests that would go through it: they do not go past it.
//!
//! With the feature `cookies`, a client can keep the cookies of responses and send them back
//! (`ClientBuilder::cookies`): each only to its domain and path, none for a public suffix, and until it
//! expires by the hub's time.
//!
//! In tests, the same client runs against a server of yours in the simulated network.

#[cfg(doc)]
use crate::fiber::{Client, Ctx};
#[cfg(doc)]
use crate::http1;
#[cfg(doc)]
use crate::machine::Error;
