//! Parts of files through a stack of layers, by a handler and by an HTTP service: as regions if all
//! layers share the queue, and read piece by piece if one of them frames it. The peer must get
//! every byte once, and must notice if a file has become too short.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::http1::{self, BodyWriter, Request, Response};

use diesel_proto::fiber::File;
use diesel_proto::testkit::net::{FakeFile, Link, LinkOptions, Network, Peer, PeerState};
use diesel_proto::{Conn, Ctx, DirectoryId, Error, Hub, Inner, MachineCtx, Service};

use super::{Layer, around, decode, encode, goodbye, preamble};

const MOST_PARTS: usize = 6;
/// What a [`Name::Cut`] file loses once it is open comes after this.
const LEFT: usize = 900;

/// What is sent, and over which link.
#[derive(Arbitrary, Debug)]
struct Download {
    http: bool,
    /// The requests are sent one after the other, each after such a time.
    pauses: Vec<u8>,
    /// The peer reads only after a second.
    reads_late: bool,
    latency: u8,
    most_per_write: u16,
    capacity: u16,
    parts: Vec<Part>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Part {
    Bytes(u8, u16),
    File(Name, u32, u32),
    /// In HTTP, a body in chunks, between other bytes.
    Chunked(Name, u32, u32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    /// It comes with the answer to the request to open it.
    Inline,
    Page,
    /// Longer than what is read of a file at once.
    Long,
    Slow,
    /// It becomes shorter after it was opened.
    Cut,
}

const NAMES: [Name; 5] = [Name::Inline, Name::Page, Name::Long, Name::Slow, Name::Cut];

impl Name {
    fn path(self) -> &'static str {
        match self {
            Name::Inline => "inline",
            Name::Page => "page",
            Name::Long => "long",
            Name::Slow => "slow",
            Name::Cut => "cut",
        }
    }

    fn content(self) -> Vec<u8> {
        let len = match self {
            Name::Inline => 90,
            Name::Page => 1000,
            Name::Long => 70_000,
            Name::Slow | Name::Cut => 2000,
        };
        // No two parts of a file are the same, nor are those of two files.
        (0..len).map(|at: usize| (at ^ (at >> 8)) as u8 ^ (17 * self as u8)).collect()
    }

    fn file(self) -> FakeFile {
        let file = FakeFile::from(self.content());
        match self {
            Name::Slow => file.after(Duration::from_millis(7)),
            Name::Cut => file.shrinks_to(LEFT),
            _ => file,
        }
    }
}

impl Part {
    /// The file, with a range that may end, or lie, beyond its end.
    fn of_file(&self) -> Option<(Name, Range<u64>)> {
        let (Part::File(name, from, len) | Part::Chunked(name, from, len)) = *self else {
            return None;
        };
        let most = name.content().len() as u64 + 2;
        let from = u64::from(from) % most;
        Some((name, from..from + u64::from(len) % most))
    }

    fn bytes(&self) -> Vec<u8> {
        match *self {
            Part::Bytes(byte, n) => vec![byte; usize::from(n) % 3000],
            _ => Vec::new(),
        }
    }

    /// What the peer gets, and whether the stream is cut after that.
    fn expected(&self) -> (Vec<u8>, bool) {
        let Some((name, range)) = self.of_file() else { return (self.bytes(), false) };
        let content = name.content();
        let end = (range.end as usize).min(content.len());
        let start = (range.start as usize).min(end);
        match name {
            Name::Cut if start < end && end > LEFT => (content[start.min(LEFT)..LEFT].into(), true),
            _ => (content[start..end].into(), false),
        }
    }
}

/// Takes what is sent, after the layers.
pub(super) fn files(stack: &[Layer], delays: Duration, seed: u8, input: &mut Unstructured<'_>) {
    let Ok(mut download) = Download::arbitrary(input) else { return };
    download.parts.truncate(MOST_PARTS);

    let mut hub = Hub::default();
    let directory = hub.add_directory();
    let parts: Rc<[Part]> = download.parts.clone().into();
    let layers = stack.to_vec();
    let wrap = move |_: &MachineCtx, inner: Inner| around(&layers, inner);
    let service = match download.http {
        true => http1::Service::new(async move |request: Request| {
            respond(&parts, request, directory).await
        })
        .layer(wrap),
        false => {
            let send = async move |conn: Conn| send(&parts, conn, directory).await;
            Service::new(send).layer(wrap)
        }
    };
    let service = hub.add_service(service);
    let mut network = Network::new(seed.into());
    network.link(download.link());
    let host = network.lone_host(hub);
    network.files(host, directory, NAMES.map(|name| (name.path(), name.file())));
    let peer = network.connect_to(host, service);

    download.requests(stack, &mut network, peer);
    network.run_for(delays + Duration::from_secs(100)).unwrap();
    let got = decode(stack, network.got(peer));
    match download.http {
        true => download.check_responses(&got),
        false => download.check_bytes(&got, network.peer_state(peer)),
    }
    assert_eq!(network.open_files(host), 0, "files stay open");
}

/// Sends a part for each byte of the peer.
async fn send(parts: &[Part], mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
    for part in parts {
        conn.bytes(1).await?;
        match part.of_file() {
            Some((name, range)) => {
                let file = open(&conn.ctx(), files, name).await?;
                conn.write_file(&file, range).await?;
            }
            None => conn.write(part.bytes()).await?,
        }
    }
    Ok(())
}

/// Responds with the part whose number is the path.
async fn respond(parts: &[Part], request: Request, files: DirectoryId) -> Result<Response, Error> {
    let part = &parts[request.path()[1..].parse::<usize>().unwrap()];
    let Some((name, range)) = part.of_file() else { return Ok(Response::bytes(part.bytes())) };
    let file = open(&request.ctx(), files, name).await?;
    Ok(match part {
        Part::Chunked(..) => Response::stream(async move |out: &mut BodyWriter| {
            out.write("<").await?;
            out.write_file(&file, range).await?;
            out.write(">").await
        }),
        _ => Response::file_part(file, range),
    })
}

async fn open(ctx: &Ctx, files: DirectoryId, name: Name) -> Result<File, Error> {
    ctx.open(files, name.path()).inline(100).await
}

impl Download {
    fn link(&self) -> Link {
        let back = LinkOptions {
            latency: Duration::ZERO..=Duration::from_millis(u64::from(self.latency % 4)),
            writes: 1..=64 + usize::from(self.most_per_write),
            capacity: 2048 + usize::from(self.capacity),
            ..LinkOptions::default()
        };
        Link { there: LinkOptions::default(), back }
    }

    /// Makes the peer ask for all parts, and end.
    fn requests(&self, stack: &[Layer], network: &mut Network, peer: Peer) {
        if self.reads_late {
            network.stop_reading(peer);
        }
        network.send(peer, preamble(stack));
        for n in 0..self.parts.len() {
            let request = match self.http {
                true => format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n"),
                false => "?".into(),
            };
            network.send(peer, encode(stack, request.as_bytes()));
            if let Some(&pause) = self.pauses.get(n) {
                network.run_for(Duration::from_millis(pause.into())).unwrap();
            }
        }
        network.send(peer, goodbye(stack));
        network.end(peer);
        if self.reads_late {
            network.run_for(Duration::from_secs(1)).unwrap();
            network.read_again(peer);
        }
    }

    fn check_bytes(&self, got: &[u8], state: PeerState) {
        let mut expected = Vec::new();
        for part in &self.parts {
            let (bytes, is_cut) = part.expected();
            expected.extend(bytes);
            if is_cut {
                // A reset drops what was on its way.
                assert!(expected.starts_with(got), "got {} bytes, not those sent", got.len());
                return assert_eq!(state, PeerState::Reset);
            }
        }
        assert!(got == expected, "got {} bytes, not the {} sent", got.len(), expected.len());
        assert_eq!(state, PeerState::Ended);
    }

    fn check_responses(&self, mut got: &[u8]) {
        for part in &self.parts {
            let (mut expected, is_cut) = part.expected();
            if let Part::Chunked(..) = part {
                expected.insert(0, b'<');
                expected.push(b'>');
            }
            match take_body(&mut got) {
                _ if is_cut => return assert_eq!(take_body(&mut got), None, "a whole response"),
                Some(body) => assert!(body == expected, "another body for {part:?}"),
                None => panic!("no whole response for {part:?}"),
            }
        }
        assert_eq!(got, b"", "more than was asked for");
    }
}

/// Takes a response, and returns its body. `None` if it is not complete.
fn take_body(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(bytes).unwrap() else { return None };
    let length = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let mut rest = &bytes[head..];
    let mut body = Vec::new();
    if let Some(length) = length {
        let n = std::str::from_utf8(length.value).unwrap().parse().unwrap();
        let (content, after) = rest.split_at_checked(n)?;
        (*bytes, body) = (after, content.into());
        return Some(body);
    }
    loop {
        let httparse::Status::Complete((at, n)) = httparse::parse_chunk_size(rest).unwrap() else {
            return None;
        };
        let (chunk, after) = rest[at..].split_at_checked(n as usize)?;
        body.extend(chunk);
        rest = after.strip_prefix(b"\r\n")?;
        if n == 0 {
            *bytes = rest;
            return Some(body);
        }
    }
}
