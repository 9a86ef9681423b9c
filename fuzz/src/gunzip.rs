//! A response with `Content-Encoding: gzip`, read by a client: at any cut, and as far as its limit. What
//! is decoded is what flate2 makes of the whole, over a decoder that is not ours.
//!
//! The input is a byte that chooses the limit, and the body.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{Client, ClientError, GzipError};
use diesel_proto::testkit::net::{LinkOptions, Network};
use diesel_proto::{Conn, Ctx, Error, Hub};
use flate2::bufread::MultiGzDecoder;

/// What a client got of a body: the bytes, and why there are no more.
#[derive(Debug, PartialEq)]
struct Decoded {
    bytes: Vec<u8>,
    end: Result<(), Why>,
}

#[derive(Debug, PartialEq)]
enum Why {
    Gzip(GzipError),
    TooLong(u64),
}

/// Takes a limit and a body.
pub fn gunzip(data: &[u8]) {
    let Some((&draw, body)) = data.split_first() else { return };
    let limit = match draw {
        0..128 => 1 << 20,
        small => u64::from(small - 128) * 16,
    };
    let whole = decode(body, limit, LinkOptions::default(), 0);
    assert!(whole.bytes.len() as u64 <= limit);
    compare(body, limit, &whole);
    for (seed, most) in [(1, 1), (2, 3), (3, 40)] {
        let link = LinkOptions { reads: 1..=most, ..LinkOptions::default() };
        let cut = decode(body, limit, link, seed);
        assert_eq!(cut.end, whole.end, "reads of up to {most} bytes");
        assert!(cut.bytes == whole.bytes, "reads of up to {most} bytes");
    }
}

fn compare(body: &[u8], limit: u64, ours: &Decoded) {
    let mut theirs = Vec::new();
    // One more than the limit shows that it is passed.
    let mut decoder = MultiGzDecoder::new(body).take(limit + 1);
    let end = decoder.read_to_end(&mut theirs);
    let is_prefix = theirs.starts_with(&ours.bytes) || ours.bytes.starts_with(&theirs);
    assert!(is_prefix, "{} and {} bytes that differ", ours.bytes.len(), theirs.len());
    match &ours.end {
        // It is no error here that nothing is compressed.
        Ok(()) if body.is_empty() => assert!(ours.bytes.is_empty()),
        Ok(()) => {
            assert!(end.is_ok(), "{end:?}");
            assert_eq!(ours.bytes.len(), theirs.len());
        }
        Err(Why::TooLong(named)) => {
            assert_eq!(*named, limit);
            assert!(theirs.len() as u64 > limit || end.is_err());
        }
        // They have no such limit.
        Err(Why::Gzip(GzipError::Idle | GzipError::Header)) => {}
        Err(Why::Gzip(error)) => {
            assert!(end.is_err() || theirs.len() as u64 > limit, "{error} is none");
        }
    }
}

fn decode(body: &[u8], limit: u64, link: LinkOptions, seed: u64) -> Decoded {
    let address = "10.0.0.1:80".parse().expect("an address");
    let body: Rc<[u8]> = body.into();
    let serve = async move |mut conn: Conn| {
        conn.until(b"\r\n\r\n").await?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").await?;
        conn.write(body.to_vec()).await
    };
    let mut network = Network::new(seed);
    network.link(link);
    let mut server = Hub::default();
    let service = server.add_service(serve);
    network.host(server, &[(service, address)]).expect("an address that is free");
    let got = Rc::new(Cell::new(None));
    let told = Rc::clone(&got);
    let ask = async move |ctx: Ctx| {
        let client = Client::builder(&ctx).gzip(limit).build();
        told.set(Some(read(&client).await));
        Ok::<(), Error>(())
    };
    let mut hub = Hub::default();
    hub.add_loop(ask).expect("room for a loop");
    network.lone_host(hub);
    network.run_for(Duration::from_secs(60)).expect("it comes to rest");
    got.take().expect("the client never ended")
}

async fn read(client: &Client) -> Decoded {
    let mut response = client.get("http://10.0.0.1/").await.expect("a response");
    let mut bytes = Vec::new();
    let end = loop {
        match response.some().await {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty());
                bytes.extend_from_slice(&piece);
            }
            Ok(None) => break Ok(()),
            Err(ClientError::InflatedTooLong(_, limit)) => break Err(Why::TooLong(limit)),
            Err(ClientError::Content(_, error)) => {
                break Err(Why::Gzip(*error.downcast().expect("an error of gzip")));
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert!(response.is_at_end());
    assert!(matches!(response.some().await, Ok(None)), "more after the end");
    Decoded { bytes, end }
}
