//! Hello, World! over HTTP.
//!
//! ```text
//! $ cargo run --release --example http
//! listening on 127.0.0.1:8088
//!
//! $ curl http://localhost:8088/
//! Hello, World!
//! ```

use diesel_driver::Application;
use diesel_driver::http1::{Request, Response, Service};
use diesel_examples::{Failure, address, command_line};

/// Answers every request in the same way.
pub fn hello(_request: Request) -> Response {
    Response::text("Hello, World!")
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "Answers every request with `Hello, World!`.",
        [address("listen", "127.0.0.1:8088", "where to listen; port 0 takes a free one")],
    );
    let mut app = Application::new();
    let service = app.add_service(Service::new(hello), listen)?;
    println!("listening on {}", app.local_addr(service)?);
    Ok(app.run()?)
}
