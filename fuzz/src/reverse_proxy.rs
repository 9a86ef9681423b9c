//! Sends the bytes of a client through a reverse proxy, and checks what reaches the upstream: one
//! request for each that the client sent, in order, in the one form that this file makes of it, and
//! nothing else.
//!
//! The input is a byte of settings, and the bytes of the client.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::Hub;
use diesel_proto::http1::{
    ConnectionConfig, FieldSpans, Framing, Headers, Limits, Request, RequestEvent, RequestHead,
    Response, ServerConnection, Service, Status, Target, Version, parse_request,
};
use diesel_proto::testkit::net::{Happened, LinkOptions, Network};
use diesel_proto::web::ReverseProxy;

/// A message in the one form.
#[derive(Debug, PartialEq)]
struct Canonical {
    head: String,
    content: Vec<u8>,
    trailers: String,
}

fn limits() -> Limits {
    Limits { body: u64::MAX, ..Limits::default() }
}

/// Room for what the proxy adds.
fn upstream_limits() -> Limits {
    let Limits { request_line, header_bytes, header_count, .. } = limits();
    Limits {
        request_line: request_line + 100,
        header_bytes: 2 * header_bytes + 1000,
        header_count: header_count + 10,
        ..limits()
    }
}

/// Takes settings, and the bytes of a client.
pub fn reverse_proxy(data: &[u8]) {
    let Some((&settings, bytes)) = data.split_first() else { return };
    let is_trusted = settings & 1 != 0;
    let seen = pass_on(settings, is_trusted, bytes);
    let (expected, is_exact) = expected(bytes, is_trusted);
    let mut n = 0;
    for bytes in &seen {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Some((request, len)) = read(rest) else {
                // The client did not send all of it.
                assert!(n >= expected.len(), "{n} of {expected:?}: {}", rest.escape_ascii());
                break;
            };
            assert_eq!(Some(&request), expected.get(n), "request {n}");
            n += 1;
            rest = &rest[len..];
        }
    }
    assert!(!is_exact || n == expected.len(), "{n} of {expected:?}");
}

/// What the upstream gets, over each of its connections.
fn pass_on(settings: u8, is_trusted: bool, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut network = Network::new(settings.into());
    if settings & 2 != 0 {
        let link = LinkOptions { reads: 1..=20, writes: 1..=20, ..LinkOptions::default() };
        network.link(link);
    }
    let mut hub = Hub::default();
    let service = hub.add_service(Service::new(answer).limits(upstream_limits()));
    let address = "10.0.1.1:80".parse().expect("an address");
    let upstream = network.host(hub, &[(service, address)]).expect("it is free");
    let seen = Rc::new(RefCell::new(Vec::<(_, Vec<u8>)>::new()));
    let recorded = Rc::clone(&seen);
    network.watch(move |happening| {
        if let (Happened::Received(bytes), true) = (&happening.what, happening.host == upstream) {
            let recorded = &mut *recorded.borrow_mut();
            match recorded.iter_mut().find(|(conn, _)| *conn == happening.conn) {
                Some((_, all)) => all.extend_from_slice(bytes),
                None => recorded.push((happening.conn, bytes.to_vec())),
            }
        }
    });
    let mut hub = Hub::default();
    let builder = ReverseProxy::to(["http://10.0.1.1"]).expect("a server");
    let builder = builder.name("p").expect("a token").trust_if(move |_| is_trusted);
    let proxy = builder.build(&hub.ctx());
    let forward = async move |request: Request| proxy.forward(request).await;
    let service = hub.add_service(Service::new(forward).limits(limits()));
    let host = network.lone_host(hub);
    let peer = network.connect_to(host, service);
    network.send(peer, bytes);
    // What is incomplete is answered when its time is over.
    network.run_for(Duration::from_secs(200)).expect("it comes to rest");
    let seen = seen.borrow();
    seen.iter().map(|(_, bytes)| bytes.clone()).collect()
}

/// Answers when it has all of a request, so that it gets all that the proxy sends.
async fn answer(mut request: Request) -> Response {
    match request.body().read(usize::MAX).await {
        Ok(body) => Response::bytes(body.to_vec()),
        Err(_) => Response::new(Status::BAD_REQUEST),
    }
}

/// Reads a request in the one form, and its length; `None` if it is not complete.
fn read(bytes: &[u8]) -> Option<(Canonical, usize)> {
    let mut spans = FieldSpans::new();
    let head = parse_request(bytes, &upstream_limits(), &mut spans).expect("a valid head")?;
    let (framing, len) = (head.framing(), head.len());
    let text = without_elements_of_others(&String::from_utf8_lossy(&bytes[..len]));
    let mut request = Canonical { head: text, content: Vec::new(), trailers: String::new() };
    let rest = &bytes[len..];
    let body = match framing {
        Framing::Empty => 0,
        Framing::Length(n) => {
            let n = usize::try_from(n).ok().filter(|&n| n <= rest.len())?;
            request.content.extend_from_slice(&rest[..n]);
            n
        }
        Framing::Chunked => {
            let mut at = 0;
            loop {
                let line = rest[at..].windows(2).position(|two| two == b"\r\n")?;
                let digits = std::str::from_utf8(&rest[at..at + line]).expect("a size");
                let size = usize::from_str_radix(digits, 16).expect("a size alone");
                at += line + 2;
                if size == 0 {
                    break;
                }
                let chunk = rest.get(at..at + size + 2)?;
                assert!(chunk.ends_with(b"\r\n"));
                request.content.extend_from_slice(&chunk[..size]);
                at += size + 2;
            }
            let end = match rest.get(at..at + 2)? {
                b"\r\n" => 0,
                _ => rest[at..].windows(4).position(|four| four == b"\r\n\r\n")? + 2,
            };
            request.trailers = String::from_utf8_lossy(&rest[at..at + end]).into_owned();
            at + end + 2
        }
    };
    Some((request, len + body))
}

/// The head without the elements of Forwarded that a trusted peer sent: whether they are well formed,
/// and so passed on, is not known here. That of the proxy comes last.
fn without_elements_of_others(head: &str) -> String {
    let is_ours = |at: &usize| head[*at..].starts_with("for=172.16.0.1");
    let Some(start) = head.find("\r\nForwarded: ") else { return head.into() };
    let start = start + "\r\nForwarded: ".len();
    let end = start + head[start..].find("\r\n").unwrap_or_default();
    let own = head[start..end].rfind("for=172.16.0.1").map(|at| start + at).filter(is_ours);
    head[..start].to_string() + &head[own.unwrap_or(start)..]
}

/// The requests of a client, and whether all of them have to reach the upstream: after one that the
/// proxy refuses, the next may be dropped with its connection.
fn expected(bytes: &[u8], is_trusted: bool) -> (Vec<Canonical>, bool) {
    let config = ConnectionConfig { limits: limits(), ..ConnectionConfig::default() };
    let mut connection = ServerConnection::new(config);
    let (mut requests, mut is_exact) = (Vec::new(), true);
    let mut current = None;
    let mut rest = bytes;
    loop {
        match connection.next_event() {
            Ok(Some(RequestEvent::Request(head))) => {
                let is_refused = is_refused(&head.view());
                is_exact &= !is_refused;
                current = Some((canonical(&head.view(), is_trusted), is_refused));
                connection.ask_for_body();
            }
            Ok(Some(RequestEvent::Data(data))) => {
                if let Some((request, _)) = &mut current {
                    request.content.extend_from_slice(&data);
                }
            }
            Ok(Some(RequestEvent::End(trailers))) => {
                if let Some((mut request, is_refused)) = current.take() {
                    request.trailers = lines(trailers.iter().filter(|(name, _)| is_trailer(name)));
                    if !is_refused {
                        requests.push(request);
                    }
                }
                if connection.respond_whole(Status::OK, &Headers::new(), b"").is_err() {
                    return (requests, is_exact);
                }
            }
            Ok(Some(RequestEvent::Closed)) | Err(_) => return (requests, is_exact),
            Ok(None) => {
                if connection.must_close() || rest.is_empty() {
                    return (requests, is_exact);
                }
                let taken = connection.received(rest);
                rest = &rest[taken..];
                if taken == 0 {
                    return (requests, is_exact);
                }
            }
        }
    }
}

/// Whether the proxy answers itself.
fn is_refused(head: &RequestHead<'_>) -> bool {
    let is_counted = matches!(head.method(), "OPTIONS" | "TRACE");
    let counts: Vec<_> = head.fields().get_all("max-forwards").collect();
    let is_number = |count: &[u8]| {
        let text = std::str::from_utf8(count).unwrap_or("");
        text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok_and(|n| n > 0)
    };
    let is_over = match &counts[..] {
        [] => false,
        [count] => !is_number(count),
        _ => true,
    };
    let has_content = !matches!(head.framing(), Framing::Empty | Framing::Length(0));
    let is_here_again = |value: &[u8]| {
        let text = String::from_utf8_lossy(value).to_lowercase();
        text.split(',').any(|hop| hop.split_ascii_whitespace().nth(1) == Some("p"))
    };
    head.fields().get_all("via").any(is_here_again)
        || is_counted && is_over
        || head.method() == "TRACE" && head.framing() != Framing::Empty
        || head.method() == "TRACE" && has_content
}

/// The head that the upstream gets.
fn canonical(head: &RequestHead<'_>, is_trusted: bool) -> Canonical {
    let fields: Vec<_> = head.fields().iter().collect();
    let named = |name: &str| values(head, name);
    let target = match head.target() {
        Target::Absolute { path, query, .. } => {
            path.to_string() + &query.map(|query| format!("?{query}")).unwrap_or_default()
        }
        _ => head.target_text().to_string(),
    };
    let host = head.host().map(|host| host.as_str().to_string());
    let mut text = format!(
        "{} {target} HTTP/1.1\r\nHost: {}\r\n",
        head.method(),
        host.as_deref().unwrap_or("10.0.1.1")
    );
    let upgrade = named("upgrade").join(&b","[..]);
    let upgrade = String::from_utf8_lossy(&upgrade).to_lowercase();
    let has_body = !matches!(head.framing(), Framing::Empty | Framing::Length(0));
    let asks = head.method() == "GET" && head.version() == Version::Http11 && !has_body;
    if asks && head.upgrade().is_some() && upgrade.split(',').any(|name| name.trim() == "websocket")
    {
        text += "Connection: upgrade\r\nUpgrade: websocket\r\n";
    }
    if head.expects_continue() && has_body {
        text += "Expect: 100-continue\r\n";
    }
    let nominated = named("connection").join(&b","[..]);
    let nominated = String::from_utf8_lossy(&nominated).to_lowercase();
    let nominated: Vec<_> = nominated.split(',').map(str::trim).collect();
    let is_counted = matches!(head.method(), "OPTIONS" | "TRACE");
    text += &lines(fields.iter().copied().filter(|(name, _)| {
        let name = name.to_lowercase();
        match kind(&name) {
            Kind::Dropped => false,
            Kind::Forwarding => is_trusted && !WRITTEN.contains(&&*name),
            Kind::Kept if name == "max-forwards" => !is_counted,
            Kind::Kept => true,
            Kind::EndToEnd => !nominated.contains(&&*name),
        }
    }));
    if let (true, [count]) = (is_counted, &named("max-forwards")[..]) {
        let count: u64 = String::from_utf8_lossy(count).parse().unwrap_or(1);
        text += &format!("Max-Forwards: {}\r\n", count.saturating_sub(1));
    }
    let version = if head.version() == Version::Http10 { "1.0" } else { "1.1" };
    text += &format!("Via: {version} p\r\n");
    text += &forwarded(head, host.as_deref(), is_trusted);
    text += &match head.framing() {
        Framing::Empty | Framing::Length(0) => match head.method() {
            "POST" | "PUT" | "PATCH" => "Content-Length: 0\r\n".to_string(),
            _ => String::new(),
        },
        Framing::Length(n) => format!("Content-Length: {n}\r\n"),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_string(),
    };
    Canonical { head: text + "\r\n", content: Vec::new(), trailers: String::new() }
}

/// The values of the fields of this name that are not empty.
fn values<'a>(head: &RequestHead<'a>, name: &str) -> Vec<&'a [u8]> {
    head.fields().get_all(name).filter(|value| !value.is_empty()).collect()
}

/// What is said of the client.
fn forwarded(head: &RequestHead<'_>, host: Option<&str>, is_trusted: bool) -> String {
    let said = |name: &str| match is_trusted {
        true => {
            values(head, name).iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect()
        }
        false => Vec::new(),
    };
    let host_pair = host.map(|host| format!(";host=\"{host}\"")).unwrap_or_default();
    let mut addresses = said("x-forwarded-for");
    addresses.push("172.16.0.1".into());
    // See `without_elements_of_others`.
    let mut text = format!("Forwarded: for=172.16.0.1{host_pair};proto=http\r\n");
    text += &format!("X-Forwarded-For: {}\r\n", addresses.join(", "));
    let hosts = said("x-forwarded-host");
    if let Some(host) = hosts.first().map(String::as_str).or(host) {
        text += &format!("X-Forwarded-Host: {host}\r\n");
    }
    let protocols = said("x-forwarded-proto");
    text + &format!("X-Forwarded-Proto: {}\r\n", protocols.first().map_or("http", String::as_str))
}

enum Kind {
    EndToEnd,
    /// Whatever Connection names.
    Kept,
    Forwarding,
    Dropped,
}

const WRITTEN: [&str; 4] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// The kind of a field, by its name in lower case.
fn kind(name: &str) -> Kind {
    let normal = name.replace('_', "-");
    let kind = match &*normal {
        "close" | "connection" | "content-length" | "expect" | "host" | "keep-alive" | "proxy"
        | "te" | "trailer" | "transfer-encoding" | "upgrade" => Kind::Dropped,
        name if name.starts_with("proxy-") => Kind::Dropped,
        "forwarded" | "x-real-ip" => Kind::Forwarding,
        name if name.starts_with("x-forwarded") => Kind::Forwarding,
        "via" | "max-forwards" => Kind::Kept,
        _ => return Kind::EndToEnd,
    };
    if normal == name { kind } else { Kind::Dropped }
}

fn is_trailer(name: &str) -> bool {
    const NONE: &str = " authorization cache-control content-encoding content-range content-type \
                        cookie date location range set-cookie www-authenticate ";
    let name = name.to_lowercase();
    matches!(kind(&name), Kind::EndToEnd) && !NONE.contains(&format!(" {name} "))
}

fn lines<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    fields.map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value))).collect()
}
