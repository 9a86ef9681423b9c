//! Paths, parameters and targets.

use alloc::string::String;
use alloc::vec::Vec;

use crate::http1::{Request, Status};
use crate::testkit::Oneshot;
use crate::web::{Path, RoutedRequest, Router, Routes, any, get};

fn routes() -> Routes {
    Router::new()
        .route("/", get(|| "root"))
        .route("/a/{x}", get(|Path(x): Path<String>| x))
        .route("/a/b", get(|| "literal"))
        .route("/n/{n}.txt", get(|Path(n): Path<u32>| alloc::format!("{n}")))
        .route("/files/{*rest}", get(|Path(rest): Path<String>| rest))
        .route("/caf\u{e9}", get(|| "coffee"))
        .route("/{{x}}", get(|| "braces"))
        .fallback(|request: Request| {
            let (method, path) = (request.method(), request.path());
            (Status::NOT_FOUND, alloc::format!("{method} {path}"))
        })
        .build()
        .unwrap()
}

fn got(target: &str) -> (u16, String) {
    let answer = Oneshot::get(target).send(routes());
    (answer.status.code(), answer.text().into())
}

#[test]
fn parameters_are_decoded_and_delimiters_are_not() {
    for (target, expected) in [
        ("/", "root"),
        ("/?a=/a/b", "root"),
        ("/a/b", "literal"),
        ("/a/%62", "literal"),
        ("/%61/c", "c"),
        ("/a/b%2Fc", "b/c"),
        ("/a/b%2fc", "b/c"),
        ("/a/%C3%A9", "\u{e9}"),
        ("/a/%00", "\0"),
        ("/a/%2e%2E", ".."),
        ("/a/..", ".."),
        ("/a/100%", "100%"),
        ("/a/%2%35", "%25"),
        ("/a/a+b", "a+b"),
        ("/n/7.txt", "7"),
        ("/files/a/b", "a/b"),
        ("/files/a%2Fb/%C3%A9", "a/b/\u{e9}"),
        ("/files//", "/"),
        ("/caf%C3%A9", "coffee"),
        ("/caf%c3%a9", "coffee"),
        ("/%7Bx%7D", "braces"),
        // The absolute form.
        ("http://test/a/b%2Fc?q", "b/c"),
        ("http://test", "root"),
    ] {
        assert_eq!(got(target), (200, expected.into()), "{target}");
    }
    for target in ["/a", "/a/", "//a/b", "/a/b/", "/a/b/c", "/files", "/files/", "/a%2Fb", "/A/b"] {
        assert_eq!(got(target), (404, alloc::format!("GET {target}")), "{target}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_or_no_number_is_refused() {
    for (target, text) in [
        ("/a/%ff", "the parameter x of the path is \"\\xff\", which is not UTF-8\n"),
        ("/files/a/%C3", "the parameter rest of the path is \"a/\\xc3\", which is not UTF-8\n"),
        ("/n/x.txt", "the parameter n of the path is \"x\": invalid digit found in string\n"),
    ] {
        assert_eq!(got(target), (400, text.into()), "{target}");
    }
}

#[test]
fn targets_without_a_path_go_to_the_fallback() {
    let star = Oneshot::options("*").send(routes());
    assert_eq!((star.status.code(), star.text()), (404, "OPTIONS *"));
    let star = Oneshot::options("http://test").send(routes());
    assert_eq!((star.status.code(), star.text()), (404, "OPTIONS *"));
    let tunnels = crate::http1::Service::from(routes()).tunnels();
    let refused = Oneshot::new("CONNECT", "test:443").send(tunnels);
    assert_eq!((refused.status.code(), refused.text()), (404, "CONNECT "));
    // The default answers for the server as a whole (RFC 9110, 9.3.7).
    let plain = Router::new().route("/", get(|| "a")).build().unwrap();
    let star = Oneshot::options("*").send(&plain);
    assert_eq!(star.status, Status::NO_CONTENT);
    let allow = star.headers.get_str("Allow");
    assert_eq!(allow, Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT"));
    let elsewhere = Oneshot::get("/elsewhere").send(&plain);
    assert_eq!((elsewhere.status, elsewhere.text()), (Status::NOT_FOUND, "404 Not Found\n"));
}

#[test]
fn an_extractor_sees_the_route_and_all_parameters() {
    struct All(String);
    impl<S> crate::web::FromRequest<S> for All {
        type Error = Status;
        async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Status> {
            let params: Vec<_> =
                request.params().map(|(name, value)| (name, value.unwrap())).collect();
            assert_eq!(request.raw_param("b"), Some("%2F"));
            assert_eq!(request.raw_param("z"), None);
            Ok(All(alloc::format!("{} {params:?}", request.route().unwrap())))
        }
    }
    let routes = Router::new().route("/{a}/{b}/{c}/{d}/{e}/{f}", any(|All(all): All| all));
    let answer = Oneshot::get("/1/%2F/3/4/5/%36").send(routes.build().unwrap());
    let params = [("a", "1"), ("b", "/"), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "6")];
    assert_eq!(answer.text(), alloc::format!("/{{a}}/{{b}}/{{c}}/{{d}}/{{e}}/{{f}} {params:?}"));
}
