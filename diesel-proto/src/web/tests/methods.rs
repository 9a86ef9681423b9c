//! Methods: RFC 9110, 9 and 15.5.6.

use alloc::string::{String, ToString};

use crate::http1::{BodyWriter, Request, Response, Status};
use crate::testkit::Oneshot;
use crate::web::{Router, any, get, on, post};

#[test]
fn each_method_has_its_own_handler() {
    let all =
        get(|| "GET").head(|| Response::text("").header("X", "HEAD")).post(|| "POST").put(|| "PUT");
    let all = all.patch(|| "PATCH").delete(|| "DELETE").options(|| "OPTIONS");
    let all = all.on("get", || "get").on("PURGE", || "PURGE");
    let routes = Router::new().route("/", all).build().unwrap();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "PURGE"] {
        assert_eq!(Oneshot::new(method, "/").send(&routes).text(), method);
    }
    assert_eq!(Oneshot::head("/").send(&routes).headers.get_str("X"), Some("HEAD"));
}

#[test]
fn head_is_answered_by_the_handler_of_get() {
    let routes = Router::new()
        .route("/plain", get(|| "12345"))
        .route("/async", get(async || "12345"))
        .route("/seen", get(|request: Request| request.method().len().to_string()))
        .route(
            "/stream",
            get(|| {
                Response::stream(async |out: &mut BodyWriter| {
                    out.write("12345").await?;
                    Ok(())
                })
            }),
        )
        .route("/sized", get(|| Response::stream_exactly(5, async |out| out.write("12345").await)))
        .route("/own", get(|| "12345").head(|| "123"))
        .route("/post", post(|| "12345"))
        .route("/any", any(|| "12345"))
        .build()
        .unwrap();
    for (path, length) in [
        ("/plain", Some("5")),
        ("/async", Some("5")),
        ("/seen", Some("1")),
        ("/stream", None),
        ("/sized", Some("5")),
        ("/own", Some("3")),
        ("/any", Some("5")),
    ] {
        let answer = Oneshot::head(path).send(&routes);
        assert_eq!((answer.status, &*answer.body), (Status::OK, &b""[..]), "{path}");
        assert_eq!(answer.headers.get_str("Content-Length"), length, "{path}");
    }
    let refused = Oneshot::head("/post").send(&routes);
    assert_eq!(refused.status, Status::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers.get_str("Allow"), Some("POST, OPTIONS"));
}

#[test]
fn another_method_is_refused_with_the_list_of_those_that_are_allowed() {
    let routes = Router::new()
        .route("/a", get(|| "a").put(|| "b"))
        .route("/a", on("REPORT", || "c"))
        .route("/h", get(|| "a").head(|| "b").options(|| "own"))
        .route("/any", any(|| "all"))
        .build()
        .unwrap();
    for (method, path, status, allow) in [
        ("POST", "/a", 405, Some("GET, HEAD, PUT, REPORT, OPTIONS")),
        ("DELETE", "/h", 405, Some("GET, HEAD, OPTIONS")),
        // It is recognised, because another route has it.
        ("REPORT", "/h", 405, Some("GET, HEAD, OPTIONS")),
        ("TRACE", "/a", 405, Some("GET, HEAD, PUT, REPORT, OPTIONS")),
        // No route has it, and RFC 9110 does not define it. Methods are case-sensitive.
        ("BREW", "/a", 501, None),
        ("get", "/a", 501, None),
        ("BREW", "/any", 200, None),
        ("REPORT", "/a", 200, None),
        ("OPTIONS", "/a", 204, Some("GET, HEAD, PUT, REPORT, OPTIONS")),
        ("OPTIONS", "/h", 200, None),
        ("OPTIONS", "/any", 200, None),
        ("OPTIONS", "/none", 404, None),
        ("BREW", "/none", 404, None),
    ] {
        let answer = Oneshot::new(method, path).send(&routes);
        assert_eq!(answer.status.code(), status, "{method} {path}");
        assert_eq!(answer.headers.get_str("Allow"), allow, "{method} {path}");
        assert!(!(method == "OPTIONS" && path == "/a") || answer.body.is_empty());
    }
}

#[test]
fn each_number_of_parameters_of_either_kind_has_a_handler() {
    use crate::http1::Headers;
    type H = Headers;
    let text = |request: &Request| String::from(request.path());
    let routes = Router::new()
        .route("/0", get(|| "/0"))
        .route("/1", get(|_: H| "/1"))
        .route("/6", get(|_: H, _: H, _: H, _: H, _: H, _: H| "/6"))
        .route("/6r", get(move |_: H, _: H, _: H, _: H, _: H, _: H, r: Request| text(&r)))
        .route("/r", get(move |r: Request| text(&r)))
        .route("/a0", get(async || "/a0"))
        .route("/a6", get(async |_: H, _: H, _: H, _: H, _: H, _: H| "/a6"))
        .route(
            "/a6r",
            get(async |_: H, _: H, _: H, _: H, _: H, _: H, r: Request| String::from(r.path())),
        )
        .route("/ar", get(async |r: Request| String::from(r.path())))
        .build()
        .unwrap();
    for path in ["/0", "/1", "/6", "/6r", "/r", "/a0", "/a6", "/a6r", "/ar"] {
        assert_eq!(Oneshot::get(path).send(&routes).text(), path);
    }
}
