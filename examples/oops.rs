//! A handler that notices when its peer goes away.
//!
//! ```text
//! $ cargo run --release --example oops
//! listening on 127.0.0.1:7050         $ telnet localhost 7050
//!                                     hello
//!                                     you said: hello
//!                                     ^]
//!                                     telnet> close
//! oops! 127.0.0.1:40404 is gone after 1 line
//! ```

use diesel_driver::{Application, Conn, Error, Service};
use diesel_examples::{Failure, address, command_line, print_line};

/// Echoes each line until reading or writing fails.
async fn echo(conn: &mut Conn, lines: &mut u32) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        *lines += 1;
        conn.write(("you said: ", line)).await?;
    }
}

/// Echoes lines, and reports when the peer is gone.
pub async fn oops(mut conn: Conn, say: impl Fn(&str)) -> Result<(), Error> {
    let mut lines = 0;
    let error = echo(&mut conn, &mut lines).await;
    if let Err(Error::Closed | Error::Reset) = error {
        let s = if lines == 1 { "" } else { "s" };
        say(&format!("oops! {} is gone after {lines} line{s}", conn.peer()));
        return Ok(());
    }
    error
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Echoes each line, and reports when the peer is gone.",
        [address("listen", "127.0.0.1:7050", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let oops = Service::new(async |conn| oops(conn, print_line).await);
    let service = app.add_service(oops, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
