//! An echo server with a timeout: after three seconds without a line it sends `timeout!`, and waits
//! again.
//!
//! ```text
//! $ cargo run --release --example echo_timeout
//! listening on 127.0.0.1:7050
//!
//! $ telnet localhost 7050
//! hello
//! you said: hello
//! timeout!
//! ```

use std::time::Duration;

use diesel_driver::{Application, Conn, Error, First2, first};
use diesel_examples::{Failure, address, command_line, print_line};

/// Echoes each line; sends `timeout!` when none arrives for three seconds.
pub async fn patient_echo(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    loop {
        match first((conn.until_eol(), ctx.sleep(Duration::from_secs(3)))).await {
            First2::A(line) => conn.write(("you said: ", line?)).await?,
            First2::B(slept) => {
                slept?;
                conn.write("timeout!\r\n").await?
            }
        }
    }
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Echoes each line; sends `timeout!` when none arrives for three seconds.",
        [address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let service = app.add_service(patient_echo, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
