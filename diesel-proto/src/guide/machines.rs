//! Machines and layers.
//!
//! Below the handlers there is one trait, [`Machine`](crate::machine::Machine): a transition function over one
//! byte stream. Something happened (an [`Input`](crate::machine::Input)), and what follows from it is written to
//! [`Actions`](crate::machine::Actions): bytes, a deadline, a pause, a close. A handler runs inside a machine, an
//! HTTP service makes machines, and you can write your own: the
//! [chapter on tests](super#chapters) builds one from an empty file.
//!
//! | to run a machine | use |
//! | --- | --- |
//! | alone, in your event loop | [`Endpoint`](crate::machine::Endpoint), which has the embedding contract |
//! | for each connection of a service | [`Service::machine`](crate::hub::Service::machine) |
//! | with access to the hub around it (to spawn, to wake itself) | [`Service::machine_with`](crate::hub::Service::machine_with) |
//! | in place of a handler that is done | [`Conn::upgrade`](crate::fiber::Conn::upgrade) |
//! | in place of another machine | [`Actions::upgrade`](crate::machine::Actions::upgrade) |
//! | after an HTTP upgrade | [`Response::upgrade`](crate::http1::Response::upgrade) |
//!
//! # Layers
//!
//! A layer is a machine that holds another one, and stands between it and the network. Layers stack:
//!
//! ```text
//!   socket ⇄ Hub or Endpoint ⇄ outer layer ⇄ inner layer ⇄ HTTP service, handler or machine
//! ```
//!
//! [`Service::layer`](crate::hub::Service::layer), and the methods of the same name of
//! [`http1::Service`](crate::http1::Service::layer) and of [`Connect`](crate::fiber::Connect::layer),
//! put a layer around whatever serves a connection. The layer that is added last is the outermost.
//!
//! ```
//! use diesel_proto::proxy_protocol::{self, HeaderConfig};
//! use diesel_proto::{Conn, Error, Hub, Service};
//!
//! /// Answers with the address of the client, not that of the proxy in front.
//! async fn whoami(mut conn: Conn) -> Result<(), Error> {
//!     let peer = conn.peer();
//!     conn.write(format!("{peer}\r\n")).await
//! }
//!
//! let config = HeaderConfig::default();
//! let service =
//!     Service::new(whoami).layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner));
//! Hub::default().add_service(service);
//! ```
//!
//! To write a layer, hold the inner machine in a [`Nested`](crate::machine::Nested): it keeps the inner stream's
//! state, passes on what happens, and tells the stream below what the inner machine wants. A layer of
//! your own has everything that ours have. `testkit::layer_laws` checks it with one call.
//!
//! # TLS
//!
//! With the feature `tls`, `tls::Acceptor` and `tls::Connector` make layers like these: records of the
//! network on the outside, plain bytes on the inside. The chapter `guide::tls` shows how. Or terminate TLS
//! in a proxy in front: see [production](super::production#tls-and-proxies-in-front).
