//! Two loops in one thread.
//!
//! ```text
//! $ cargo run --release --example clocker -- --for 3.5
//! hi!
//! hi!
//! hi!
//! hi!
//! hi!
//! hi!
//! ```
//!
//! Both loops print at once; one of them after a second; both after two; one after three.

use std::time::Duration;

use diesel_driver::{Application, Ctx, Error};
use diesel_examples::{Failure, command_line, print_line, seconds};

/// Prints `hi!` periodically.
pub async fn clock(ctx: Ctx, every: Duration, say: impl Fn(&str)) -> Result<(), Error> {
    loop {
        say("hi!");
        ctx.sleep(every).await?;
    }
}

/// Ends the application.
pub async fn end(ctx: Ctx, after: Duration) -> Result<(), Error> {
    ctx.sleep(after).await?;
    ctx.halt();
    Ok(())
}

fn main() -> Result<(), Failure> {
    let [time] = command_line(
        "Prints `hi!`: one loop every second, another every two.",
        [seconds("for", "forever", "how long to run")],
    );
    let mut app = Application::new();
    for period in [1, 2] {
        app.add_loop(async move |ctx| clock(ctx, Duration::from_secs(period), print_line).await)?;
    }
    app.add_loop(async move |ctx| end(ctx, time.duration()).await)?;
    Ok(app.run()?)
}
