//! A service, a client of it, and a loop that uses the client, all in one thread.
//!
//! ```text
//! $ cargo run --release --example combined
//! 5000 loops in 0.08s
//! ```

use diesel_driver::{Address, Application, Client, Conn, Ctx, Error};
use diesel_examples::{Failure, address, command_line, fail, print_line};

/// Echoes each line.
pub async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

/// Calls the service 5000 times, reports how long that took, and halts the application.
pub async fn calls(ctx: Ctx, service: Address, say: impl Fn(&str)) -> Result<(), Error> {
    let client = Client::connect(&ctx, service).await?;
    let start = ctx.now();
    for n in 0..5000 {
        let call = async |conn: &mut Conn| {
            conn.write(format_args!("{n}\r\n")).await?;
            conn.until_eol().await
        };
        let answer = client.call(call).await?;
        assert_eq!(answer.trimmed(), format!("you said: {n}"));
    }
    say(&format!("5000 loops in {:.2}s", (ctx.now() - start).as_secs_f64()));
    ctx.halt();
    Ok(())
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Calls an echo service in the same process 5000 times.",
        [address("listen", "127.0.0.1:0", "address of the service")],
    );
    let mut app = Application::new();
    let service = app.add_service(echo, listen)?;
    let address = app.local_addr(service)?.into();
    app.add_loop(async move |ctx| {
        calls(ctx, address, print_line).await.or_else(|error| fail(error))
    })?;
    Ok(app.run()?)
}
