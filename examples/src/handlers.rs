//! The handlers that more than one program serves: the driver's own examples, and those that show
//! other event loops (`embed_*`). A handler does not know which loop runs it.

use diesel_driver::http1::{Request, Response};
use diesel_driver::{Conn, Error, Event, First2, first};

/// Serves one user of a chat room. The first line is the nick; every line after it goes to all
/// other users.
pub async fn chat(mut conn: Conn, room: Event<(String, String)>) -> Result<(), Error> {
    let nick = conn.until_eol().await?.trimmed().to_string();
    let mut others = room.subscribe();
    loop {
        match first((conn.until_eol(), others.wait())).await {
            First2::A(line) => others.fire((nick.clone(), line?.trimmed().to_string())),
            First2::B(Ok((nick, text))) => conn.write(format!("<{nick}> {text}\r\n")).await?,
            // This user fell behind: the event dropped the oldest messages.
            First2::B(Err(Error::Lagged(n))) => {
                conn.write(format!("({n} lines are missing)\r\n")).await?
            }
            First2::B(Err(error)) => return Err(error),
        }
    }
}

/// The answer to every request but `POST /echo`.
pub const HELLO: &str = "Hello, World!";

/// Answers `POST /echo` with the body of the request, and every other request with the same text.
pub fn hello(request: Request) -> Response {
    match (request.method(), request.path()) {
        ("POST", "/echo") => Response::bytes(request.content().to_vec()),
        _ => Response::text(HELLO),
    }
}
