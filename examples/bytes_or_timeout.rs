//! Two bytes or three seconds, whichever comes first.
//!
//! ```text
//! $ cargo run --release --example bytes_or_timeout
//! listening on 127.0.0.1:7050
//!
//! $ telnet localhost 7050             $ telnet localhost 7050
//! hi
//! got two bytes!                      timeout
//! Connection closed by foreign host.  Connection closed by foreign host.
//! ```

use std::time::Duration;

use diesel_driver::{Application, Conn, Error, First2, first};
use diesel_examples::{Failure, address, command_line, print_line};

/// Answers with what came first: two bytes or the timeout.
pub async fn bytes_or_timeout(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    let answer = match first((conn.bytes(2), ctx.sleep(Duration::from_secs(3)))).await {
        First2::A(bytes) => bytes.map(|_| "got two bytes!\r\n")?,
        First2::B(slept) => slept.map(|()| "timeout\r\n")?,
    };
    conn.write(answer).await
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Waits for two bytes, with a timeout of three seconds.",
        [address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let service = app.add_service(bytes_or_timeout, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
