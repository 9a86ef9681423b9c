//! Versions of HTTP/1 beyond 1.1, which do not exist: they are answered as HTTP/1.1, the highest
//! that is known (RFC 9110, 2.5 and 6.2).

mod harness;

use diesel_proto::Error;
use diesel_proto::http1::*;
use harness::*;

async fn handler(mut request: Request) -> Result<Response, Error> {
    let body = request.body().read(100).await?.to_bytes();
    Ok(Response::stream(async move |out| out.write(body).await))
}

/// Everything that was sent, and whether the connection was kept.
fn converse(parts: &[&[u8]]) -> (String, bool) {
    let (mut world, conn) = World::serving(Service::new(handler));
    for part in parts {
        world.sends(conn, part);
    }
    (world.receives(conn), !world.half_closed(conn))
}

#[test]
fn a_higher_minor_version_is_answered_as_the_highest_that_is_known() {
    let requests = |version: &str| {
        format!(
            "POST / {version}\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi\
             POST / {version}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        )
    };
    let known = requests("HTTP/1.1");
    let whole = converse(&[known.as_bytes()]);
    let (received, is_kept) = &whole;
    assert!(received.contains("Transfer-Encoding: chunked") && *is_kept, "{received}");
    for minor in 2..=9 {
        let bytes = requests(&format!("HTTP/1.{minor}"));
        for (a, b) in two_way_cuts(bytes.as_bytes()) {
            let at = a.len();
            let expected = converse(&[&known.as_bytes()[..at], &known.as_bytes()[at..]]);
            assert_eq!(converse(&[a, b]), expected, "HTTP/1.{minor} cut at {at}");
        }
        assert_eq!(converse(&[bytes.as_bytes()]), whole, "HTTP/1.{minor}");
    }
}

/// What an answer may be made of is known once the request line has said the version.
#[test]
fn a_wrong_head_of_a_higher_minor_version_is_answered_as_one_of_the_highest_that_is_known() {
    for rest in ["\r\n", "Host: a\r\nHost: a\r\n\r\n", "Host : a\r\n\r\n"] {
        let known = converse(&[format!("GET / HTTP/1.1\r\n{rest}").as_bytes()]);
        assert!(known.0.starts_with("HTTP/1.1 400 "));
        assert_eq!(converse(&[format!("GET / HTTP/1.5\r\n{rest}").as_bytes()]), known, "{rest:?}");
    }
}

#[test]
fn another_major_version_is_refused_with_the_supported_one() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1", "HTTP/9.9"] {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        let (received, is_kept) = converse(&[bytes.as_bytes()]);
        assert!(received.starts_with("HTTP/1.1 505 "), "{version}: {received}");
        assert!(
            received.rsplit("\r\n").next().unwrap().contains("HTTP/1.1"),
            "{version}: {received}"
        );
        assert!(!is_kept);
    }
    for version in ["HTTP/1.10", "HTTP/1.", "HTTP/01.1", "HTTP/1.2.1", "HTTP/1.a"] {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert!(converse(&[bytes.as_bytes()]).0.starts_with("HTTP/1.1 400 "), "{version}");
    }
}
