//! Hello, World! over HTTP.
//!
//! ```text
//! $ cargo run --release --example http
//! listening on 127.0.0.1:8088
//!
//! $ curl http://localhost:8088/
//! Hello, World!
//! ```
//!
//! The handler is in `src/handlers.rs`: it also runs in other event loops (`embed_mio` and others).
//!
//! With `--proxy-protocol`, behind a proxy that sends a PROXY header with the client's address:
//!
//! ```text
//! $ curl --haproxy-protocol http://localhost:8088/
//! ```
//!
//! With `--tls-cert fullchain.pem --tls-key privkey.pem`, over TLS:
//!
//! ```text
//! $ curl https://localhost:8088/
//! ```

use diesel_driver::Application;
use diesel_driver::http1::Service;
use diesel_driver::proxy_protocol::{self, HeaderConfig};
pub use diesel_examples::handlers::hello;
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, switch, tls_acceptor,
};

fn main() -> Result<(), Failure> {
    let [listen, proxied, cert, key] = command_line(
        "Answers `Hello, World!`, and POST /echo with the body of the request.",
        [
            address("listen", "127.0.0.1:8088", "address to listen on; port 0: any free port"),
            switch("proxy-protocol", "expect a PROXY header before each connection"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut service = diesel_driver::Service::from(Service::new(hello));
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    // The header comes before the handshake.
    if proxied.is_on() {
        let config = HeaderConfig::default();
        service = service.layer(move |ctx, inner| proxy_protocol::layer(&config, ctx, inner));
    }
    let mut app = Application::new();
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
