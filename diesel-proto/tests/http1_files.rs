//! Responses with files: from memory, as regions, in chunks, and cut.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{BodyWriter, ContentEncoder, Request, Response, Service, Status};
use diesel_proto::testkit::net::{FakeFile, Happened, HostId, Network, Peer, PeerState};
use diesel_proto::*;

fn large(n: usize) -> FakeFile {
    (0..n).map(|n| b'a' + (n / 7 % 26) as u8).collect::<Vec<_>>().into()
}

/// No coding that is registered, but easy to read.
struct Shout;

impl ContentEncoder for Shout {
    fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.extend(piece.to_ascii_uppercase());
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(b"!");
    }
}

/// Answers with the file at the path of the target: `/chunked/..` in chunks, with a word before and
/// after; `/encoded/..` the same, encoded; `/part/..` from the third byte to the fifth; `/given-up/..` as far as that goes at once.
async fn answer(request: Request, files: DirectoryId) -> Result<Response, Error> {
    let ctx = request.ctx();
    let target = request.path().to_string();
    let (kind, name) = target[1..].split_once('/').unwrap();
    let file = match ctx.open(files, name).inline(1000).await {
        Ok(file) => file,
        Err(Error::File(FileErrorKind::NotFound)) => return Ok(Response::new(Status::NOT_FOUND)),
        Err(error) => return Err(error),
    };
    let around = |file| {
        Response::stream(async move |out: &mut BodyWriter| {
            out.write("before").await?;
            out.write_file(&file, ..).await?;
            out.write("after").await
        })
    };
    Ok(match kind {
        "chunked" => around(file),
        "encoded" => around(file).encode(Shout),
        "part" => Response::file_part(file, 2..=4).status(Status::PARTIAL_CONTENT),
        "given-up" => Response::stream(async move |out: &mut BodyWriter| {
            _ = first((out.write_file(&file, ..), async {})).await;
            out.write("after").await
        }),
        _ => Response::file(file).content_type("text/plain"),
    })
}

/// What is sent in one write, or one region, each.
type Sent = Rc<RefCell<Vec<Vec<u8>>>>;

fn network<const N: usize>(files: [(&str, FakeFile); N]) -> (Network, HostId, Peer, Sent) {
    let mut hub = Hub::default();
    let directory = hub.add_directory();
    let service = Service::new(async move |request: Request| answer(request, directory).await);
    let service = hub.add_service(service);
    let mut network = Network::new(7);
    let host = network.host(hub, &[(service, "10.9.9.9:80".parse().unwrap())]).unwrap();
    network.files(host, directory, files);
    let sent = Sent::default();
    let noted = Rc::clone(&sent);
    network.watch(move |happening| {
        if let Happened::Sent(bytes) = &happening.what {
            noted.borrow_mut().push(bytes.to_vec());
        }
    });
    let peer = network.connect_to(host, service);
    (network, host, peer, sent)
}

fn get(network: &mut Network, peer: Peer, method: &str, target: &str) -> (String, String) {
    network.send(peer, format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    network.run_for(Duration::from_millis(10)).unwrap();
    let n = network.got(peer).len();
    let got = String::from_utf8(network.take_got(peer, n)).unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

fn text(file: &FakeFile) -> &str {
    core::str::from_utf8(&file.content).unwrap()
}

#[test]
fn a_short_file_goes_out_with_its_head_in_one_write() {
    let (mut network, host, peer, sent) =
        network([("short", "hello".into()), ("empty", "".into())]);
    let (head, body) = get(&mut network, peer, "GET", "/file/short");
    assert!(
        head.contains("Content-Length: 5\r\n") || head.ends_with("Content-Length: 5"),
        "{head}"
    );
    assert!(head.contains("Content-Type: text/plain"), "{head}");
    assert_eq!((body.as_str(), sent.take().len()), ("hello", 1));
    assert_eq!(get(&mut network, peer, "GET", "/part/short").1, "llo");
    let (head, body) = get(&mut network, peer, "GET", "/file/empty");
    assert!(head.contains("Content-Length: 0"), "{head}");
    assert_eq!(body, "");
    let (head, _) = get(&mut network, peer, "GET", "/file/none");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(network.open_files(host), 0);
}

#[test]
fn a_long_file_is_a_region_behind_its_head() {
    let file = large(100_000);
    let (mut network, host, peer, sent) = network([("long", file.clone())]);
    for _ in 0..2 {
        let (head, body) = get(&mut network, peer, "GET", "/file/long");
        assert!(head.contains("Content-Length: 100000"), "{head}");
        assert!(body == text(&file));
        let writes = sent.take();
        assert_eq!(writes[0].len(), head.len() + 4, "the head alone");
        assert_eq!(network.open_files(host), 0);
    }
    let (head, body) = get(&mut network, peer, "HEAD", "/file/long");
    assert!(head.contains("Content-Length: 100000"), "{head}");
    assert_eq!((body.as_str(), network.open_files(host)), ("", 0));
    let (head, body) = get(&mut network, peer, "GET", "/part/long");
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("Content-Length: 3"), "{head}");
    assert_eq!(body, &text(&file)[2..5]);
}

#[test]
fn in_a_chunked_body_a_file_is_one_chunk() {
    let file = large(100_000);
    let (mut network, host, peer, _) = network([("long", file.clone())]);
    let (_, body) = get(&mut network, peer, "GET", "/chunked/long");
    let expected = format!("6\r\nbefore\r\n186a0\r\n{}\r\n5\r\nafter\r\n0\r\n\r\n", text(&file));
    assert!(body == expected);
    assert_eq!(network.open_files(host), 0);
    assert_eq!(network.peer_state(peer), PeerState::Open);
}

#[test]
fn a_file_is_read_to_be_encoded() {
    for n in [0, 1, 65_535, 65_536, 65_537, 200_000] {
        let file = large(n);
        let (mut network, host, peer, _) = network([("long", file.clone())]);
        let (_, mut chunks) = get(&mut network, peer, "GET", "/encoded/long");
        let mut body = String::new();
        while let Some((length, rest)) = chunks.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            body.push_str(&rest[..length]);
            chunks = rest[length + 2..].to_string();
        }
        assert!(body == format!("BEFORE{}AFTER!", text(&file).to_uppercase()), "{n}");
        assert_eq!(network.open_files(host), 0);
    }
}

#[test]
fn a_file_that_was_given_up_stays_open_until_it_is_sent() {
    let file = large(100_000).after(Duration::from_millis(20));
    let (mut network, host, peer, _) = network([("slow", file.clone())]);
    network.send(peer, "GET /given-up/slow HTTP/1.1\r\nHost: a\r\n\r\n");
    network.run_for(Duration::from_millis(30)).unwrap();
    assert_eq!(network.open_files(host), 1);
    network.run_for(Duration::from_millis(100)).unwrap();
    assert_eq!(network.open_files(host), 0);
    let got = String::from_utf8(network.got(peer).to_vec()).unwrap();
    let expected = format!("186a0\r\n{}\r\n5\r\nafter\r\n0\r\n\r\n", text(&file));
    assert!(got.ends_with(&expected));
}

#[test]
fn a_file_that_shrinks_cuts_the_response_after_those_before_it() {
    for target in ["/file/cut", "/chunked/cut", "/encoded/cut"] {
        let files = [("short", "hello".into()), ("cut", large(100_000).shrinks_to(60_000))];
        let (mut network, host, peer, _) = network(files);
        let requests =
            ["/file/short", target].map(|it| format!("GET {it} HTTP/1.1\r\nHost: a\r\n\r\n"));
        network.send(peer, requests.concat());
        network.run_for(Duration::from_millis(100)).unwrap();
        let got = network.got(peer);
        assert!(got.windows(5).any(|it| it == b"hello"));
        assert!((60_000..61_000).contains(&got.len()), "{}", got.len());
        // Without its last chunk, a body that just ends is cut as well.
        let cut = if target == "/encoded/cut" { PeerState::Ended } else { PeerState::Reset };
        assert!(!got.ends_with(b"0\r\n\r\n"));
        assert_eq!(network.peer_state(peer), cut);
        assert_eq!(network.open_files(host), 0);
    }
}
