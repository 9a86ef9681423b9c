//! Which redirects are followed, and what the request is after one.

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::Service;
use diesel_proto::http1::{
    self, Client, ClientError, RefusedRedirect, Request, RequestWriter, Response, Status,
};
use diesel_proto::testkit::net::Network;

use super::harness::*;

fn redirecting(request: Request) -> Response {
    let to = |status: u16, location: &str| {
        Response::text("moved").status(Status::new(status).unwrap()).header("Location", location)
    };
    let seen = |name| String::from_utf8_lossy(request.header(name).unwrap_or(b"-")).into_owned();
    match request.path() {
        "/loop" => to(302, "/loop"),
        "/other" => to(307, "http://10.0.0.2/end"),
        "/back" => to(307, "http://10.0.0.1/end"),
        "/bad" => to(302, "mailto:a@b"),
        "/twice" => to(302, "/end").header("Location", "/end"),
        "/two" => to(302, "/end").header("Location", "/other"),
        "/none" => Response::text("none").status(Status::new(302).unwrap()),
        path => match path.strip_prefix("/to/").map(str::parse::<u16>) {
            Some(Ok(status)) => to(status, "../end?x"),
            _ => Response::text(format!(
                "{} {} {} {} {}",
                request.method(),
                request.target_text(),
                request.content().len(),
                seen("authorization"),
                seen("content-type"),
            )),
        },
    }
}

#[test]
fn redirects_are_followed_by_the_rules() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(redirecting));
    serve_at(&mut network, http1::Service::new(redirecting), "10.0.0.2:80".parse().unwrap());
    run(&mut network, async |ctx| {
        let client = Client::new(ctx);
        for (status, method, expected) in [
            (301, "GET", "GET /end?x 2 Basic dTpw text/x"),
            (301, "POST", "GET /end?x 0 Basic dTpw -"),
            (302, "POST", "GET /end?x 0 Basic dTpw -"),
            (302, "PUT", "PUT /end?x 2 Basic dTpw text/x"),
            (303, "PUT", "GET /end?x 0 Basic dTpw -"),
            (307, "POST", "POST /end?x 2 Basic dTpw text/x"),
            (308, "POST", "POST /end?x 2 Basic dTpw text/x"),
        ] {
            let request = client.request(method, format!("{URL}/to/{status}"));
            let request = request.basic_auth("u", "p").header("Content-Type", "text/x").body("ab");
            let mut response = request.await.unwrap();
            assert_eq!(response.text().await.unwrap(), expected, "{status} {method}");
            assert_eq!(response.url().as_str(), "http://10.0.0.1/end?x");
        }
        // No credentials to another origin, nor back again.
        let other = client.get("http://u:p@10.0.0.1/other");
        assert_eq!(other.await.unwrap().text().await.unwrap(), "GET /end 0 - -");

        let error = client.get(format!("{URL}/loop")).await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect(_, RefusedRedirect::TooMany(10))), "{error}");
        let error = client.get(format!("{URL}/bad")).await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect(_, RefusedRedirect::Location(_))), "{error}");
        let error = client.get(format!("{URL}/two")).await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect(_, RefusedRedirect::Locations)), "{error}");
        let mut response = client.get(format!("{URL}/twice")).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "GET /end 0 - -");
        let stream =
            client.post(format!("{URL}/to/307")).stream(async |_: &mut RequestWriter| Ok(()));
        let error = stream.await.unwrap_err();
        assert!(matches!(error, ClientError::Redirect(_, RefusedRedirect::Body)), "{error}");

        let response = client.get(format!("{URL}/none")).await.unwrap();
        assert_eq!(response.status().code(), 302);
        let response = client.get(format!("{URL}/loop")).redirects(0).await.unwrap();
        assert_eq!(
            (response.status().code(), response.header_str("location")),
            (302, Some("/loop"))
        );
    });
}

#[test]
fn as_many_redirects_are_followed_as_the_limit_says() {
    for limit in [1, 3, 10] {
        let mut network = Network::new(1);
        let asked = Rc::new(RefCell::new(0));
        let count = Rc::clone(&asked);
        let around = move |_: Request| {
            *count.borrow_mut() += 1;
            Response::text("").status(Status::FOUND).header("Location", "/")
        };
        serve(&mut network, http1::Service::new(around));
        run(&mut network, async move |ctx| {
            let error = Client::new(ctx).get(URL).redirects(limit).await.unwrap_err();
            let ClientError::Redirect(_, RefusedRedirect::TooMany(most)) = error else { panic!() };
            assert_eq!(most, limit);
        });
        assert_eq!(*asked.borrow(), limit + 1);
    }
}

/// RFC 9110, 15.4.4: a HEAD stays one.
#[test]
fn a_redirected_head_stays_one_and_a_post_loses_its_expectation() {
    const ANSWERS: &[&[&str]] = &[
        &["HTTP/1.1 303 \r\nLocation: /to\r\nContent-Length: 0\r\n\r\n"],
        &["HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"],
    ];
    for (method, expected) in [("HEAD", "HEAD /to HTTP/1.1\r\n"), ("POST", "GET /to HTTP/1.1\r\n")]
    {
        let mut network = Network::new(1);
        let (handler, heads) = scripted(ANSWERS);
        serve(&mut network, Service::new(handler));
        run(&mut network, async move |ctx| {
            let request = Client::new(ctx).request(method, URL);
            let request = match method {
                "POST" => request.body("ab").expect_continue(),
                _ => request.header("Range", "bytes=0-1"),
            };
            assert_eq!(request.await.unwrap().status(), Status::OK);
        });
        let heads = heads.borrow();
        assert!(heads[1].starts_with(expected), "{heads:?}");
        assert_eq!(heads[1].contains("Range"), method == "HEAD", "{heads:?}");
        assert_eq!(heads[0].contains("Expect"), method == "POST", "{heads:?}");
        assert!(!heads[1].contains("Expect"), "{heads:?}");
    }
}

#[test]
fn a_get_that_a_redirect_made_has_no_conditions() {
    let mut network = Network::new(1);
    let see = |request: Request| match request.path() {
        "/end" => {
            Response::text(request.headers().iter().map(|(name, _)| name).collect::<String>())
        }
        _ => Response::text("").status(Status::new(303).unwrap()).header("Location", "/end"),
    };
    serve(&mut network, http1::Service::new(see));
    run(&mut network, async |ctx| {
        let mut request = Client::new(ctx).put(URL).header("X-Test", "kept").body("ab");
        for name in ["If-Match", "If-Unmodified-Since", "Range", "Content-Range", "Last-Modified"] {
            request = request.header(name, "x");
        }
        assert_eq!(request.await.unwrap().text().await.unwrap(), "HostX-Test");
    });
}
