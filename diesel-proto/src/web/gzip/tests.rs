//! What is compressed, for whom, and that it decodes to what was written, at every cut.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::http1::{BodyWriter, ContentEncoder};
use crate::testkit::{Answered, Oneshot};
use crate::web::{Router, get};

/// Decodes one member of gzip.
fn decoded(gzip: &[u8]) -> Vec<u8> {
    assert_eq!(&gzip[..4], [0x1f, 0x8b, 8, 0]);
    let (deflated, trailer) = gzip[10..].split_at(gzip.len() - 18);
    let bytes = miniz_oxide::inflate::decompress_to_vec(deflated).unwrap();
    let (checksum, length) = trailer.split_at(4);
    assert_eq!(checksum, crc32fast::hash(&bytes).to_le_bytes());
    assert_eq!(length, (bytes.len() as u32).to_le_bytes());
    bytes
}

#[test]
fn what_is_encoded_in_two_pieces_can_be_decoded_after_each() {
    let text = "hello hello \u{e9} hello".repeat(3);
    for cut in 0..=text.len() {
        let (mut encoder, mut out) = (GzipEncoder::new(), Vec::new());
        let (first, second) = text.as_bytes().split_at(cut);
        encoder.encode(first, &mut out);
        if cut > 0 {
            // Nothing is held back.
            let so_far = miniz_oxide::inflate::decompress_to_vec(&out[10..]).unwrap_err().output;
            assert!(so_far.starts_with(first), "cut at {cut}");
        }
        encoder.encode(second, &mut out);
        encoder.finish(&mut out);
        assert_eq!(decoded(&out), text.as_bytes(), "cut at {cut}");
    }
    let mut out = Vec::new();
    GzipEncoder::default().finish(&mut out);
    assert_eq!(decoded(&out), b"");
}

fn got(response: fn() -> Response, accepts: &str) -> Answered {
    let routes = Router::new().route("/", get(response)).layer(gzip).build().unwrap();
    Oneshot::get("/").header("Accept-Encoding", accepts).send(&routes)
}

fn long() -> String {
    "0123456789abcdef".repeat(64)
}

#[test]
fn text_that_is_long_enough_is_compressed_if_the_client_accepts_it() {
    // A response, whether it is compressed, and whether it varies.
    type Case = (fn() -> Response, bool, bool);
    let cases: [Case; 16] = [
        (|| Response::text(long()), true, true),
        (|| Response::html(long()), true, true),
        (|| Response::bytes(long()).content_type("application/json"), true, true),
        (|| Response::bytes(long()).content_type("image/svg+xml"), true, true),
        (|| Response::text(long()).status(Status::NOT_FOUND), true, true),
        (|| Response::text(long().split_off(1)), false, false),
        (|| Response::bytes(long()), false, false),
        (|| Response::bytes(long()).content_type("image/png"), false, false),
        (|| Response::text(long()).header("Content-Encoding", "br"), false, false),
        (|| Response::text(long()).header("Content-Range", "bytes 0-1/2"), false, false),
        (|| Response::text(long()).header("Content-Digest", "x"), false, false),
        (|| Response::text(long()).header("Cache-Control", "public, No-Transform"), false, false),
        (|| Response::text(long()).status(Status::PARTIAL_CONTENT), false, false),
        (|| Response::failed(long()), false, false),
        (|| Response::stream(async |out| out.write(long()).await), false, false),
        (
            || Response::stream(async |out| out.write("short").await).content_type("text/css"),
            true,
            true,
        ),
    ];
    for (n, (response, is_compressed, varies)) in cases.into_iter().enumerate() {
        let plain = got(response, "identity");
        assert_eq!(plain.headers.get_str("Vary").is_some(), varies, "{n}");
        let answer = got(response, "gzip");
        assert_eq!(answer.headers.get_str("Vary").is_some(), varies, "{n}");
        assert_eq!(
            answer.headers.get_str("Content-Encoding") == Some("gzip"),
            is_compressed,
            "{n}"
        );
        match is_compressed {
            true => assert_eq!(decoded(&answer.body), plain.body, "{n}"),
            false => assert_eq!(answer.body, plain.body, "{n}"),
        }
        assert_eq!(answer.status, plain.status);
    }
}

#[test]
fn fields_about_the_content_change_with_it() {
    let response = || {
        Response::text(long())
            .header("ETag", "\"1\"")
            .header("Accept-Ranges", "bytes")
            .header("Vary", "Origin")
    };
    let answer = got(response, "gzip");
    assert_eq!(answer.headers.get_all("ETag").collect::<Vec<_>>(), [b"W/\"1\""]);
    assert_eq!(answer.headers.get("Accept-Ranges"), None);
    assert_eq!(
        answer.headers.get_all("Vary").collect::<Vec<_>>(),
        [&b"Origin"[..], b"Accept-Encoding"]
    );
    assert_eq!(answer.headers.get_str("Content-Type"), Some("text/plain; charset=utf-8"));
    let plain = got(response, "br");
    assert_eq!(plain.headers.get_str("ETag"), Some("\"1\""));
    let own = || Response::text(long()).header("Vary", "accept-encoding").header("ETag", "W/\"1\"");
    let answer = got(own, "gzip");
    assert_eq!(answer.headers.get_all("Vary").count(), 1);
    assert_eq!(answer.headers.get_str("ETag"), Some("W/\"1\""));
}

#[test]
fn a_stream_is_compressed_while_it_is_written() {
    let numbers = || {
        let write = async |out: &mut BodyWriter| {
            for n in 0..100 {
                out.write((format_args!("{n} "), &b"and "[..], "more\n")).await?;
                out.flush().await?;
            }
            out.trailer("X-End", "yes")?;
            Ok(())
        };
        Response::stream(write).content_type("text/plain")
    };
    let answer = got(numbers, "gzip");
    let lines: String = (0..100).map(|n| alloc::format!("{n} and more\n")).collect();
    assert_eq!(decoded(&answer.body), lines.as_bytes());
    assert_eq!(answer.trailers.get_str("X-End"), Some("yes"));
    // A length that was promised is not that of what is sent.
    let sized = || {
        Response::stream_exactly(1024, async |out: &mut BodyWriter| out.write(long()).await)
            .content_type("text/plain")
    };
    let answer = got(sized, "gzip");
    assert_eq!(answer.headers.get("Content-Length"), None);
    assert_eq!(decoded(&answer.body), long().as_bytes());
}

#[test]
fn head_has_the_fields_of_get() {
    let routes = Router::new().route("/", get(long)).layer(gzip).build().unwrap();
    let send = |request: Oneshot| request.header("Accept-Encoding", "gzip").send(&routes);
    let (get, head) = (send(Oneshot::get("/")), send(Oneshot::head("/")));
    assert_eq!((get.headers, head.body.len()), (head.headers, 0));
}
