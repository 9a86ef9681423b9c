//! Reads a line, sleeps four times, and echoes the line. Meanwhile other connections are served
//! without delay.
//!
//! ```text
//! $ cargo run --release --example sleep_server
//! listening on 127.0.0.1:7050
//!
//! $ telnet localhost 7050
//! hello
//! 0
//! 1
//! 2
//! 3
//! you said hello
//! Connection closed by foreign host.
//! ```

use std::time::Duration;

use diesel_driver::{Application, Conn, Error, Service};
use diesel_examples::{Failure, address, command_line, print_line, seconds};

/// Counts from 0 to 3, with a pause before each, and then answers.
pub async fn delayed_echo(mut conn: Conn, pause: Duration) -> Result<(), Error> {
    let line = conn.until_eol().await?;
    for n in 0..4 {
        conn.ctx().sleep(pause).await?;
        conn.write(format_args!("{n}\r\n")).await?;
    }
    conn.write(("you said ", line)).await
}

fn main() -> Result<(), Failure> {
    let [listen, pause] = command_line(
        "Reads a line, counts from 0 to 3 with a pause before each, and echoes the line.",
        [
            address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port"),
            seconds("pause", "2", "length of each pause"),
        ],
    );
    let pause = pause.duration();
    let mut app = Application::new();
    let handler = Service::new(async move |conn| delayed_echo(conn, pause).await);
    let service = app.add_service(handler, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
