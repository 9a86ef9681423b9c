//! A chat room. The first line of a user is their nick; every line after it goes to all other
//! users. The handler is in `src/handlers.rs`: it also runs in other event loops (`embed_mio` and
//! others).
//!
//! ```text
//! $ cargo run --release --example chat
//! listening on 127.0.0.1:8000
//!
//! $ telnet localhost 8000             $ telnet localhost 8000
//! ann                                 bob
//! hi all
//!                                     <ann> hi all
//!                                     hi ann
//! <bob> hi ann
//! ```

use diesel_driver::{Application, Service};
pub use diesel_examples::handlers::chat;
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, tls_acceptor,
};

fn main() -> Result<(), Failure> {
    let [listen, cert, key] = command_line(
        "A chat room. Send your nick, then lines for all other users.",
        [
            address("listen", "127.0.0.1:8000", "address to listen on; port 0: any free port"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut app = Application::new();
    let room = app.event();
    let mut service = Service::new(async move |conn| chat(conn, room.clone()).await);
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
