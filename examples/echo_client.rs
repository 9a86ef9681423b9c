//! A client of the echo server.
//!
//! Start the example `echo`, then:
//!
//! ```text
//! $ cargo run --release --example echo_client
//! you said: hello
//! you said: is anybody there?
//! you said: goodbye
//! ```

use diesel_driver::{Address, Application, Client, Conn, Ctx, Error, Line};
use diesel_examples::{Failure, address, command_line, print_line};

/// A connection to an echo server.
pub struct EchoClient(pub Client);

impl EchoClient {
    /// Sends a line and returns the answer.
    pub async fn echo(&self, message: &str) -> Result<Line, Error> {
        self.0
            .call(async |conn: &mut Conn| {
                conn.write((message, "\r\n")).await?;
                conn.until_eol().await
            })
            .await
    }
}

/// Sends three lines to the server at `address`, and passes its answers to `say`.
pub async fn talk(ctx: Ctx, address: Address, say: impl Fn(&str)) -> Result<(), Error> {
    let client = EchoClient(Client::connect(&ctx, address).await?);
    for message in ["hello", "is anybody there?", "goodbye"] {
        say(&client.echo(message).await?.trimmed());
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let [connect] = command_line(
        "Sends three lines to an echo server, and prints its answers.",
        [address("connect", "127.0.0.1:7050", "address of the echo server")],
    );
    let server = connect.socket_addr()?.into();
    Ok(Application::new().run_until(async move |ctx| talk(ctx, server, print_line).await)?)
}
