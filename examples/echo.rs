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

use diesel_driver::{Application, Conn, Error};
use diesel_examples::{Failure, address, command_line, print_line};

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
    let [listen] = command_line(
        "Echoes each line; the line `quit` closes the connection.",
        [address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let service = app.add_service(echo, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
