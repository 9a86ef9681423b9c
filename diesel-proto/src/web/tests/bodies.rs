//! Bodies: collected for plain handlers and by extractors, or read piece by piece; limits.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::http1::{BodyWriter, Request, Response, Service, Status};
use crate::machine::{Error, Notice};
use crate::testkit::Oneshot;
use crate::web::{Router, Routes, on, post, put};

/// Echoes each body, in each way, with a limit of 10 bytes.
fn routes() -> Routes {
    Router::new()
        .route("/plain", post(|request: Request| request.content().to_vec()))
        .route("/bytes", post(|body: Bytes| body))
        .route("/string", post(|body: String| body))
        .route("/async-bytes", post(async |body: Bytes| body))
        .route(
            "/async",
            post(async |mut request: Request| Ok::<_, Error>(request.collect(10).await?.to_vec())),
        )
        .route(
            "/stream",
            post(async |request: Request| {
                let mut body = request.into_body();
                Response::stream(async move |out: &mut BodyWriter| {
                    while let Some(chunk) = body.some().await? {
                        out.write(chunk).await?;
                    }
                    Ok(())
                })
            }),
        )
        .body_limit(10)
        .build()
        .unwrap()
}

const LIMITED: [&str; 5] = ["/plain", "/bytes", "/string", "/async-bytes", "/async"];

#[test]
fn a_limit_holds_to_the_byte_and_not_for_streams() {
    for path in LIMITED {
        for len in [0, 1, 10] {
            let answer = Oneshot::post(path).body(vec![b'x'; len]).send(routes());
            assert_eq!((answer.status, answer.body.len()), (Status::OK, len), "{path}");
        }
        let refused = Oneshot::post(path).body([b'x'; 11]).send(routes());
        assert_eq!(refused.status, Status::CONTENT_TOO_LARGE, "{path}");
        assert_eq!(refused.text(), "413 Content Too Large\n");
        // The client is to blame.
        let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
        assert!(!refused.notices.iter().any(failed), "{:?}", refused.notices);
    }
    let long = vec![b'x'; 100_000];
    assert_eq!(Oneshot::post("/stream").body(long.clone()).send(routes()).body, long);
    // That of the service holds for streams, too.
    let service = Service::from(routes())
        .limits(crate::http1::Limits { body: 99_999, ..crate::http1::Limits::default() });
    assert_eq!(Oneshot::post("/stream").body(long).send(service).status.code(), 413);
}

#[test]
fn bodies_of_up_to_2_mib_fit_by_default() {
    let routes = Router::new().route("/", post(|body: Bytes| alloc::format!("{}", body.len())));
    let routes = routes.build().unwrap();
    assert_eq!(Oneshot::post("/").body(vec![0; 2 << 20]).send(&routes).text(), "2097152");
    assert_eq!(Oneshot::post("/").body(vec![0; (2 << 20) + 1]).send(&routes).status.code(), 413);
}

#[test]
fn a_client_that_waits_is_asked_for_its_body_only_if_it_is_read() {
    let expecting = |path| Oneshot::post(path).expects_continue().body("hello");
    for path in LIMITED {
        let answer = expecting(path).send(routes());
        assert_eq!((answer.interim, answer.body), (vec![Status::CONTINUE], b"hello".to_vec()));
        // Nor one whose length is more than may be read.
        let refused = Oneshot::post(path).expects_continue().body("hello world").send(routes());
        assert_eq!((refused.interim, refused.status.code()), (vec![], 413), "{path}");
    }
    // The type is checked before the body is read.
    let form = post(|_: crate::web::Form<Vec<(String, String)>>| "a form");
    let routes = Router::new().route("/form", form).build().unwrap();
    let refused = expecting("/form").send(&routes);
    assert_eq!((refused.interim, refused.status.code()), (vec![], 415));
    assert_eq!(refused.headers.get_str("Accept"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn a_limit_of_a_path_comes_before_that_of_the_router() {
    let count = |body: String| body.len().to_string();
    let routes = Router::new()
        .route("/own", post(count).body_limit(20))
        .route("/first", post(count).body_limit(5).body_limit(20))
        // A limit is that of the handlers that it was set for.
        .route("/merged", put(count).body_limit(5))
        .route("/merged", post(count).body_limit(20))
        .route("/merged", on("PURGE", count))
        .route("/other", post(count))
        .body_limit(10)
        .build()
        .unwrap();
    for (path, limit) in [("/own", 20), ("/first", 5), ("/merged", 20), ("/other", 10)] {
        let answer = Oneshot::post(path).body(vec![b'x'; limit]).send(&routes);
        assert_eq!(answer.text(), limit.to_string(), "{path}");
        let refused = Oneshot::post(path).body(vec![b'x'; limit + 1]).send(&routes);
        assert_eq!(refused.status, Status::CONTENT_TOO_LARGE, "{path}");
    }
    for (method, limit) in [("PUT", 5), ("PURGE", 10)] {
        for (len, status) in [(limit, Status::OK), (limit + 1, Status::CONTENT_TOO_LARGE)] {
            let answer = Oneshot::new(method, "/merged").body(vec![b'x'; len]).send(&routes);
            assert_eq!(answer.status, status, "{method} {len}");
        }
    }
}

#[test]
fn a_limit_of_a_router_is_that_of_its_fallback_too() {
    let count = |body: String| body.len().to_string();
    let nested = || Router::new().fallback(count);
    let routes = Router::new()
        .nest("/own", nested().body_limit(5))
        .nest("/given", nested())
        .fallback(count)
        .body_limit(10)
        // What comes later is not concerned.
        .nest("/later", nested())
        .build()
        .unwrap();
    let later = crate::web::DEFAULT_BODY_LIMIT;
    for (path, limit) in [("/own/x", 5), ("/given/x", 10), ("/x", 10), ("/later/x", later)] {
        for (len, status) in [(limit, Status::OK), (limit + 1, Status::CONTENT_TOO_LARGE)] {
            let answer = Oneshot::put(path).body(vec![b'x'; len]).send(&routes);
            assert_eq!(answer.status, status, "{path} {len}");
        }
    }
}

/// A service accepts the bodies that any handler does.
#[test]
fn a_service_has_the_largest_limit_of_all_handlers() {
    const LARGE: usize = 20 << 20;
    let count = |body: String| body.len().to_string();
    let large = || Router::new().fallback(count).body_limit(LARGE);
    for routes in [large(), Router::new().nest("/x", large())] {
        let routes = routes.build().unwrap();
        let answer = Oneshot::put("/x/y").body(vec![b'x'; LARGE]).send(Service::from(&routes));
        assert_eq!(answer.text(), LARGE.to_string());
    }
}

#[test]
fn text_has_to_be_utf_8() {
    let refused = Oneshot::post("/string").body([b'a', 0xff]).send(routes());
    let text = "the body cannot be parsed: not UTF-8 from byte 1\n";
    assert_eq!((refused.status.code(), refused.text()), (400, text));
}

#[cfg(feature = "json")]
#[test]
fn json_is_refused_with_the_place_that_is_wrong() {
    use crate::web::Json;
    let routes = Router::new().route("/", post(|Json(n): Json<(u8, u8)>| Json(n)));
    let routes = routes.body_limit(20).build().unwrap();
    for (kind, body, status, text) in [
        ("application/json", "[1,2]", 200, "[1,2]"),
        ("Application/JSON; charset=utf-8", "[1,2]", 200, "[1,2]"),
        ("application/problem+json", " [1, 2] ", 200, "[1,2]"),
        ("text/plain", "[1,2]", 415, "the body must have the Content-Type application/json\n"),
        ("json", "[1,2]", 415, "the body must have the Content-Type application/json\n"),
        (
            "application/json",
            "[1,\n2",
            400,
            "the body cannot be parsed: EOF while parsing a list at line 2 column 1\n",
        ),
        (
            "application/json",
            "[1,2] x",
            400,
            "the body cannot be parsed: trailing characters at line 1 column 7\n",
        ),
        (
            "application/json",
            "[1,256]",
            422,
            "the body is not as expected: invalid value: integer `256`, expected u8 at line 1 column 6\n",
        ),
        ("application/json", "[1,2]                ", 413, "413 Content Too Large\n"),
    ] {
        let answer = Oneshot::post("/").header("Content-Type", kind).body(body).send(&routes);
        assert_eq!((answer.status.code(), answer.text()), (status, text), "{kind} {body}");
    }
}
