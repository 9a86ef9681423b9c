//! An event: one loop fires it, the others wait for it.
//!
//! ```text
//! $ cargo run --release --example fire -- --for 2.5
//! ann: bam 1
//! bob: bam 1
//! ann: bam 2
//! bob: bam 2
//! ann: bam 3
//! bob: bam 3
//! ```

use std::time::Duration;

use diesel_driver::{Application, Ctx, Error, Event, Subscription};
use diesel_examples::{Failure, command_line, print_line, seconds};

/// Fires the event every second, then halts the application.
pub async fn gunner(ctx: Ctx, bams: Event<u32>, end: Duration) -> Result<(), Error> {
    let end = ctx.now() + end;
    let mut n = 0;
    while ctx.now() < end {
        n += 1;
        bams.fire(n);
        ctx.sleep(Duration::from_secs(1).min(end - ctx.now())).await?;
    }
    ctx.halt();
    Ok(())
}

/// Waits for the event, and reports each message.
pub async fn sieged(
    name: &str,
    mut bams: Subscription<u32>,
    say: impl Fn(&str),
) -> Result<(), Error> {
    loop {
        let n = bams.wait().await?;
        say(&format!("{name}: bam {n}"));
    }
}

fn main() -> Result<(), Failure> {
    let [time] = command_line(
        "One loop fires an event every second, two others wait for it.",
        [seconds("for", "forever", "how long to run")],
    );
    let mut app = Application::new();
    let bams = app.event();
    for name in ["ann", "bob"] {
        let bams = bams.subscribe();
        app.add_loop(async move |_| sieged(name, bams, print_line).await)?;
    }
    app.add_loop(async move |ctx| gunner(ctx, bams, time.duration()).await)?;
    Ok(app.run()?)
}
