//! The echo server.
//!
//! ```text
//! $ cargo run --release --example echo
//! listening on 127.0.0.1:7050
//!
//! $ telnet localhost 7050
//! hello
//! you said: hello
//! quit
//! Connection closed by foreign host.
//! ```
//!
//! With a certificate it serves TLS:
//!
//! ```text
//! $ cargo run --release --example echo -- --tls-cert fullchain.pem --tls-key privkey.pem
//! $ openssl s_client -quiet -connect localhost:7050
//! ```

use diesel_driver::{Application, Conn, Error, Service};
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, print_line, tls_acceptor,
};

/// Echoes each line; the line `quit` closes the connection.
pub async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        if line.without_eol() == b"quit" {
            return Ok(());
        }
        conn.write(("you said: ", line)).await?;
    }
}

fn main() -> Result<(), Failure> {
    let [listen, cert, key] = command_line(
        "Echoes each line; the line `quit` closes the connection.",
        [
            address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut service = Service::new(echo);
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    let mut app = Application::new();
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
