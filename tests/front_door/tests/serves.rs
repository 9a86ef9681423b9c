//! HTTP, built from its folder and the public API alone, serves connections.

use diesel_front_door::http1::{BodyWriter, Request, Response, Service};
use diesel_front_door::{Action, Address, Conn, Error, Hub, Instant};

async fn answer(mut request: Request) -> Result<Response, Error> {
    match request.path() {
        "/upgrade" => Ok(Response::upgrade("shout", async |mut conn: Conn| {
            let line = conn.until_eol().await?;
            conn.write(line.to_ascii_uppercase()).await
        })),
        "/stream" => {
            let body = request.body().read(100).await?;
            Ok(Response::stream(async move |out: &mut BodyWriter| {
                out.write(&body).await?;
                out.write("!\n").await
            }))
        }
        path => Ok(Response::text(path.to_owned())),
    }
}

fn response_to(service: Service, request: &str) -> String {
    let now = Instant::ORIGIN;
    let mut hub = Hub::default();
    let service = hub.add_service(service);
    let conn = hub.accept(now, service, Address::Unnamed).expect("there is room");
    assert_eq!(hub.received(now, conn, request.as_bytes()), request.len());
    let (mut sent, mut actions) = (Vec::new(), vec![Action::Send(conn)]);
    while !actions.is_empty() {
        if actions.contains(&Action::Send(conn)) {
            let bytes = hub.outgoing(conn, |slices| slices.concat()).unwrap_or_default();
            hub.sent(now, conn, bytes.len() as u64);
            sent.extend(bytes);
        }
        actions.clear();
        hub.run(now, &mut actions);
    }
    String::from_utf8(sent).expect("text")
}

#[test]
fn async_and_plain_handlers_streams_and_upgrades() {
    let get = "GET /here HTTP/1.1\r\nHost: a\r\n\r\n";
    let plain = response_to(Service::new(|_: Request| "hello"), get);
    assert!(
        plain.starts_with("HTTP/1.1 200 OK\r\n") && plain.ends_with("\r\n\r\nhello"),
        "{plain}"
    );

    let text = response_to(Service::new(answer), get);
    assert!(text.ends_with("\r\n\r\n/here"), "{text}");

    let post = "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let stream = response_to(Service::new(answer), post);
    assert!(stream.ends_with("\r\n\r\n5\r\nhello\r\n2\r\n!\n\r\n0\r\n\r\n"), "{stream}");

    let upgrade = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n\
                   aloud\n";
    let upgraded = response_to(Service::new(answer), upgrade);
    assert!(upgraded.starts_with("HTTP/1.1 101 "), "{upgraded}");
    assert!(upgraded.ends_with("\r\n\r\nALOUD\n"), "{upgraded}");
}
