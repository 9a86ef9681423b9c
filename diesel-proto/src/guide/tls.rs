//! TLS.
//!
//! With the feature `tls` of `diesel-proto`, a layer does TLS 1.2 and 1.3 around anything that serves a
//! connection. The protocol is done by [rustls](https://docs.rs/rustls), with ring for its cryptography.
//! (The driver exports the module as `diesel_driver::tls`; enable the feature in your own `Cargo.toml`.)
//!
//! # Serve
//!
//! ```
//! use diesel_proto::http1::{Request, Response, Service};
//! use diesel_proto::tls::{Acceptor, Certificates, ConfigError};
//!
//! fn hello(request: Request) -> Response {
//!     // What was negotiated; `None` without TLS.
//!     let version = request.tls().map(|tls| tls.version());
//!     Response::text(format!("hello over {version:?}\n"))
//! }
//!
//! /// `chain` and `key` are the contents of `fullchain.pem` and `privkey.pem`.
//! fn service(chain: &[u8], key: &[u8]) -> Result<diesel_proto::Service, ConfigError> {
//!     let certificates = Certificates::from_pem(chain, key)?;
//!     let acceptor = Acceptor::builder(certificates).alpn(["http/1.1"]).build()?;
//!     Ok(Service::new(hello).layer(move |ctx, inner| acceptor.layer(ctx, inner)))
//! }
//! ```
//!
//! The handler begins when the handshake is complete. A handshake that takes longer than ten seconds is
//! cut ([`Acceptor::within`]). Several certificates are chosen among by the name that the client asks for;
//! [`Acceptor::reload`] gives a handle that replaces them from any thread, while the server runs. Clients'
//! certificates, ALPN, and how long sessions can be resumed are settings of the
//! [builder](crate::tls::AcceptorBuilder); for anything else there are the settings of rustls itself
//! ([`Acceptor::from_config`]).
//!
//! Behind a proxy that sends a PROXY header, that comes before the handshake, so its layer is the outer
//! one, which is added last:
//!
//! ```
//! # use diesel_proto::{Service, proxy_protocol, tls::Acceptor};
//! # fn stacked(service: Service, acceptor: Acceptor, config: proxy_protocol::HeaderConfig) -> Service {
//! service
//!     .layer(move |ctx, inner| acceptor.layer(ctx, inner))
//!     .layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner))
//! # }
//! ```
//!
//! # Call
//!
//! A client has a [`Connector`], which knows the authorities that it trusts, and names the server:
//!
//! ```
//! use diesel_proto::tls::{Connector, ServerName};
//! use diesel_proto::{Address, Client, Ctx};
//!
//! fn client(ctx: &Ctx, address: Address, connector: Connector, name: ServerName<'static>) -> Client {
//!     Client::builder(ctx, address)
//!         .layer(move |ctx, inner| connector.layer(name.clone(), ctx, inner))
//!         .reconnect(true)
//!         .build()
//! }
//! ```
//!
//! [`connect`](crate::fiber::Ctx::connect) completes after the handshake. If that fails, its error says
//! what to do about it: [`Error::Tls`] with a [`TlsError`], such as "the peer's certificate has expired".
//! A notice has the details: the names in the certificate, for example.
//!
//! # How a stream ends
//!
//! | what happens | what the other end gets |
//! | --- | --- |
//! | a handler returns (an error, too), panics, or half-closes | everything that was sent, then the end: `close_notify` |
//! | a handler aborts | a reset |
//! | the stream ends without `close_notify` | [`Error::Tls`]`(`[`TlsError::Truncated`]`)`: someone may have cut it |
//! | a record was changed on its way | [`TlsError::Decrypt`], after everything before it |
//! | the other end refuses | [`TlsError::Alert`], with the number that it sent |
//!
//! # Test
//!
//! In the simulated network (feature `testkit`), both sides are hubs, and any date is the date. A script
//! cannot play the peer: it has no keys. The day is set on each hub *before* it becomes a host:
//!
//! ```
//! use std::cell::Cell;
//! use std::net::SocketAddr;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! # #[cfg(feature = "testkit")]
//! use diesel_proto::testkit::net::{Link, LinkFault, LinkOptions, Network};
//! use diesel_proto::tls::{Acceptor, Connector, ServerName};
//! use diesel_proto::{CertificateFault, Conn, Ctx, Error, Hub, Instant, Service, TlsError};
//!
//! // For a.example, valid in January of 2024, and its authority.
//! # macro_rules! include_bytes {
//! #     ($name:literal) => {
//! #         std::include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/", $name))
//! #     };
//! # }
//! const CHAIN: &[u8] = include_bytes!("brief.pem");
//! const KEY: &[u8] = include_bytes!("brief.key");
//! const AUTHORITY: &[u8] = include_bytes!("authority.pem");
//!
//! /// What a client gets of 100 000 bytes on this day, if the link ends as `ends` says.
//! # #[cfg(feature = "testkit")]
//! fn download(unix_seconds: u64, ends: LinkFault) -> Result<usize, Error> {
//!     let address: SocketAddr = "10.0.0.1:443".parse().unwrap();
//!     let hub = || {
//!         let mut hub = Hub::default();
//!         hub.time_of_day(Instant::ORIGIN, unix_seconds);
//!         hub
//!     };
//!
//!     let acceptor = Acceptor::from_pem(CHAIN, KEY).unwrap();
//!     let mut server = hub();
//!     let service = Service::new(async |mut conn: Conn| conn.write(vec![b'x'; 100_000]).await);
//!     let service = server.add_service(service.layer(move |ctx, inner| acceptor.layer(ctx, inner)));
//!
//!     let connector = Connector::from_pem(AUTHORITY).unwrap();
//!     let got = Rc::new(Cell::new(None));
//!     let told = Rc::clone(&got);
//!     let mut client = hub();
//!     let downloads = async move |ctx: Ctx| {
//!         let connector = connector.clone();
//!         let fetches = async {
//!             let name = ServerName::try_from("a.example").unwrap();
//!             let connect = ctx.connect(address);
//!             let connect = connect.layer(move |ctx, inner| connector.layer(name, ctx, inner));
//!             let mut conn = connect.await?;
//!             Ok(conn.to_end(200_000).await?.len())
//!         };
//!         told.set(Some(fetches.await));
//!         Ok(())
//!     };
//!     client.add_loop(downloads).unwrap();
//!
//!     let mut network = Network::new(1);
//!     let back = LinkOptions { half_closes: ends, ..LinkOptions::default() };
//!     network.link(Link { there: LinkOptions::default(), back });
//!     network.host(server, &[(service, address)]).unwrap();
//!     network.lone_host(client);
//!     network.run_for(Duration::from_secs(60)).unwrap();
//!     got.take().expect("the client still waits")
//! }
//!
//! # #[cfg(feature = "testkit")]
//! fn main() {
//!     const JANUARY: u64 = 1_705_276_800;
//!     const MARCH: u64 = JANUARY + 60 * 24 * 60 * 60;
//!     assert_eq!(download(JANUARY, LinkFault::NEVER).unwrap(), 100_000);
//!     let cut = download(JANUARY, LinkFault::at(50_000));
//!     assert!(matches!(cut, Err(Error::Tls(TlsError::Truncated))));
//!     let expired = TlsError::Certificate(CertificateFault::Expired);
//!     let late = download(MARCH, LinkFault::NEVER);
//!     assert!(matches!(late, Err(Error::Tls(error)) if error == expired));
//! }
//! # #[cfg(not(feature = "testkit"))]
//! # fn main() {}
//! ```
//!
//! A certificate for tests must not be that of an authority, which `openssl req -x509` makes unless it is
//! told otherwise: [`CertificateFault::Authority`] says so. This one is its own root:
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
//!     -keyout key.pem -out cert.pem -subj /CN=localhost \
//!     -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost
//! ```
//!
//! # The clock, and what is not deterministic
//!
//! Certificates and sessions are checked by the hub's [time of day](crate::hub::Hub::time_of_day), which
//! the driver sets. A [test](#test) sets it to any date, and months pass in no time. Without a hub, set the
//! [clock](crate::tls::Clock) of the settings.
//!
//! A session that is resumed saves most of a handshake, but does not outlive what it rests on: certificates
//! are verified again, its [lifetime](crate::tls::AcceptorBuilder::sessions) counts from the full handshake,
//! and [replacing](crate::tls::Reload) a server's certificates ends it.
//!
//! Keys, nonces and session ids are random, from the operating system: so bytes on the wire differ from run
//! to run, and a recording of a hub with TLS cannot be replayed. What handlers see does not depend on them.
//!
//! # What it costs
//!
//! What a handler queued is encrypted as the peer takes it, 256 KiB ahead: a large response costs no copy of
//! itself. It counts as queued until it is sent, for [`flush`](crate::fiber::Conn::flush) and for
//! high-water marks. The first records of a connection, and those after a pause, are small, so that the
//! first bytes can be used as soon as they arrive; later ones are as large as TLS allows. A file
//! that is [sent](crate::fiber::Conn::write_file) is read piece by piece, since TLS has to see its bytes.

#[cfg(doc)]
use crate::{
    machine::{CertificateFault, Error, TlsError},
    tls::{Acceptor, Connector},
};
