//! Compressed responses: what is asked for, and what the caller sees.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::http1::{
    self, Client, ClientConfig, ClientError, GzipError, Request, Response, Status,
};
use diesel_proto::testkit::net::Network;
use diesel_proto::{Conn, Ctx, Error, First2, Service, first};

use super::harness::*;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(miniz_oxide::deflate::compress_to_vec(data, 6));
    bytes.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes
}

/// Blocks of ten bits that decode to nothing: four in five bytes.
fn idle() -> Vec<u8> {
    let four = (0..4).map(|n| 2u64 << (10 * n)).sum::<u64>().to_le_bytes();
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(four[..5].iter().cycle().take(1 << 20));
    bytes
}

fn page() -> String {
    (0..3000).map(|n| format!("line {n}\n")).collect()
}

/// Answers with what was asked for; compressed, whatever that is, unless the path says otherwise.
async fn compressing(request: Request) -> Result<Response, Error> {
    let accepts = request.header("accept-encoding").map(<[u8]>::to_vec);
    let accepts = String::from_utf8(accepts.unwrap_or_default()).unwrap();
    let bytes = gzip(page().as_bytes());
    let coded = |coding: &str, body: Vec<u8>| {
        Response::bytes(body).header("Content-Encoding", coding).header("X-Asked", &accepts)
    };
    Ok(match request.path() {
        "/moved" => Response::text("").status(Status::new(302).unwrap()).header("Location", "/x"),
        "/plain" => Response::text(page()).header("X-Asked", &accepts),
        "/part" => coded("gzip", bytes[20..].to_vec()).status(Status::new(206).unwrap()),
        "/same" => Response::bytes(Vec::new())
            .status(Status::new(304).unwrap())
            .header("Content-Encoding", "gzip"),
        "/none" => Response::bytes(Vec::new())
            .status(Status::new(204).unwrap())
            .header("Content-Encoding", "gzip"),
        "/two" => coded("gzip, gzip", bytes),
        "/old" => coded("X-GZIP", bytes),
        "/empty" => coded("gzip", Vec::new()),
        "/cut" => coded("gzip", bytes[..bytes.len() - 9].to_vec()),
        "/more" => coded("gzip", [&bytes, &b"\0"[..]].concat()),
        "/idle" => coded("gzip", idle()),
        "/bomb" => coded("gzip", gzip(&vec![b'0'; 5 << 20])),
        _ => coded("gzip", bytes),
    })
}

fn inflating(ctx: &Ctx, limit: u64) -> Client {
    Client::builder(ctx).gzip(limit).build()
}

#[test]
fn a_compressed_body_is_decoded_and_its_connection_kept() {
    for seed in 0..5 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve(&mut network, http1::Service::new(compressing));
        run(&mut network, async |ctx: &Ctx| {
            let client = inflating(ctx, 1 << 20);
            // The same head again: the fast path must not find the one that was edited.
            for path in ["/", "/", "/old", "/moved", "/"] {
                let mut response = client.get(format!("{URL}{path}")).await.unwrap();
                assert_eq!(response.header("content-encoding"), None);
                assert_eq!(response.header("content-length"), None);
                assert_eq!(response.content_length(), None);
                assert_eq!(response.header_str("x-asked"), Some("gzip"));
                assert_eq!(response.text().await.unwrap(), page());
                assert!(response.is_at_end());
                assert_eq!(client.idle_connections(), 1);
            }
            let mut response = client.get(format!("{URL}/plain")).await.unwrap();
            assert_eq!(response.content_length(), Some(page().len() as u64));
            assert_eq!(response.text().await.unwrap(), page());
            assert_eq!(client.get(format!("{URL}/empty")).await.unwrap().text().await.unwrap(), "");
        });
        assert_eq!(network.traffic().connections, 1);
    }
}

#[test]
fn what_was_not_asked_for_is_not_decoded() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(compressing));
    run(&mut network, async |ctx: &Ctx| {
        let (plain, client) = (client(ctx, ClientConfig::default()), inflating(ctx, 1 << 20));
        let url = |path| format!("{URL}{path}");
        for (request, asked) in [
            (plain.get(url("/")), ""),
            (client.get(url("/")).header("Accept-Encoding", "gzip, br"), "gzip, br"),
            (client.get(url("/")).header("Range", "bytes=0-99999"), ""),
        ] {
            let mut response = request.await.unwrap();
            assert_eq!(response.header_str("x-asked"), Some(asked));
            assert_eq!(response.header_str("content-encoding"), Some("gzip"));
            assert_eq!(*response.bytes().await.unwrap(), *gzip(page().as_bytes()));
        }
        let mut response = client.get(url("/two")).await.unwrap();
        assert_eq!(response.header_str("content-encoding"), Some("gzip, gzip"));
        assert_eq!(*response.bytes().await.unwrap(), *gzip(page().as_bytes()));
        // A part of a compressed body cannot be decoded alone.
        let mut response = client.get(url("/part")).await.unwrap();
        assert_eq!(*response.bytes().await.unwrap(), gzip(page().as_bytes())[20..]);
        // No body, whatever the head says.
        for path in ["/same", "/none"] {
            let mut response = client.get(url(path)).await.unwrap();
            assert_eq!(response.header_str("content-encoding"), Some("gzip"));
            assert!(response.is_at_end());
            assert_eq!(response.text().await.unwrap(), "");
        }
        // The head of another response.
        let mut response = client.head(url("/")).await.unwrap();
        assert_eq!(response.header_str("content-encoding"), Some("gzip"));
        assert_eq!(response.content_length(), Some(gzip(page().as_bytes()).len() as u64));
        assert_eq!(response.text().await.unwrap(), "");
    });
}

#[test]
fn what_cannot_be_decoded_is_an_error() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(compressing));
    run(&mut network, async |ctx: &Ctx| {
        let client = inflating(ctx, 1 << 20);
        for (path, expected) in [("/cut", GzipError::Truncated), ("/more", GzipError::Trailing)] {
            let error = text(&client, path).await.unwrap_err();
            let ClientError::Content(_, inner) = &error else { panic!("{error}") };
            assert_eq!(inner.downcast_ref(), Some(&expected));
            assert!(error.is_of_server());
        }
        let mut response = client.get(format!("{URL}/bomb")).await.unwrap();
        let mut len = 0;
        let error = loop {
            match response.some().await {
                Ok(piece) => len += piece.expect("it is longer than the limit").len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ClientError::InflatedTooLong(_, 0x10_0000)), "{error}");
        let told =
            "the decoded body is longer than the limit of 1048576 bytes (ClientBuilder::gzip)";
        assert!(error.to_string().ends_with(told), "{error}");
        assert!(error.is_of_server());
        assert!(len <= 1 << 20);
        assert_eq!(response.some().await.unwrap(), None);
        // The limit of whole bodies is that of decoded ones.
        let config = ClientConfig { whole_body: page().len() - 1, ..ClientConfig::default() };
        let client = Client::builder(ctx).config(config).gzip(1 << 20).build();
        let error = text(&client, "/").await.unwrap_err();
        assert!(matches!(error, ClientError::BodyTooLong(..)), "{error}");
    });
}

#[test]
fn a_connection_that_ends_within_a_member_is_an_error_of_the_response() {
    let mut network = Network::new(1);
    let breaks = async |mut conn: Conn| {
        conn.until(b"\r\n\r\n").await?;
        let body = gzip(page().as_bytes());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        conn.write(head).await?;
        conn.write(body[..100].to_vec()).await
    };
    serve(&mut network, Service::new(breaks));
    run(&mut network, async |ctx: &Ctx| {
        let error = text(&inflating(ctx, 1 << 20), "/").await.unwrap_err();
        assert!(matches!(error, ClientError::Response(..)), "{error}");
    });
}

#[test]
fn waits_for_pieces_can_be_dropped() {
    let mut network = Network::new(1);
    network.link(hostile());
    let dribbles = async |mut conn: Conn| {
        let body = gzip(page().as_bytes());
        while conn.until(b"\r\n\r\n").await.is_ok() {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length";
            conn.write(format!("{head}: {}\r\n\r\n", body.len())).await?;
            for part in body.chunks(100) {
                conn.ctx().sleep(SECOND / 10).await?;
                conn.write(part.to_vec()).await?;
            }
        }
        Ok(())
    };
    serve(&mut network, Service::new(dribbles));
    run(&mut network, async |ctx: &Ctx| {
        let client = inflating(ctx, 1 << 20);
        let mut response = client.get(URL).await.unwrap();
        let (mut all, mut dropped) = (Vec::new(), 0);
        loop {
            match first((response.some(), ctx.sleep(SECOND / 50))).await {
                First2::A(Ok(Some(piece))) => {
                    all.extend_from_slice(&piece);
                    assert!(!response.is_at_end());
                }
                First2::A(ended) => break assert_eq!(ended.unwrap(), None),
                First2::B(_) => dropped += 1,
            }
        }
        assert!(dropped > 50, "{dropped}");
        assert!(response.is_at_end());
        assert_eq!(String::from_utf8(all).unwrap(), page());
        assert_eq!(client.idle_connections(), 1);
        // A response that is dropped half-read: its rest never reaches another call.
        let mut response = client.get(URL).await.unwrap();
        assert!(response.some().await.unwrap().is_some());
        drop(response);
        assert_eq!(client.idle_connections(), 0);
        assert_eq!(text(&client, "/").await.unwrap(), page());
    });
    assert_eq!(network.traffic().connections, 2);
}

#[test]
fn a_body_that_decodes_to_nothing_lets_others_have_their_turn() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(compressing));
    run(&mut network, async |ctx: &Ctx| {
        let mut response = inflating(ctx, 8 << 20).get(format!("{URL}/idle")).await.unwrap();
        // By then all of it has arrived that is read before the error.
        ctx.sleep(10 * SECOND).await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let (ticks, ctx2) = (Rc::clone(&turns), ctx.clone());
        let other = ctx.spawn(async move {
            for _ in 0..10_000 {
                ctx2.sleep(Duration::ZERO).await.unwrap();
                ticks.set(ticks.get() + 1);
            }
        });
        let error = response.some().await.unwrap_err();
        let ClientError::Content(_, inner) = &error else { panic!("{error}") };
        assert_eq!(inner.downcast_ref(), Some(&GzipError::Idle));
        assert!(turns.get() >= (64 << 10) / (8 << 10), "{} turns", turns.get());
        drop(other);
    });
}

#[test]
fn a_fiber_that_decodes_lets_others_have_their_turn() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(compressing));
    run(&mut network, async |ctx: &Ctx| {
        let mut response = inflating(ctx, 8 << 20).get(format!("{URL}/bomb")).await.unwrap();
        // By then all of it has arrived.
        ctx.sleep(10 * SECOND).await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let (ticks, ctx2) = (Rc::clone(&turns), ctx.clone());
        let other = ctx.spawn(async move {
            for _ in 0..10_000 {
                ctx2.sleep(Duration::ZERO).await.unwrap();
                ticks.set(ticks.get() + 1);
            }
        });
        while turns.get() == 0 {
            ctx.sleep(Duration::ZERO).await.unwrap();
        }
        let (mut pieces, mut at_once, mut seen) = (0, 0, 0);
        while let Some(piece) = response.some().await.unwrap() {
            assert!(piece.len() <= 16 << 10);
            at_once = if turns.get() == seen { at_once + 1 } else { 1 };
            seen = turns.get();
            pieces += 1;
            assert!(at_once <= 4, "{at_once} pieces in one turn");
        }
        assert!(pieces >= 5 << 6 && seen >= pieces / 4 - 1, "{pieces} pieces in {seen} turns");
        drop(other);
    });
}
