//! A clock in the browser, by server-sent events.
//!
//! ```text
//! $ cargo run --release --example sse
//! listening on 127.0.0.1:8082
//!
//! $ curl -N http://localhost:8082/ticks
//! ```
//!
//! Each tick has a number as its id. A browser that was cut off connects again by itself, and says
//! which tick it saw last: the ones that it missed are counted.

use std::time::Duration;

use diesel_driver::http1::{Request, Response, Service, Status};
use diesel_driver::web::{ServerEvent, event_stream, last_event_id};
use diesel_driver::{Application, Ctx, Error, Event};
use diesel_examples::{Failure, address, command_line, print_line};

const PAGE: &str = "<!DOCTYPE html>
<meta charset=utf-8><meta name=viewport content='width=device-width'>
<meta name=color-scheme content='light dark'><title>A clock</title>
<style>body{font:1.5em system-ui,sans-serif;text-align:center;margin-top:25vh}#tick{font-size:3em;margin:0}</style>
<p id=tick>connecting</p><p id=missed></p>
<script>
  const show = (id, text) => document.getElementById(id).textContent = text
  const ticks = new EventSource('/ticks')
  ticks.onmessage = tick => show('tick', tick.data)
  ticks.addEventListener('missed', missed => show('missed', `${missed.data} ticks were missed`))
  ticks.onerror = () => show('tick', 'connecting again')
</script>
";

/// Fires the number of each second since the start.
pub async fn tick(ctx: Ctx, ticks: Event<u64>) -> Result<(), Error> {
    let mut interval = ctx.interval(Duration::from_secs(1));
    for number in 0.. {
        interval.tick().await?;
        ticks.fire(number);
    }
    Ok(())
}

fn clock(request: &Request, ticks: &Event<u64>) -> Response {
    let mut ticks = ticks.subscribe();
    let mut last: Option<u64> = last_event_id(request).and_then(|id| id.parse().ok());
    event_stream(async move |events| {
        loop {
            let number = events.wait(ticks.wait()).await??;
            let missed = last.take().map_or(0, |last| number.saturating_sub(last + 1));
            if missed > 0 {
                events.send(&ServerEvent::new(missed.to_string()).named("missed")?).await?;
            }
            let (minutes, seconds) = (number / 60, number % 60);
            let tick =
                ServerEvent::new(format!("{minutes}:{seconds:02}")).id(&number.to_string())?;
            events.send(&tick).await?;
        }
    })
}

/// The service: a page, and the ticks that it shows.
pub fn service(ticks: Event<u64>) -> Service {
    let serve = move |request: Request| match request.path() {
        "/" => Response::html(PAGE),
        "/ticks" => clock(&request, &ticks),
        _ => Response::new(Status::NOT_FOUND),
    };
    Service::new(serve).named("sse")
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Shows a clock in the browser, by server-sent events.",
        [address("listen", "127.0.0.1:8082", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let ticks = app.event();
    let fired = ticks.clone();
    app.add_loop(async move |ctx: Ctx| tick(ctx, fired).await)?;
    let service = app.add_service(service(ticks), listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
